"""A project's database: SQLite, used by several processes at once.

Every change is one transaction that begins by taking the database's only write lock (`BEGIN IMMEDIATE`), and has
its log lines in it. With `synchronous = FULL` a change is on disk when it returns.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from radsam.errors import ExecutionError, InputError, InUseError

#: The version of the tables below; a database of another one is refused.
VERSION = 1
#: How long a change waits for those of other processes; they take milliseconds.
_WAIT_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cases (
    id TEXT PRIMARY KEY COLLATE NOCASE, source TEXT NOT NULL, series TEXT, patient TEXT NOT NULL, modality TEXT,
    position INTEGER NOT NULL UNIQUE, excluded TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
    assigned TEXT NOT NULL DEFAULT '', teaches REAL, readings INTEGER NOT NULL, grid TEXT
);
CREATE TABLE tasks (
    "case" TEXT NOT NULL REFERENCES cases (id), label TEXT NOT NULL, reading INTEGER NOT NULL,
    position INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'new', annotator TEXT NOT NULL DEFAULT '',
    session TEXT NOT NULL DEFAULT '', object TEXT NOT NULL DEFAULT '', actions INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0, absent INTEGER NOT NULL DEFAULT 0, certainty REAL, proposed_by INTEGER,
    started_from TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', reviewer TEXT NOT NULL DEFAULT '',
    review TEXT NOT NULL DEFAULT '', finished TEXT NOT NULL DEFAULT '', mask TEXT NOT NULL DEFAULT '',
    annotated TEXT NOT NULL DEFAULT '', masks INTEGER NOT NULL DEFAULT 0, weights INTEGER,
    PRIMARY KEY ("case", label, reading)
);
CREATE TABLE locks (
    "case" TEXT NOT NULL REFERENCES cases (id), reading INTEGER NOT NULL, user TEXT NOT NULL, until TEXT NOT NULL,
    PRIMARY KEY ("case", reading)
);
CREATE TABLE rounds (
    number INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, started TEXT NOT NULL,
    ended TEXT NOT NULL DEFAULT '', trained_on TEXT NOT NULL, compared_on TEXT NOT NULL,
    scores TEXT NOT NULL DEFAULT '{}', progress REAL NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT ''
);
CREATE TABLE weights (position INTEGER PRIMARY KEY AUTOINCREMENT, round INTEGER NOT NULL REFERENCES rounds (number));
CREATE TABLE roles (user TEXT PRIMARY KEY, role TEXT NOT NULL);
CREATE TABLE log (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, user TEXT NOT NULL, what TEXT NOT NULL,
    "case" TEXT NOT NULL, label TEXT NOT NULL, details TEXT NOT NULL
);
CREATE INDEX log_of ON log ("case", number);
"""


class Change:
    """A transaction in progress.

    Args:
        connection: The open connection.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.now = iso(datetime.now(UTC))

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query; None if there is none."""
        return next(iter(self.rows(query, *values)), None)

    def run(self, statement: str, *values: Any) -> int:
        """Run a statement; return the number of rows that it changed."""
        return self._connection.execute(statement, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row; return its number."""
        names = ", ".join(f'"{each}"' for each in values)
        marks = ", ".join("?" for _ in values)
        return (
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()]).lastrowid
            or 0
        )

    def update(self, table: str, where: Mapping[str, Any], **values: Any) -> int:
        """Set columns of the rows in which others have given values; return the number of rows."""
        columns = ", ".join(f'"{each}" = ?' for each in values)
        chosen = " AND ".join(f'"{each}" = ?' for each in where)
        return self.run(f"UPDATE {table} SET {columns} WHERE {chosen}", *values.values(), *where.values())

    def log(self, user: str, what: str, case: str = "", label: str = "", /, **details: Any) -> None:
        """Write a line of the log."""
        self.insert("log", at=self.now, user=user, what=what, case=case, label=label, details=json.dumps(details))


class ProjectDatabase:
    """An open database; threads may share it.

    Args:
        path: The file.
        create: Make it; it must not be there.

    Raises:
        InputError: The file is not a project's database, or one of another version.
        InUseError: Another process holds it for longer than it should.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not create and not path.is_file():
            raise InputError(
                f"{path.parent} is not a project: it has no {path.name}. Make one with `radsam project create`."
            )
        try:
            self._connection = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from error
        if not create and found != VERSION:
            self._connection.close()
            raise InputError(f"{path} is a database of version {found}; this radsam reads version {VERSION}.")

    @contextmanager
    def creating(self) -> Iterator[Change]:
        """Make the tables, and fill them in the same transaction, for a ``with`` block."""
        with self.change() as change:
            for statement in _SCHEMA.split(";\n"):
                change.run(statement)
            change.run(f"PRAGMA user_version = {VERSION}")
            yield change

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Change the database, for a ``with`` block: all of it is on disk at its end, or nothing after an error.

        Raises:
            InUseError: Another process holds the database for longer than it should.
        """
        with self._transaction("BEGIN IMMEDIATE") as change:
            yield change

    @contextmanager
    def reading(self) -> Iterator[Change]:
        """Read the database as it is at one moment, for a ``with`` block."""
        with self._transaction("BEGIN") as change:
            yield change

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Change]:
        with self._lock:
            try:
                self._connection.execute(begin)
                try:
                    yield Change(self._connection)
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.DatabaseError as error:
                raise self._failure(error) from error

    def _failure(self, error: sqlite3.DatabaseError) -> InputError | ExecutionError:
        if "locked" in str(error) or "busy" in str(error):
            return InUseError(self.path, "another process that changes it")
        if isinstance(error, sqlite3.OperationalError):
            return ExecutionError(
                f"{self.path} cannot be used: {error}. Nothing was changed. Its folder must be on a local disk with "
                "room that can be written."
            )
        return InputError(f"{self.path} is not the database of a project, or is damaged: {error}.")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def iso(moment: datetime) -> str:
    """Return a time in ISO 8601, UTC; such texts sort as their times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def iso_in(minutes: float) -> str:
    """Return the time in some minutes, as `iso` does."""
    return iso(datetime.now(UTC) + timedelta(minutes=minutes))
