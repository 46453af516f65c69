"""Dice of objects that are started from a 3D mask: the mask as it is, refined by the model, and one box instead.

The mask is that of another study or phase of the patient, resampled by position, or the object's own truth, moved
and scaled about its centre. Prints a Markdown table. Examples::

    python benchmarks/mask_prompts.py ct/liver_hcc011_3 --from ct/liver_hcc011_1
    python benchmarks/mask_prompts.py ct/liver_hcc015a_3 --shift-mm 4 -3 2.5 --scale 1.1

A case is a folder with ``ct.nii.gz`` and ``seg.nii.gz``; names and the origin of the labels come from
``manifest.json`` two folders up.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np

import radsam
from radsam.volume.label_resampling import resample_labels


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--from", dest="other", type=Path, help="another case of the patient, in the same space")
    parser.add_argument("--shift-mm", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=("X", "Y", "Z"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--objects", nargs="*", help="names of the objects; all if left out")
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--precision", default="f32")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", radsam.CapabilityWarning)

    volume = radsam.read_volume(arguments.case / "ct.nii.gz")
    truth = radsam.read_labels(arguments.case / "seg.nii.gz").ids
    names = _facts(arguments.case)["labels"]
    given_names = _facts(arguments.other)["labels"] if arguments.other else names
    given = radsam.read_labels((arguments.other or arguments.case) / "seg.nii.gz", on=volume, resample=True)
    session = radsam.load(arguments.model, precision=arguments.precision).open(volume)
    print(f"{arguments.case.name}; labels: {_facts(arguments.case)['label_note']}\n")
    print("| object | slices | the mask as it is | refined | one box and the bounds |")
    print("|---|---|---|---|---|")
    scores = []
    for number, name in names.items():
        inside = truth == int(number)
        value = next((int(each) for each, other in given_names.items() if other == name), 0)
        if not inside.any() or not value or (arguments.objects and name not in arguments.objects):
            continue
        mask = given.ids == value
        if not arguments.other:
            mask = _changed(mask, volume.geometry, arguments.shift_mm, arguments.scale)
        scores.append(_scores(session, name, mask, inside))
        slices = int(inside.any(axis=(1, 2)).sum())
        print(f"| {name} | {slices} | {' | '.join(f'{each:.3f}' for each in scores[-1])} |", flush=True)
    if scores:
        print(f"| mean | | {' | '.join(f'{each:.3f}' for each in np.mean(scores, axis=0))} |")


def _facts(case: Path) -> dict:
    manifest = json.loads((case.resolve().parent.parent / "manifest.json").read_text())
    return next(each for each in manifest if each["case"] == case.resolve().name)


def _changed(mask: np.ndarray, grid: radsam.Geometry, shift_mm: tuple[float, ...], scale: float) -> np.ndarray:
    """Move a mask, and scale it about its centre."""
    centre = grid.index_to_mm(np.argwhere(mask)[:, ::-1].astype(float)).mean(axis=0)
    change = np.eye(4)
    change[:3, :3] *= scale
    change[:3, 3] = centre * (1 - scale) + shift_mm
    moved = radsam.LabelVolume(mask.astype(np.uint8), radsam.Geometry(grid.shape_kji, change @ grid.affine_lps))
    return np.asarray(resample_labels(moved, grid).labels.ids > 0)


def _scores(session: radsam.Session, name: str, mask: np.ndarray, truth: np.ndarray) -> list[float]:
    """Return the Dice of the three ways to start the object."""
    areas = truth.sum(axis=(1, 2))
    k, slices = int(areas.argmax()), np.flatnonzero(areas)
    rows, cols = np.nonzero(truth[k])
    box = radsam.Box(k=k, i0=int(cols.min()), i1=int(cols.max()), j0=int(rows.min()), j1=int(rows.max()))
    found = []
    for start in (
        lambda: session.segment(mask, name=name),
        lambda: session.segment(mask, refine=True, name=name),
        lambda: session.segment(box, bounds=(int(slices[0]), int(slices[-1])), name=name),
    ):
        start()
        found.append(radsam.dice(session.mask(name, whole=True), truth))
        session.remove(name)
    return found


if __name__ == "__main__":
    main()
