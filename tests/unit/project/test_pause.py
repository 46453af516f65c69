"""Pausing work in the background."""

from __future__ import annotations

import threading

import pytest

from radsam.project.pause import Pause, StoppedError, WorkTime


def test_work_goes_on_at_once_where_it_is_not_paused() -> None:
    pause = Pause()
    pause.wait()
    assert not pause.paused
    assert pause.seconds == 0


def test_paused_work_waits_until_it_may_go_on() -> None:
    pause, steps = Pause(), threading.Semaphore(0)
    pause.pause()
    worker = threading.Thread(target=lambda: (pause.wait(), steps.release()))
    worker.start()
    assert pause.paused
    assert not steps.acquire(blocking=False)
    pause.go()
    assert steps.acquire(timeout=30)
    worker.join()
    assert pause.seconds > 0


def test_stopped_work_ends_also_while_it_is_paused() -> None:
    pause, ended = Pause(), threading.Semaphore(0)
    pause.pause()

    def work() -> None:
        with pytest.raises(StoppedError, match="goes on"):
            pause.wait()
        ended.release()

    worker = threading.Thread(target=work)
    worker.start()
    pause.stop()
    assert ended.acquire(timeout=30)
    worker.join()
    pause.pause()
    pause.go()
    with pytest.raises(StoppedError):
        pause.wait()


def test_time_in_pauses_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pause = Pause()
    pause.seconds = 7.0  # before this work
    work = WorkTime(pause, 20.0, spent=5.0)
    now, pause.seconds = 112.0, 10.0
    assert work.spent == 14.0
    assert work.share == 0.7
    assert not work.over
    now = 118.0
    assert work.over
    now = 200.0
    assert work.share == 1.0
