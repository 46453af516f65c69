"""A session in memory: its edits, who listens, and what runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radsam.server.edit_journal import InterruptedEdit, Journal
from radsam.server.encode_ahead import SliceInView
from radsam.server.event_channel import EventChannel
from radsam.server.mask_revisions import MaskRevisions
from radsam.server.model_thread import Priority, Steps, Task
from radsam.server.server_store import SessionRow, now
from radsam.server.state_json import session_details
from radsam.session import Session
from radsam.session.edit import Correct, Segment
from radsam.volume import Plane


@dataclass(eq=False)
class Job:
    """One change of a session, waiting or running.

    Args:
        id: Its id.
        what: "segment", "correct" or "change".
        name: The object; empty where it is none in particular.
        steps: Makes the generator that does it, on the model's thread.
        priority: What goes first.
        future: Set when it has ended: the state, or why it was not done.
        edit: What it does, as soon as that is known.
        journal: Where its slices go.
        task: Where it runs.
        done: Slices done.
        total: Slices to do, where that is known.
        started: When it began to run.
        capability_warnings: What the model was not trained on.
    """

    id: str
    what: str
    name: str
    steps: Callable[[Job], Steps[None]]
    priority: Priority
    future: Future[dict[str, Any]] = field(default_factory=Future)
    edit: Segment | Correct | None = None
    journal: Journal | None = None
    task: Task | None = None
    done: int = 0
    total: int | None = None
    started: float = 0.0
    capability_warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what the state says of it."""
        return {"job": self.id, "name": self.name, "done": self.done, "total": self.total}


class LiveSession:
    """A session in memory.

    Its `session` is touched by the model's thread, or by the thread that saves a finished edit, never by both;
    everybody else reads `labels`, `book` and `state`, which are replaced as a whole.

    Args:
        row: What the database says of it.
        session: The engine's session.
        folder: Where its files lie.
        interrupted: An edit that a crash cut off.
        on_drop: Called when a listener was too slow.
    """

    def __init__(
        self,
        row: SessionRow,
        session: Session,
        folder: Path,
        interrupted: InterruptedEdit | None,
        on_drop: Callable[[], None],
    ) -> None:
        self.id, self.owner, self.volume_id, self.name = row.id, row.owner, row.volume, row.name
        self.changed = row.changed
        self.shown = row.shown
        self.session = session
        self.folder = folder
        self.interrupted = interrupted
        self.channel = EventChannel(on_drop)
        self.lock = threading.RLock()
        self.jobs: deque[Job] = deque()
        self.focus: SliceInView | None = None
        #: Slices that were encoded ahead, by plane.
        self.encoded: dict[str, set[int]] = {}
        self.last_used = time.monotonic()
        self.deleted = False
        self.masks = MaskRevisions(row.revision)
        self._details: dict[str, Any] = {}
        self.settle()

    @property
    def file(self) -> Path:
        """The session file."""
        return self.folder / "session.radsam"

    @property
    def journal_path(self) -> Path:
        """The journal of a running edit."""
        return self.folder / "journal.jsonl"

    @property
    def running(self) -> Job | None:
        """The job that runs."""
        return self.jobs[0] if self.jobs else None

    @property
    def row(self) -> SessionRow:
        """What to write to the database."""
        objects = len(self._details["objects"])
        return SessionRow(
            self.id,
            self.owner,
            self.volume_id,
            self.name,
            self.changed,
            self.masks.revision,
            objects,
            self.shown,
        )

    def settle(self) -> None:
        """Bring label map, masks and description up to the edits."""
        self.labels = self.session.labels
        self.masks.update(self.labels.ids, self.session.objects)
        self._details = session_details(self.session, self.masks)

    def touch(self) -> None:
        """Note that somebody used it."""
        self.last_used = time.monotonic()

    def stamp(self) -> None:
        """Note that it changed now."""
        self.changed = now()

    def state(self) -> dict[str, Any]:
        """Describe it as it stands."""
        running = next((job for job in tuple(self.jobs) if job.edit is not None or job.what != "change"), None)
        interrupted = self.interrupted
        details = self._details
        return {
            "id": self.id,
            "volume": self.volume_id,
            **details,
            "objects": [each | self.shown.get(each["name"], {}) for each in details["objects"]],
            "busy": None if running is None else running.to_dict(),
            "interrupted": None if interrupted is None else interrupted.to_dict(),
            "encoded": {plane.value: sorted(self.encoded.get(plane, ())) for plane in Plane},
        }

    def publish_state(self) -> None:
        """Tell every listener how it stands."""
        self.channel.publish("state", self.state())
