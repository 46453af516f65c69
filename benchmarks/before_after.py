"""Draw the objects on which some weights did worst, with their masks and those of other weights on the same slices.

    python benchmarks/before_after.py DATA SCORES PICTURE --before BUNDLE [--after BUNDLE] [--count 10]

DATA has cases with a manifest.json, SCORES is the folder of a `radsam benchmark run` on them that measured BEFORE
from a box and bounds. Each object is segmented anew by both, from its exact box on the slice of largest area and its
bounds.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

import radsam
from radsam.data.adapters.folder import find_cases
from radsam.data.case_load import load_case
from radsam.metrics import dice
from radsam.render.page_text import DIM_COLOUR, PAGE_COLOUR, write_text
from radsam.render.slice_drawing import Colour, Viewport, draw_outline, draw_slice
from radsam.render.slice_picture import crop_around
from radsam.volume import Bounds, Box, Plane, SliceGrid, Volume

Voxels = Bool[np.ndarray, "k j i"]

_TILE, _GAP, _TEXT = 150, 6, 34
#: Slices of an object that are shown: the prompted one, and these shares of the way from end to end.
_SHARES = (0.1, 0.3, 0.7, 0.9)
_WINDOW_HU = (-160.0, 240.0)
_TRUTH: Colour = (90, 220, 120)
_BEFORE: Colour = (255, 170, 60)
_AFTER: Colour = (90, 180, 255)


def worst_objects(scores: Path, count: int) -> list[tuple[str, str]]:
    """Return case and object of the lowest Dice from a box and bounds, without edits."""
    with (scores / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["level"], row["start"], row["edits"]) == ("volume", "box", "0") and row["dice"]
        ]
    model = rows[0]["model"]
    rows = sorted((row for row in rows if row["model"] == model), key=lambda row: float(row["dice"]))
    return [(row["case"], row["object"]) for row in rows[:count]]


def segment(engine: radsam.Engine, volume: Volume, truth: Voxels) -> Voxels:
    """Return the mask from the exact box on the slice of largest area, and the object's bounds."""
    held = np.flatnonzero(truth.any(axis=(1, 2)))
    k = int(np.argmax(truth.sum(axis=(1, 2))))
    rows, columns = (np.flatnonzero(truth[k].any(axis=axis)) for axis in (1, 0))
    session = engine.open(volume)
    box = Box(k=k, i0=int(columns[0]), j0=int(rows[0]), i1=int(columns[-1]), j1=int(rows[-1]))
    session.segment(box, bounds=Bounds(int(held[0]), int(held[-1])), name="object")
    return session.mask("object")


def draw_row(page: Image.Image, top: int, volume: Volume, title: str, masks: dict[str, Voxels]) -> None:
    """Draw some slices of an object: the truth on all, with the mask of before above and that of after below."""
    truth, grid = masks["truth"], SliceGrid.of(volume.geometry, Plane.AXIAL)
    held = np.flatnonzero(truth.any(axis=(1, 2)))
    slices = {int(held[round(share * (len(held) - 1))]) for share in _SHARES} | {int(np.argmax(truth.sum(axis=(1, 2))))}
    seen = grid.to_display(np.any(list(masks.values()), axis=0).any(axis=0))
    crop = crop_around(
        np.argwhere(seen)[:, ::-1].astype(np.float64),
        grid.display_shape,
        grid.display_spacing_mm,
        share=0.15,
        margin=12.0,
    )
    write_text(page, (_GAP, top + 4), title, 15)
    for row, (name, colour) in enumerate((("before", _BEFORE), ("after", _AFTER))):
        for column, k in enumerate(sorted(slices)):
            corner = _GAP + column * (_TILE + _GAP), top + _TEXT + row * (_TILE + _GAP)
            view = Viewport.fit(grid, (*corner, _TILE, _TILE), crop)
            draw_slice(page, view, volume, grid, k, _WINDOW_HU)
            draw_outline(page, view, grid.to_display(truth[k]), _TRUTH, width=1.4)
            draw_outline(page, view, grid.to_display(masks[name][k]), colour, width=1.8)
            write_text(page, (view.left + 3, view.top + 2), f"{name}, k {k}", 10, halo=True)


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", help="the default weights if left out")
    parser.add_argument("--count", type=int, default=10)
    arguments = parser.parse_args()
    engines = {
        name: radsam.load(model, precision="f32", modality=None if model else "CT")
        for name, model in (("before", arguments.before), ("after", arguments.after))
    }
    cases = {each.case_id: each for each in find_cases(arguments.data)}
    wanted = worst_objects(arguments.scores, arguments.count)
    columns, height = 2, _TEXT + 2 * (_TILE + _GAP)
    width = _GAP + 5 * (_TILE + _GAP)
    page = Image.new("RGB", (columns * width, -(-len(wanted) // columns) * height + 2 * _TEXT), PAGE_COLOUR)
    for number, (case, name) in enumerate(wanted):
        volume, labels = load_case(cases[case])
        truth = labels.ids == next(value for value, each in labels.names.items() if each == name)
        masks = {"truth": truth} | {which: segment(engine, volume, truth) for which, engine in engines.items()}
        scores = ", ".join(f"{which} {dice(masks[which], truth):.3f}" for which in engines)
        title = f"{case}, {name}: {scores}"
        print(title, flush=True)
        tile = Image.new("RGB", (width, height), PAGE_COLOUR)
        draw_row(tile, 0, volume, title, masks)
        page.paste(tile, (number % columns * width, number // columns * height))
    words = (
        "Green: the label. Orange: before. Blue: after. Slices from the lowest to the highest. Not for diagnostic use."
    )
    write_text(page, (_GAP, page.height - _TEXT), words, 15, colour=DIM_COLOUR)
    page.save(arguments.picture, **({"quality": 70, "method": 6} if arguments.picture.suffix == ".webp" else {}))


if __name__ == "__main__":
    main()
