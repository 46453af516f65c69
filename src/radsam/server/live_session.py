"""A session in memory: its edits, its event streams, and its jobs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radsam.server.edit_journal import InterruptedEdit, Journal
from radsam.server.encode_ahead import SliceInView
from radsam.server.event_channel import EventChannel
from radsam.server.mask_revisions import MaskRevisions
from radsam.server.model_thread import Priority, Steps, Task
from radsam.server.server_store import SessionRow
from radsam.server.state_json import session_details
from radsam.session import Session
from radsam.session.edit import ObjectEdit, Paint, StartEdit
from radsam.session.edit_outcome import EditOutcome
from radsam.session.label_set import LabelSet
from radsam.volume import Plane
from radsam.volume.object_colours import hex_of


@dataclass(eq=False)
class Job:
    """One change of a session, waiting or running.

    Args:
        id: Its id.
        kind: "segment", "correct" or "change".
        name: The object; empty if the job is not about one object.
        steps: Creates the generator that does the job on the model's thread.
        priority: Its priority on the model's thread.
        future: The state of the session after the job, or the error.
        edit: The edit, once the job has started.
        journal: The journal of its slices.
        task: Its task on the model's thread.
        done: Number of finished slices.
        total: Number of slices to do, if known.
        started: When it started to run.
        warnings: Capability warnings, clicks that were not followed, and those of objects that overlap.
        outcome: What the edit did, once it is done.
        keep: Whether to stop after the present slice, and to keep what is done.
        stopped: Whether it was stopped so.
    """

    id: str
    kind: str
    name: str
    steps: Callable[[Job], Steps[None]]
    priority: Priority
    future: Future[dict[str, Any]] = field(default_factory=Future)
    edit: ObjectEdit | None = None
    journal: Journal | None = None
    task: Task | None = None
    done: int = 0
    total: int | None = None
    started: float = 0.0
    warnings: tuple[str, ...] = ()
    outcome: EditOutcome | None = None
    keep: bool = False
    stopped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as the state of the session shows it."""
        return {"job": self.id, "name": self.name, "done": self.done, "total": self.total}


class LiveSession:
    """A session in memory.

    Only the model's thread, or the thread that saves a finished edit, uses its `session`, never both at once. Other
    threads read `label_map`, `masks` and `state`, which are replaced as a whole.

    Args:
        row: Its row in the database.
        session: The engine's session.
        folder: The folder of its files.
        interrupted: An edit that a crash interrupted.
        on_drop: Called when an event stream was too slow and is closed.
        label_set: The names that have fixed values and colours.
    """

    def __init__(
        self,
        row: SessionRow,
        session: Session,
        folder: Path,
        interrupted: InterruptedEdit | None,
        on_drop: Callable[[], None],
        label_set: LabelSet | None = None,
    ) -> None:
        self.label_set = label_set
        self.id, self.owner, self.volume_id, self.name = row.id, row.owner, row.volume, row.name
        self.changed, self.created = row.changed, row.created
        self.shown = row.shown
        self.session = session
        self.folder = folder
        self.interrupted = interrupted
        self.channel = EventChannel(on_drop)
        self.lock = threading.RLock()
        #: Ends with the session's time in memory: the lock of its file.
        self.held = ExitStack()
        self.jobs: deque[Job] = deque()
        self.in_view: SliceInView | None = None
        #: Slices that were encoded ahead, by plane.
        self.encoded: dict[str, set[int]] = {}
        self.last_used = time.monotonic()
        self.deleted = False
        self.masks = MaskRevisions(row.revision)
        self._details: dict[str, Any] = {}
        self.refresh()

    @property
    def file(self) -> Path:
        """The session file."""
        return self.folder / "session.radsam"

    @property
    def journal_path(self) -> Path:
        """The journal of a running edit."""
        return self.folder / "journal.jsonl"

    @property
    def row(self) -> SessionRow:
        """Its row in the database."""
        names = tuple(each["name"] for each in self._details["objects"])
        return SessionRow(
            self.id,
            self.owner,
            self.volume_id,
            self.name,
            self.changed,
            self.masks.revision,
            len(names),
            self.shown,
            self.created,
            names,
            self.session.volume.modality.value,
        )

    def refresh(self) -> None:
        """Update label map, masks and description to the current edits."""
        self.label_map = self.session.label_map
        self.masks.update(self.label_map, self.session.objects)
        self._details = session_details(self.session, self.masks)

    @property
    def resumable(self) -> InterruptedEdit | None:
        """The interrupted edit, as long as the object that it changes is there: it may be removed, or undone."""
        found = self.interrupted
        if found is None or isinstance(found.edit, StartEdit | Paint):
            return found
        return found if any(each["name"] == found.edit.name for each in self._details["objects"]) else None

    def rename_interrupted(self, name: str, new_name: str) -> None:
        """Let the interrupted edit change an object that has a new name."""
        found = self.interrupted
        if found is not None and found.edit.name == name and not isinstance(found.edit, StartEdit):
            self.interrupted = replace(found, edit=replace(found.edit, name=new_name))

    def touch(self) -> None:
        """Note a use of the session."""
        self.last_used = time.monotonic()

    def state(self) -> dict[str, Any]:
        """Return the state of the session."""
        running = next((job for job in tuple(self.jobs) if job.edit is not None or job.kind != "change"), None)
        interrupted = self.resumable
        details = self._details
        return {
            "id": self.id,
            "volume": self.volume_id,
            **details,
            "objects": [each | self.looks(each["name"]) for each in details["objects"]],
            "busy": None if running is None else running.to_dict(),
            "interrupted": None if interrupted is None else interrupted.to_dict(),
            "encoded": {plane.value: sorted(self.encoded.get(plane, ())) for plane in Plane},
        }

    def looks(self, name: str) -> dict[str, Any]:
        """Return how an object is shown: what the user chose, and else the colour of the label set."""
        rgb = self.label_set.colours.get(name) if self.label_set else None
        return ({} if rgb is None else {"color": hex_of(rgb)}) | self.shown.get(name, {})

    def value_for(self, name: str) -> int | None:
        """Return the value in the label map that the label set has for an object to start; None without a set."""
        return self.label_set.value_for(name, self.session.history.done) if self.label_set else None

    def publish_state(self) -> None:
        """Send the state to every event stream."""
        self.channel.publish("state", self.state())
