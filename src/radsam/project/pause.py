"""Stopping work in the background for as long as somebody needs the processor."""

from __future__ import annotations

import threading
import time

from radsam.errors import ExecutionError


class StoppedError(ExecutionError):
    """The work was stopped for good; the next start goes on with it."""


class Pause:
    """What long work asks between its small units, of a second or less, whether it may go on.

    One thread works and calls `wait`; any other may call `pause`, `go` and `stop`.

    Attributes:
        seconds: How long `wait` has blocked, in all.
        stopped: Set when the work was stopped.
    """

    def __init__(self) -> None:
        self._may_go = threading.Event()
        self._may_go.set()
        self.stopped = threading.Event()
        self.seconds = 0.0

    @property
    def paused(self) -> bool:
        """Whether the work is paused."""
        return not self._may_go.is_set()

    def pause(self) -> None:
        """Let the next `wait` block."""
        self._may_go.clear()

    def go(self) -> None:
        """Let the work go on."""
        self._may_go.set()

    def stop(self) -> None:
        """Let this and every later `wait` raise."""
        self.stopped.set()
        self._may_go.set()

    def wait(self) -> None:
        """Return when the work may go on: at once where it is not paused.

        Raises:
            StoppedError: The work was stopped.
        """
        if not self._may_go.is_set():
            began = time.monotonic()
            self._may_go.wait()
            self.seconds += time.monotonic() - began
        if self.stopped.is_set():
            raise StoppedError("The work was stopped; the next start goes on with it.")


class WorkTime:
    """A limit on the time that work takes; pauses do not count.

    Args:
        pause: The pauses.
        seconds: The limit; infinity for none.
        spent: What an earlier process has spent of it.

    Attributes:
        limit: As given, in seconds.
    """

    def __init__(self, pause: Pause, seconds: float, spent: float = 0.0) -> None:
        self._pause, self.limit, self._before = pause, seconds, spent
        self._began, self._waited = time.monotonic(), pause.seconds

    @property
    def spent(self) -> float:
        """Seconds of work so far."""
        return self._before + time.monotonic() - self._began - (self._pause.seconds - self._waited)

    @property
    def share(self) -> float:
        """Which part of the limit is spent, at most 1."""
        return min(1.0, self.spent / self.limit)

    @property
    def over(self) -> bool:
        """Whether the limit is reached."""
        return self.spent >= self.limit
