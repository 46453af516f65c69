"""Baselines without a model: geometric shapes and a threshold.

All but Otsu's ignore the image, so a model that is not better has learnt nothing about the image. Each gets the
prompt and the bounds, as a model does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Shaped
from scipy import ndimage

from radsam.benchmark.models.model_interface import ModelCard, NotInteractive, Voxels
from radsam.errors import PromptError
from radsam.volume import Bounds, Box, Mask, Plane, Prompt, SliceGrid, Volume

Pixels = Bool[np.ndarray, "v u"]
#: Fills the slices of the bounds: volume, grid, prompt, bounds.
Rule = Callable[[Volume, SliceGrid, Prompt, Bounds], dict[int, Pixels]]

#: Bins of the histogram; finer ones would resolve noise of the scanner.
_STEPS = 256


class RuleModel(NotInteractive):
    """A rule that fills the bounds.

    Args:
        label: Its name in tables.
        rule: The rule.
        description: One line about its method.
        starts: First prompts that it takes.
    """

    def __init__(self, label: str, rule: Rule, description: str, starts: frozenset[str]) -> None:
        self._rule = rule
        self._volume: Volume | None = None
        self.card = ModelCard(label, "", description, starts, edits=False, kind="baseline")

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a volume."""
        self._volume = volume

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Fill the bounds; without them only the prompted slice, since a rule cannot find the ends."""
        if self._volume is None:
            raise PromptError("There is no volume yet: prepare one first.")
        grid = SliceGrid.of(self._volume.geometry, Plane.AXIAL)
        if not isinstance(prompt, Box | Mask):
            raise PromptError("This baseline draws from a box or a mask; a point has no size.")
        voxels = np.zeros(self._volume.geometry.shape_kji, bool)
        for index, pixels in self._rule(
            self._volume, grid, prompt, bounds or Bounds(prompt.index, prompt.index)
        ).items():
            grid.put(voxels, index, pixels)
        return voxels


def ellipsoid(volume: Volume, grid: SliceGrid, prompt: Prompt, bounds: Bounds) -> dict[int, Pixels]:
    """Fill the ellipsoid that touches the box and the bounds, widest on the prompted slice.

    Both sides of the prompted slice are half ellipsoids of different heights, because the slice can lie off the middle.
    """
    u0, v0, u1, v1 = _box(prompt)
    index = _index(prompt)
    slices = {}
    for k in range(bounds.low, bounds.high + 1):
        # To the far side of the last slice, so that the bounds' own slices are not empty.
        reach = (index - bounds.low if k < index else bounds.high - index) + 0.5
        share = np.sqrt(max(0.0, 1 - ((k - index) / reach) ** 2))
        slices[k] = _ellipse(grid, (u0 + u1) / 2, (v0 + v1) / 2, share * (u1 - u0 + 1) / 2, share * (v1 - v0 + 1) / 2)
    return slices


def copy(volume: Volume, grid: SliceGrid, prompt: Prompt, bounds: Bounds) -> dict[int, Pixels]:
    """Repeat one mask on every slice: the mask prompt, or the ellipse in the box."""
    if isinstance(prompt, Mask):
        pixels = prompt.pixels
    else:
        u0, v0, u1, v1 = _box(prompt)
        pixels = _ellipse(grid, (u0 + u1) / 2, (v0 + v1) / 2, (u1 - u0 + 1) / 2, (v1 - v0 + 1) / 2)
    return dict.fromkeys(range(bounds.low, bounds.high + 1), pixels)


def box_fill(volume: Volume, grid: SliceGrid, prompt: Prompt, bounds: Bounds) -> dict[int, Pixels]:
    """Fill the box on every slice."""
    u0, v0, u1, v1 = _box(prompt)
    pixels = np.zeros(grid.shape_vu, bool)
    pixels[v0 : v1 + 1, u0 : u1 + 1] = True
    return dict.fromkeys(range(bounds.low, bounds.high + 1), pixels)


def otsu(volume: Volume, grid: SliceGrid, prompt: Prompt, bounds: Bounds) -> dict[int, Pixels]:
    """Threshold the box on every slice by Otsu's method (1979), and keep the largest connected part.

    The threshold comes from the whole block of box and bounds. The object is the side, bright or dark,
    that fills more of the ellipse in the prompted box than of its corners.
    """
    u0, v0, u1, v1 = _box(prompt)
    part = slice(v0, v1 + 1), slice(u0, u1 + 1)
    block = np.stack([grid.take(volume.values, k)[part] for k in range(bounds.low, bounds.high + 1)])
    bright = block > otsu_threshold(block)
    inner = _ellipse(grid, (u0 + u1) / 2, (v0 + v1) / 2, (u1 - u0 + 1) / 2, (v1 - v0 + 1) / 2)[part]
    prompted = bright[_index(prompt) - bounds.low]
    outer_share = prompted[~inner].mean() if (~inner).any() else 0.5
    object_ = bright if prompted[inner].mean() >= outer_share else ~bright
    pieces, count = ndimage.label(object_)
    if count:
        object_ = pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    slices = {}
    for k in range(bounds.low, bounds.high + 1):
        pixels = np.zeros(grid.shape_vu, bool)
        pixels[part] = object_[k - bounds.low]
        slices[k] = pixels
    return slices


def otsu_threshold(values: Shaped[np.ndarray, "*shape"]) -> float:
    """Return the value that splits `values` into two classes with the largest variance between them."""
    counts, edges = np.histogram(values, bins=_STEPS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1 + int((below * above * (mean_below - mean_above) ** 2).argmax())])


#: The baselines by the name that `--models` takes.
RULES: dict[str, tuple[Rule, str]] = {
    "ellipsoid": (ellipsoid, "the ellipsoid that touches box and bounds; ignores the image"),
    "copy": (copy, "the ellipse in the box (or the mask) on every slice; ignores the image"),
    "box-fill": (box_fill, "the box on every slice; ignores the image"),
    "otsu": (otsu, "Otsu's threshold in the box, largest connected part"),
}


def rule_model(name: str, label: str | None = None) -> RuleModel:
    """Make a baseline by name."""
    rule, description = RULES[name]
    return RuleModel(label or name, rule, description, frozenset({"box", "mask"}))


def _index(prompt: Prompt) -> int:
    if isinstance(prompt, Box | Mask):
        return prompt.index
    raise PromptError("A baseline draws from a box or a mask.")


def _box(prompt: Prompt) -> tuple[int, int, int, int]:
    if isinstance(prompt, Box):
        return prompt.uvuv
    if isinstance(prompt, Mask):
        rows, cols = (np.flatnonzero(prompt.pixels.any(axis=axis)) for axis in (1, 0))
        return int(cols[0]), int(rows[0]), int(cols[-1]), int(rows[-1])
    raise PromptError("A baseline draws from a box or a mask.")


def _ellipse(grid: SliceGrid, u: float, v: float, half_u: float, half_v: float) -> Pixels:
    rows, cols = np.ogrid[: grid.shape_vu[0], : grid.shape_vu[1]]
    if min(half_u, half_v) <= 0:
        return np.zeros(grid.shape_vu, bool)
    return np.asarray(((cols - u) / half_u) ** 2 + ((rows - v) / half_v) ** 2 <= 1)
