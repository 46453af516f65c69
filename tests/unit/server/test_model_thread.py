"""The order of tasks on the model's thread, and cancelled tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from radsam.server.model_thread import EditCancelledError, ModelThread, Priority, ServerStoppingError
from waiting import HANG_SECONDS, wait_for


@pytest.fixture
def thread() -> Iterator[ModelThread]:
    it = ModelThread()
    yield it
    it.close()


def test_a_click_runs_between_two_slices_of_a_propagation(thread: ModelThread) -> None:
    order: list[str] = []
    in_flight, go_on = threading.Event(), threading.Event()

    def propagation(name: str, slices: int) -> Iterator[None]:
        for number in range(slices):
            order.append(f"{name}{number}")
            if not in_flight.is_set():
                in_flight.set()
                go_on.wait(HANG_SECONDS)
            yield
        return name

    first = thread.start(propagation("a", 3), Priority.SEGMENT)
    assert in_flight.wait(HANG_SECONDS)
    second = thread.start(propagation("b", 3), Priority.SEGMENT)
    correction = thread.start(propagation("c", 2), Priority.CORRECT)
    click = thread.call(lambda: order.append("click"))
    go_on.set()
    assert [each.future.result(HANG_SECONDS) for each in (first, second, correction)] == ["a", "b", "c"]
    assert click.done()
    # One slice was running. Then the click, the whole correction, and the propagations in turns.
    assert order == ["a0", "click", "c0", "c1", "b0", "a1", "b1", "a2", "b2"]


def test_a_cancelled_propagation_is_closed_and_a_dropped_click_does_not_run(thread: ModelThread) -> None:
    closed, begun, hold = threading.Event(), threading.Event(), threading.Event()

    def propagation() -> Iterator[None]:
        try:
            while True:
                begun.set()
                hold.wait(HANG_SECONDS)
                yield
        finally:
            closed.set()

    task = thread.start(propagation(), Priority.SEGMENT)
    assert begun.wait(HANG_SECONDS)
    ran = []
    dropped = thread.call(lambda: ran.append(1))
    assert dropped.cancel()
    thread.cancel(task)
    hold.set()
    with pytest.raises(EditCancelledError):
        task.future.result(HANG_SECONDS)
    assert closed.is_set()
    assert thread.call(lambda: 7).result(HANG_SECONDS) == 7
    assert ran == []


def test_the_background_runs_only_while_no_task_waits() -> None:
    worked: list[float] = []
    thread = ModelThread(lambda: worked.append(time.monotonic()) or len(worked) < 3, quiet_seconds=0.2)
    try:
        ended = thread.call(time.monotonic).result(HANG_SECONDS)
        thread.wake()
        wait_for(lambda: len(worked), lambda count: count == 3)
        assert worked[0] - ended >= 0.2
        time.sleep(0.05)
        assert len(worked) == 3  # it reported that nothing is left
        thread.wake()
        wait_for(lambda: len(worked), lambda count: count == 4)
    finally:
        thread.close()


def test_an_error_in_the_background_stops_nothing() -> None:
    thread = ModelThread(lambda: 1 // 0 > 0)
    try:
        thread.wake()
        assert thread.call(lambda: 5).result(HANG_SECONDS) == 5
    finally:
        thread.close()


def test_closing_leaves_running_tasks_open() -> None:
    thread = ModelThread()
    closed = []

    def propagation() -> Iterator[None]:
        try:
            while True:
                time.sleep(0.01)
                yield
        except GeneratorExit:
            closed.append(1)
            raise

    task = thread.start(propagation(), Priority.SEGMENT)
    time.sleep(0.05)
    thread.close()
    with pytest.raises(ServerStoppingError):
        task.future.result(0)
    with pytest.raises(ServerStoppingError):
        thread.call(lambda: 1).result(0)
    assert not closed
