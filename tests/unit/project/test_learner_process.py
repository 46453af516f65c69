"""The learning process: commands, when a round is due, the end of its input."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from learning import learnable
from radsam.errors import InputError
from radsam.project import learner_process
from radsam.project.learner_process import LearnerProcess, is_due
from radsam.project.pause import Pause
from radsam.project.project import Project, Round


class Input:
    """Lines that the test writes; None is the end."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def write(self, line: str | None) -> None:
        self._lines.put(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines.get, None)  # type: ignore[arg-type]


def test_a_round_is_due_after_enough_finished_cases(tmp_path: Path) -> None:
    project = learnable(tmp_path / "p", 9, finished=3, learn_every=4)
    assert not is_due(project)
    for case in ("c3", "c4"):
        project.finish(case, "ball", "anna", _some(project, case), {})
        project.finish(case, "nothing", "anna", None, {})
    assert is_due(project)
    number = project.begin_round("anna", ["c0", "c1"], ["c2", "c3"]).number
    assert is_due(project), "one that was stopped goes on"
    project.drop_round(number, "failed")
    assert not is_due(project), "the next one after more cases"
    project.update_settings("anna", learn_every=1)
    assert is_due(project)
    project.update_settings("anna", learn_every=0)
    assert not is_due(project), "on request only"


def test_too_few_cases_are_not_due(tmp_path: Path) -> None:
    project = learnable(tmp_path / "p", 4, finished=2, learn_every=1)
    assert not is_due(project)


def _some(project: Project, case: str):
    return project.volume(case).values > 50


def test_it_learns_on_request_and_ends_with_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner_process, "_LOOK_SECONDS", 60.0)
    project, lines, wanted = learnable(tmp_path / "p", 4, finished=0), Input(), []

    def do_round(by: str) -> Round:
        wanted.append(by)
        if len(wanted) == 2:
            lines.write(None)
        raise InputError("too few")  # the process goes on

    lines.write("now")
    lines.write("what is this")
    lines.write("now")
    LearnerProcess(project, Pause(), do_round, lambda: False, lines).run()
    assert wanted == ["learner", "learner"]


def test_it_pauses_and_goes_on(tmp_path: Path) -> None:
    project, lines, pause, seen = learnable(tmp_path / "p", 4, finished=0), Input(), Pause(), []

    def propose() -> bool:
        seen.append(pause.paused)
        lines.write(None)
        return False

    lines.write("pause")
    lines.write("go")
    LearnerProcess(project, pause, lambda by: pytest.fail("no round"), propose, lines).run()
    assert seen == [False]
    assert pause.stopped.is_set()


def test_a_round_that_is_due_fails_aloud(tmp_path: Path) -> None:
    project, lines = learnable(tmp_path / "p", learn_every=5), Input()

    def do_round(by: str) -> Round:
        raise InputError("no weights")

    with pytest.raises(InputError, match="no weights"):
        LearnerProcess(project, Pause(), do_round, lambda: False, lines).run()
    lines.write(None)


@pytest.mark.skipif(sys.platform != "linux", reason="classes of the scheduler are Linux's")
def test_it_has_the_lowest_priority() -> None:
    script = (
        "import os; from radsam.project.learner_priority import *; lower_priority(); limit_threads(1);"
        "print(os.sched_getscheduler(0) == os.SCHED_IDLE, os.nice(0), os.environ['OMP_NUM_THREADS'])"
    )
    path = os.pathsep.join(each for each in sys.path if each)
    environment = {**os.environ, "PYTHONPATH": path}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "19", "1"]
