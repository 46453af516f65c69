"""What outlives the process: a folder with an SQLite database (WAL) and a session file per session.

The folder is used by one server at a time; a lock says so, and is gone with the process that held it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radsam.errors import InputError, OutputError

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
"""


@dataclass(frozen=True)
class SessionRow:
    """What the database says of a session.

    Args:
        id: Its id.
        owner: Whose it is.
        volume: The volume's id.
        name: The volume's name.
        changed: ISO time of its last change.
        revision: Grows with every change of masks.
        objects: How many objects it has.
        shown: Per object, its colour and whether it is visible.
    """

    id: str
    owner: str
    volume: str
    name: str
    changed: str
    revision: int
    objects: int
    shown: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class UploadRow:
    """What the database says of an uploaded volume.

    Args:
        id: Its id.
        owner: Whose it is.
        name: What people call it.
        path: Where it lies, relative to the folder of uploads.
        series: Which DICOM series of that folder.
        bytes: What it takes on disk.
    """

    id: str
    owner: str
    name: str
    path: str
    series: str | None
    bytes: int


class ServerStore:
    """The folder.

    Args:
        folder: Made where it is missing; only its owner can read it.

    Raises:
        OutputError: It cannot be written.
        InputError: Another server uses it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.uploads = self.folder / "uploads"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.uploads.mkdir(mode=0o700, exist_ok=True)
            (self.folder / "sessions").mkdir(mode=0o700, exist_ok=True)
            self._lock_file = self._hold(self.folder / "server.lock")
            self._base = sqlite3.connect(self.folder / "server.sqlite", check_same_thread=False)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"Sessions cannot be kept in {self.folder}: {error}. Choose another folder with --state."
            ) from error
        self._lock = threading.Lock()

    def _hold(self, path: Path) -> sqlite3.Connection:
        """Take a lock that the operating system gives back when the process ends, however it ends."""
        held = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            held.close()
            raise InputError(
                f"Another radsam serve uses {self.folder}. Open its page, end it, or give another folder with --state."
            ) from None
        return held

    def close(self) -> None:
        """Give the folder back."""
        with self._lock:
            self._base.close()
        self._lock_file.close()

    # Sessions

    def session_folder(self, session: str) -> Path:
        """Where the files of a session lie; the id is one of ours."""
        return self.folder / "sessions" / session

    def put_session(self, row: SessionRow) -> None:
        """Write a session's row, new or changed."""
        values = (row.id, row.owner, row.volume, row.name, row.changed, row.revision, row.objects)
        with self._lock, self._base:
            self._base.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, json.dumps(row.shown))
            )

    def session(self, session: str, owner: str) -> SessionRow | None:
        """Return a session of a user."""
        return next(iter(self._sessions("id = ? AND owner = ?", session, owner)), None)

    def sessions(self, owner: str) -> list[SessionRow]:
        """List the sessions of a user, the last changed first."""
        return self._sessions("owner = ?", owner)

    def sessions_on(self, volume: str) -> list[SessionRow]:
        """List all sessions on a volume."""
        return self._sessions("volume = ?", volume)

    def _sessions(self, where: str, *values: str) -> list[SessionRow]:
        with self._lock:
            rows = self._base.execute(
                "SELECT id, owner, volume, name, changed, revision, objects, shown FROM sessions "
                f"WHERE {where} ORDER BY changed DESC",
                values,
            ).fetchall()
        return [
            SessionRow(name, owner, volume, title, changed, revision, objects, json.loads(shown))
            for name, owner, volume, title, changed, revision, objects, shown in rows
        ]

    def delete_session(self, session: str) -> None:
        """Remove a session with its files."""
        with self._lock, self._base:
            self._base.execute("DELETE FROM sessions WHERE id = ?", (session,))
        shutil.rmtree(self.session_folder(session), ignore_errors=True)

    # Uploads

    def put_upload(self, row: UploadRow) -> None:
        """Write an upload's row."""
        values = (row.id, row.owner, row.name, row.path, row.series, row.bytes, now())
        with self._lock, self._base:
            self._base.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def every_upload(self) -> list[UploadRow]:
        """List the uploads of all users, the oldest first."""
        with self._lock:
            rows = self._base.execute(
                "SELECT id, owner, name, path, series, bytes FROM uploads ORDER BY created, id"
            ).fetchall()
        return [UploadRow(*row) for row in rows]

    def delete_upload(self, upload: str) -> None:
        """Remove an upload's row."""
        with self._lock, self._base:
            self._base.execute("DELETE FROM uploads WHERE id = ?", (upload,))


def now() -> str:
    """Return the time in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
