"""Does `radsam edit` continue a session, and refuse a CT, model or edit that does not fit it?"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine, Finished, PhantomFile
from dicom_files import write_series
from radsam.data.adapters.phantom import make_phantom
from radsam.disk import file_lock
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_volume

START = ("--slice", 14, "--box", 57, 15, 70, 38, "--bounds", 12, 16)
FIX = ("--fix", 60, 30, 15, "--fix-not", 20, 50, 15)


@dataclass(frozen=True)
class Desk:
    """A folder with a CT and a session on it."""

    folder: Path
    run: CommandLine

    def edit(self, *args: object, out: str = "mask.nii.gz", process: bool = False) -> Finished:
        line = ("edit", "s.radsam", *args, "-o", out, "--json")
        return self.run(*line, cwd=self.folder) if process else self.run.here(*line, cwd=self.folder)

    def ids(self, name: str = "mask.nii.gz") -> np.ndarray:
        return read_labels(self.folder / name).ids

    def sha256(self, name: str) -> str:
        return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

    def files(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()}


@pytest.fixture(scope="module")
def started(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with ct.nii.gz, first.nii.gz and s.radsam: one object, one correction."""
    folder = tmp_path_factory.mktemp("started")
    shutil.copy(phantom_ct.path, folder / "ct.nii.gz")
    line = ("segment", "ct.nii.gz", *START, "--model", tiny_bundle, "--session", "s.radsam", "--name", "spleen")
    run_radsam.here(*line, "-o", "first.nii.gz", cwd=folder).done()
    run_radsam.here("edit", "s.radsam", *FIX, "-o", "second.nii.gz", cwd=folder).done()
    return folder


@pytest.fixture
def desk(started: Path, run_radsam: CommandLine, tmp_path: Path) -> Desk:
    """A copy of `started` to work on; its session still points at the CT in `started`."""
    shutil.copytree(started, tmp_path / "desk")
    return Desk(tmp_path / "desk", run_radsam)


def test_a_correction_changes_the_mask_and_is_reported(desk: Desk) -> None:
    result = desk.edit("--fix", 40, 12, 13, "--preview", "p.png", process=True).done()
    first, second, third = desk.ids("first.nii.gz"), desk.ids("second.nii.gz"), desk.ids()
    assert (first != second).any()
    assert (second != third).any()
    prompts = result.json["objects"][0]["prompts"]
    assert [(each["number"], each["slice"], each["kind"]) for each in prompts] == [
        (0, 14, "box"),
        (1, 15, "point"),
        (1, 15, "point"),
        (2, 13, "point"),
    ]
    assert desk.files() == {"ct.nii.gz", "first.nii.gz", "second.nii.gz", "mask.nii.gz", "p.png", "s.radsam"}


def test_undo_and_redo_bring_back_the_same_bytes(desk: Desk) -> None:
    desk.edit("--undo", out="undone.nii.gz").done()
    assert desk.sha256("undone.nii.gz") == desk.sha256("first.nii.gz")
    desk.edit("--redo", out="redone.nii.gz").done()
    assert desk.sha256("redone.nii.gz") == desk.sha256("second.nii.gz")


def test_undoing_everything_leaves_an_empty_mask_that_cannot_be_corrected(desk: Desk) -> None:
    desk.edit("--undo").done()
    result = desk.edit("--undo", "--preview", "p.png").done()
    assert not desk.ids().any()
    assert result.json["objects"] == []
    assert result.json["outputs"]["preview"] is None
    assert "no picture" in result.stderr
    assert "p.png" not in desk.files()
    for args, words in ((("--undo",), "nothing to undo"), (FIX, "no object to correct")):
        before = desk.sha256("s.radsam")
        refused = desk.edit(*args)
        assert refused.returncode == 3
        assert words in refused.stderr
        assert desk.sha256("s.radsam") == before


def test_an_earlier_prompt_can_be_deleted(desk: Desk) -> None:
    desk.edit("--delete", 1).done()
    assert desk.sha256("mask.nii.gz") == desk.sha256("first.nii.gz")
    refused = desk.edit("--delete", 1)
    assert refused.returncode == 3
    assert "no edit number 1" in refused.stderr


def test_no_change_writes_the_mask_again(desk: Desk) -> None:
    desk.edit().done()
    assert desk.sha256("mask.nii.gz") == desk.sha256("second.nii.gz")


@pytest.mark.parametrize("command", ["edit", "segment"])
def test_a_session_in_use_is_left_alone(
    desk: Desk, started: Path, tiny_bundle: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.sha256("s.radsam")
    monkeypatch.setattr(file_lock, "locked", partial(file_lock.locked, wait_seconds=0.01))
    with file_lock.locked(desk.folder / "s.radsam", "radsam edit"):
        if command == "edit":
            refused = desk.edit("--undo")
        else:
            line = ("segment", started / "ct.nii.gz", *START, "--model", tiny_bundle, "--session", "s.radsam")
            refused = desk.run.here(*line, "-o", "mask.nii.gz", "--json", cwd=desk.folder)
    assert refused.returncode == 4
    assert refused.json["error"]["type"] == "InUseError"
    assert "s.radsam is in use by radsam edit (process" in refused.stderr
    assert "waiting up to 0 s" in refused.stderr
    assert desk.sha256("s.radsam") == before
    assert desk.files() == {"ct.nii.gz", "first.nii.gz", "second.nii.gz", "s.radsam"}
    desk.edit("--undo").done()


def test_an_edit_encodes_nothing_again(desk: Desk) -> None:
    """The session's slices are in the cache; encoding one again would put a new file there."""
    before = {each.name: each.stat().st_ino for each in desk.run.cache.iterdir()}
    assert len(before) >= 5
    desk.edit("--fix", 41, 13, 13, process=True).done()
    assert {each.name: each.stat().st_ino for each in desk.run.cache.iterdir()} == before
    assert desk.run.cache.stat().st_mode & 0o077 == 0


def test_a_second_object_joins_the_session(desk: Desk, started: Path, tiny_bundle: Path) -> None:
    line = ("--slice", 10, "--point", 30, 30, "--bounds", 9, 11, "--model", tiny_bundle, "--session", "s.radsam")
    result = desk.run.here("segment", started / "ct.nii.gz", *line, "--name", "liver", "-o", "two.nii.gz", "--json",
                      cwd=desk.folder).done()  # fmt: skip
    assert [(each["name"], each["id"]) for each in result.json["objects"]] == [("spleen", 1), ("liver", 2)]
    ids = desk.ids("two.nii.gz")
    assert set(np.unique(ids)) == {0, 1, 2}
    np.testing.assert_array_equal(ids == 1, desk.ids("second.nii.gz") == 1)
    # A point needs the name of its object; edits of the whole session do not.
    unnamed = desk.edit("--fix", 30, 31, 10)
    assert unnamed.returncode == 2
    assert "choose one with --name: spleen, liver" in unnamed.stderr_line
    unknown = desk.edit("--fix", 30, 31, 10, "--name", "lung")
    assert unknown.returncode == 3
    assert "no object 'lung'" in unknown.stderr
    desk.edit("--fix", 30, 50, 10, "--name", "liver").done()
    desk.edit("--undo").done()
    np.testing.assert_array_equal(desk.ids(), ids)
    desk.edit("--undo", out="one.nii.gz").done()
    assert desk.sha256("one.nii.gz") == desk.sha256("second.nii.gz")


def test_a_ct_that_was_moved_is_given_by_ct(desk: Desk, started: Path, phantom_ct: PhantomFile) -> None:
    description = change_session(desk.folder / "s.radsam", "volume", "source", str(desk.folder / "gone.nii.gz"))
    assert description["volume"]["source"] == str(started / "ct.nii.gz")
    lost = desk.edit("--undo")
    assert lost.returncode == 3
    assert "gone.nii.gz does not exist" in lost.stderr
    # The same CT in another format is still the same CT.
    write_volume(phantom_ct.phantom.volume, desk.folder / "moved.nrrd")
    desk.edit("--undo", "--ct", "moved.nrrd").done()
    # NRRD keeps the origin in double precision and NIfTI in single: the headers differ in their last bits.
    again, before = read_labels(desk.folder / "mask.nii.gz"), read_labels(desk.folder / "first.nii.gz")
    np.testing.assert_array_equal(again.ids, before.ids)
    assert again.geometry.moved_voxels(before.geometry) < 1e-5


def test_the_series_that_was_chosen_is_remembered(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        hu = phantom_ct.phantom.volume.values[12:16] + np.int16(number)
        write_series(tmp_path / "dicom" / str(number), hu, series_uid=f"1.2.{number}")
    line = ("--slice", 2, "--box", 57, 15, 70, 38, "--bounds", 2, 2, "--model", tiny_bundle, "-o", "mask.nii.gz")
    run_radsam.here("segment", "dicom", "--series", 2, *line, "--session", "s.radsam", cwd=tmp_path).done()
    run_radsam.here("edit", "s.radsam", "-o", "again.nii.gz", cwd=tmp_path).done()
    assert (tmp_path / "again.nii.gz").read_bytes() == (tmp_path / "mask.nii.gz").read_bytes()
    other = run_radsam.here("edit", "s.radsam", "--series", 1, "-o", "again.nii.gz", cwd=tmp_path)
    assert other.returncode == 3
    assert "made on another CT" in other.stderr


def change_session(path: Path, *keys_and_value: object) -> dict:
    """Change one value of a session's description; returns it as it was."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    before = json.loads(contents["session.json"])
    description = inner = json.loads(contents["session.json"])
    *keys, last, value = keys_and_value
    for key in keys:
        inner = inner[key]
    inner[last] = value
    contents["session.json"] = json.dumps(description).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return before


def refused_edit(desk: Desk, *args: object, words: str, process: bool = False) -> None:
    files, session = desk.files(), desk.sha256("s.radsam")
    result = desk.edit(*args, process=process)
    assert result.returncode == 3, result.stderr
    assert words in result.stderr
    assert words in result.json["error"]["message"]
    assert "Traceback" not in result.stderr
    assert desk.files() == files
    assert desk.sha256("s.radsam") == session


def test_another_ct_is_refused(desk: Desk) -> None:
    other = make_phantom(seed=1, shape_ijk=(80, 64, 24), spacing_mm_ijk=(4.2, 4.2, 8.0))
    write_volume(other.volume, desk.folder / "other.nii.gz")
    refused_edit(desk, "--ct", "other.nii.gz", *FIX, words="made on another CT", process=True)


def test_another_model_is_refused(desk: Desk, tiny_bundle: Path) -> None:
    shutil.copytree(tiny_bundle, desk.folder / "other")
    description = json.loads((desk.folder / "other" / "bundle.json").read_text())
    description["spec"]["windows"]["CT"] = {"window": [-100.0, 100.0]}
    (desk.folder / "other" / "bundle.json").write_text(json.dumps(description))
    refused_edit(desk, "--model", "other", *FIX, words="made with the bundle 'tiny'")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--fix", 60, 30, 20), "outside the bounds 12 to 16"),
        (("--fix", 60, 99, 15), "outside the volume: j=99"),
        (("--redo",), "nothing to redo"),
    ],
)
def test_a_bad_edit_changes_nothing(desk: Desk, args: tuple[object, ...], words: str) -> None:
    refused_edit(desk, *args, words=words)


def test_a_damaged_or_foreign_session_is_refused(desk: Desk) -> None:
    whole = (desk.folder / "s.radsam").read_bytes()
    change_session(desk.folder / "s.radsam", "version", 99)
    refused_edit(desk, words="version 99")
    (desk.folder / "s.radsam").write_bytes(whole[: len(whole) // 2])
    refused_edit(desk, words="not a whole RadSAM session")
    shutil.copy(desk.folder / "ct.nii.gz", desk.folder / "s.radsam")
    refused_edit(desk, words="not a whole RadSAM session")
    (desk.folder / "s.radsam").unlink()
    result = desk.edit()
    assert result.returncode == 3
    assert "There is no session file s.radsam" in result.stderr


def test_the_ct_is_never_the_output(desk: Desk) -> None:
    before = desk.sha256("ct.nii.gz")
    result = desk.edit("--ct", "ct.nii.gz", *FIX, out="ct.nii.gz")
    assert result.returncode == 3
    assert "is one of the inputs" in result.stderr
    assert desk.sha256("ct.nii.gz") == before
