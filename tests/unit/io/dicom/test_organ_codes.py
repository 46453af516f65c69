from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from pydicom.sr._concepts_dict import concepts

from radsam.errors import InputError
from radsam.io.dicom.organ_codes import UNKNOWN, Code, coded_names, organ_code


def test_every_code_is_one_of_the_standard() -> None:
    """pydicom generates its dictionary from PS3.16, with the meanings that the standard gives."""
    standard = {code: found for meanings in concepts["SCT"].values() for code, found in meanings.items()}
    described = tomllib.loads(files("radsam.io.dicom").joinpath("organ_codes.toml").read_text("utf-8"))
    for entry in described["organ"]:
        assert entry["code"] in standard, entry
        meanings = {
            each[code][0].lower() for each in concepts["SCT"].values() for code in each if code == entry["code"]
        }
        assert entry["meaning"].lower() in meanings
    for code, meaning in described["categories"].values():
        assert standard[code][0] == meaning


@pytest.mark.parametrize(
    ("name", "code", "side"),
    [
        ("spleen", "78961009", None),
        ("Spleen", "78961009", None),
        ("kidney_left", "64033007", "Left"),
        ("Right Kidney", "64033007", "Right"),
        ("adrenal gland R", "23451007", "Right"),
        ("Inferior_Vena_Cava", "64131007", None),
        ("IVC", "64131007", None),
        ("GTV", "108369006", None),
        ("tumour", "108369006", None),
        ("brain_tumour", "108369006", None),
        ("Left Hippocampus", "5366008", "Left"),
        ("spinal cord grey matter", "12958003", None),
        ("grey_matter", "389081007", None),
        ("white matter", "389080008", None),
        ("peripheral_zone", "279706003", None),
        ("transition zone", "399384005", None),
        ("knee_cartilage", "309312004", None),
    ],
)
def test_names_are_found_however_they_are_written(name: str, code: str, side: str | None) -> None:
    organ = organ_code(name)
    assert organ.known
    assert organ.type.value == code
    assert (organ.side.meaning if organ.side else None) == side


def test_every_code_is_offered_with_a_name_that_finds_it() -> None:
    offered = {each.name: each for each in coded_names()}
    described = tomllib.loads(files("radsam.io.dicom").joinpath("organ_codes.toml").read_text("utf-8"))
    assert {each.organ.type.value for each in offered.values()} == {each["code"] for each in described["organ"]}
    for name, each in offered.items():
        assert organ_code(name) == each.organ
        assert re.fullmatch(r"[a-z0-9_]+", name)
    assert [offered[f"kidney{side}"].organ.side for side in ("_left", "_right", "")] == [
        Code("7771000", "Left"),
        Code("24028007", "Right"),
        None,
    ]
    assert "liver_left" not in offered
    assert "gtv" in offered["neoplasm"].others


@pytest.mark.parametrize("name", ["object", "", "left", "Tumor_c40", "肝"])
def test_other_names_are_tissue(name: str) -> None:
    assert organ_code(name) == UNKNOWN


def test_a_table_of_ones_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[categories]\norgan = ["91723000", "Anatomical Structure"]\n'
        '[[organ]]\ncode = "12345"\nscheme = "99LOCAL"\nmeaning = "Spleen of ours"\n'
        'category = "organ"\nnames = ["spleen"]\n'
    )
    monkeypatch.setenv("RADSAM_ORGAN_CODES", str(own))
    assert organ_code("Spleen").type.scheme == "99LOCAL"
    assert organ_code("liver").type.value == "10200004"


@pytest.mark.parametrize("content", ["not toml", "[categories]\n", '[categories]\n[[organ]]\ncode = "1"\n'])
def test_a_broken_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    own = tmp_path / "broken.toml"
    own.write_text(content)
    monkeypatch.setenv("RADSAM_ORGAN_CODES", str(own))
    with pytest.raises(InputError, match=r"broken\.toml is not a table of organ codes"):
        organ_code("liver")
