"""The journal of a running edit: its slices on disk as they are predicted, so that a crash loses none of them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsam.errors import RadsamError
from radsam.predictor import SliceMask
from radsam.propagate import EndReason, Record, SideDone, SliceDone
from radsam.session.edit import ObjectEdit, StartEdit, edit_from_json, edit_to_json
from radsam.volume import RunMask


@dataclass(frozen=True, eq=False)
class InterruptedEdit:
    """An edit that a crash interrupted.

    Args:
        edit: The edit.
        slice_masks: The finished slices, in order of their prediction.
        ends: The sides that it had finished.
    """

    edit: ObjectEdit
    slice_masks: tuple[SliceMask, ...]
    ends: tuple[SideDone, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """What its run had yielded, for `Session.keep`."""
        slices = (SliceDone(each, number, None) for number, each in enumerate(self.slice_masks, start=1))
        return (*slices, *self.ends)

    def to_dict(self) -> dict[str, Any]:
        """Return it as the state of the session shows it."""
        what = "segment" if isinstance(self.edit, StartEdit) else "correct"
        return {"name": self.edit.name, "finished": [each.index for each in self.slice_masks], "what": what}


class Journal:
    """Writes the journal of one edit.

    Each line is written unbuffered, so it survives a crash of this process. An incomplete last line is ignored.

    Args:
        path: The file; an existing one is replaced.
        edit: The running edit.
    """

    def __init__(self, path: Path, edit: ObjectEdit) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._write(edit_to_json(edit))

    def append(self, slice_mask: SliceMask) -> None:
        """Add a finished slice."""
        self._write(
            {
                "index": slice_mask.index,
                "score": slice_mask.score,
                "shape": list(slice_mask.mask.shape),
                "runs": pack_runs(slice_mask.mask),
            }
        )

    def append_end(self, end: SideDone) -> None:
        """Add a finished side."""
        self._write({"side": end.side, "last": end.last_index, "reason": end.reason.value})

    def close(self) -> None:
        """Close the file and leave it for the next start."""
        self._file.close()

    def discard(self) -> None:
        """Remove the file: the edit is saved, or was given up."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def read_journal(path: Path) -> InterruptedEdit | None:
    """Read a journal; None if it is missing or cannot be read."""
    try:
        first, *lines = path.read_bytes().splitlines(keepends=True)
        edit = edit_from_json(json.loads(first))
    except (OSError, ValueError, RadsamError):
        return None
    if not isinstance(edit, ObjectEdit):
        return None
    slice_masks, ends = [], []
    for line in lines:
        if not line.endswith(b"\n"):
            break
        try:
            entry = json.loads(line)
            if "side" in entry:
                ends.append(SideDone(entry["side"], entry["last"], EndReason(entry["reason"])))
                continue
            slice_masks.append(SliceMask(entry["index"], unpack_runs(entry["shape"], entry["runs"]), entry["score"]))
        except (ValueError, KeyError, TypeError):
            break  # a power cut can leave a line of other bytes
    return InterruptedEdit(edit, tuple(slice_masks), tuple(ends))


def pack_runs(mask: RunMask) -> str:
    """Write run lengths as base64 of little-endian 32-bit numbers."""
    return base64.b64encode(mask.runs.astype("<u4").tobytes()).decode()


def unpack_runs(shape: list[int], packed: str) -> RunMask:
    """Read what `pack_runs` wrote."""
    rows, cols = shape
    return RunMask((rows, cols), np.frombuffer(base64.b64decode(packed), "<u4").astype(np.uint32))
