"""The sessions of a project's cases: one per case, reading and user, started from proposals or as a copy to check."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from radsam.errors import InputError, PromptError, SessionError
from radsam.project.finished_mask import FinishedMask
from radsam.project.project import Project
from radsam.project.task_state import Case
from radsam.server.case_volumes import CaseVolumes
from radsam.server.live_session import LiveSession
from radsam.server.mask_provenance import provenance
from radsam.server.model_thread import ModelThread
from radsam.server.server_errors import BusyError, NotFoundError
from radsam.server.server_store import CaseSession, ServerStore
from radsam.server.session_registry import SessionRegistry
from radsam.session import Engine, Overlap, Session, read_session
from radsam.session.label_objects import LabelRequest
from radsam.volume import Plane, SparseMask, Volume

#: Axis along which the slices of a mask of a file are taken.
_AXIAL = 2


class CaseSessions:
    """Starts, reopens and reads the sessions of cases.

    Args:
        project: The project.
        volumes: The volumes of its cases.
        sessions: The sessions of the server.
        store: Which session is of which case.
        engine: The models.
        thread: The model's thread.
        delete: Removes a session of a user.
    """

    def __init__(
        self,
        project: Project,
        volumes: CaseVolumes,
        sessions: SessionRegistry,
        store: ServerStore,
        engine: Engine,
        thread: ModelThread,
        delete: Callable[[str, str], None],
    ) -> None:
        self._project = project
        self._volumes = volumes
        self._sessions = sessions
        self._store = store
        self._engine = engine
        self._thread = thread
        self._delete = delete
        self._values = {each.name: each.value for each in project.labels.label}
        self._opening: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def open(self, user: str, case: Case, reading: int) -> CaseSession:
        """Return the user's session of a case, and start it if there is none yet or nothing was done in it.

        Raises:
            VolumeError: The volume cannot be read.
            SessionError: The session cannot be opened: its volume or its model is missing.
        """
        tasks = {each.label: each for each in self._project.tasks(case.id) if each.reading == reading}
        finished = self._finished(case, reading)
        proposals = (
            self._project.proposals(case.id) if any(not each.state.is_finished for each in tasks.values()) else {}
        )
        begun: dict[str, Any] = {label: each.finished for label, each in finished.items()}
        begun |= {label: tasks[label].proposed_by for label in proposals if label in tasks and label not in begun}

        def begin(volume: Volume) -> Session:
            session = self._engine.open(volume)
            masks = {label: each.mask for label, each in proposals.items() if label in begun}
            planes = {label: each.plane for label, each in proposals.items()}
            masks |= {label: _mask_of(each) for label, each in finished.items() if not each.absent}
            self._start(session, masks, planes)
            return session

        return self._opened(user, case, reading, False, begun, begin)

    def open_check(self, user: str, case: Case, reading: int) -> CaseSession:
        """Return the reviewer's session of a case: a copy of the annotator's, with the masks that are finished.

        Raises:
            InputError: No label of the case is done.
        """
        finished = self._finished(case, reading)
        if not finished:
            raise InputError(f"Nothing in {case.id} is done yet, so there is nothing to check. Choose another case.")
        made_in = [
            each.session for each in self._project.tasks(case.id) if each.reading == reading and each.label in finished
        ]
        begun = {label: each.finished for label, each in finished.items()}

        def copy(volume: Volume) -> Session:
            session = self._copied(made_in, volume)
            masks = {label: _mask_of(each) for label, each in finished.items() if not each.absent}
            other = {label: mask for label, mask in masks.items() if not _is_shown(session, label, mask)}
            for label in {**{each: None for each in session.objects if each not in masks}, **other}:
                if label in session.objects:
                    session.lock(label, False)
                    session.remove(label)
            self._start(session, other, {})
            return session

        return self._opened(user, case, reading, True, begun, copy)

    def find(self, user: str, case: str, session: str) -> CaseSession:
        """Return what is known of a user's session of a case.

        Raises:
            NotFoundError: It is not one of this user and case.
        """
        found = self._store.case_session(session)
        if found is None or (found.user, found.case) != (user, case):
            raise NotFoundError(f"There is no session {session!r} of yours on the case {case}. Open the case again.")
        return found

    def of(self, user: str, case: str, session: str, *, checks: bool) -> tuple[CaseSession, LiveSession]:
        """Return a user's session of a case.

        Raises:
            NotFoundError: It is not one of this user and case.
            SessionError: It is one to check a case and not to annotate it, or the other way round.
        """
        found = self.find(user, case, session)
        if found.checks != checks:
            needed = "to check it" if checks else "to annotate it"
            raise SessionError(f"The session {session} is not the one in which you opened {case} {needed}.")
        return found, self._sessions.open(user, session)

    def read(
        self, live: LiveSession, of_case: CaseSession, label: str
    ) -> tuple[Bool[np.ndarray, "k j i"], dict[str, Any]]:
        """Return the voxels of a label as the session shows them, and how they were made.

        Raises:
            BusyError: An edit of the session runs or waits.
            SessionError: There is no such object, or others cover it.
        """
        if live.jobs:
            raise BusyError(f"An edit of {live.jobs[0].name or 'this session'} still runs. Wait until it is done.")

        def decode() -> tuple[Bool[np.ndarray, "k j i"], dict[str, Any]]:
            session = live.session
            if label not in session.objects:
                raise SessionError(
                    f"There is no {label!r} in this session yet. Draw it, or say that it is absent in this case."
                )
            mask = session.mask(label, whole=session.overlap is Overlap.KEEP_BOTH)
            if not mask.any():
                raise SessionError(
                    f"{label!r} has no voxel of its own: it is empty, or other objects cover it. Correct it, or say "
                    "that it is absent in this case."
                )
            return mask, provenance(session, label, of_case)

        return self._thread.call(decode).result()

    def absent(self, live: LiveSession, of_case: CaseSession, label: str) -> dict[str, Any]:
        """Describe how a label was found to be absent: with which model and proposal."""

        def describe() -> dict[str, Any]:
            session = live.session
            if label in session.objects:
                return provenance(session, label, of_case)
            model = {"name": session.predictor.spec.name, "sha256": session.predictor.model_hash}
            return {"session": of_case.session, "started_from": "", "model": model}

        return self._thread.call(describe).result()

    def _opened(
        self,
        user: str,
        case: Case,
        reading: int,
        checks: bool,
        begun: dict[str, Any],
        make: Callable[[Volume], Session],
    ) -> CaseSession:
        with self._lock:
            opening = self._opening.setdefault((user, case.id), threading.Lock())
        with opening:
            entry, volume = self._volumes.open(case, user)
            for known in self._store.case_sessions(case.id, user):
                if (known.reading, known.checks) != (reading, checks) or self._store.session(
                    known.session, user
                ) is None:
                    continue
                live = self._sessions.open(user, known.session)
                if not self._is_outdated(live, known, begun):
                    return known
                self._delete(user, known.session)
            live = self._sessions.begin(user, entry, lambda: make(volume))
            edits = len(live.session.history.edits)
            made = CaseSession(live.id, case.id, reading, user, checks, edits, begun)
            self._store.put_case_session(made)
            return made

    def _is_outdated(self, live: LiveSession, known: CaseSession, begun: dict[str, Any]) -> bool:
        """Whether nothing was done in a session since it was started, and it would start with something else now."""
        if known.begun_with == begun and (known.checks or not self._has_old_model(live)):
            return False
        history = live.session.history
        untouched = len(history.edits) == history.cursor == known.edits and not live.jobs and live.resumable is None
        return untouched or known.checks

    def _has_old_model(self, live: LiveSession) -> bool:
        session = live.session
        return session.predictor is not self._engine.for_new(session.volume.modality).predictor

    def _finished(self, case: Case, reading: int) -> dict[str, FinishedMask]:
        return {each.label: each for each in self._project.finished(reading) if each.case.id == case.id}

    def _copied(self, sessions: Iterable[str], volume: Volume) -> Session:
        """Return a copy of the first session that is still there and fits; else a new one."""
        for each in dict.fromkeys(sessions):
            try:
                saved = read_session(self._store.session_folder(each) / "session.radsam") if each else None
                if saved is not None:
                    same = volume.modality is saved.modality
                    return self._engine.reopen(saved, volume if same else replace(volume, modality=saved.modality))
            except SessionError:
                continue
        return self._engine.open(volume)

    def _start(self, session: Session, masks: Mapping[str, SparseMask], planes: Mapping[str, Plane]) -> None:
        """Start objects from masks, as they are, in the order of the label set."""
        requests = []
        for label, value in self._values.items():
            if (mask := masks.get(label)) is None or not mask:
                continue
            plane = planes.get(label, Plane.AXIAL)
            request = LabelRequest.model_validate({"name": label, "mask": mask, "plane": plane, "label": value})
            try:
                request.check(session.volume.geometry)
            except PromptError:  # proposed for a volume that was replaced since
                continue
            requests.append(request)
        for _ in session.start_all(requests):
            pass


def _mask_of(finished: FinishedMask) -> SparseMask:
    return SparseMask.of(finished.voxels(), _AXIAL)


def _is_shown(session: Session, label: str, mask: SparseMask) -> bool:
    """Whether a session shows an object with exactly these voxels."""
    if label not in session.objects:
        return False
    return bool(np.array_equal(session.mask(label, whole=session.overlap is Overlap.KEEP_BOTH), mask.decode()))
