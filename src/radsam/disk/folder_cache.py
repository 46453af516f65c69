"""A cache in a folder that only its owner can read: embeddings, compiled graphs, series of a PACS.

An entry is a file, or a folder of files that are removed together. Names are hashes, so that they do
not identify the patient; other files in the folder are never touched. A file is written whole or not
at all, so processes share a cache without locks. The entries that were unused for the longest time are
removed first.

diskcache 5.6 is not used: its files have mode 0644, its values are pickled, it has no entry of several files, and
it is not faster (an embedding of 2 MB: 26 ms to write and 2 ms to read, here 18 ms and 1.5 ms).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import platformdirs

from radsam.disk.atomic_write import private_file, private_folder

T = TypeVar("T")

#: Entries are removed down to this part of the largest size, so that not every new entry removes another.
_FILL = 0.9


def cache_folder(name: str, *, in_root: bool = False) -> Path:
    """Return ``$RADSAM_CACHE/NAME``, or the folder of this name in the platform's cache folder.

    Args:
        name: Name of the folder.
        in_root: Return ``$RADSAM_CACHE`` itself where it is set.
    """
    named = os.environ.get("RADSAM_CACHE")
    if named and in_root:
        return Path(named)
    return (Path(named) if named else platformdirs.user_cache_path("radsam")) / name


class FolderCache:
    """Entries in a folder, which is made when the first one is written.

    Args:
        folder: The folder.
        names: Regular expression of the entries' names.
        max_bytes: Largest total size.
        max_entries: Largest number of entries.
    """

    def __init__(
        self, folder: Path, names: str, *, max_bytes: int = sys.maxsize, max_entries: int = sys.maxsize
    ) -> None:
        self.folder = folder
        self._names = re.compile(names)
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._bytes: int | None = None

    def read(self, name: str, load: Callable[[BinaryIO], T]) -> T | None:
        """Load a file and mark it as used.

        Returns:
            What `load` returns; None if there is no file, or if `load` fails: the damaged file is then removed.
        """
        path = self.folder / name
        try:
            with path.open("rb") as file:
                value = load(file)
            os.utime(path)
        except Exception:  # a damaged file fails in many ways, down to Python's own tokenizer
            with suppress(OSError):
                path.unlink()
            return None
        return value

    def write(self, name: str, save: Callable[[BinaryIO], object]) -> None:
        """Write a file, whole or not at all, and remove entries beyond the limits.

        Raises:
            OutputError: There is no room, or the folder cannot be written.
        """
        private_folder(self.folder)
        with suppress(PermissionError):  # another user's folder
            self.folder.chmod(0o700)
        with private_file(self.folder / name) as file:
            save(file)
            written = file.tell()
        if self._bytes is None or self._bytes + written > self._max_bytes or self._max_entries < sys.maxsize:
            self.prune()
        else:
            self._bytes += written  # listing the folder after every write would cost more than the write

    def mark_used(self, name: str) -> None:
        """Note that an entry was used now, and remove entries beyond the limits."""
        with suppress(OSError):
            os.utime(self.folder / name)
        self.prune()

    def size_bytes(self) -> int:
        """Return the total size of the entries."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> int:
        """Remove every entry, and nothing else; return how many bytes that freed."""
        entries = self._entries()
        for _, _, path in entries:
            _remove(path)
        with suppress(OSError):  # not empty, or missing
            self.folder.rmdir()
        return sum(size for _, size, _ in entries)

    def prune(self) -> None:
        """Remove entries beyond the limits, the longest unused first; never the one used last."""
        entries = self._entries()
        total, count = sum(size for _, size, _ in entries), len(entries)
        target = self._max_bytes if total <= self._max_bytes else _FILL * self._max_bytes
        for _, size, path in entries[:-1]:
            if total <= target and count <= self._max_entries:
                break
            _remove(path)
            total, count = total - size, count - 1
        self._bytes = total

    def _entries(self) -> list[tuple[float, int, Path]]:
        """List the entries, longest unused first: time of last use, bytes, path."""
        found = []
        for path in self.folder.glob("*"):
            if self._names.fullmatch(path.name) and not path.is_symlink():
                with suppress(FileNotFoundError):  # another process may remove it meanwhile
                    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
                    found.append((path.stat().st_mtime, sum(each.stat().st_size for each in files), path))
        return sorted(found)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, PermissionError):  # Windows keeps a file that another process reads
            path.unlink()
