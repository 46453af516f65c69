"""What a correction may change: on its own slice, and on the slices that it propagates to.

A new prediction changes a slice in many places; the user has pointed at one. So only those parts of the prediction
are taken that belong to what the user marked, and on the next slice those that go on with them.
The figures behind the numbers are in docs/corrections.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float

from radsam.volume.enclosing_box import enclosing_box

Pixels = Bool[np.ndarray, "v u"]

#: A part of the prediction belongs to a mark that is so near, in pixels.
_NEAR_PX = 2
#: A part goes on from a neighbouring slice where it is so near to the neighbour's, in pixels.
_MOVE_PX = 3
#: What is taken ends this many times as far from the mark as the mark is deep in it: farther away it is another error,
#: or the object itself; and no nearer than `_LEAST_PX`. What is added is taken whole: cut off, it would leave a wall.
_FARTHEST, _LEAST_PX = 3.0, 3.0
#: What is taken away reaches so many times as far across the slices as it is deep.
_CAP = 2.0
#: A part that grows by more from slice to slice, in pixels, is not the same error any more: an error is found at its
#: widest slice.
_GROWTH, _GROWTH_PX = 1.25, 3
#: Where the model was surer than this of a mask, it is replaced only where the model is surer of the new one.
_SURE_SCORE = 0.7
#: Two masks that have less than this in common are of another shape: the slice was wrong, not a part of it.
_SAME_IOU = 0.6


@dataclass(frozen=True, eq=False)
class Change:
    """The pixels of a slice that a correction changes.

    Args:
        added: Pixels that it adds to the object.
        taken: Pixels that it takes from it.
    """

    added: Pixels
    taken: Pixels

    @classmethod
    def between(cls, before: Pixels, after: Pixels) -> Change:
        """Return the change from one mask to another."""
        return cls(after & ~before, before & ~after)

    @classmethod
    def none(cls, shape_vu: tuple[int, int]) -> Change:
        """Return the change that changes nothing."""
        return cls(np.zeros(shape_vu, bool), np.zeros(shape_vu, bool))

    def apply(self, mask: Pixels) -> Pixels:
        """Return a mask with this change."""
        return np.asarray((mask | self.added) & ~self.taken)

    def __bool__(self) -> bool:
        """Whether it changes any pixel."""
        return bool(self.added.any() or self.taken.any())


def marked_change(before: Pixels, predicted: Pixels, inside: Pixels, outside: Pixels) -> Change:
    """Return the part of the prediction that belongs to what the user marked.

    Args:
        before: The slice's mask.
        predicted: The prediction.
        inside: Pixels that the user marked as the object's: clicks, strokes, regions.
        outside: Pixels that the user marked as not the object's.
    """
    change = Change.between(before, predicted)
    return Change(_touching(change.added, inside, _NEAR_PX), _near_marks(change.taken, outside))


def following_change(before: Pixels, predicted: Pixels, neighbour: Change) -> Change:
    """Return the part of the prediction that goes on with the change of the neighbouring slice.

    Args:
        before: The slice's mask.
        predicted: The prediction from the neighbour's new mask.
        neighbour: What changed on the neighbour.
    """
    change = Change.between(before, predicted)
    return Change(_going_on(change.added, neighbour.added), _going_on(change.taken, neighbour.taken))


def is_other_shape(before: Pixels, predicted: Pixels) -> bool:
    """Whether the prediction is another shape than the mask before, so that the slice as a whole was wrong."""
    return bool(np.count_nonzero(before & predicted) < _SAME_IOU * np.count_nonzero(before | predicted))


def is_surer(before_score: float, score: float) -> bool:
    """Whether the model was sure of the mask before, and surer than of the new one; both are predicted IoU."""
    return before_score > max(_SURE_SCORE, score)


class Cap:
    """A part of a slice that goes on across the slices, thinner with each, like the cap of a ball.

    Args:
        part: The pixels.
        spacing_mm_vu: Millimetres between rows and between columns.
    """

    def __init__(self, part: Pixels, spacing_mm_vu: tuple[float, float]) -> None:
        self._shape = part.shape
        self._box = enclosing_box(part) if part.any() else None
        self._depth_mm = _depth(part[self._box], spacing_mm_vu) if self._box else np.zeros((0, 0))
        self.reach_mm = _CAP * float(self._depth_mm.max(initial=0.0))

    def at(self, distance_mm: float) -> Pixels:
        """Return its pixels on a slice so far away; none from `reach_mm` on."""
        pixels = np.zeros(self._shape, bool)
        if self._box and distance_mm < self.reach_mm:
            deep = 1 - math.sqrt(1 - (distance_mm / self.reach_mm) ** 2)
            pixels[self._box] = self._depth_mm > deep * self._depth_mm.max()
        return pixels


def _near_marks(part: Pixels, marks: Pixels) -> Pixels:
    """Return the parts that hold or touch a mark, not farther from it than its depth allows."""
    kept = _touching(part, marks, _NEAR_PX)
    if not (kept & marks).any():
        return kept
    box = enclosing_box(kept)
    here, at = kept[box], marks[box] & kept[box]
    deep_px = float(_depth(here, (1.0, 1.0))[at].max())
    away_px = scipy.ndimage.distance_transform_edt(~at)
    near = np.zeros_like(kept)
    near[box] = here & (away_px <= max(_LEAST_PX, _FARTHEST * deep_px))
    return near


def _going_on(part: Pixels, neighbour: Pixels) -> Pixels:
    """Return the parts that touch the neighbour's, as far as that is deep: farther away it is another error.

    Parts that are larger than the neighbour's by much are none of its error either.
    """
    kept = _touching(part, neighbour, _MOVE_PX)
    if not kept.any():
        return kept
    deep_px = float(_depth(neighbour[enclosing_box(neighbour)], (1.0, 1.0)).max())
    reach_px = max(_MOVE_PX, round(deep_px))
    box = enclosing_box(kept | neighbour)
    near = np.zeros_like(kept)
    near[box] = kept[box] & (scipy.ndimage.distance_transform_edt(~neighbour[box]) <= reach_px)
    grown = np.count_nonzero(near) > _GROWTH * np.count_nonzero(neighbour) + _GROWTH_PX
    return np.zeros_like(near) if grown else near


def _touching(part: Pixels, marks: Pixels, reach_px: int) -> Pixels:
    """Return the connected parts that come so near to a mark."""
    kept = np.zeros_like(part)
    if not (part.any() and marks.any()):
        return kept
    box = enclosing_box(part, reach_px + 1)
    here, at = part[box], marks[box]
    if not at.any():
        return kept
    near = scipy.ndimage.distance_transform_edt(~at) <= reach_px
    labels, count = scipy.ndimage.label(here)
    chosen = np.zeros(count + 1, bool)
    chosen[labels[near & here]] = True
    kept[box] = chosen[labels] & here
    return kept


def _depth(part: Pixels, spacing: tuple[float, float]) -> Float[np.ndarray, "v u"]:
    """Return the distance of each pixel to the nearest one outside; the border is outside."""
    return np.asarray(scipy.ndimage.distance_transform_edt(np.pad(part, 1), sampling=spacing)[1:-1, 1:-1])
