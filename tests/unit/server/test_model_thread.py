"""What goes first on the model's thread, and what a cancelled task leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from radsam.server.model_thread import EditCancelledError, ModelThread, Priority, ServerStoppingError
from servers import wait_for


@pytest.fixture
def thread() -> Iterator[ModelThread]:
    it = ModelThread()
    yield it
    it.close()


def test_a_click_goes_between_two_slices_of_a_walk(thread: ModelThread) -> None:
    order: list[str] = []
    in_flight, go_on = threading.Event(), threading.Event()

    def walk(name: str, slices: int) -> Iterator[None]:
        for number in range(slices):
            order.append(f"{name}{number}")
            if not in_flight.is_set():
                in_flight.set()
                go_on.wait(10)
            yield
        return name

    first = thread.start(walk("a", 3), Priority.SEGMENT)
    assert in_flight.wait(10)
    second = thread.start(walk("b", 3), Priority.SEGMENT)
    correction = thread.start(walk("c", 2), Priority.CORRECT)
    click = thread.call(lambda: order.append("click"))
    go_on.set()
    assert [each.future.result(10) for each in (first, second, correction)] == ["a", "b", "c"]
    assert click.done()
    # One slice was in flight. Then the click, the correction to its end, and the walks in turns.
    assert order == ["a0", "click", "c0", "c1", "b0", "a1", "b1", "a2", "b2"]


def test_a_cancelled_walk_is_closed_and_a_dropped_click_is_not_asked(thread: ModelThread) -> None:
    closed, begun, hold = threading.Event(), threading.Event(), threading.Event()

    def walk() -> Iterator[None]:
        try:
            while True:
                begun.set()
                hold.wait(10)
                yield
        finally:
            closed.set()

    task = thread.start(walk(), Priority.SEGMENT)
    assert begun.wait(10)
    asked = []
    dropped = thread.call(lambda: asked.append(1))
    assert dropped.cancel()
    thread.cancel(task)
    hold.set()
    with pytest.raises(EditCancelledError):
        task.future.result(10)
    assert closed.is_set()
    assert thread.call(lambda: 7).result(10) == 7
    assert asked == []


def test_the_background_works_only_when_nothing_is_asked() -> None:
    worked: list[float] = []
    thread = ModelThread(lambda: worked.append(time.monotonic()) or len(worked) < 3, quiet_seconds=0.2)
    try:
        thread.call(lambda: None).result(10)
        asked = time.monotonic()
        thread.wake()
        wait_for(lambda: len(worked), lambda count: count == 3)
        assert worked[0] - asked > 0.15
        time.sleep(0.05)
        assert len(worked) == 3  # it said that there is no more
        thread.wake()
        wait_for(lambda: len(worked), lambda count: count == 4)
    finally:
        thread.close()


def test_an_error_in_the_background_stops_nothing() -> None:
    thread = ModelThread(lambda: 1 // 0 > 0)
    try:
        thread.wake()
        assert thread.call(lambda: 5).result(10) == 5
    finally:
        thread.close()


def test_closing_leaves_what_runs_for_the_next_start() -> None:
    thread = ModelThread()
    closed = []

    def walk() -> Iterator[None]:
        try:
            while True:
                time.sleep(0.01)
                yield
        except GeneratorExit:
            closed.append(1)
            raise

    task = thread.start(walk(), Priority.SEGMENT)
    time.sleep(0.05)
    thread.close()
    with pytest.raises(ServerStoppingError):
        task.future.result(0)
    with pytest.raises(ServerStoppingError):
        thread.call(lambda: 1).result(0)
    assert not closed
