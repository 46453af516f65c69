"""Dice per object of a labelled case, from one exact box and the object's bounds.

The box is the tight one around the object on its slice of largest area; the bounds are
the object's own, or left to the stop rule. Prints a Markdown table. Example::

    python benchmarks/one_box_dice.py CASE_DIR --objects spleen liver aorta

CASE_DIR holds ``ct.nii.gz`` and ``seg.nii.gz``; names and the origin of the labels come
from ``manifest.json`` two folders up.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np

import radsam


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path, help="folder with ct.nii.gz and seg.nii.gz")
    parser.add_argument("--objects", nargs="*", help="names of the objects; all of at least --min-voxels if left out")
    parser.add_argument("--min-voxels", type=int, default=200)
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--policy", choices=["mask", "box", "copy"], help="as the model was trained if left out")
    parser.add_argument("--no-bounds", action="store_true", help="let the stop rule find the ends")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", radsam.CapabilityWarning)

    facts = _facts(arguments.case)
    volume = radsam.read_volume(arguments.case / "ct.nii.gz")
    truth = radsam.read_labels(arguments.case / "seg.nii.gz").ids
    engine = radsam.load(arguments.model, backend=arguments.backend, precision=arguments.precision)
    session = engine.open(volume)
    print(f"{arguments.case.name}: {engine.bundle.spec.name} on {engine.backend.name}; labels: {facts['label_note']}\n")
    print("| object | slices | slice Dice | volume Dice | s |")
    print("|---|---|---|---|---|")
    for number, name in facts["labels"].items():
        mask = truth == int(number)
        if np.count_nonzero(mask) < arguments.min_voxels or (arguments.objects and name not in arguments.objects):
            continue
        print(_row(session, name, mask, arguments.policy, not arguments.no_bounds), flush=True)


def _facts(case: Path) -> dict:
    manifest = json.loads((case.resolve().parent.parent / "manifest.json").read_text())
    return next(each for each in manifest if each["case"] == case.resolve().name)


def _row(session: radsam.Session, name: str, truth: np.ndarray, policy: str | None, bounded: bool) -> str:
    areas = truth.sum(axis=(1, 2))
    k = int(areas.argmax())
    slices = np.flatnonzero(areas)
    rows, cols = np.nonzero(truth[k])
    started = time.perf_counter()
    try:
        box = radsam.Box(k=k, i0=int(cols.min()), i1=int(cols.max()), j0=int(rows.min()), j1=int(rows.max()))
        bounds = (int(slices[0]), int(slices[-1])) if bounded else None
        found = session.segment(box, bounds=bounds, name=name, policy=policy)
    except radsam.RadsamError as error:
        return f"| {name} | {len(slices)} | – | – | {str(error).split('.')[0]} |"
    seconds = time.perf_counter() - started
    own = np.zeros_like(truth)
    for index, slice_mask in found.slices.items():
        own[index] = slice_mask.mask.decode()
    return (
        f"| {name} | {len(slices)} | {radsam.dice(own[k], truth[k]):.3f} | {radsam.dice(own, truth):.3f} "
        f"| {seconds:.1f} |"
    )


if __name__ == "__main__":
    main()
