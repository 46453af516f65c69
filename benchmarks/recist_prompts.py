"""Which prompt a RECIST diameter makes best: a box or an ellipse, and how wide.

Of every object of a split, the longest diameter on its slice of largest area is measured as a
reader would do it, and turned into each kind of prompt. First the prompted slice alone is scored,
then, with ``--propagate``, whole objects within their bounds. Example::

    python benchmarks/recist_prompts.py DATA
    python benchmarks/recist_prompts.py DATA --propagate --cases sarcoma lung --widths 0.75

`DATA` is a folder that `radsam.data.adapters.folder` reads, with a manifest.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist, squareform

import radsam
from radsam.batch.recist import diameter_ellipse
from radsam.data.adapters.folder import find_cases
from radsam.data.case_load import load_case
from radsam.errors import RadsamError
from radsam.simulate import exact_box
from radsam.volume import Box, Mask, SliceGrid


def main() -> None:
    """Score every kind of prompt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--cases", nargs="+", default=[""], help="only cases whose name starts so")
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--widths", nargs="+", type=float, default=[0.5, 0.65, 0.75, 0.85, 1.0])
    parser.add_argument("--propagate", action="store_true", help="whole objects instead of the prompted slice")
    parser.add_argument("--min-voxels", type=int, default=200)
    arguments = parser.parse_args()
    engine = radsam.load(arguments.model, precision="f32")
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    qualities: list[tuple[float, float, float]] = []
    for case in find_cases(arguments.data):
        if case.split != arguments.split or not any(map(case.case_id.startswith, arguments.cases)):
            continue
        volume, labels = load_case(case)
        for number in case.names:
            truth = np.asarray(labels.ids == number)
            if np.count_nonzero(truth) < arguments.min_voxels:
                continue
            kind = f"{case.case_id.split('_')[0]} ({case.label_origin})"
            for name, score, quality in _scored(engine, volume, truth, arguments):
                for group in ("all", kind):
                    scores[name][group].append(score)
                if quality is not None:
                    qualities.append((score, *quality))
    groups = list(dict.fromkeys(group for each in scores.values() for group in each))
    counts = {group: len(scores["exact box"][group]) for group in groups}
    print(f"Mean Dice, {'whole objects' if arguments.propagate else 'prompted slice'}, {engine.bundle.spec.name}\n")
    print("| prompt | " + " | ".join(f"{group}, {counts[group]} objects" for group in groups) + " |")
    print("|---" * (len(groups) + 1) + "|")
    for name, found in scores.items():
        print(f"| {name} | " + " | ".join(f"{np.mean(found[group]):.3f}" for group in groups) + " |")
    if qualities:
        dice, mean, lowest = np.array(qualities).T
        print(
            f"\nRank correlation with Dice over {len(dice)} propagations: mean predicted IoU {_rank(mean, dice):.2f}, "
            f"lowest {_rank(lowest, dice):.2f}"
        )


def _rank(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def _scored(engine, volume, truth, arguments):  # type: ignore[no-untyped-def]
    grid = SliceGrid.of(volume.geometry, "axial")
    areas = truth.sum(axis=(1, 2))
    index = int(areas.argmax())
    held = np.flatnonzero(areas)
    here = grid.take(truth, index)
    first, second = longest_diameter(grid, here)
    prompts = {"exact box": Box.on(grid, index, *exact_box(here))}
    for width in arguments.widths:
        ellipse = diameter_ellipse(grid, first, second, width)
        prompts[f"box, width {width:g}"] = Box.on(grid, index, *exact_box(ellipse))
        prompts[f"ellipse, width {width:g}"] = Mask.on(grid, index, ellipse)
    bounds = (int(held[0]), int(held[-1])) if arguments.propagate else (index, index)
    for name, prompt in prompts.items():
        try:
            session = engine.open(volume)
            found = session.segment(prompt, bounds=bounds)
            mask = session.mask("object")
            ious = [each.score for each in found.slices.values()]
            quality = (float(np.mean(ious)), min(ious)) if arguments.propagate else None
        except RadsamError:  # the model found nothing, and says so: scored as nothing
            mask, quality = np.zeros_like(truth), None
        if not arguments.propagate:
            yield name, radsam.dice(grid.take(mask, index), here), None
        else:
            yield name, radsam.dice(mask, truth), quality


def longest_diameter(grid: SliceGrid, mask: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the two pixels (u, v) of an object on a slice that lie farthest apart in millimetres."""
    edge = mask & ~ndimage.binary_erosion(mask)
    v, u = np.nonzero(edge)
    row_mm, col_mm = grid.spacing_mm_vu
    apart = squareform(pdist(np.stack([u * col_mm, v * row_mm], axis=1)))
    a, b = np.unravel_index(apart.argmax(), apart.shape)
    return (int(u[a]), int(v[a])), (int(u[b]), int(v[b]))


if __name__ == "__main__":
    main()
