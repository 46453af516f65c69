"""The names of one file per object are safe, and no two are the same."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsam.errors import OutputError
from radsam.io.object_files import is_template, object_paths


@pytest.mark.parametrize(
    ("template", "names", "files"),
    [
        ("out_{name}.nii.gz", {1: "liver", 2: "tumour"}, ["out_liver.nii.gz", "out_tumour.nii.gz"]),
        ("{id}-{name}.dcm", {3: "liver"}, ["3-liver.dcm"]),
        ("{id}.nrrd", {1: "a", 2: "a"}, ["1.nrrd", "2.nrrd"]),
        ("{name}.nii", {1: "Liver", 2: "liver", 3: "LIVER"}, ["Liver.nii", "liver_2.nii", "LIVER_3.nii"]),
        ("{name}.nii", {1: "a_3", 2: "a", 3: "a"}, ["a_3.nii", "a.nii", "a_3_3.nii"]),
        ("{name}.nii", {1: "../../etc/x", 2: "a\\b:c"}, ["_.._etc_x.nii", "a_b_c.nii"]),
        ("{name}.nii", {1: "", 3: "..", 4: " "}, ["object.nii", "object_3.nii", "object_4.nii"]),
        ("{name}.nii", {1: "a\nb\tc\0\x7f", 2: "x\u202egnp.", 3: "a\ud800"}, ["a_b_c__.nii", "x_gnp.nii", "a_.nii"]),
        ("{name}.nii", {1: "{id}", 7: "{name}"}, ["{id}.nii", "{name}.nii"]),
        ("{name}.nii", {1: "Leber links", 2: "肝臓"}, ["Leber links.nii", "肝臓.nii"]),
        ("{name}.nii", {1: "e\u0301", 2: "\u00e9"}, ["é.nii", "é_2.nii"]),
    ],
)  # fmt: skip
def test_names_become_files(template: str, names: dict[int, str], files: list[str]) -> None:
    assert [each.name for each in object_paths(f"folder/{template}", names).values()] == files


@pytest.mark.parametrize(
    ("path", "expected"),
    [("out.nii.gz", False), ("{other}.nii", False), ("{name}/x.nii", True), ("a{id}.dcm", True)],
)
def test_a_template_is_known_by_its_placeholder(path: str, expected: bool) -> None:
    assert is_template(Path(path)) is expected


@pytest.mark.parametrize("template", ["{name}/x.nii.gz", "{id}/{name}.nii.gz"])
def test_a_placeholder_in_a_folder_is_refused(template: str) -> None:
    with pytest.raises(OutputError, match="of the file, not of a folder"):
        object_paths(template, {1: "liver"})


@given(st.lists(st.text(max_size=200), min_size=1, max_size=6), st.sampled_from(["out_{name}.nii.gz", "{name}.dcm"]))
def test_any_names_give_distinct_files_in_the_folder(names: list[str], template: str) -> None:
    paths = object_paths(Path("folder") / template, dict(enumerate(names, start=1)))
    assert len({unicodedata.normalize("NFC", each.name).casefold() for each in paths.values()}) == len(names)
    for each in paths.values():
        assert each.parent == Path("folder")
        assert len(each.name.encode()) <= 200
        assert not set(each.name) & set('/\\:*?"<>|\n\0')
