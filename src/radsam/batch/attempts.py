"""What a process was at when it died: only so can a volume that kills its worker be told from bad luck.

One small file per volume says which rows were begun without coming to an end, and how often. A lock
beside it keeps two workers from the same volume; the system lets go of it when its holder dies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from radsam.batch.output_folder import OutputFolder
from radsam.disk.atomic_write import reason
from radsam.errors import OutputError

#: After so many processes have died at one row, or while reading a volume, it gets the status "lost".
MOST_ATTEMPTS = 3
#: After so many of its workers have died, spot machines included, a run gives a volume up.
MOST_LOSSES = 10
#: The place before the first row.
READING = "reading the volume"


class Attempts:
    """Unfinished attempts at one volume, counted for each place in it.

    Args:
        path: The file.
        most: So many attempts are allowed at each place.
    """

    def __init__(self, path: Path, most: int = MOST_ATTEMPTS) -> None:
        self._path = path
        self.most = most
        self._counts = self._read()

    def begin(self, what: str) -> bool:
        """Begin a row, or `READING`.

        Returns:
            False if that was begun too often without an end.

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
            raise OutputError(f"{self._path} cannot be written: {reason(error, self._path.parent)}") from error
        return True

    def passed(self, what: str) -> None:
        """Forget one place: whoever dies from here on did not die there."""
        self._counts.pop(what, None)

    def end(self) -> None:
        """Forget them all: nobody died."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, int]:
        with suppress(OSError, ValueError, TypeError, AttributeError):
            return {str(what): int(count) for what, count in json.loads(self._path.read_text("utf-8")).items()}
        return {}


@contextmanager
def locked_attempts(folder: OutputFolder, key: str, most_attempts: int = MOST_ATTEMPTS) -> Iterator[Attempts]:
    """Be the only process that works on a volume; waits for one that does.

    Args:
        folder: The output folder.
        key: The volume.
        most_attempts: So many attempts are allowed at each of its rows.

    Yields:
        The attempts at it. They are forgotten at the end of the block, however it ends, but not
        when the process dies.

    Raises:
        OutputError: The folder allows no locks.
    """
    lock = FileLock(folder.attempts / f"{key}.lock")
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise OutputError(f"{folder.attempts} allows no locks ({error}). Choose a folder on another disk.") from error
    try:
        attempts = Attempts(folder.attempts / key, most_attempts)
        try:
            yield attempts
        finally:
            attempts.end()
    finally:
        lock.release()
