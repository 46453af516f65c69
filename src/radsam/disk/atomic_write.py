"""Writing a file whole or not at all.

Everything the program writes goes through `replacing`: the new content is written to a
temporary file in the same folder, and only a complete file takes the final name. A full
disk, an error or Ctrl-C leaves the previous file as it was and no other file beside it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from radsam.errors import OutputError

_FULL = {errno.ENOSPC, errno.EDQUOT}
#: Windows: access denied, sharing violation, lock violation. It replaces no file that another program has open.
_OPEN_ELSEWHERE = {5, 32, 33}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file in one step: yields the temporary path to write to.

    The temporary file keeps the whole suffix (``.nii.gz``), so a writer that chooses
    its format by suffix still does. Any `OSError` of the block is reported as a failure
    to write `path`.

    Args:
        path: The target file; an existing one is replaced, a link is followed.

    Raises:
        OutputError: The folder is missing or not writable, `path` is a folder, the disk
            is full, or the block wrote nothing.
    """
    target = check_writable(path)
    stem, dot, suffix = target.name.lstrip(".").partition(".")
    partial = target.with_name(f".{stem[:80]}.{secrets.token_hex(4)}.partial{dot}{suffix.lower()}")
    try:
        yield partial
        # Some file systems report a full disk only when the data are flushed.
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"{target} could not be written: {write_failure(error, target.parent)}") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that only its owner can read; it is written whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """

    def private(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    with replacing(path) as partial, open(partial, "xb", opener=private) as file:  # Path.open has no opener
        yield file


def private_folder(folder: Path) -> None:
    """Make a folder, and missing folders above it, that only its owner can enter; an existing one stays as it is.

    Raises:
        OutputError: The folder cannot be made, or is a file.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} could not be made: {write_failure(error, folder.parent)}") from error
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file; give the name of a folder.")


def make_folder(folder: Path) -> None:
    """Make a folder and missing folders above it.

    Raises:
        OutputError: The folder cannot be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Refuse a path that cannot be written, before anything is computed for it.

    Returns:
        The absolute path, links resolved.

    Raises:
        OutputError: The folder is missing or not writable, or `path` is a folder.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give the name of a file in it.")
    if not target.parent.is_dir():
        raise OutputError(f"{target} cannot be written: the folder {target.parent} does not exist. Create it first.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{target} cannot be written: the folder {target.parent} does not allow it.")
    return target


def write_failure(error: OSError, folder: Path) -> str:
    """Explain in a sentence why writing into `folder` failed."""
    if error.errno in _FULL:
        free_mb = shutil.disk_usage(folder).free / 1e6
        return f"the disk is full ({free_mb:.0f} MB free). Make room or choose another folder."
    if error.errno == errno.EFBIG:
        return "the disk or a limit of this process does not allow a file of this size. Choose another folder."
    if getattr(error, "winerror", None) in _OPEN_ELSEWHERE:
        return f"{error.strerror or error}. If another program has the file open, close it there, or give another name."
    return f"{error.strerror or error}."
