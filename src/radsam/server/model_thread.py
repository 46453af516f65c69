"""The one thread that uses the model: tasks in order of priority, one slice at a time.

A task is a generator. Between two of its steps a more urgent task runs, so a click never waits longer than the
slice being computed. While no task waits, `background` runs: it encodes ahead.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from radsam.server.server_errors import EditCancelledError, ServerStoppingError

T = TypeVar("T")
Steps = Generator[None, None, T]

_log = logging.getLogger(__name__)


class Priority(IntEnum):
    """Order of tasks: the lowest number runs first."""

    CLICK = 0
    CORRECT = 1
    SEGMENT = 2


@dataclass(order=True)
class Task:
    """A generator on the thread.

    Args:
        priority: Its priority.
        order: Order among tasks of equal priority: the lowest runs first.
        steps: The generator.
        future: The return value of the generator, or its error.
        cancelled: Whether to end it before its next step.
    """

    priority: int
    order: int
    steps: Steps[Any] = field(compare=False)
    future: Future[Any] = field(compare=False, default_factory=Future)
    cancelled: bool = field(compare=False, default=False)


class ModelThread:
    """Runs tasks until it is closed.

    Args:
        background: Does a little work while no task waits; returns whether there may be more to do.
        quiet_seconds: Pause after the last task before `background` runs: its step would delay the next click, and
            clicks come in series.
    """

    def __init__(self, background: Callable[[], bool] | None = None, quiet_seconds: float = 0.0) -> None:
        self._background = background
        self._quiet_seconds = quiet_seconds
        self._busy_until = 0.0
        self._waiting: list[Task] = []
        self._running: set[int] = set()
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._woken = False
        self._closing = False
        #: Called when a task comes.
        self.on_task: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T], priority: Priority = Priority.CLICK) -> Future[T]:
        """Run a function as one step; cancelling the future before it starts drops the call."""

        def steps() -> Steps[T]:
            yield from ()
            return function()

        return self.start(steps(), priority).future

    def start(self, steps: Steps[Any], priority: Priority) -> Task:
        """Run a generator step by step.

        Returns:
            The task; the callbacks of its future run on this thread.
        """
        with self._changed:
            task = Task(priority, next(self._order), steps)
            if self._closing:
                task.future.set_exception(ServerStoppingError())
                return task
            heapq.heappush(self._waiting, task)
            self._running.add(id(task))
            self._changed.notify()
        task.future.add_done_callback(lambda _: self._running.discard(id(task)))
        self.on_task()
        return task

    def cancel(self, task: Task) -> None:
        """End a task before its next step."""
        task.cancelled = True
        self.hasten(task)

    def hasten(self, task: Task) -> None:
        """Let a task run as soon as a click."""
        with self._changed:
            task.priority = Priority.CLICK
            heapq.heapify(self._waiting)
            self._changed.notify()

    def wake(self) -> None:
        """Note that `background` may have work."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Number of tasks that wait for a step."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether a task runs or waits."""
        return bool(self._running)

    def close(self) -> None:
        """End after the current step; waiting tasks fail with `ServerStoppingError`, their generators stay open."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        for task in self._waiting:
            if task.future.running() or task.future.set_running_or_notify_cancel():
                task.future.set_exception(ServerStoppingError())
        self._waiting.clear()

    def _run(self) -> None:
        while True:
            task = self._next()
            if task is None:
                return
            if task.future.running() or task.future.set_running_or_notify_cancel():
                self._step(task)
                self._busy_until = time.monotonic() + self._quiet_seconds

    def _next(self) -> Task | None:
        """Wait for a task and run `background` meanwhile; None when the thread is closing."""
        while True:
            with self._changed:
                while not (self._closing or self._waiting or (self._woken and self._quiet_for() <= 0)):
                    self._changed.wait(self._quiet_for() if self._woken else None)
                if self._closing:
                    return None
                if self._waiting:
                    return heapq.heappop(self._waiting)
                self._woken = False
            try:
                more = self._background is not None and self._background()
            except Exception:  # no request waits for encoding ahead
                _log.exception("encoding ahead failed")
                more = False
            self._woken = self._woken or more

    def _quiet_for(self) -> float:
        """Seconds until `background` may run."""
        return self._busy_until - time.monotonic()

    def _step(self, task: Task) -> None:
        try:
            if task.cancelled:
                task.steps.close()
                raise EditCancelledError
            next(task.steps)
        except StopIteration as end:
            task.future.set_result(end.value)
        except BaseException as error:  # the caller handles it
            task.future.set_exception(error)
        else:
            with self._changed:
                task.order = next(self._order)
                heapq.heappush(self._waiting, task)
