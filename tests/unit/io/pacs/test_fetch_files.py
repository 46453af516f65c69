"""Fetching into a folder: whole, private, resumable."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pydicom
import pytest

from pacs_servers import PATIENT, SERIES, STUDY, WebPacs, broken_off, status
from radsam.errors import OutputError, PacsError, PacsRequestError
from radsam.io.pacs.fetch_files import Fetched, fetch_files
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.pacs_connection import connect


def fetch(url: str, folder: Path) -> Fetched:
    address = PacsAddress.parse(url)
    with connect(address) as server:
        return fetch_files(server, folder)


def test_a_series_goes_into_the_folder_as_it_is_stored(web: WebPacs, patient_files: list[Path], tmp_path: Path) -> None:
    done = fetch(web.series, tmp_path / "new" / "got")
    assert (done.folders, done.instances, done.new) == ((tmp_path / "new" / "got",), 4, 4)
    got = sorted(done.folders[0].iterdir())
    assert [each.name for each in got] == [f"{SERIES}.{k}.dcm" for k in (1, 2, 3, 4)]
    assert done.new_bytes == sum(each.stat().st_size for each in got)
    for path, original in zip(got, patient_files, strict=True):
        assert pydicom.dcmread(path) == pydicom.dcmread(original)
        assert pydicom.dcmread(path).PatientName == PATIENT


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
def test_files_and_folders_are_their_owners_only(web: WebPacs, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    before = os.umask(0o000)  # a careless user's
    try:
        fetch(web.series, shared / "got")
    finally:
        os.umask(before)
    assert stat.S_IMODE((shared / "got").stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in (shared / "got").iterdir()} == {0o600}
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_a_study_gets_a_folder_per_series(web: WebPacs, tmp_path: Path) -> None:
    done = fetch(f"{web.url}/studies/{STUDY}", tmp_path)
    assert done.folders == (tmp_path / SERIES,)
    assert len(list((tmp_path / SERIES).iterdir())) == 4


def test_one_instance(web: WebPacs, tmp_path: Path) -> None:
    assert fetch(f"{web.series}/instances/{SERIES}.3", tmp_path).instances == 1
    assert [each.name for each in tmp_path.iterdir()] == [f"{SERIES}.3.dcm"]


def test_after_a_death_in_the_middle_the_rest_is_fetched(web: WebPacs, tmp_path: Path) -> None:
    web.on_fetch.extend([None, None, broken_off, broken_off])
    with pytest.raises(PacsError, match=r"broke off.* 2 of 4 images are in .*continues from there"):
        fetch(web.series, tmp_path / "got")
    assert len(list((tmp_path / "got").iterdir())) == 2, "only whole files are left"
    web.requests.clear()
    done = fetch(web.series, tmp_path / "got")
    assert (done.instances, done.new) == (4, 2)
    assert web.fetched() == [f"{SERIES}.3", f"{SERIES}.4"]


def test_a_file_that_is_something_else_is_fetched_again(web: WebPacs, tmp_path: Path) -> None:
    (tmp_path / f"{SERIES}.1.dcm").write_bytes(b"half")
    assert fetch(web.series, tmp_path).new == 4
    assert pydicom.dcmread(tmp_path / f"{SERIES}.1.dcm").SOPInstanceUID == f"{SERIES}.1"


def test_remains_of_a_run_that_was_killed_outright_are_removed(
    web: WebPacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a kill leaves it: nothing cleans up.
    with monkeypatch.context() as patched:
        patched.setattr("pydicom.dcmwrite", lambda file, *_, **__: file.write(b"part") and 1 / 0)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(ZeroDivisionError):
            fetch(web.series, tmp_path)
    assert [each.name for each in tmp_path.iterdir() if "partial" in each.name]
    (tmp_path / ".mine.partial.dcm").write_bytes(b"not ours")
    fetch(web.series, tmp_path)
    assert [each.name for each in tmp_path.iterdir() if "partial" in each.name] == [".mine.partial.dcm"]


def test_a_full_disk_leaves_whole_files_only(web: WebPacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = pydicom.dcmwrite, iter([True, True, False])

    def full(file: object, *args: object, **kwargs: object) -> None:
        if not next(room):
            file.write(b"part")  # type: ignore[attr-defined]
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, *args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr("pydicom.dcmwrite", full)
        with pytest.raises(OutputError, match=r"the disk is full.* 2 of 4 images"):
            fetch(web.series, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert fetch(web.series, tmp_path).new == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is a whole PACS"),
        ("/studies/9.9", "has no study"),
        (f"/studies/{STUDY}/series/9.9", "has nothing at"),
    ],
)
def test_a_missing_study_or_series_is_reported(web: WebPacs, tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(PacsRequestError, match=words):
        fetch(web.url + path, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_file_in_the_place_of_the_folder(web: WebPacs, tmp_path: Path) -> None:
    (tmp_path / "got").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        fetch(web.series, tmp_path / "got")
    with pytest.raises(OutputError, match="could not be made"):
        fetch(web.series, tmp_path / "got" / "below")
    web.on_find.extend([status(500)] * 2)
    with pytest.raises(PacsError):
        fetch(web.series, tmp_path / "other")
    assert not (tmp_path / "other").exists()
