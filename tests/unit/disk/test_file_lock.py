"""Who may change a file: one process at a time, and it is named; no lock outlives its process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from radsam.disk.file_lock import LOCK_NAME, locked, locked_folder
from radsam.errors import InUseError, OutputError


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    target = tmp_path / "liver.radsam"
    notes: list[str] = []
    with locked(target, "radsam edit"):
        with (
            pytest.raises(InUseError) as refused,
            locked(target, "radsam segment", wait_seconds=0.01, note=notes.append),
        ):
            pass
        assert f"{target} is in use by radsam edit (process {os.getpid()} on {os.uname().nodename}, since 20" in str(
            refused.value
        )
        assert "Nothing was changed" in str(refused.value)
        assert len(notes) == 1
        assert notes[0].endswith("; waiting up to 0 s.")
    assert list(tmp_path.iterdir()) == []
    with locked(target, "radsam segment", wait_seconds=0.0):
        pass


def test_who_waits_goes_on_when_the_other_is_done(tmp_path: Path) -> None:
    target, waiting, order = tmp_path / "s", threading.Event(), []

    def second() -> None:
        with locked(target, "second", note=lambda message: waiting.set()):
            order.append("second")

    with locked(target, "first"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_two_names_of_a_file_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    with (
        locked(tmp_path / "real", "first"),
        pytest.raises(InUseError),
        locked(tmp_path / "link", "x", wait_seconds=0.0),
    ):
        pass


def test_a_lock_ends_with_its_process_and_what_it_leaves_behind_blocks_nobody(tmp_path: Path) -> None:
    target = tmp_path / "s.radsam"
    script = (
        "import sys, pathlib\n"
        "from radsam.disk.file_lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'radsam edit'):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(InUseError, match=f"radsam edit \\(process {holder.pid} on"),
            locked(target, "", wait_seconds=0.0),
        ):
            pass
        holder.kill()
    assert (tmp_path / ".s.radsam.lock").exists()
    with locked(target, "next", wait_seconds=0.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_locks_stops_only_what_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object, **__: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", no_locks)
    with locked(tmp_path / "s", "radsam edit"), locked(tmp_path / "s", "radsam edit"):
        pass
    with pytest.raises(OutputError, match="cannot be locked"), locked(tmp_path / "s", "radsam serve", required=True):
        pass


def test_a_folder_that_is_missing_stops_nothing(tmp_path: Path) -> None:
    with locked(tmp_path / "no" / "s", "radsam edit"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_can_be_locked(tmp_path: Path) -> None:
    with locked(tmp_path / ("é" * 127), "first"):
        assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_locked_and_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with locked_folder(folder, "radsam train"):
        assert [each.name for each in folder.iterdir()] == [LOCK_NAME]
        with pytest.raises(InUseError, match="run is in use by radsam train"), locked_folder(folder, "radsam train"):
            pass
    assert not folder.exists()
    with locked_folder(folder, "radsam train"):
        (folder / "last.pt").touch()
    assert [each.name for each in folder.iterdir()] == ["last.pt"]
