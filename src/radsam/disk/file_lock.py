"""Locks for files and folders that are read, changed and written: one process at a time, which others can name.

A lock is a file beside the target, locked by the operating system: it ends with the process that holds it, however
that ends, so a lock file that a crash left behind blocks nobody. Its content says who holds it. It works between
threads, processes and, where the disk has locks (NFS has), computers. Where the disk has none, or the folder cannot
be written, the work goes on without; a session file is then only replaced where it is still the one that was read.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from radsam.disk.atomic_write import make_folder
from radsam.errors import InUseError, OutputError

#: How long to wait for another process: an edit of a few slices, or a table of tokens, takes less.
WAIT_SECONDS = 30.0
#: The lock of a folder, in it.
LOCK_NAME = ".radsam.lock"
#: File names have at most 255 bytes.
_LONGEST_NAME = 240


@contextmanager
def locked(
    target: Path,
    what: str,
    *,
    wait_seconds: float = WAIT_SECONDS,
    note: Callable[[str], None] = lambda message: None,
    required: bool = False,
) -> Iterator[None]:
    """Keep other processes that call this from a file while the block runs.

    Args:
        target: The file, which need not exist.
        what: The command that holds the lock, as the message to others names it.
        wait_seconds: How long to wait for another process.
        note: Called with a sentence before waiting.
        required: Refuse a disk without locks.

    Raises:
        InUseError: Another process still holds the lock.
        OutputError: The lock is required, and the disk has no locks or the folder cannot be written.
    """
    target = target.resolve()
    with _locked(_lock_path(target), target, what, wait_seconds, note, required):
        yield


@contextmanager
def locked_folder(folder: Path, what: str) -> Iterator[None]:
    """Keep other processes that call this from a folder while the block runs: long work, so they do not wait.

    Args:
        folder: The folder, made if it is missing; one that was made here and stays empty is removed at the end.
        what: As for `locked`.

    Raises:
        InUseError: Another process holds the lock.
        OutputError: The folder cannot be made.
    """
    missing = not folder.exists()
    make_folder(folder)
    try:
        with _locked(folder.resolve() / LOCK_NAME, folder, what):
            yield
    finally:
        if missing:
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def _locked(
    path: Path,
    target: Path,
    what: str,
    wait_seconds: float = 0.0,
    note: Callable[[str], None] = lambda message: None,
    required: bool = False,
) -> Iterator[None]:
    lock = FileLock(path, thread_local=False)
    with ExitStack() as held:
        try:
            _acquire(lock, path, target, wait_seconds, note)
        except (OSError, NotImplementedError) as error:
            if required:
                raise OutputError(f"{target} cannot be locked ({error}). Choose a folder on another disk.") from error
        else:
            held.callback(lock.release)
            held.callback(_remove, path)
            with suppress(OSError):  # a full disk: the message to others says less
                path.write_text(json.dumps(_myself(what)), "utf-8")
        yield


def _acquire(lock: FileLock, path: Path, target: Path, wait_seconds: float, note: Callable[[str], None]) -> None:
    if not path.parent.is_dir():  # `FileLock` would make it
        raise FileNotFoundError(f"there is no folder {path.parent}")
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return
    if wait_seconds > 0:
        note(f"{target} is in use by {_holder(path)}; waiting up to {wait_seconds:.0f} s.")
        with suppress(Timeout):
            lock.acquire(timeout=wait_seconds)
            return
    raise InUseError(target, _holder(path))


def _remove(path: Path) -> None:
    """Remove the lock file, before the lock itself ends: `FileLock` takes no file that was removed meanwhile."""
    with suppress(OSError):  # Windows keeps files that are open
        path.unlink()


def _lock_path(target: Path) -> Path:
    name = target.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return target.with_name(f".{name}.lock")


def _myself(what: str) -> dict[str, str | int]:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"what": what, "pid": os.getpid(), "host": platform.node(), "since": since}


def _holder(path: Path) -> str:
    """Name the process that holds a lock, from what it wrote into the file."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return f"{found['what']} (process {found['pid']} on {found['host']}, since {found['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
