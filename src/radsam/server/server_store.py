"""The server's folder: an SQLite database (WAL), a session file per session, and the uploads.

One server at a time uses the folder: it holds a lock that ends with its process.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radsam.disk.file_lock import locked
from radsam.errors import InputError, InUseError, OutputError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, volume TEXT NOT NULL, name TEXT NOT NULL,
    changed TEXT NOT NULL, revision INTEGER NOT NULL, objects INTEGER NOT NULL, shown TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_of ON sessions (owner, changed);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL, series TEXT,
    bytes INTEGER NOT NULL, created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS case_sessions (
    session TEXT PRIMARY KEY, "case" TEXT NOT NULL, reading INTEGER NOT NULL, user TEXT NOT NULL,
    checks INTEGER NOT NULL, edits INTEGER NOT NULL, begun_with TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS measurements (session TEXT PRIMARY KEY, listed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS modalities (volume TEXT PRIMARY KEY, modality TEXT NOT NULL);
"""
#: Columns of later versions, which are added to the database of an earlier one.
_LATER_COLUMNS = {
    "sessions": (
        "created TEXT NOT NULL DEFAULT ''",
        "names TEXT NOT NULL DEFAULT '[]'",
        "modality TEXT NOT NULL DEFAULT ''",
    ),
    "uploads": ("labels INTEGER NOT NULL DEFAULT 0",),
}


@dataclass(frozen=True)
class SessionRow:
    """A session in the database.

    Args:
        id: Its id.
        owner: Its user.
        volume: The volume's id.
        name: The volume's name.
        changed: ISO time of its last change.
        revision: Revision of its masks; every change increments it.
        objects: Number of its objects.
        shown: Colour and visibility by object name.
        created: ISO time of its start; empty if an earlier version started it.
        names: Names of its objects.
        modality: What its volume was taken for; empty if an earlier version saved it.
    """

    id: str
    owner: str
    volume: str
    name: str
    changed: str
    revision: int
    objects: int
    shown: dict[str, dict[str, Any]]
    created: str = ""
    names: tuple[str, ...] = ()
    modality: str = ""


@dataclass(frozen=True)
class UploadRow:
    """An uploaded volume in the database.

    Args:
        id: Its id.
        owner: Its user.
        name: Its display name.
        path: Its path relative to the folder of uploads.
        series: Selector of the DICOM series; None for a file, or for all series of a folder.
        bytes: Its size on disk.
        created: ISO time of the upload.
        labels: Whether it looks like a label map.
    """

    id: str
    owner: str
    name: str
    path: str
    series: str | None
    bytes: int
    created: str
    labels: bool = False


@dataclass(frozen=True)
class CaseSession:
    """Which case of a project a session is of.

    Args:
        session: The session.
        case: The case.
        reading: Which reading of the case.
        user: Whose session it is.
        checks: Whether a reviewer checks the case in it.
        edits: Number of edits that it began with: those that start its proposals, or of which it is a copy.
        begun_with: What it began with: by label, the round of its proposal, or the time of its finished mask.
    """

    session: str
    case: str
    reading: int
    user: str
    checks: bool
    edits: int
    begun_with: dict[str, Any]


class ServerStore:
    """Reads and writes the folder.

    Args:
        folder: Created if it is missing; only its owner can read it.

    Raises:
        OutputError: The folder cannot be written.
        InputError: Another server uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.uploads = self.folder / "uploads"
        self._held = ExitStack()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.uploads.mkdir(mode=0o700, exist_ok=True)
            (self.folder / "sessions").mkdir(mode=0o700, exist_ok=True)
            self._held.enter_context(self._alone())
            self._database = sqlite3.connect(self.folder / "server.sqlite", check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(_SCHEMA)
            self._add_later_columns()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"Sessions cannot be stored in {self.folder}: {error}. Choose another folder with --state."
            ) from error
        self._lock = threading.Lock()

    def _add_later_columns(self) -> None:
        for table, columns in _LATER_COLUMNS.items():
            present = {row[1] for row in self._database.execute(f"PRAGMA table_info({table})")}
            for column in columns:
                if column.split()[0] not in present:
                    self._database.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(self.folder / "server", "radsam serve", wait_seconds=0.0, required=True))
            except InUseError as error:
                raise InputError(
                    f"Another radsam serve uses {self.folder}: {error.holder}. Open its page, stop it, or give another "
                    "folder with --state."
                ) from None
            yield

    def close(self) -> None:
        """Close the database and release the folder."""
        with self._lock:
            self._database.close()
        self._held.close()

    # Sessions

    def session_folder(self, session: str) -> Path:
        """Return the folder of a session; the id must come from the database."""
        return self.folder / "sessions" / session

    def put_session(self, row: SessionRow) -> None:
        """Insert or replace the row of a session."""
        values = (row.id, row.owner, row.volume, row.name, row.changed, row.revision, row.objects)
        more = (json.dumps(row.shown), row.created, json.dumps(row.names), row.modality)
        with self._lock, self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, *more)
            )

    def session(self, session: str, owner: str) -> SessionRow | None:
        """Return a session of a user; None if the user has no session with this id."""
        return next(iter(self._sessions("id = ? AND owner = ?", session, owner)), None)

    def sessions(self, owner: str) -> list[SessionRow]:
        """List the sessions of a user, the latest change first."""
        return self._sessions("owner = ?", owner)

    def sessions_on(self, volume: str) -> list[SessionRow]:
        """List all sessions on a volume."""
        return self._sessions("volume = ?", volume)

    def _sessions(self, where: str, *values: str) -> list[SessionRow]:
        with self._lock:
            rows = self._database.execute(
                "SELECT id, owner, volume, name, changed, revision, objects, shown, created, names, modality "
                f"FROM sessions WHERE {where} ORDER BY changed DESC",
                values,
            ).fetchall()
        return [
            SessionRow(
                key,
                of,
                volume,
                name,
                changed,
                revision,
                objects,
                json.loads(shown),
                created,
                tuple(json.loads(names)),
                modality,
            )
            for key, of, volume, name, changed, revision, objects, shown, created, names, modality in rows
        ]

    def delete_session(self, session: str) -> None:
        """Remove a session with its files."""
        with self._lock, self._database:
            self._database.execute("DELETE FROM sessions WHERE id = ?", (session,))
            self._database.execute("DELETE FROM measurements WHERE session = ?", (session,))
            self._database.execute("DELETE FROM case_sessions WHERE session = ?", (session,))
        shutil.rmtree(self.session_folder(session), ignore_errors=True)

    # Sessions of a project's cases

    def put_case_session(self, row: CaseSession) -> None:
        """Store which case a session is of."""
        values = (row.session, row.case, row.reading, row.user, row.checks, row.edits, json.dumps(row.begun_with))
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO case_sessions VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def case_session(self, session: str) -> CaseSession | None:
        """Return which case a session is of; None for one of no case."""
        return next(iter(self._case_sessions("session = ?", session)), None)

    def case_sessions(self, case: str, user: str) -> list[CaseSession]:
        """List a user's sessions of a case."""
        return self._case_sessions('"case" = ? AND user = ?', case, user)

    def _case_sessions(self, where: str, *values: str) -> list[CaseSession]:
        with self._lock:
            rows = self._database.execute(
                f'SELECT session, "case", reading, user, checks, edits, begun_with FROM case_sessions WHERE {where}',
                values,
            ).fetchall()
        return [
            CaseSession(key, case, reading, user, bool(checks), edits, json.loads(begun))
            for key, case, reading, user, checks, edits, begun in rows
        ]

    # Measurements

    def put_measurements(self, session: str, listed: str) -> None:
        """Insert or replace the measurements of a session, as JSON."""
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO measurements VALUES (?, ?)", (session, listed))

    def measurements(self, session: str) -> str | None:
        """Return the measurements of a session as JSON; None if it never had any."""
        with self._lock:
            row = self._database.execute("SELECT listed FROM measurements WHERE session = ?", (session,)).fetchone()
        return None if row is None else str(row[0])

    # Modalities

    def put_modality(self, volume: str, modality: str) -> None:
        """Store what a user says that a volume is."""
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO modalities VALUES (?, ?)", (volume, modality))

    def modalities(self) -> dict[str, str]:
        """Return what users say that volumes are, by volume."""
        with self._lock:
            return dict(self._database.execute("SELECT volume, modality FROM modalities").fetchall())

    def delete_modality(self, volume: str) -> None:
        """Forget what a user says that a volume is."""
        with self._lock, self._database:
            self._database.execute("DELETE FROM modalities WHERE volume = ?", (volume,))

    # Uploads

    def put_upload(self, row: UploadRow) -> None:
        """Insert or replace the row of an upload."""
        values = (row.id, row.owner, row.name, row.path, row.series, row.bytes, row.created, row.labels)
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def every_upload(self) -> list[UploadRow]:
        """List the uploads of all users, the oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, owner, name, path, series, bytes, created, labels FROM uploads ORDER BY created, id"
            ).fetchall()
        return [
            UploadRow(key, owner, name, path, series, size, created, bool(labels))
            for key, owner, name, path, series, size, created, labels in rows
        ]

    def delete_upload(self, upload: str) -> None:
        """Remove the row of an upload."""
        with self._lock, self._database:
            self._database.execute("DELETE FROM uploads WHERE id = ?", (upload,))


def now() -> str:
    """Return the current time in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def iso_time(seconds: float) -> str:
    """Return a time, in seconds since 1970, in ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
