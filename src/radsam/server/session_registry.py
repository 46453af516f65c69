"""The sessions of the server: starts, imports and reopens them, and closes them when idle."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from radsam.disk.file_lock import locked
from radsam.server.edit_journal import read_journal
from radsam.server.live_session import LiveSession
from radsam.server.model_thread import ModelThread, Priority
from radsam.server.server_errors import NotFoundError, TooManyError
from radsam.server.server_limits import Limits
from radsam.server.server_metrics import ServerMetrics
from radsam.server.server_store import ServerStore, SessionRow, now
from radsam.server.volume_listing import VolumeEntry
from radsam.server.volume_registry import VolumeRegistry
from radsam.session import Engine, Session, read_session
from radsam.session.edit import Edit, edit_to_json
from radsam.session.label_set import LabelSet
from radsam.volume import Volume

#: Interval of the search for idle sessions.
_SWEEP_SECONDS = 30.0
#: How long to wait for a `radsam edit` that changes the file of a session.
_WAIT_SECONDS = 5.0


class SessionRegistry:
    """All sessions; they are on disk, and those in use also in memory.

    Args:
        engine: The model.
        thread: The model's thread, where sessions are opened.
        store: Where sessions are saved.
        volumes: Their volumes.
        limits: How many sessions a user may have, and how long they stay in memory.
        metrics: Where dropped event streams are counted.
        label_set: Names with fixed values and colours.
    """

    def __init__(
        self,
        engine: Engine,
        thread: ModelThread,
        store: ServerStore,
        volumes: VolumeRegistry,
        limits: Limits,
        metrics: ServerMetrics,
        label_set: LabelSet | None = None,
    ) -> None:
        self._label_set = label_set
        self._engine = engine
        self._thread = thread
        self._store = store
        self._volumes = volumes
        self._limits = limits
        self._metrics = metrics
        self._live: dict[str, LiveSession] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    @property
    def live(self) -> list[LiveSession]:
        """The sessions in memory."""
        return list(self._live.copy().values())

    @property
    def ending(self) -> bool:
        """Whether the server is stopping."""
        return self._ending.is_set()

    def end(self) -> None:
        """Close all event streams; new ones are closed at once."""
        self._ending.set()
        for live in self.live:
            live.channel.close()

    def close(self) -> None:
        """Release the files of all sessions, after their last edits are saved."""
        for live in self.live:
            live.held.close()

    def volumes_in_use(self) -> dict[str, Volume]:
        """Return the volumes of the sessions in memory, by id."""
        return {each.volume_id: each.session.volume for each in self.live}

    def rows(self, user: str) -> list[dict[str, Any]]:
        """Describe the sessions of a user, the latest change first."""
        rows = []
        for row in self._store.sessions(user):
            live = self._live.get(row.id)
            interrupted = _journal(self._store, row.id).exists() if live is None else live.resumable is not None
            shown = ("id", "volume", "name", "objects", "changed")
            more = {"interrupted": interrupted, "created": row.created or row.changed, "object_names": list(row.names)}
            more["modality"] = row.modality or None
            rows.append({key: getattr(row, key) for key in shown} | more)
        return rows

    def begin(self, user: str, entry: VolumeEntry, make: Callable[[], Session]) -> LiveSession:
        """Start a session and save it.

        Args:
            user: Its user.
            entry: Its volume.
            make: Opens the engine's session, on the model's thread.

        Raises:
            TooManyError: The user has too many sessions.
        """
        if len(self._store.sessions(user)) >= self._limits.sessions:
            raise TooManyError(
                f"You have {self._limits.sessions} sessions, the limit. Delete some that you do not need."
            )
        created = now()
        row = SessionRow("s" + secrets.token_hex(8), user, entry.id, entry.name, created, 0, 0, {}, created)
        folder = self._store.session_folder(row.id)
        live = self._thread.call(
            lambda: LiveSession(row, make(), folder, None, self._metrics.dropped.inc, self._label_set), Priority.SEGMENT
        ).result()
        folder.mkdir(mode=0o700)
        try:
            live.held.enter_context(_locked(folder))
            live.session.save(live.file)
            self._store.put_session(live.row)
        except BaseException:
            live.held.close()
            self._store.delete_session(row.id)
            raise
        with self._lock:
            self._live[row.id] = live
        return live

    def open(self, user: str, session: str) -> LiveSession:
        """Return a session of a user, from memory or from disk.

        Raises:
            NotFoundError: The user has no session with this id.
            SessionError: Its volume or its model has changed.
            InUseError: Another process changes its file.
        """
        live = self._live.get(session)
        if live is None:
            row = self._store.session(session, user)
            if row is None:
                raise NotFoundError(f"There is no session {session!r}.")
            with self._lock:
                opening = self._opening.setdefault(session, threading.Lock())
            with opening:
                live = self._live.get(session) or self._reopen(row)
        if live.owner != user:
            raise NotFoundError(f"There is no session {session!r}.")
        live.touch()
        return live

    def delete(self, user: str, session: str, end: Callable[[LiveSession], object]) -> None:
        """Remove a session from memory and disk, even if its volume is missing.

        Args:
            user: Its user.
            session: Its id.
            end: Cancels its jobs.

        Raises:
            NotFoundError: The user has no session with this id.
        """
        if self._store.session(session, user) is None:
            raise NotFoundError(f"There is no session {session!r}.")
        with self._lock:
            live = self._live.pop(session, None)
            self._opening.pop(session, None)
        if live is not None:
            live.deleted = True
            end(live)
            live.channel.close()
            live.held.close()
        self._store.delete_session(session)

    def expire(self, idle_seconds: float) -> None:
        """Remove sessions from memory that were not used for this time. They stay on disk."""
        with self._lock:
            for live in list(self._live.values()):
                with live.lock:
                    idle = time.monotonic() - live.last_used >= idle_seconds
                    if idle and not live.jobs and not live.channel.listeners:
                        del self._live[live.id]
                        live.held.close()

    def _reopen(self, row: SessionRow) -> LiveSession:
        volume = self._volumes.load(self._volumes.entry(row.volume, row.owner))
        folder = self._store.session_folder(row.id)
        with ExitStack() as held:
            held.enter_context(_locked(folder))
            live = self._read(row, volume, folder)
            live.held = held.pop_all()
        with self._lock:
            self._live[row.id] = live
        return live

    def _read(self, row: SessionRow, volume: Volume, folder: Path) -> LiveSession:
        saved = read_session(folder / "session.radsam")
        interrupted = read_journal(_journal(self._store, row.id))
        done = saved.history.done
        if interrupted is not None and done and _as_requested(done[-1]) == _as_requested(interrupted.edit):
            # The edit was saved, whole or stopped, and the crash came before its journal was removed.
            interrupted = None
            _journal(self._store, row.id).unlink()

        def reopen() -> Session:
            same = volume.modality is saved.modality
            session = self._engine.reopen(saved, volume if same else replace(volume, modality=saved.modality))
            return follow_modality(self._engine, session, volume, folder / "session.radsam")

        return self._thread.call(
            lambda: LiveSession(row, reopen(), folder, interrupted, self._metrics.dropped.inc, self._label_set),
            Priority.SEGMENT,
        ).result()

    def _sweep(self) -> None:
        while not self._ending.wait(min(_SWEEP_SECONDS, self._limits.idle_seconds / 4)):
            self.expire(self._limits.idle_seconds)


def follow_modality(engine: Engine, session: Session, volume: Volume, file: Path) -> Session:
    """Take the volume of a session for what it is taken for now; masks stay as they are.

    Every edit has its own window. That of new objects becomes the model's own for the modality, unless it was chosen.
    A session without edits gets the model that opens new sessions of the modality, too; another one keeps its own,
    which its masks follow from.

    Args:
        engine: The models.
        session: The session.
        volume: Its volume, as it is taken now.
        file: Its file.

    Returns:
        The session to go on with.
    """
    same, edited = volume.modality is session.volume.modality, bool(session.history.edits)
    if same and (edited or session.predictor is engine.for_new(volume.modality).predictor):
        session.volume = volume
        return session
    spec = session.predictor.spec
    chosen = None if session.window == spec.window_of(session.volume) else session.window
    if not edited:
        fresh = engine.open(volume, window=chosen, stop_rule=session.stop_rule)
        fresh.opened_from(read_session(file))
        return fresh
    session.window = chosen or spec.window_of(volume)
    session.volume = volume
    return session


def _locked(folder: Path) -> AbstractContextManager[None]:
    """Hold a session's file while the session is in memory, so that no `radsam edit` of it is lost."""
    return locked(folder / "session.radsam", "radsam serve", wait_seconds=_WAIT_SECONDS)


def _as_requested(edit: Edit) -> dict[str, Any]:
    """Return an edit as JSON values, without where it was stopped."""
    return {name: each for name, each in edit_to_json(edit).items() if name != "stopped"}


def _journal(store: ServerStore, session: str) -> Path:
    return store.session_folder(session) / "journal.jsonl"
