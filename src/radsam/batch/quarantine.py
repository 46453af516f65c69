"""Records of failures without patient data.

Libraries put file names, header values and patients' names into their messages, so a traceback is
reduced to its frames and its types of errors. Only our own messages are recorded, without the
paths of the manifest.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radsam.batch.output_folder import OutputFolder
from radsam.disk.atomic_write import replacing
from radsam.errors import OutputError, RadsamError


def describe_error(error: BaseException, private: Iterable[str] = ()) -> dict[str, Any]:
    """Describe an error without patient data.

    Args:
        error: The error.
        private: Texts that must not appear, such as paths of the manifest.

    Returns:
        Types of error, innermost last, with our own messages, and their frames.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return {
        "errors": [
            {
                "type": type(each).__name__,
                "message": _without(str(each), private) if isinstance(each, RadsamError) else "",
                "frames": [_frame(frame) for frame in traceback.extract_tb(each.__traceback__)],
            }
            for each in chain
        ]
    }


def innermost_frame(error: BaseException) -> str:
    """Return the innermost frame of an error, for a table."""
    frames = traceback.extract_tb(error.__traceback__)
    return _frame(frames[-1]) if frames else "an unknown place"


def record(folder: OutputFolder, key: str, ids: Iterable[str], status: str, error: dict[str, Any]) -> None:
    """Write a failure of rows of a volume; nothing if the disk is full.

    Args:
        folder: The output folder.
        key: The volume.
        ids: The rows.
        status: Their status.
        error: The result of `describe_error`.
    """
    path = folder.quarantine / f"{key}.json"
    entries = [each for each in _entries(path) if not set(each["ids"]) & set(ids)]
    entries.append({"ids": sorted(ids), "status": status, "at": datetime.now(UTC).isoformat("T", "seconds"), **error})
    _write(path, entries)


def remove_done(folder: OutputFolder, key: str, done: set[str]) -> None:
    """Remove rows that are done."""
    path = folder.quarantine / f"{key}.json"
    if path.exists():
        _write(path, [each for each in _entries(path) if not set(each["ids"]) <= done])


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    if not entries:
        path.unlink(missing_ok=True)
        return
    # The row's status says the same in short, so on a full disk this record may be missing.
    with suppress(OutputError), replacing(path) as partial:
        partial.write_text(json.dumps({"failures": entries}, indent=1), "utf-8")


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_text("utf-8"))["failures"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _frame(frame: traceback.FrameSummary) -> str:
    """Name a frame by the end of its path: the path of the installation can hold a user's name."""
    parts = Path(frame.filename).parts
    start = next((at + 1 for at in range(len(parts) - 1, -1, -1) if parts[at] in ("site-packages", "src")), -1)
    return f"{'/'.join(parts[start:])}:{frame.lineno} {frame.name}"


def _without(text: str, private: Iterable[str]) -> str:
    for each in sorted({each for each in private if each}, key=len, reverse=True):
        text = text.replace(each, "...")
    return text
