"""Is every volume of a folder listed, whatever its files are called?"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from dicom_files import ct_values, write_series
from phantoms import ball
from radsam.io.volume_write import write_volume
from radsam.server import volume_registry
from radsam.server.api_schemas import VolumeDetails, VolumeRow
from radsam.server.display_windows import SOFT_TISSUE
from radsam.server.error_answers import error_answer
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore
from radsam.server.state_json import volume_details, volume_row
from radsam.server.volume_registry import VolumeRegistry

NAMES = (b"a.nii.gz", b"L\xe9a.nii.gz", b"f\xe9/ct.nrrd", b"two\nlines.nii")


def registry(folder: Path) -> VolumeRegistry:
    return VolumeRegistry([], [folder], ServerStore(folder / "state"), Limits())


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    for name in NAMES:
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        write_volume(ball().volume, path)
    volumes = registry(tmp_path)
    found = volumes.listed("user")
    assert {each.name for each in found} == {"a.nii.gz", r"L\xe9a.nii.gz", r"f\xe9/ct.nrrd", "two\nlines.nii"}
    assert len({each.id for each in found}) == len(NAMES)
    for each in found:
        assert volumes.load(each).values.any()


def test_one_file_never_keeps_the_others_from_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.nii", "b.nii"):
        write_volume(ball().volume, tmp_path / name)
    described = volume_registry.entries_of

    def failing(path: Path, *args: object, **more: object) -> list:
        if path.name == "a.nii":
            raise ZeroDivisionError
        return described(path, *args, **more)

    monkeypatch.setattr(volume_registry, "entries_of", failing)
    assert [each.name for each in registry(tmp_path).listed("user")] == ["b.nii"]


def test_the_log_says_why_a_file_is_not_offered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_volume(ball().volume, tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:400])
    volumes = registry(tmp_path)
    assert [each.name for each in volumes.listed("user")] == ["a.nii"]
    (line,) = caplog.messages
    assert re.search(r"b\.nii is not offered: .+", line)


def test_the_answer_keeps_everything_that_describes_a_volume(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", ct_values((5, 16, 16)))
    (tmp_path / "ct" / "report.txt").write_text("A report.")
    (entry,) = registry(tmp_path).listed("user")
    assert entry.notes
    for described, schema in ((volume_row(entry), VolumeRow), (volume_details(entry, SOFT_TISSUE), VolumeDetails)):
        assert schema.model_validate(described).model_dump(mode="json") == described


def test_an_error_answer_can_name_any_file() -> None:
    body = error_answer(400, "input", os.fsdecode(b"L\xe9a.nii cannot be read.")).body
    assert json.loads(bytes(body))["error"]["message"] == r"L\xe9a.nii cannot be read."
