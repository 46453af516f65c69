"""The learning process beside the server: a child that writes down what it is sent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radsam.server.learner_supervisor import LearnerSupervisor, learn_command
from waiting import wait_for

CHILD = """
import sys
with open(sys.argv[1], "a", buffering=1) as file:
    file.write("start\\n")
    for line in sys.stdin:
        file.write(line)
        if line == sys.argv[2] + "\\n":
            sys.exit(3)
    file.write("end\\n")
"""
#: A server that is killed.
SERVER = """
import sys, time
from pathlib import Path
from radsam.server.learner_supervisor import LearnerSupervisor
LearnerSupervisor(sys.argv[2:], lambda: False, Path(sys.argv[1]) / "learner.log")
time.sleep(1000)
"""


@dataclass
class Beside:
    """A supervisor, and what its child has written."""

    learner: LearnerSupervisor
    path: Path
    seconds: float = 0.0
    busy: bool = False

    def lines(self) -> list[str]:
        return self.path.read_text().split() if self.path.exists() else []

    def until(self, good: Callable[[list[str]], bool]) -> list[str]:
        return wait_for(self.lines, good)

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds
        self.learner.step()


@contextmanager
def beside(folder: Path, fails_at: str = "never", *, at_once: bool = True) -> Iterator[Beside]:
    path, log = folder / "lines", folder / "learner.log"
    command = [sys.executable, "-c", CHILD, str(path), fails_at]
    it = Beside(LearnerSupervisor(None, lambda: False, log), path)
    it.learner = LearnerSupervisor(command, lambda: it.busy, log, at_once=at_once, clock=lambda: it.seconds)
    try:
        yield it
    finally:
        it.learner.close()


def test_it_pauses_for_a_click_and_goes_on_when_the_model_was_quiet(tmp_path: Path) -> None:
    with beside(tmp_path) as it:
        it.until(lambda lines: lines == ["start"])
        it.busy = True
        it.learner.used()
        it.learner.used()
        assert it.learner.state == "paused"
        it.pass_seconds(10)
        assert it.learner.state == "paused"  # a propagation runs on
        it.learner.used()
        it.busy = False
        it.pass_seconds(1.9)
        assert it.learner.state == "paused"
        it.pass_seconds(0.2)
        assert it.learner.state == "running"
        it.learner.now()
        it.until(lambda lines: lines == ["start", "pause", "go", "now"])
    assert it.lines()[-1] == "end"


def test_it_starts_on_request_only_where_nothing_is_learned_by_itself(tmp_path: Path) -> None:
    with beside(tmp_path, at_once=False) as it:
        it.learner.used()
        it.pass_seconds(1)
        assert it.lines() == []
        it.learner.now()
        it.pass_seconds(0)
        it.until(lambda lines: lines == ["start", "pause", "now"])


def test_after_a_crash_it_starts_again_with_longer_pauses(tmp_path: Path) -> None:
    with beside(tmp_path, fails_at="now") as it:
        for starts, pause in ((1, 2.0), (2, 10.0), (3, 60.0)):
            it.until(lambda lines, starts=starts: lines.count("start") == starts)
            it.learner.now()
            wait_for(lambda: it.learner.message, lambda text: "ended with 3" in text)
            wait_for(lambda: it.learner.running, lambda runs: not runs)
            it.pass_seconds(pause - 0.1)
            assert not it.learner.running
            it.pass_seconds(0.2)
            assert it.learner.running


def test_what_cannot_be_started_is_stated(tmp_path: Path) -> None:
    learner = LearnerSupervisor([str(tmp_path / "missing")], lambda: False, tmp_path / "learner.log")
    wait_for(lambda: learner.message, lambda text: "cannot be started" in text)
    learner.close()


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path) -> None:
    learner = LearnerSupervisor(None, lambda: False, tmp_path / "learner.log")
    learner.used()
    learner.now()
    assert learner.state == "unavailable"
    assert "radsam[train]" in learner.message
    learner.close()


def test_a_killed_server_leaves_no_process_behind(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    child = [sys.executable, "-c", CHILD, str(path), "never"]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path), *child])
    wait_for(path.exists, bool)
    server.kill()
    server.wait()
    wait_for(lambda: path.read_text().split(), lambda lines: lines == ["start", "end"])


def test_its_command_names_the_project_and_the_bundle() -> None:
    assert learn_command(Path("DIR"), None)[1:] == ["-m", "radsam", "project", "learn", "DIR", "--follow"]
    assert learn_command(Path("DIR"), "lite")[-2:] == ["--model", "lite"]
