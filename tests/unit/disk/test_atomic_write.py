from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from radsam.disk.atomic_write import replacing
from radsam.errors import OutputError


def test_the_new_content_replaces_the_old(tmp_path: Path) -> None:
    target = tmp_path / "preview.png"
    target.write_text("old")
    with replacing(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["mask.nii.gz", "preview.png", "bundle", ".hidden.json"])
def test_the_temporary_file_lies_beside_and_keeps_the_suffix(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as partial:
        assert partial.parent == tmp_path
        assert partial.name.partition(".partial")[2] == name.lstrip(".")[len(name.lstrip(".").partition(".")[0]) :]
        partial.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OutputError, OSError])
def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    expected = OutputError if error is OSError else error
    with pytest.raises(expected), replacing(target) as partial:  # noqa: PT012 - the block is what is tested
        partial.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.json could not be written: the disk is full \(\d+ MB free\)"):  # noqa: SIM117
        with replacing(tmp_path / "a.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_really_full_is_named(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with pytest.raises(OutputError, match="the disk is full"), replacing(target) as partial:  # noqa: PT012 - as above
        partial.symlink_to("/dev/full")
        partial.write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_program_has_open_on_windows_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(partial: Path, target: Path) -> None:
        error = PermissionError(13, "Access is denied")
        monkeypatch.setattr(error, "winerror", 5, raising=False)
        raise error

    monkeypatch.setattr(Path, "replace", denied)
    target = tmp_path / "mask.nii.gz"
    target.write_text("old")
    message = r"Access is denied\. If another program has the file open, close it"
    with pytest.raises(OutputError, match=message), replacing(target) as partial:
        partial.write_text("new")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "no" / "a.json", "does not exist")):
        with pytest.raises(OutputError, match=words), replacing(path):
            pytest.fail("the block ran")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="does not allow"), replacing(tmp_path / "a.json"):
        pytest.fail("the block ran")


def test_a_block_that_wrote_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"), replacing(tmp_path / "a.json"):
        pass


def test_a_link_is_followed_and_permissions_are_preserved(tmp_path: Path) -> None:
    target = tmp_path / "real.json"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "link.json").symlink_to(target)
    with replacing(tmp_path / "link.json") as partial:
        partial.write_text("new")
    assert (tmp_path / "link.json").is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_writing_files_needs_no_format_library() -> None:
    libraries = ("SimpleITK", "pydicom", "torch")
    code = f"import sys, radsam.disk.atomic_write; print([n for n in {libraries} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
