"""The queue of edits: edits of a session run in order on the model's thread, and count as done only once saved."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from radsam.predictor import SliceMask
from radsam.propagate import Record, SideDone
from radsam.server.edit_journal import InterruptedEdit, Journal, pack_runs
from radsam.server.live_session import Job, LiveSession
from radsam.server.model_thread import ModelThread, Priority, Steps
from radsam.server.server_errors import BusyError, EditCancelledError, ServerStoppingError, TooManyError, classify
from radsam.server.server_limits import Limits
from radsam.server.server_metrics import ServerMetrics
from radsam.server.server_store import ServerStore, now
from radsam.session import SegmentedObject, Session
from radsam.session.capability_warnings import capability_warnings, not_followed
from radsam.session.edit import Correct, ObjectEdit, Segment, StartEdit
from radsam.session.edit_outcome import EditOutcome
from radsam.session.edit_request import SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import ConfirmRequest, PaintRequest
from radsam.session.history import History
from radsam.session.object_ids import object_ids, with_edit
from radsam.session.requests import ObjectRequest, request_of
from radsam.volume import RunMask, SliceGrid

_log = logging.getLogger(__name__)


class EditQueue:
    """Runs the edits of all sessions.

    Args:
        thread: The model's thread.
        store: Where sessions are saved.
        limits: How many edits may wait.
        metrics: Where edits and slices are counted.
    """

    def __init__(self, thread: ModelThread, store: ServerStore, limits: Limits, metrics: ServerMetrics) -> None:
        self._thread = thread
        self._store = store
        self._limits = limits
        self._metrics = metrics
        #: Called with the session and its histories before and after a change, once that is saved.
        self.on_saved: Callable[[LiveSession, History, History], None] = lambda live, before, after: None
        # Two threads: compressing one large session must not delay the clicks of other users.
        self._savers = ThreadPoolExecutor(2, "save")

    def close(self) -> None:
        """Wait until finished edits are saved."""
        self._savers.shutdown(wait=True)

    def edit(self, live: LiveSession, request: ObjectRequest) -> Job:
        """Queue an edit of an object.

        Raises:
            TooManyError: Too many edits wait.
        """
        return self._queue(live, self._job(live, request))

    def keep_interrupted(self, live: LiveSession, interrupted: InterruptedEdit) -> Job:
        """Queue what is done of an edit that a crash interrupted, as an edit.

        Raises:
            TooManyError: Too many edits wait.
        """
        job = self._job(live, request_of(interrupted.edit), interrupted.records)
        job.keep = True
        return self._queue(live, job)

    def _job(self, live: LiveSession, request: ObjectRequest, kept: Sequence[Record] | None = None) -> Job:
        starts = isinstance(request, SegmentRequest | StartFromMaskRequest)
        steps = lambda job: self._edit_steps(live, job, request, kept)  # noqa: E731 - a `Job` names its steps
        return Job(_job_id(), "segment" if starts else "correct", request.name, steps, _priority(request))

    def change(
        self, live: LiveSession, change: Callable[[Session], Iterator[Record] | None], name: str = ""
    ) -> Future[dict[str, Any]]:
        """Queue a change without a propagation of its own: undo, remove, lock.

        Args:
            live: The session.
            change: Changes the session on the model's thread, step by step if it returns an iterator.
            name: The object.

        Returns:
            The state afterwards.

        Raises:
            BusyError: An edit runs or waits.
        """
        with live.lock:
            if any(job.kind != "change" for job in live.jobs):
                raise BusyError(
                    f"An edit of {live.jobs[0].name!r} is still running. Wait until it is done, or cancel it."
                )
            return self.change_after_edits(live, change, name)

    def change_after_edits(
        self, live: LiveSession, change: Callable[[Session], Iterator[Record] | None], name: str = ""
    ) -> Future[dict[str, Any]]:
        """Queue a change as `change` does, after the edits that run or wait.

        Raises:
            TooManyError: Too many edits wait.
        """
        steps = lambda job: self._change_steps(live, change)  # noqa: E731 - a `Job` names its steps
        return self._queue(live, Job(_job_id(), "change", name, steps, Priority.CLICK)).future

    def cancel(self, live: LiveSession, *, keep: bool = False) -> list[Job]:
        """Cancel the running edit and all waiting ones; the session stays as it was before them.

        Args:
            live: The session.
            keep: Whether to keep what is done of the running one, as an edit.
        """
        with live.lock:
            waiting = [job for job in list(live.jobs)[1:] if job.kind != "change"]
            for job in waiting:
                live.jobs.remove(job)
            running = [job for job in list(live.jobs)[:1] if job.kind != "change"]
            for job in running:
                job.keep = keep
                if job.task is not None:
                    (self._thread.hasten if keep else self._thread.cancel)(job.task)
        for job in waiting:
            live.channel.publish("cancelled", {"job": job.id})
            job.future.set_exception(EditCancelledError())
        return running + waiting

    def _queue(self, live: LiveSession, job: Job) -> Job:
        job.future.set_running_or_notify_cancel()  # a client that stops waiting does not cancel the edit
        with live.lock:
            if len(live.jobs) >= self._limits.queued_edits:
                raise TooManyError(f"{len(live.jobs)} edits of this session wait already. Wait until some are done.")
            live.jobs.append(job)
            if len(live.jobs) == 1:
                self._begin(live)
        return job

    def _begin(self, live: LiveSession) -> None:
        """Start the first job of the queue."""
        job, before = live.jobs[0], live.session.history
        job.started = time.monotonic()
        job.task = self._thread.start(job.steps(job), job.priority)
        job.task.future.add_done_callback(lambda task: self._ended(live, job, before, task.exception()))

    def _edit_steps(
        self, live: LiveSession, job: Job, request: ObjectRequest, kept: Sequence[Record] | None
    ) -> Steps[None]:
        live.publish_state()
        session = live.session
        job.edit = edit = session.to_edit(request)
        job.warnings = capability_warnings(edit, session.predictor.spec)
        # Once: the volume stays the same.
        if isinstance(edit, Segment) and not session.objects and session.volume.modality_doubt:
            job.warnings += (session.volume.modality_doubt,)
        number = live.value_for(edit.name) if isinstance(edit, StartEdit) else None
        object_id = object_ids(with_edit(session.history, edit, number).done)[edit.name]
        plane = edit.plane if isinstance(edit, StartEdit) else session.objects[edit.name].grid.plane
        grid = SliceGrid.of(session.volume.geometry, plane)
        covered = session.covered
        live.interrupted = None
        job.journal = Journal(live.journal_path, edit)
        published: dict[int, SliceMask] = {}
        for record in self._records(session, job, edit, kept, number):
            if isinstance(record, SideDone):
                job.journal.append_end(record)
            elif record.slice_mask != published.get(record.slice_mask.index):
                job.journal.append(record.slice_mask)
                job.done, job.total = record.done, record.total
                self._metrics.slices.inc()
                self._publish_slice(live, job, object_id, grid, record.slice_mask)
                published[record.slice_mask.index] = record.slice_mask
            yield
        for changed in _without(published, session.outcome, session.objects[edit.name]):
            self._publish_slice(live, job, object_id, grid, changed)
        if isinstance(edit, Correct) and (unfollowed := session.objects[edit.name].unfollowed):
            job.warnings += (not_followed(edit.name, unfollowed),)
        job.warnings += session.overlap_warnings(covered)
        job.outcome = session.outcome
        live.refresh()

    @staticmethod
    def _records(
        session: Session, job: Job, edit: ObjectEdit, kept: Sequence[Record] | None, number: int | None
    ) -> Iterator[Record]:
        """Yield the records of an edit, until the job is to keep what is done; or those that a crash left."""
        records = list(kept or ())
        if kept is None:
            run = session.run(edit, number=number)
            for record in run:
                records.append(record)
                yield record
                if job.keep:
                    break
            else:
                return
            run.close()
        job.stopped = True
        yield from session.keep(edit, records, number=number)

    def _change_steps(self, live: LiveSession, change: Callable[[Session], Iterator[Record] | None]) -> Steps[None]:
        for _ in change(live.session) or ():
            yield
        live.refresh()

    def _publish_slice(self, live: LiveSession, job: Job, object_id: int, grid: SliceGrid, mask: SliceMask) -> None:
        live.channel.publish(
            "slice",
            {
                "job": job.id,
                "name": job.name,
                "object_id": object_id,
                "plane": grid.plane.value,
                "index": mask.index,
                "score": round(mask.score, 4),
                "shape": list(mask.mask.shape),
                "runs_b64": pack_runs(mask.mask),
            },
        )
        seconds = round(time.monotonic() - job.started, 3)
        live.channel.publish("progress", job.to_dict() | {"seconds": seconds})

    def _ended(self, live: LiveSession, job: Job, before: History, error: BaseException | None) -> None:
        """Handle the end of the last step, on the model's thread."""
        if error is None:
            self._savers.submit(self._save, live, job, before)
        elif isinstance(error, ServerStoppingError):
            if job.journal is not None:
                job.journal.close()  # the next start offers to resume the edit
            job.future.set_exception(error)
        else:
            self._failed(live, job, error)

    def _save(self, live: LiveSession, job: Job, before: History) -> None:
        try:
            if not live.deleted:
                live.changed = now()
                live.session.save(live.file)
                self._store.put_session(live.row)
        except Exception as error:  # mostly a full disk: an edit that cannot be saved is undone
            self._thread.call(lambda: self._roll_back(live, before)).result()
            self._failed(live, job, error)
            return
        after = live.session.history  # the next change may begin at once
        if job.journal is not None:
            job.journal.discard()
        self._release(live, job)
        if job.edit is not None:
            self._metrics.edits.labels(job.kind, "done").inc()
            live.channel.publish("ended", self._ended_event(live, job))
        live.publish_state()
        try:
            self.on_saved(live, before, after)
        except Exception:  # the edit is done, whatever follows from it
            _log.exception("an edit was not counted")
        job.future.set_result(live.state())

    @staticmethod
    def _roll_back(live: LiveSession, before: History) -> None:
        live.session.restore(before, {})
        live.refresh()

    @staticmethod
    def _ended_event(live: LiveSession, job: Job) -> dict[str, Any]:
        found = next((each for each in live.state()["objects"] if each["name"] == job.name), None)
        painted = bool(found and found["by_hand"])
        return {
            "job": job.id,
            "name": job.name,
            "low_end": found["low_end"] if found else None,
            "high_end": found["high_end"] if found else None,
            "other_ends": found["other_ends"] if found else {},
            "by_hand": painted,
            "stopped": job.stopped,
            "warnings": list(job.warnings),
            "outcome": job.outcome and job.outcome.to_dict(live.session.volume.geometry.voxel_volume_mm3 / 1000),
        }

    def _failed(self, live: LiveSession, job: Job, error: BaseException) -> None:
        if job.journal is not None:
            job.journal.discard()
        self._release(live, job)
        if isinstance(error, EditCancelledError):
            self._metrics.edits.labels(job.kind, "cancelled").inc()
            live.channel.publish("cancelled", {"job": job.id})
        elif job.kind != "change":
            self._metrics.edits.labels(job.kind, "failed").inc()
            _, kind, message = classify(error)
            if kind == "bug":
                _log.error("edit failed", exc_info=error)
            live.channel.publish("failed", {"job": job.id, "name": job.name, "kind": kind, "message": message})
        live.publish_state()
        job.future.set_exception(error)

    def _release(self, live: LiveSession, job: Job) -> None:
        with live.lock:
            live.jobs.remove(job)
            live.touch()
            if live.jobs:
                self._begin(live)


def _priority(request: ObjectRequest) -> Priority:
    """Return the priority of an edit: one by hand takes milliseconds, and no one waits for it behind a propagation."""
    match request:
        case SegmentRequest() | StartFromMaskRequest(refine=True):
            return Priority.SEGMENT
        case ConfirmRequest() | PaintRequest(reach="slice"):
            return Priority.CLICK
        case _:
            return Priority.CORRECT


def _without(
    published: Mapping[int, SliceMask], outcome: EditOutcome | None, edited: SegmentedObject
) -> Iterator[SliceMask]:
    """Yield the slices that an edit changed and that no event has shown as they are: painted, dropped, cleaned up."""
    for index in outcome.slices if outcome else ():
        empty = SliceMask(index, RunMask.empty(edited.grid.shape_vu), 1.0)
        mask = edited.slices.get(index, empty)
        if mask != published.get(index):
            yield mask


def _job_id() -> str:
    return "j" + secrets.token_hex(6)
