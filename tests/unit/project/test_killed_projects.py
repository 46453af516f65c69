"""What stays after a process is killed, and what two processes do at once."""

from __future__ import annotations

import os
import pkgutil
import signal
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from projects import GRID, LABELS, cases, finish_all, mask, project
from radsam.project.project import Project, ProjectSettings, TaskState
from radsam.project.project_database import ProjectDatabase

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which is fast"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

#: Calls while a label is finished: a process is killed right before or right after one of them.
SYNC_POINTS = [
    "radsam.project.finished_mask.write_labels",
    "radsam.disk.atomic_write.os.fsync",
    "pathlib.Path.replace",
    "radsam.project.finished_mask._sync_folder",
    "radsam.project.project.write_mask",
    "radsam.project.task_rows.new_version",
    "radsam.project.task_rows.finish",
    "radsam.project.project_database.Change.log",
]


def forked(work: Callable[[], None]) -> int:
    """Do something in a process of its own; return its id."""
    if (pid := os.fork()) != 0:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def kill_self(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended(pid: int) -> int:
    """Wait for a process; return its exit code, of a killed one the negative signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_whole(folder: Path) -> set[tuple[str, str]]:
    """Check that states, log and masks agree; return what is done."""
    with closing(sqlite3.connect(folder / "project.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Project.open(folder)) as found:
        done = {(each.case, each.label) for each in found.tasks() if each.state is TaskState.DONE}
        logged = [(each.case, each.label) for each in found.log(limit=None) if each.what == "finish"]
        assert sorted(logged) == sorted(done)
        masks = {(each.case.id, each.label): each for each in found.finished()}
        assert masks.keys() == done
        for (_, label), each in masks.items():
            np.testing.assert_array_equal(each.voxels(), mask(0 if label == "liver" else 1))
            assert each.provenance["model"] == "fake"
    return done


@pytest.mark.parametrize("call", SYNC_POINTS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_label_is_done_whole_or_not_at_all(tmp_path: Path, call: str, after: bool) -> None:
    made = project(tmp_path / "p", 2, order="listed")
    finish_all(made, "c0")
    made.close()

    def finish() -> None:
        with closing(Project.open(tmp_path / "p")) as found, pytest.MonkeyPatch.context() as patch:
            found.take("c1", "anna")
            place, _, name = call.rpartition(".")
            if not after:
                patch.setattr(call, kill_self)
            else:
                original = getattr(_imported(place), name)

                def then_killed(*args: Any, **kwargs: Any) -> None:
                    original(*args, **kwargs)
                    kill_self()

                patch.setattr(call, then_killed)
            found.finish("c1", "liver", "anna", mask(), {"model": "fake"}, GRID)

    assert ended(forked(finish)) == -signal.SIGKILL
    assert check_whole(tmp_path / "p") == {("c0", "liver"), ("c0", "left kidney")}
    with closing(Project.open(tmp_path / "p")) as found:
        finish_all(found, "c1")
    assert len(check_whole(tmp_path / "p")) == 4


def _imported(path: str) -> Any:
    return pkgutil.resolve_name(path)


def test_what_was_reported_done_stays_when_the_process_is_killed(tmp_path: Path) -> None:
    project(tmp_path / "p", 12, order="listed").close()
    for kill_after in (1, 4, 2):
        done_before = len(check_whole(tmp_path / "p"))
        reader, writer = os.pipe()

        def annotate(writer: int = writer) -> None:
            with closing(Project.open(tmp_path / "p")) as found:
                while (case := found.next_case("anna")) is not None:
                    open_tasks = [each.label for each in found.tasks(case.id) if not each.state.is_finished]
                    for label in open_tasks:
                        voxels = mask(0 if label == "liver" else 1)
                        found.finish(case.id, label, "anna", voxels, {"model": "fake"}, GRID)
                        os.write(writer, b".")

        pid = forked(annotate)
        os.close(writer)
        reported = 0
        while reported < kill_after and (read := os.read(reader, kill_after - reported)):
            reported += len(read)
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        os.close(reader)
        assert len(check_whole(tmp_path / "p")) >= done_before + reported


def test_two_processes_never_get_the_same_case(tmp_path: Path) -> None:
    Project.create(tmp_path / "p", ProjectSettings("Test"), LABELS, cases(200)).close()

    def work(user: str) -> Callable[[], None]:
        def all_cases() -> None:
            with closing(Project.open(tmp_path / "p")) as found, (tmp_path / user).open("w") as given:
                while (case := found.next_case(user)) is not None:
                    given.write(f"{case.id}\n")
                    found.exclude(case.id, user, "seen")

        return all_cases

    workers = [forked(work(user)) for user in ("anna", "ben")]
    assert [ended(each) for each in workers] == [0, 0]
    given = [(tmp_path / user).read_text().split() for user in ("anna", "ben")]
    assert sorted([*given[0], *given[1]]) == sorted(each.id for each in cases(200))
    with closing(Project.open(tmp_path / "p")) as found:
        what = [each.what for each in found.log(limit=None)]
    assert (what.count("open"), what.count("exclude")) == (200, 200)


def test_a_mask_is_on_disk_before_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(tmp_path / "p")
    order: list[str] = []
    sync, change = os.fsync, ProjectDatabase.change

    def noted(handle: int) -> None:
        order.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        sync(handle)

    def changing(self: ProjectDatabase) -> Any:
        order.append("change")
        return change(self)

    made.take("c0", "anna")
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("names of open files need /proc")
    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(ProjectDatabase, "change", changing)
    made.finish("c0", "liver", "anna", mask(), {}, GRID)
    synced = [each.rpartition(".partial")[2] or each for each in order]
    assert synced == ["change", "change", ".1.nii.gz", ".1.json", "c0", "masks", "change"]
    assert _pragma(made, "synchronous") == 2
    assert _pragma(made, "journal_mode") == "wal"


def _pragma(of: Project, name: str) -> object:
    with of._database.reading() as change:
        row = change.row(f"PRAGMA {name}")
    return None if row is None else row[0]
