"""A first answer for one label of a case, which the annotator corrects instead of starting; and its file.

A file holds all proposals of a case, in one zip: masks as run lengths, and what is known of them. It holds no patient
data and no name of the case.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsam.disk.atomic_write import private_file
from radsam.errors import InputError
from radsam.volume import Plane, RunMask, SparseMask

FORMAT = "radsam-proposals"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Proposal:
    """A first answer for one label of a case.

    Args:
        label: Name of the label.
        mask: Its voxels, as slices of `plane`; not empty.
        certainty: The Dice that it is expected to have, 0 to 1.
        plane: The plane of its slices.
        low: First slice.
        high: Last slice.

    Raises:
        InputError: It is empty, has slices outside its bounds, or its certainty is not between 0 and 1.
    """

    label: str
    mask: SparseMask
    certainty: float
    plane: Plane
    low: int
    high: int

    def __post_init__(self) -> None:
        if not self.mask:
            raise InputError(f"A proposal has voxels; that of {self.label!r} has none. Leave it out instead.")
        if not 0 <= self.certainty <= 1:
            raise InputError(f"A certainty is 0 to 1, not {self.certainty:g} as that of {self.label!r}.")
        first, last = min(self.mask.slices), max(self.mask.slices)
        if not self.low <= first <= last <= self.high:
            raise InputError(
                f"The proposal of {self.label!r} has slices {first} to {last}, bounds {self.low} to {self.high}."
            )


def write_proposals(path: Path, proposals: Mapping[str, Proposal]) -> None:
    """Write the proposals of a case, whole or not at all.

    Args:
        path: The file (``.npz``).
        proposals: Name of the label to its proposal.

    Raises:
        OutputError: The file cannot be written.
    """
    facts = {"format": FORMAT, "version": FORMAT_VERSION, "proposals": [_facts(each) for each in proposals.values()]}
    runs = [mask.runs for each in proposals.values() for mask in each.mask.slices.values()]
    with private_file(path) as file:
        np.savez_compressed(
            file,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            lengths=np.array([each.size for each in runs], np.int64),
            runs=np.concatenate([np.zeros(0, np.uint32), *runs]),
        )


def _facts(proposal: Proposal) -> dict[str, Any]:
    return {
        "label": proposal.label,
        "certainty": proposal.certainty,
        "plane": str(proposal.plane),
        "low": proposal.low,
        "high": proposal.high,
        "axis": proposal.mask.axis,
        "shape_kji": list(proposal.mask.shape_kji),
        "slices": list(proposal.mask.slices),
    }


def read_proposals(path: Path) -> dict[str, Proposal]:
    """Read the proposals of a case; the inverse of `write_proposals`.

    Raises:
        InputError: The file is missing, damaged, of another kind or of a later version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"The proposals {path} cannot be read: {error.strerror}.") from error
    try:
        return _proposals(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # What numpy, zipfile and the wrong types of a damaged description raise.
    except (KeyError, TypeError, ValueError, OSError, EOFError, StopIteration, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} is damaged or holds no proposals. Remove it; the next learning round proposes again."
        ) from error


def _proposals(content: bytes) -> dict[str, Proposal]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        parts = np.split(arrays["runs"], np.cumsum(arrays["lengths"]))
    if facts["format"] != FORMAT:
        raise ValueError("of another kind")
    if facts["version"] > FORMAT_VERSION:
        raise InputError(
            f"the proposals have version {facts['version']}, this program reads up to {FORMAT_VERSION}. Update it."
        )
    masks, found = iter(parts), {}
    for each in facts["proposals"]:
        k, j, i = each["shape_kji"]
        shape_vu = SparseMask(each["axis"], (k, j, i), {}).shape_vu
        slices = {index: RunMask(shape_vu, next(masks)) for index in each["slices"]}
        mask = SparseMask(each["axis"], (k, j, i), slices)
        found[each["label"]] = Proposal(
            each["label"], mask, each["certainty"], Plane(each["plane"]), each["low"], each["high"]
        )
    return found
