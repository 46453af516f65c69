"""Units of work on several processes.

Each process has a share of the processor's cores to itself, and a channel of its own to the
parent. One that dies loses nothing but the object it was at: its unit is tried once more, and
then written down as failed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from radsam.benchmark.benchmark_results import TaskKey
from radsam.benchmark.benchmark_unit import News, Unit, failed_unit, work_on

_MOST_ATTEMPTS = 2


@dataclass(eq=False)
class _Worker:
    """A process and what it is at."""

    process: BaseProcess
    channel: Connection
    number: int
    unit: Unit | None = None
    attempt: int = 1
    case: tuple[str, str] | None = None
    finished: set[TaskKey] = field(default_factory=set)


def news_of_workers(units: Sequence[Unit], workers: int) -> Iterator[News]:
    """Run units on processes; whoever stops taking news ends them.

    Args:
        units: The units.
        workers: Number of processes.

    Yields:
        What comes out, in the order in which it comes.
    """
    waiting = deque((unit, 1) for unit in units)
    crew = [_start(number, workers) for number in range(min(workers, len(units)))]
    try:
        while waiting or any(worker.unit for worker in crew):
            for worker in crew:
                if worker.unit is None and waiting:
                    _assign(worker, crew, waiting)
            busy = {worker.channel: worker for worker in crew if worker.unit}
            for channel in wait([*busy]):
                worker = busy[channel]  # type: ignore[index]
                try:
                    news: News | None = worker.channel.recv()
                except (EOFError, OSError):
                    yield from _bury(worker, waiting)
                    crew[worker.number] = _start(worker.number, workers)
                    continue
                if news is None:
                    worker.unit = None
                    continue
                worker.finished |= {row.key for row in news.rows}
                yield news
    finally:
        for worker in crew:
            worker.process.terminate()
            worker.process.join()


def _assign(worker: _Worker, crew: Sequence[_Worker], waiting: deque[tuple[Unit, int]]) -> None:
    """Give a worker its next unit: of the case that it has in memory, else of one that nobody is at.

    Two models at one case at a time would encode the same slices twice.
    """
    elsewhere = {_case(other.unit) for other in crew if other is not worker and other.unit}

    def preference(place: int) -> tuple[bool, bool, int]:
        case = _case(waiting[place][0])
        return case != worker.case, case in elsewhere, place

    place = min(range(len(waiting)), key=preference)
    worker.unit, worker.attempt = waiting[place]
    del waiting[place]
    worker.case = _case(worker.unit)
    worker.finished.clear()
    worker.channel.send(worker.unit)


def _case(unit: Unit) -> tuple[str, str]:
    return unit.dataset, unit.case.case_id


def _start(number: int, workers: int) -> _Worker:
    # A fresh interpreter: inference engines do not survive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, number, workers), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours, number)


def _serve(channel: Connection, number: int, workers: int) -> None:
    """Be a worker: take units, tell news."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    _keep_to_share(number, workers)
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            for news in work_on(channel.recv()):
                channel.send(news)
            channel.send(None)


def _keep_to_share(number: int, workers: int) -> None:
    """Take every n-th core: engines start a thread for each core they see, and would wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= workers:
            os.sched_setaffinity(0, cores[number::workers])


def _bury(worker: _Worker, waiting: deque[tuple[Unit, int]]) -> Iterator[News]:
    """Put back what a dead process was at, or write it down as failed."""
    worker.process.join()
    unit, finished = worker.unit, frozenset(worker.finished)
    if unit is None:
        return
    if worker.attempt < _MOST_ATTEMPTS:
        waiting.appendleft((replace(unit, done=unit.done | finished), worker.attempt + 1))
    else:
        yield from failed_unit(unit, finished)
