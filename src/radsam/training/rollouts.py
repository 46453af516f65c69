"""Masks of real propagations over the training cases, for a training that learns from its own errors.

A training episode propagates over a few slices, so its masks are nearly right. In use a mask has come a long way, and
its errors add up. Here whole objects are propagated with finished weights, as a session does it, and the masks are
kept: in training they prompt the slice behind theirs, whose truth is known. That is data set aggregation (Ross, Gordon
and Bagnell 2011, "A reduction of imitation learning and structured prediction to no-regret online learning").
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt32

from radsam.data.packed_store import Pack
from radsam.disk.atomic_write import replacing
from radsam.errors import DatasetError, InputError, SessionError
from radsam.volume import RunMask

_FORMAT, _VERSION = "radsam-rollouts", 1


@dataclass(frozen=True, eq=False)
class Rollout:
    """One propagation of an object from a box. Slices are counted in the whole case.

    Args:
        start: The slice of the box.
        bounds: First and last slice, where they were given.
        masks: The mask of each slice that was reached.
    """

    start: int
    bounds: tuple[int, int] | None
    masks: Mapping[int, RunMask]


#: By name of the case and object.
Rollouts = Mapping[tuple[str, int], tuple[Rollout, ...]]


def joined(one: Rollouts, other: Rollouts) -> Rollouts:
    """Return the rollouts of both, each object's together."""
    return {key: (*one.get(key, ()), *other.get(key, ())) for key in dict.fromkeys((*one, *other))}


def rollout_dice(rollouts: Rollouts, pack: Pack) -> dict[tuple[str, int], float]:
    """Return how well each object was propagated: Dice over all its rollouts, on the slices that the object is on."""
    cases, found = {case.case_id: case for case in pack.cases}, {}
    for (case_id, object_id), of_object in rollouts.items():
        case = cases[case_id]
        truth = np.asarray(case.ids == object_id)
        shared = total = 0
        for one in of_object:
            for within in np.flatnonzero(truth.any(axis=(1, 2))).tolist():
                mask = one.masks.get(case.first + within)
                total += int(np.count_nonzero(truth[within]))
                if mask is not None:
                    pixels = mask.decode()
                    shared, total = shared + int(np.count_nonzero(pixels & truth[within])), total + int(pixels.sum())
        found[case_id, object_id] = 2 * shared / max(1, total)
    return found


def write_rollouts(rollouts: Rollouts, identity: str, path: Path) -> None:
    """Write rollouts into one file.

    Args:
        rollouts: The rollouts.
        identity: Hash of the pack that they are of.
        path: The file.

    Raises:
        OutputError: It cannot be written.
    """
    described, runs = [], []
    for (case_id, object_id), of_object in rollouts.items():
        for one in of_object:
            masks = [[index, *mask.shape, len(mask.runs)] for index, mask in one.masks.items()]
            described.append(
                {"case": case_id, "object": object_id, "start": one.start, "bounds": one.bounds, "masks": masks}
            )
            runs += [mask.runs for mask in one.masks.values()]
    facts = {"format": _FORMAT, "version": _VERSION, "pack": identity, "rollouts": described}
    with replacing(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rollouts.json", json.dumps(facts))
        archive.writestr("runs", np.concatenate([*runs, np.zeros(0, np.uint32)]).astype("<u4").tobytes())


def read_rollouts(path: Path, identity: str) -> Rollouts:
    """Read the rollouts of a pack.

    Args:
        path: The file.
        identity: Hash of the pack.

    Raises:
        DatasetError: The file is missing or broken.
        InputError: It is of another pack.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read("rollouts.json"))
            if (facts["format"], facts["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"format {facts['format']!r}, version {facts['version']}")
            runs = np.frombuffer(archive.read("runs"), "<u4").astype(np.uint32)
            found: dict[tuple[str, int], tuple[Rollout, ...]] = {}
            for one, masks in _with_masks(facts["rollouts"], runs):
                key = str(one["case"]), int(one["object"])
                bounds = None if one["bounds"] is None else (int(one["bounds"][0]), int(one["bounds"][1]))
                found[key] = (*found.get(key, ()), Rollout(int(one["start"]), bounds, masks))
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError, SessionError) as error:
        raise DatasetError(f"{path} is not a file of rollouts, or it is broken ({error}).") from error
    if facts["pack"] != identity:
        raise InputError(f"{path} has rollouts of another pack. Record them again with radsam data rollouts.")
    return found


def _with_masks(
    described: Sequence[dict[str, Any]], runs: UInt32[np.ndarray, " n"]
) -> Iterator[tuple[dict[str, Any], dict[int, RunMask]]]:
    """Each described rollout with its masks, whose runs follow each other."""
    at = 0
    for one in described:
        masks = {}
        for index, rows, cols, count in one["masks"]:
            masks[int(index)] = RunMask((int(rows), int(cols)), runs[at : at + count])
            at += count
        yield one, masks
