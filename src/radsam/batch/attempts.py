"""Unfinished attempts at the rows of a volume, to find rows that make their process die again and again.

A small file per volume counts for each row the attempts that began and did not end. A lock beside it keeps two
workers from the same volume; the system releases it when its process dies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from radsam.batch.output_folder import OutputFolder
from radsam.disk.atomic_write import write_failure
from radsam.errors import OutputError

#: Number of deaths after which a row, or a volume that is being read, gets the status "lost".
MOST_ATTEMPTS = 3
#: Number of worker deaths, preempted machines included, after which a run gives up a volume.
MOST_LOSSES = 10
#: The step before the first row.
READING = "reading the volume"


class Attempts:
    """Unfinished attempts at one volume, counted for each of its rows and for `READING`.

    Args:
        path: The file.
        most: Number of attempts that each of them may take.
    """

    def __init__(self, path: Path, most: int = MOST_ATTEMPTS) -> None:
        self._path = path
        self.most = most
        self._counts = self._read()

    def begin(self, what: str) -> bool:
        """Count the start of a row, or of `READING`.

        Returns:
            False if it was started too often without an end.

        Raises:
            OutputError: The file cannot be written.
        """
        count = self._counts.get(what, 0) + 1
        if count > self.most:
            return False
        self._counts[what] = count
        try:
            self._path.write_text(json.dumps(self._counts), "utf-8")
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {write_failure(error, self._path.parent)}") from error
        return True

    def passed(self, what: str) -> None:
        """Remove the attempt at a row: the process got past it alive."""
        self._counts.pop(what, None)

    def end(self) -> None:
        """Remove all attempts: the process did not die."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, int]:
        with suppress(OSError, ValueError, TypeError, AttributeError):
            return {str(what): int(count) for what, count in json.loads(self._path.read_text("utf-8")).items()}
        return {}


@contextmanager
def locked_attempts(folder: OutputFolder, key: str, most_attempts: int = MOST_ATTEMPTS) -> Iterator[Attempts]:
    """Lock a volume for this process, after another one that works on it.

    Args:
        folder: The output folder.
        key: The volume.
        most_attempts: Number of attempts that each of its rows may take.

    Yields:
        Its attempts. They are removed at the end of the block, also after an exception, but not when the process
        dies.

    Raises:
        OutputError: The folder's disk has no locks.
    """
    lock = FileLock(folder.attempts / f"{key}.lock")
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise OutputError(
            f"Files in {folder.attempts} cannot be locked ({error}). Choose a folder on another disk."
        ) from error
    try:
        attempts = Attempts(folder.attempts / key, most_attempts)
        try:
            yield attempts
        finally:
            attempts.end()
    finally:
        lock.release()
