"""Does a pool do each unit once, whatever happens to its processes?"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

from radsam.errors import ExecutionError, MissingExtraError, OutputError
from radsam.worker_pool import WorkerPool, _interrupts_held


@dataclass(frozen=True)
class Count:
    """Count to a number; the process dies before a step for which the folder has a file, once for each file."""

    name: str
    steps: tuple[int, ...]
    folder: Path
    group: str = ""


Step = tuple[str, int, int]


def load() -> Callable[[Count, Callable[[Step], None]], None]:
    return work


def work(unit: Count, report: Callable[[Step], None]) -> None:
    for step in unit.steps:
        for deadly in sorted(unit.folder.glob(f"{unit.name}-{step}-*")):
            deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        report((unit.name, step, os.getpid()))


def fail(kind: type[Exception], *args: str) -> Callable[[Count, Callable[[Step], None]], None]:
    raise kind(*args)


def die() -> Callable[[Count, Callable[[Step], None]], None]:
    os.kill(os.getpid(), signal.SIGKILL)
    return work


def rest(unit: Count, results: Sequence[Step], deaths: int) -> Count | None:
    return replace(unit, steps=unit.steps[len(results) :]) if deaths < 3 else None


def run(units: list[Count], load: Callable[[], Callable[[Count, Callable[[Step], None]], None]] = load) -> list[Step]:
    return [*WorkerPool(2, load, retry=rest, group=lambda unit: unit.group).run(units)]


def test_every_unit_is_done_once_by_all_workers(tmp_path: Path) -> None:
    found = run([Count(name, (0, 1, 2), tmp_path) for name in "abcdef"])
    assert sorted(step[:2] for step in found) == [(name, step) for name in "abcdef" for step in range(3)]
    assert os.getpid() not in {pid for *_, pid in found}
    assert not multiprocessing.active_children()


def test_a_dead_process_costs_only_the_rest_of_its_unit(tmp_path: Path) -> None:
    (tmp_path / "b-1-first").touch()
    (tmp_path / "c-2-first").touch()
    (tmp_path / "c-2-second").touch()
    found = run([Count(name, (0, 1, 2), tmp_path) for name in "abcd"])
    assert sorted(step[:2] for step in found) == [(name, step) for name in "abcd" for step in range(3)]
    assert [step for name, step, _ in found if name == "c"] == [0, 1, 2]


def test_a_unit_that_keeps_killing_is_left_alone(tmp_path: Path) -> None:
    for attempt in range(9):
        (tmp_path / f"b-1-{attempt}").touch()
    found = run([Count(name, (0, 1), tmp_path) for name in "abc"])
    assert sorted(step[:2] for step in found) == [("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1)]
    assert len([*tmp_path.iterdir()]) == 6


def test_a_worker_does_the_units_of_one_group_in_a_row(tmp_path: Path) -> None:
    found = run([Count(f"{name}{number}", (0,), tmp_path, name) for number in range(4) for name in "ab"])
    assert len(found) == 8
    for worker in {pid for *_, pid in found}:
        groups = [name[0] for name, _, pid in found if pid == worker]
        assert len([*groupby(groups)]) == len(set(groups))


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        ((OutputError, "The disk is full."), OutputError, "The disk is full"),
        ((MissingExtraError, "Reading", "batch"), ExecutionError, "pip install 'radsam"),
        ((KeyError, "odd"), KeyError, "odd"),
    ],
)
def test_an_exception_of_a_worker_is_raised_here(
    raised: tuple[type[Exception], str], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        run([Count("a", (0,), tmp_path)], partial(fail, *raised))
    assert not multiprocessing.active_children()


def test_workers_that_die_before_they_are_ready_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="fewer --workers"):
        run([Count("a", (0,), tmp_path)], die)


def test_closing_the_iterator_ends_the_workers(tmp_path: Path) -> None:
    pool = WorkerPool(2, load, retry=rest, group=lambda unit: unit)
    stream = pool.run([Count(name, tuple(range(10_000)), tmp_path) for name in "ab"])
    _, _, pid = next(stream)
    stream.close()
    assert not multiprocessing.active_children()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def hold_interrupts() -> None:
    """Send Ctrl-C to this process while they are held, and beside it another thread that may take the signal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background of a shell ignores Ctrl-C
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    inside = False
    try:
        with _interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            inside = True
    except KeyboardInterrupt:
        sys.exit(7 if inside else 8)
    finally:
        ended.set()


def test_ctrl_c_waits_until_a_process_has_started() -> None:
    process = multiprocessing.get_context("spawn").Process(target=hold_interrupts)
    process.start()
    process.join()
    assert process.exitcode == 7
