"""The process that learns, beside the server: started, paused for as long as the model is used, and started again.

The server sends words to its standard input (`pause`, `go`, `now`); when the server ends, even by kill -9, the
pipe ends and the process with it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

#: Learning goes on when nobody has used the model for this time.
_QUIET_SECONDS = 2.0
#: Pauses before the process is started again after it has failed; the last one is repeated.
_PAUSES_SECONDS = (2.0, 10.0, 60.0, 300.0)
#: A process that has lived so long did not fail at its start: the pauses begin anew.
_LIVED_SECONDS = 600.0
#: How often the model's use and the process are looked at.
_LOOK_SECONDS = 0.25
#: Time for the process to end by itself.
_END_SECONDS = 5.0
_NOT_INSTALLED = (
    'Learning needs the extra "train", which is not installed. Install it with: pip install "radsam[train]", and '
    "start radsam serve again. Everything else works without it."
)


def learn_command(folder: Path, model: str | None) -> list[str]:
    """Return the command that learns for a project, from a bundle or the default one."""
    start = [] if model is None else ["--model", model]
    return [sys.executable, "-m", "radsam", "project", "learn", str(folder), "--follow", *start]


class LearnerSupervisor:
    """Runs the learning process.

    Args:
        command: How it is started; None if it cannot be: learning is then unavailable.
        busy: Whether the model is in use.
        log: The file of what the process says, of the last start only.
        at_once: Whether to start it now, and not when learning is requested.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        command: Sequence[str] | None,
        busy: Callable[[], bool],
        log: Path,
        *,
        at_once: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = command
        self._busy = busy
        self._log_path = log
        self._clock = clock
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False
        self._used = float("-inf")
        self._wanted = at_once
        #: Whether a round was requested that no process knows of yet.
        self._requested = False
        self._failures = 0
        self._started = float("-inf")
        self._next_start = float("-inf")
        self._problem = ""
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)
        if command is not None:
            self._thread.start()

    @property
    def state(self) -> str:
        """Say "unavailable", "paused" or "running": as the process is, not whether it has something to learn."""
        if self._command is None:
            return "unavailable"
        return "paused" if self._paused else "running"

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None

    @property
    def message(self) -> str:
        """Why nothing is learned, in a sentence; empty if something may be."""
        return _NOT_INSTALLED if self._command is None else self._problem

    def used(self) -> None:
        """Pause: the model is used now. Called by any thread, often."""
        with self._changed:
            self._used = self._clock()
            if not self._paused:
                self._paused = True
                self._say("pause")

    def now(self) -> None:
        """Ask for a learning round."""
        with self._changed:
            self._wanted = self._requested = True
            self._next_start = float("-inf")
            self._say("now")
            self._changed.notify()

    def start(self) -> None:
        """Run the process from now on, if it does not run: it sees by itself when to learn."""
        with self._changed:
            self._wanted = True

    def close(self) -> None:
        """End the process: it keeps what it has and goes on at the next start."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if self._command is not None:
            self._thread.join()

    def step(self) -> None:
        """Look at the process and at the use of the model once; what the thread repeats."""
        with self._changed:
            self._look_at_process()
            if self._paused and not self._busy() and self._clock() - self._used >= _QUIET_SECONDS:
                self._paused = False
                self._say("go")

    def _look_at_process(self) -> None:
        if self._process is not None and (code := self._process.poll()) is not None:
            _close_input(self._process)
            self._ended(code)
        if self._process is None and self._wanted and self._clock() >= self._next_start:
            self._start()

    def _start(self) -> None:
        assert self._command is not None
        try:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            with self._log_path.open("wb") as written:
                self._process = subprocess.Popen(  # its own command, without a shell
                    self._command, stdin=subprocess.PIPE, stdout=written, stderr=written, close_fds=True
                )
        except OSError as error:
            self._problem = f"Learning cannot be started: {error.strerror or error}."
            self._wait_longer()
            return
        self._started = self._clock()
        if self._paused:
            self._say("pause")
        if self._requested:
            self._say("now")

    def _ended(self, code: int) -> None:
        self._process = None
        if code == 0:
            self._failures, self._wanted = 0, False  # until it is requested again
            return
        _log.warning("the learning process ended with %s; see %s", code, self._log_path)
        self._problem = (
            f"The learning process ended with {code} and is started again; {self._log_path.name} in the folder of the "
            "server says why."
        )
        if self._clock() - self._started >= _LIVED_SECONDS:
            self._failures = 0
        self._wait_longer()

    def _wait_longer(self) -> None:
        self._next_start = self._clock() + _PAUSES_SECONDS[min(self._failures, len(_PAUSES_SECONDS) - 1)]
        self._failures += 1

    def _say(self, word: str) -> None:
        """Send a word; a process that has ended is noticed at the next look."""
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()
        except OSError:
            return
        if word == "now":
            self._requested = False

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(_LOOK_SECONDS)
                if self._ending:
                    break
            self.step()
        self._end_process()

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _close_input(process)
        for end in (process.poll, process.terminate, process.kill):
            end()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
                return


def _close_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # it has ended already
        process.stdin.close()
