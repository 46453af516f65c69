"""How well interpolation restores slices: every n-th slice of a label is kept, those between are compared.

Three ways: the nearest kept slice, the mean of signed distances, and `shapes_between`. Dice over all slices between of
one label, then its mean and median over labels. Shapes with a formula come first (an ellipsoid, an oblique vessel),
then the labels of ``*/seg.nii.gz`` below a folder. Labels of fewer than 500 voxels or two gaps are left out. Example::

    python benchmarks/shapes_between_slices.py ../shared/data/ct --every 5 --skip abdomen_2mm_organs
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import ndimage

from radsam.io.volume_read import read_labels
from radsam.volume.enclosing_box import enclosing_box
from radsam.volume.shape_between import shapes_between


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--skip", nargs="*", default=(), help="folders to leave out")
    arguments = parser.parse_args()
    k, j, i = np.mgrid[:41, :96, :96]
    for name, mask in (
        ("ellipsoid", ((k - 20) / 19) ** 2 + ((j - 40) / 38) ** 2 + ((i - 50) / 30) ** 2 <= 1),
        ("oblique vessel", (j - 8 - 2 * k) ** 2 + (i - 20 - k) ** 2 <= 4**2),
    ):
        print(f"{name:40}", _line(_dice(mask, (2.5, 1.0, 1.0), arguments.every)))
    rows = []
    for path in sorted(arguments.folder.glob("*/seg.nii.gz")) if arguments.folder else ():
        if path.parent.name in arguments.skip:
            continue
        labels = read_labels(path)
        for value in np.unique(labels.ids)[1:]:
            mask = labels.ids == value
            if mask.sum() >= 500 and mask.any(axis=(1, 2)).sum() >= 2 * arguments.every:
                rows.append(_dice(mask, labels.geometry.spacing_mm_ijk[::-1], arguments.every))
                print(f"{path.parent.name + ' ' + str(value):40}", _line(rows[-1]), flush=True)
    if rows:
        print(f"{'mean of ' + str(len(rows)):40}", _line(np.mean(rows, axis=0)))
        print(f"{'median':40}", _line(np.median(rows, axis=0)))


def _line(dice: np.ndarray) -> str:
    return "  ".join(f"{n} {each:.3f}" for n, each in zip(("nearest", "distances", "shapes"), dice, strict=True))


def _dice(mask: np.ndarray, spacing_mm_kji: tuple[float, ...], every: int) -> np.ndarray:
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    kept = [index for index in range(filled[0], filled[-1] + 1, every) if mask[index].any()]
    both, sizes = np.zeros(3), np.zeros(3)
    for low, high in pairwise(kept):
        box = enclosing_box(mask[low : high + 1].any(axis=0), 4)
        a, b, spacing = mask[low][box], mask[high][box], (spacing_mm_kji[1], spacing_mm_kji[2])
        weights = [(index - low) / (high - low) for index in range(low + 1, high)]
        ways = (
            [a if weight <= 0.5 else b for weight in weights],
            [(1 - weight) * _signed(a, spacing) + weight * _signed(b, spacing) < 0 for weight in weights],
            shapes_between(a, b, weights, spacing),
        )
        for n, way in enumerate(ways):
            for index, shape in zip(range(low + 1, high), way, strict=True):
                truth = mask[index][box]
                both[n] += 2 * (shape & truth).sum()
                sizes[n] += shape.sum() + truth.sum()
    return both / sizes


def _signed(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    outside, inside = (ndimage.distance_transform_edt(each, sampling=spacing) for each in (~mask, mask))
    return outside - inside


if __name__ == "__main__":
    main()
