"""The slices of a running edit on disk, as they come: what a crash leaves behind is offered again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsam.errors import RadsamError
from radsam.predictor import SliceMask
from radsam.session.edit import Correct, Segment, edit_from_json, edit_to_json
from radsam.volume import RunMask


@dataclass(frozen=True, eq=False)
class InterruptedEdit:
    """An edit that did not come to its end.

    Args:
        edit: The edit.
        answers: The slices that were finished, in the order in which they were.
    """

    edit: Segment | Correct
    answers: tuple[SliceMask, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what the state says of it."""
        what = "segment" if isinstance(self.edit, Segment) else "correct"
        return {"name": self.edit.name, "finished": [each.index for each in self.answers], "what": what}


class Journal:
    """Appends to one file.

    A line is handed to the operating system at once, so it outlives this process; a cut last
    line is a slice that was not finished.

    Args:
        path: The file; one that is there is replaced.
        edit: The edit that runs.
    """

    def __init__(self, path: Path, edit: Segment | Correct) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._write(edit_to_json(edit))

    def append(self, answer: SliceMask) -> None:
        """Keep a finished slice."""
        self._write(
            {
                "index": answer.index,
                "score": answer.score,
                "shape": list(answer.mask.shape),
                "runs": pack_runs(answer.mask),
            }
        )

    def close(self) -> None:
        """Leave the file for the next start."""
        self._file.close()

    def discard(self) -> None:
        """Remove the file: the edit is done, or was given up."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def read_journal(path: Path) -> InterruptedEdit | None:
    """Read what an edit left behind; None where there is nothing, or nothing that can be read."""
    try:
        first, *lines = path.read_bytes().splitlines(keepends=True)
        edit = edit_from_json(json.loads(first))
    except (OSError, ValueError, RadsamError):
        return None
    if not isinstance(edit, Segment | Correct):
        return None
    answers = []
    for line in lines:
        if not line.endswith(b"\n"):
            break
        said = json.loads(line)
        answers.append(SliceMask(said["index"], unpack_runs(said["shape"], said["runs"]), said["score"]))
    return InterruptedEdit(edit, tuple(answers))


def pack_runs(mask: RunMask) -> str:
    """Write run lengths as base64 of little-endian 32-bit numbers."""
    return base64.b64encode(mask.runs.astype("<u4").tobytes()).decode()


def unpack_runs(shape: list[int], packed: str) -> RunMask:
    """Read what `pack_runs` wrote."""
    rows, cols = shape
    return RunMask((rows, cols), np.frombuffer(base64.b64decode(packed), "<u4").astype(np.uint32))
