"""Worker processes on this machine: units of work go in, results come out while a unit is still being done.

A process that dies, by a crash or by the system's out-of-memory killer, costs only the unit that it held: it is
replaced, and the unit goes back to the front of the queue. `concurrent.futures` and loky abandon the whole pool
then (`BrokenProcessPool`), do not name the unit that the dead process held, and return nothing before a unit's end.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from radsam.errors import ExecutionError, RadsamError

Unit = TypeVar("Unit")
Result = TypeVar("Result")
#: Does one unit and passes on each result as soon as it is ready.
Work = Callable[[Unit, Callable[[Result], None]], None]

#: Largest number of processes in a row that may die before they are ready.
_MOST_FAILED_STARTS = 3
#: Seconds that a process has to clean up when the pool ends; then it is killed.
_END_SECONDS = 10.0


@dataclass(eq=False)
class _Worker(Generic[Unit, Result]):
    """A process, the unit that it holds, and the unit's results so far."""

    process: BaseProcess
    channel: Connection[Any, Any]
    number: int
    ready: bool = False
    unit: Unit | None = None
    deaths: int = 0
    group: Hashable = None
    results: list[Result] = field(default_factory=list)


class WorkerPool(Generic[Unit, Result]):
    """Worker processes that do units, and the queue of units with the number of processes that each has cost.

    Args:
        workers: Number of processes; each has its share of the processor's cores to itself.
        load: Pickled to each process and called there once; returns the function that does a unit. An exception of
            either is raised here.
        retry: Called after a unit's process died, with the unit, its results so far and its number of deaths; returns
            the rest of the unit, or None to leave it alone.
        group: Units of one group use the same data in memory, so one process does them in a row.
        threads: Cores that a process needs: where its share is smaller, it may use all of them.
    """

    def __init__(
        self,
        workers: int,
        load: Callable[[], Work[Unit, Result]],
        *,
        retry: Callable[[Unit, Sequence[Result], int], Unit | None],
        group: Callable[[Unit], Hashable],
        threads: int = 1,
    ) -> None:
        self._count, self._load, self._retry, self._group, self._threads = workers, load, retry, group, threads
        self._queue: deque[tuple[Unit, int]] = deque()
        self._workers: list[_Worker[Unit, Result]] = []
        self._failed_starts = 0

    def run(self, units: Sequence[Unit]) -> Generator[Result, None, None]:
        """Do units. Close the generator (`contextlib.closing`) to end the processes.

        Args:
            units: The units; they and their results are pickled.

        Yields:
            Results in the order in which they come.

        Raises:
            ExecutionError: The processes die before they are ready.
        """
        self._queue.extend((unit, 0) for unit in units)
        self._count = min(self._count, len(units))
        try:
            for number in range(self._count):
                self._workers.append(self._start(number))
            while self._queue or any(worker.unit is not None for worker in self._workers):
                for worker in self._workers:
                    if worker.ready and worker.unit is None and self._queue:
                        self._hand_out(worker)
                by_channel = {worker.channel: worker for worker in self._workers}
                for channel in wait([*by_channel]):
                    yield from self._receive(by_channel[channel])  # type: ignore[index]
        finally:
            self._end()

    def _end(self) -> None:
        """End all processes; each may clean up first."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_END_SECONDS)
            worker.process.kill()
            worker.process.join()
            worker.channel.close()

    def _start(self, number: int) -> _Worker[Unit, Result]:
        # A fresh interpreter: inference engines do not survive a fork.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._load, number, self._count, self._threads), daemon=True
        )
        with _interrupts_held():
            process.start()
        theirs.close()
        return _Worker(process, ours, number)

    def _hand_out(self, worker: _Worker[Unit, Result]) -> None:
        """Give a worker its next unit: of the group that it has in memory, else of one that no other worker has.

        Two workers on one group at a time would do the same preparation twice.
        """
        elsewhere = {other.group for other in self._workers if other is not worker and other.unit is not None}

        def preference(position: int) -> tuple[bool, bool, int]:
            group = self._group(self._queue[position][0])
            return group != worker.group, group in elsewhere, position

        position = min(range(len(self._queue)), key=preference)
        worker.unit, worker.deaths = self._queue[position]
        del self._queue[position]
        worker.group, worker.results = self._group(worker.unit), []
        with suppress(OSError):  # the process has died: the next wait finds that
            worker.channel.send(worker.unit)

    def _receive(self, worker: _Worker[Unit, Result]) -> Iterator[Result]:
        try:
            kind, value = worker.channel.recv()
        except (EOFError, OSError):
            self._on_death(worker)
            return
        match kind:
            case "ready":
                worker.ready, self._failed_starts = True, 0
            case "result":
                worker.results.append(value)
                yield value
            case "done":
                worker.unit = None
            case _:
                raise value

    def _on_death(self, worker: _Worker[Unit, Result]) -> None:
        """Replace a process, and put back the rest of its unit."""
        worker.process.join()
        worker.channel.close()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise ExecutionError(
                    f"The worker processes end before they are ready (exit code {worker.process.exitcode}; -9 is "
                    "often a lack of memory). Use fewer --workers."
                )
        if worker.unit is not None:
            rest = self._retry(worker.unit, worker.results, worker.deaths + 1)
            if rest is not None:
                self._queue.appendleft((rest, worker.deaths + 1))
        self._workers[worker.number] = self._start(worker.number)


def _serve(
    channel: Connection[Any, Any], load: Callable[[], Work[Any, Any]], number: int, count: int, threads: int
) -> None:
    """Be a worker: receive units, send results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # `finally` blocks run and release locks
    _keep_to_share(number, count, threads)

    def send(kind: str, value: Any = None) -> None:
        try:
            channel.send((kind, value))
        except OSError:
            sys.exit(0)  # the parent has ended

    try:
        work = load()
        send("ready")
        while True:
            try:
                unit = channel.recv()
            except (EOFError, OSError):
                return  # the parent has ended
            work(unit, lambda result: send("result", result))
            send("done")
    except Exception as error:
        send("error", _picklable(error))


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return ExecutionError(str(error) if isinstance(error, RadsamError) else f"{type(error).__name__}: {error}")
    return error


def _keep_to_share(number: int, count: int, threads: int) -> None:
    """Use every n-th core: an engine starts a thread for each core, and the workers' threads would share cores."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= count * threads:
            os.sched_setaffinity(0, cores[number::count])


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back Ctrl-C while a process starts, which would print a traceback; it comes at the end.

    The new process inherits that this thread blocks the signal. That alone does not hold it back here: another thread
    may take the signal, and Python then interrupts the main thread.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number)) if main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
            if came:
                signal.raise_signal(signal.SIGINT)
