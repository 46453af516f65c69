"""How far masks in bf16 differ from those in f32, and both from the truth: one exact box and bounds for each object.

    python benchmarks/precision.py DATA/ct/sarcoma_002 DATA/ct/abdomen_2mm_organs --objects sarcoma spleen

On a processor with bf16 leave --backend out; on another, torch:cpu emulates it, slowly.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import radsam
from radsam.session import Engine


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path, nargs="+", help="folders with ct.nii.gz and seg.nii.gz")
    parser.add_argument("--objects", nargs="*", help="names of the objects; all of at least 200 voxels if left out")
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--backend", default="auto", help="the engine that computes in bf16")
    parser.add_argument("--most-slices", type=int, default=40, help="slices of an object around its largest one")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", radsam.CapabilityWarning)
    f32 = radsam.load(arguments.model, precision="f32")
    bf16 = radsam.load(arguments.model, backend=arguments.backend, precision="bf16")
    print(f"{f32.bundle.spec.name}: {f32.backend.name} and {bf16.backend.name}\n")
    print("| case | object | voxels in f32 | differing voxels | Dice of both | Dice in f32 | Dice in bf16 |")
    print("|---|---|---|---|---|---|---|")
    for case in arguments.cases:
        volume, labels = radsam.read_volume(case / "ct.nii.gz"), radsam.read_labels(case / "seg.nii.gz")
        names = _names(case)
        for number in (int(each) for each in np.unique(labels.ids) if each):
            truth, name = labels.ids == number, names.get(number, str(number))
            if np.count_nonzero(truth) < 200 or (arguments.objects and name not in arguments.objects):
                continue
            one, other, kept = _both(f32, bf16, volume, truth, arguments.most_slices)
            dices = radsam.dice(one, other), radsam.dice(one, kept), radsam.dice(other, kept)
            voxels, differing = np.count_nonzero(one), np.count_nonzero(one != other)
            shown = " | ".join(f"{each:.4f}" for each in dices)
            print(f"| {case.name} | {name} | {voxels} | {differing} | {shown} |", flush=True)


def _names(case: Path) -> dict[int, str]:
    import json

    manifest = json.loads((case.resolve().parent.parent / "manifest.json").read_text())
    facts = next(each for each in manifest if each["case"] == case.resolve().name)
    return {int(number): name for number, name in facts["labels"].items()}


def _both(
    f32: Engine, bf16: Engine, volume: radsam.Volume, truth: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segment an object with both engines; return both masks, and the truth on the slices that they may use."""
    areas = truth.sum(axis=(1, 2))
    k, slices = int(areas.argmax()), np.flatnonzero(areas)
    low, high = max(int(slices[0]), k - most // 2), min(int(slices[-1]), k + most // 2)
    rows, cols = np.nonzero(truth[k])
    box = radsam.Box(k=k, i0=int(cols.min()), i1=int(cols.max()), j0=int(rows.min()), j1=int(rows.max()))
    masks = []
    for engine in (f32, bf16):
        session = engine.open(volume)
        session.segment(box, bounds=(low, high))
        masks.append(session.mask("object"))
    kept = np.zeros_like(truth)
    kept[low : high + 1] = truth[low : high + 1]
    return masks[0], masks[1], kept


if __name__ == "__main__":
    main()
