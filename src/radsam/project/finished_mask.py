"""Finished masks: a file per mask, and one beside it that says how it was made.

A mask is written under a name of its own before the database names it, so that a stop at any moment leaves the mask
that the database names as it was. Masks that were replaced stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from radsam.disk.atomic_write import make_folder, replacing
from radsam.errors import OutputError
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import check_grid, write_labels
from radsam.project.task_state import Case, TaskState
from radsam.volume import Geometry, LabelVolume, SparseMask


@dataclass(frozen=True)
class FinishedMask:
    """The mask of a label of a case that is done.

    Args:
        case: The case.
        label: The label.
        reading: Which reading.
        path: Its file: uint8, 1 in the object.
        absent: Whether the case does not have what the label means; the mask is empty.
        finished: ISO time at which it was done.
        state: Done or checked.
        from_proposal: Whether it is a corrected or accepted proposal.
    """

    case: Case
    label: str
    reading: int
    path: Path
    absent: bool
    finished: str
    state: TaskState
    from_proposal: bool = False

    def voxels(self) -> Bool[np.ndarray, "k j i"]:
        """Read the mask.

        Raises:
            VolumeError: The file is missing or damaged.
        """
        return self.labels().ids > 0

    def labels(self) -> LabelVolume:
        """Read the mask on its grid.

        Raises:
            VolumeError: The file is missing or damaged.
        """
        return read_labels(self.path)

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was made: model, prompts, hand edits, annotator, times, as far as they were given."""
        found: dict[str, Any] = json.loads(provenance_path(self.path).read_text("utf-8"))
        return found


def file_name(name: str) -> str:
    """Return a name as one of a file: as it is if every system takes it, else with a few digits that make it unique."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[:80] or "_"
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def provenance_path(mask: Path) -> Path:
    """Return the file beside a mask that says how it was made."""
    return mask.with_name(f"{mask.name.removesuffix('.nii.gz').removesuffix('.nrrd')}.json")


def mask_path(folder: Path, case: str, label: str, reading: int, version: int, geometry: Geometry) -> Path:
    """Return where a mask goes: NIfTI, or NRRD where NIfTI cannot hold the grid."""
    more = "" if version == 1 else f".v{version}"
    path = folder / file_name(case) / f"{file_name(label)}.{reading}{more}.nii.gz"
    try:
        check_grid(geometry, path)
    except OutputError:
        return path.with_name(f"{path.name.removesuffix('.nii.gz')}.nrrd")
    return path


def write_mask(
    path: Path, mask: Bool[np.ndarray, "k j i"] | SparseMask | None, geometry: Geometry, provenance: Mapping[str, Any]
) -> None:
    """Write a mask and what it was made with; both are on disk when it returns.

    Args:
        path: Its file.
        mask: Its voxels; None for an empty one.
        geometry: The grid of its volume.
        provenance: How it was made; must be JSON.

    Raises:
        GridMismatchError: The mask has another shape than the volume.
        OutputError: It cannot be written.
    """
    voxels = (
        np.zeros(geometry.shape_kji, bool) if mask is None else mask.decode() if isinstance(mask, SparseMask) else mask
    )
    labels = LabelVolume(voxels.astype(np.uint8), geometry, {1: str(provenance.get("label", "object"))})
    new = not path.parent.is_dir()
    make_folder(path.parent)
    write_labels(labels, path)
    stated = {**provenance, "voxels": int(np.count_nonzero(voxels))}
    with replacing(provenance_path(path)) as partial:
        partial.write_text(json.dumps(stated, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for folder in (path.parent, *([path.parent.parent] if new else [])):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Put the names of a folder's files on disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
