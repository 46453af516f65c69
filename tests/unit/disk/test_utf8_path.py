"""Can files whose names are not text be opened and shown?"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsam.disk.utf8_path import printable, utf8_path

LATIN = os.fsdecode(b"L\xe9a")


@pytest.mark.parametrize("folder", ["plain", "ü %s", LATIN])
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct ü\n.nii.gz", f"{LATIN}.nii.gz", f"{'l' * 200}{LATIN}.nii.gz"])
def test_a_file_is_read_and_written_through_its_utf8_name(tmp_path: Path, folder: str, name: str) -> None:
    path = tmp_path / folder / name
    path.parent.mkdir()
    with utf8_path(path) as shown:
        shown.encode()
        assert shown.endswith(".nii.gz")
        Path(shown).write_text("written")
    assert path.read_text() == "written"
    assert not path.is_symlink()
    with utf8_path(path) as shown:
        assert Path(shown).read_text() == "written"
    assert not Path(shown).is_symlink()


def test_a_path_that_is_utf8_is_itself(tmp_path: Path) -> None:
    with utf8_path(tmp_path / "ü.nii") as shown:
        assert shown == str(tmp_path / "ü.nii")


def test_the_temporary_folder_may_have_such_a_name_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / LATIN))
    path = tmp_path / f"{LATIN}.nii"
    path.touch()
    with utf8_path(path) as shown:
        assert Path(shown).samefile(path)
        shown.encode("ascii")


@given(st.binary(max_size=12) | st.text(st.characters(exclude_categories=()), max_size=12))
def test_any_text_can_be_shown_and_stored(given_name: bytes | str) -> None:
    text = os.fsdecode(given_name) if isinstance(given_name, bytes) else given_name
    shown = printable(text)
    shown.encode("utf-8")
    json.dumps(shown, ensure_ascii=False).encode()
    try:
        text.encode()
    except UnicodeEncodeError:
        assert "\\" in shown
    else:
        assert shown == text
