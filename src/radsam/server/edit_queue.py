"""The way of an edit: queued per session, walked on the model's thread, saved, and only then told as done."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from radsam.errors import RadsamError
from radsam.propagate import Record, SliceDone
from radsam.server.edit_journal import Journal, pack_runs
from radsam.server.live_session import Job, LiveSession
from radsam.server.model_thread import EditCancelledError, ModelThread, Priority, ServerStoppingError, Steps
from radsam.server.server_errors import BusyError, TooManyError
from radsam.server.server_limits import Limits
from radsam.server.server_metrics import ServerMetrics
from radsam.server.server_store import ServerStore
from radsam.server.statuses import kind_of
from radsam.session import Session
from radsam.session.capability_warnings import capability_warnings, not_followed
from radsam.session.edit import Correct, Segment
from radsam.session.history import History, object_names
from radsam.volume import SliceGrid

_log = logging.getLogger(__name__)


class EditQueue:
    """Does edits of all sessions, those of one session in their order.

    Args:
        thread: Where the model runs.
        store: Where sessions are kept.
        limits: How many edits may wait.
        metrics: What is counted.
    """

    def __init__(self, thread: ModelThread, store: ServerStore, limits: Limits, metrics: ServerMetrics) -> None:
        self._thread = thread
        self._store = store
        self._limits = limits
        self._metrics = metrics
        # Two: a large session that is being compressed keeps nobody else's click from being done.
        self._savers = ThreadPoolExecutor(2, "save")

    def close(self) -> None:
        """Wait until what is finished is saved."""
        self._savers.shutdown(wait=True)

    def edit(self, live: LiveSession, name: str, what: str, make: Callable[[], Segment | Correct]) -> Job:
        """Queue an edit.

        Args:
            live: The session.
            name: The object.
            what: "segment" or "correct".
            make: Makes the edit when its turn has come, on the model's thread.

        Raises:
            TooManyError: Too many edits wait.
        """
        urgent = Priority.CORRECT if what == "correct" else Priority.WALK
        return self._queue(live, Job(_job_id(), what, name, lambda job: self._edit_steps(live, job, make), urgent))

    def change(
        self, live: LiveSession, change: Callable[[Session], Iterator[Record] | None], name: str = ""
    ) -> Future[dict[str, Any]]:
        """Do what is no walk of its own: undo, remove, lock.

        Args:
            live: The session.
            change: Changes the session, on the model's thread; what it yields is done step by step.
            name: The object.

        Returns:
            The state afterwards.

        Raises:
            BusyError: An edit runs or waits.
        """
        with live.lock:
            if any(job.what != "change" for job in live.jobs):
                raise BusyError(
                    f"{live.jobs[0].name or 'An edit'!r} is still being worked on. Wait until it is done, or cancel it."
                )
            steps = lambda job: self._change_steps(live, change)  # noqa: E731 - as `edit` does
            return self._queue(live, Job(_job_id(), "change", name, steps, Priority.NOW)).future

    def cancel(self, live: LiveSession) -> list[Job]:
        """End what runs and drop what waits; the session is as before."""
        with live.lock:
            waiting = [job for job in list(live.jobs)[1:] if job.what != "change"]
            for job in waiting:
                live.jobs.remove(job)
            running = live.running if live.running is not None and live.running.what != "change" else None
            if running is not None and running.task is not None:
                self._thread.cancel(running.task)
        for job in waiting:
            live.channel.publish("cancelled", {"job": job.id})
            job.future.set_exception(EditCancelledError())
        return ([] if running is None else [running]) + waiting

    def _queue(self, live: LiveSession, job: Job) -> Job:
        job.future.set_running_or_notify_cancel()  # whoever waits for it may go away, but not take it along
        with live.lock:
            if len(live.jobs) >= self._limits.queued_edits:
                raise TooManyError(f"{len(live.jobs)} edits of this session wait already. Wait until some are done.")
            live.jobs.append(job)
            if len(live.jobs) == 1:
                self._begin(live)
        return job

    def _begin(self, live: LiveSession) -> None:
        """Start the first job of the queue."""
        job = live.jobs[0]
        before = live.session.history
        job.started = time.monotonic()
        job.task = self._thread.start(job.steps(job), job.priority)
        job.task.future.add_done_callback(lambda walked: self._walked(live, job, before, walked))

    def _edit_steps(self, live: LiveSession, job: Job, make: Callable[[], Segment | Correct]) -> Steps[None]:
        live.publish_state()
        job.edit = edit = make()
        session = live.session
        session.to_edit(edit)
        job.capability_warnings = capability_warnings(edit, session.predictor.spec)
        names = object_names(session.history.push(edit).done)
        object_id = names.index(edit.name) + 1
        plane = edit.plane if isinstance(edit, Segment) else session.objects[edit.name].grid.plane
        grid = SliceGrid.of(session.volume.geometry, plane)
        live.interrupted = None
        job.journal = Journal(live.journal_path, edit)
        for record in session.run(edit):
            if isinstance(record, SliceDone):
                job.journal.append(record.slice_mask)
                self._tell(live, job, object_id, grid, record)
            yield
        live.settle()

    def _change_steps(self, live: LiveSession, change: Callable[[Session], Iterator[Record] | None]) -> Steps[None]:
        for _ in change(live.session) or ():
            yield
        live.settle()

    def _tell(self, live: LiveSession, job: Job, object_id: int, grid: SliceGrid, record: SliceDone) -> None:
        answer = record.slice_mask
        job.done, job.total = record.done, record.total
        self._metrics.slices.inc()
        live.channel.publish(
            "slice",
            {
                "job": job.id,
                "name": job.name,
                "object_id": object_id,
                "plane": grid.plane.value,
                "index": answer.index,
                "score": round(answer.score, 4),
                "shape": list(answer.mask.shape),
                "runs_b64": pack_runs(answer.mask),
            },
        )
        seconds = round(time.monotonic() - job.started, 3)
        live.channel.publish("progress", job.to_dict() | {"seconds": seconds})

    def _walked(self, live: LiveSession, job: Job, before: History, walked: Future[None]) -> None:
        """Go on after the last step, on the model's thread."""
        error = walked.exception()
        if error is None:
            self._savers.submit(self._save, live, job, before)
        elif isinstance(error, ServerStoppingError):
            if job.journal is not None:
                job.journal.close()  # it stays for the next start
            job.future.set_exception(error)
        else:
            self._failed(live, job, error)

    def _save(self, live: LiveSession, job: Job, before: History) -> None:
        try:
            if not live.deleted:
                live.stamp()
                live.session.save(live.file)
                self._store.put_session(live.row)
        except Exception as error:  # a full disk, above all: what is not kept was not done
            self._thread.call(lambda: self._roll_back(live, before)).result()
            self._failed(live, job, error)
            return
        if job.journal is not None:
            job.journal.discard()
        self._release(live, job)
        if job.edit is not None:
            self._metrics.edits.labels(job.what, "done").inc()
            live.channel.publish("ended", self._end_of(live, job))
        live.publish_state()
        job.future.set_result(live.state())

    @staticmethod
    def _roll_back(live: LiveSession, before: History) -> None:
        live.session.restore(before, {})
        live.settle()

    @staticmethod
    def _end_of(live: LiveSession, job: Job) -> dict[str, Any]:
        found = next((each for each in live.state()["objects"] if each["name"] == job.name), None)
        by_hand = bool(found and found["by_hand"])
        told = [*job.capability_warnings, *([not_followed(job.name)] if by_hand and job.what == "correct" else [])]
        return {
            "job": job.id,
            "name": job.name,
            "low_end": found["low_end"] if found else None,
            "high_end": found["high_end"] if found else None,
            "by_hand": by_hand,
            "warnings": told,
        }

    def _failed(self, live: LiveSession, job: Job, error: BaseException) -> None:
        if job.journal is not None:
            job.journal.discard()
        self._release(live, job)
        if isinstance(error, EditCancelledError):
            self._metrics.edits.labels(job.what, "cancelled").inc()
            live.channel.publish("cancelled", {"job": job.id})
        elif job.what != "change":
            self._metrics.edits.labels(job.what, "failed").inc()
            known = isinstance(error, RadsamError)
            if not known:
                _log.error("edit failed", exc_info=error)
            message = str(error) if known else "This is a bug in RadSAM; the server's log has the details."
            live.channel.publish(
                "failed", {"job": job.id, "name": job.name, "kind": kind_of(error), "message": message}
            )
        live.publish_state()
        job.future.set_exception(error)

    def _release(self, live: LiveSession, job: Job) -> None:
        with live.lock:
            live.jobs.remove(job)
            live.touch()
            if live.jobs:
                self._begin(live)


def _job_id() -> str:
    return "j" + secrets.token_hex(6)
