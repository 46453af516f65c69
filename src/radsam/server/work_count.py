"""Counts an annotator's work: edits of a label's object that are done, and seconds by heartbeats."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from radsam.errors import RadsamError
from radsam.project.project import Project
from radsam.project.task_state import StartedFrom, TaskState
from radsam.server.live_session import LiveSession
from radsam.server.mask_provenance import started_from
from radsam.server.server_store import CaseSession, ServerStore
from radsam.session.edit import Delete, Edit, ObjectEdit, Remove
from radsam.session.history import History

#: A heartbeat counts no more seconds than have passed since the one before, and this much more for a slow network.
_SLACK_SECONDS = 2.0
_LONGEST_SECONDS = 30.0


def changed_objects(before: History, after: History) -> set[str]:
    """Return the objects whose masks a change has changed: an edit, its undo or redo, a deletion or a removal."""
    return {name for edits, edit in _differences(before, after) for name in _names(edit, edits)}


def _differences(before: History, after: History) -> Iterator[tuple[tuple[Edit, ...], Edit]]:
    common = 0
    for one, other in zip(before.done, after.done, strict=False):
        if one is not other and one != other:
            break
        common += 1
    for edits in (before.done, after.done):
        for edit in edits[common:]:
            yield edits, edit


def _names(edit: Edit, edits: tuple[Edit, ...]) -> Iterator[str]:
    changed = edits[edit.number] if isinstance(edit, Delete) else edit
    if isinstance(changed, ObjectEdit | Remove):
        yield changed.name


class WorkCount:
    """Adds actions and seconds to the labels of a project.

    Args:
        project: The project.
        store: Which session is of which case.
        clock: Seconds, for tests.
    """

    def __init__(self, project: Project, store: ServerStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._project = project
        self._store = store
        self._clock = clock
        self._labels = {each.name for each in project.labels.label}
        self._beats: dict[str, float] = {}
        self._lock = threading.Lock()

    def on_saved(self, live: LiveSession, before: History, after: History) -> None:
        """Count a change that is done. Edits of a reviewer are none of the annotator's work."""
        of_case = self._store.case_session(live.id)
        if of_case is None or of_case.checks:
            return
        for label in changed_objects(before, after) & self._labels:
            try:
                self._add(of_case, label, started_from(after, label, of_case), actions=1)
            except RadsamError:  # another user has the case meanwhile, or it was excluded: the edit stays
                continue

    def seconds(self, of_case: CaseSession, label: str | None, seconds: float) -> None:
        """Count the seconds since the last heartbeat of a session for a label; not more than have passed.

        Who only looks has not begun: the label stays as it is.
        """
        with self._lock:
            now = self._clock()
            passed = now - self._beats.get(of_case.session, float("-inf"))
            self._beats[of_case.session] = now
        counted = min(seconds, passed + _SLACK_SECONDS, _LONGEST_SECONDS)
        if label is not None and counted > 0:
            self._add(of_case, label, "", seconds=counted)

    def _add(
        self, of_case: CaseSession, label: str, began: StartedFrom, *, actions: int = 0, seconds: float = 0.0
    ) -> None:
        tasks = self._project.tasks(of_case.case)
        task = next((each for each in tasks if (each.label, each.reading) == (label, of_case.reading)), None)
        if task is None or task.state.is_finished:
            return
        begun = task.state is TaskState.IN_PROGRESS and (task.session, task.annotator) == (
            of_case.session,
            of_case.user,
        )
        if actions and (not begun or (began and began != task.started_from)):
            self._project.begin(of_case.case, label, of_case.user, of_case.session, label, began)
        self._project.add_work(of_case.case, label, of_case.user, actions, seconds)
