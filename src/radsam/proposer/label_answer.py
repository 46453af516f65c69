"""From a head's logits to the mask of one label: a head sees a volume in slabs, an answer is one object.

An answer's pixels are twice as fine as the embedding's cells; the logits between them are interpolated, so that its
edge is finer than its pixels. Logits are kept as int8, an eighth of the memory of what the head gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int8
from PIL import Image
from scipy import ndimage

from radsam.proposer.reduced_slices import DETAIL, MayGoOn, ReducedSlices
from radsam.proposer.slice_order import between
from radsam.volume import RunMask, SparseMask

#: A head: channels of `ReducedSlices.stack` to logits of every label, `DETAIL` times as fine in rows and columns.
Head = Callable[[Float32[np.ndarray, "c d r q"]], Float32[np.ndarray, "l d h w"]]

#: Depth, rows and columns that a head sees are whole multiples of this: it halves them twice.
BLOCK = 4
#: Slices of a slab, and those before and after it that the head sees but does not answer.
_SLAB, _MARGIN = 24, 8
#: Logits are kept in steps of 1/16, from -7.9 to 7.9.
STEPS = 16
#: What lies outside the body, or belongs to another piece.
_OUTSIDE = -127
#: A piece smaller than this share of the largest is noise, where a label may have several.
_LEAST_PIECE = 0.2


def label_logits(
    reduced: ReducedSlices, head: Head, labels: int, pause: MayGoOn | None = None
) -> Int8[np.ndarray, "l k h h"]:
    """Run a head over a volume.

    Args:
        reduced: The volume.
        head: The head.
        labels: Number of its labels.
        pause: Asked before every slab.

    Returns:
        Logits in steps of 1/16.
    """
    count, size = len(reduced), reduced.answer_size
    logits = np.full((labels, count, size, size), _OUTSIDE, np.int8)
    for start in range(0, count, _SLAB):
        if pause is not None:
            pause.wait()
        stop = min(start + _SLAB, count)
        slab = slice(max(0, start - _MARGIN), min(count, stop + _MARGIN))
        rows, cols = reduced.body_box(slab)
        answer = run_padded(head, reduced.stack(slab, rows, cols))
        fine = (slice(None), slice(start, stop), _finer(rows), _finer(cols))
        kept = answer[:, start - slab.start : stop - slab.start] * STEPS
        logits[fine] = np.clip(kept.round(), -127, 127).astype(np.int8)
    return logits


def _finer(cells: slice) -> slice:
    return slice(cells.start * DETAIL, cells.stop * DETAIL)


def run_padded(head: Head, stack: Float32[np.ndarray, "c d r q"]) -> Float32[np.ndarray, "l d h w"]:
    """Run a head on a stack of any size: it is made longer to whole blocks by its last cells, and cut again."""
    _, *sizes = stack.shape
    padded = np.pad(stack, [(0, 0), *((0, -size % BLOCK) for size in sizes)], mode="edge")
    depth, rows, cols = sizes
    return np.ascontiguousarray(head(padded)[:, :depth, : rows * DETAIL, : cols * DETAIL])


@dataclass(frozen=True, eq=False)
class LabelAnswer:
    """The object of one label, in pixels of the answer.

    Args:
        logits: Logits of the label in the box; low where another piece is.
        box: Slices, rows and columns of the box, with a margin of a pixel where there is one.
        threshold: The logit above which a pixel belongs to the object.
        agreement: The Dice that it would have if the head's probabilities were right, 0 to 1.
    """

    logits: Float32[np.ndarray, "d r c"]
    box: tuple[slice, slice, slice]
    threshold: float
    agreement: float

    @property
    def mask(self) -> Bool[np.ndarray, "d r c"]:
        """The object, in the box."""
        return np.asarray(self.logits > self.threshold)

    def in_volume(self, reduced: ReducedSlices) -> SparseMask:
        """Bring the object to the volume's grid."""
        order, frame = reduced.order, reduced.frame
        i, j, k = reduced.volume_shape_ijk
        first, last = self.box[0].start, self.box[0].stop - 1
        slices = {}
        for index, low, high, share in between(order):
            if not (first <= low <= last or first <= high <= last):
                continue
            whole = np.full((reduced.answer_size,) * 2, _OUTSIDE / STEPS, np.float32)
            near, far = (self._slice(at) for at in (low, high))
            whole[self.box[1], self.box[2]] = near * (1 - share) + far * share
            fine = Image.fromarray(whole).resize((frame.low_res_size,) * 2, Image.Resampling.BILINEAR)
            slices[index] = RunMask.encode(frame.logits_to_slice(np.asarray(fine)) > self.threshold)
        return SparseMask(order.grid.axis, (k, j, i), slices)

    def _slice(self, at: int) -> Float32[np.ndarray, "r c"]:
        first = self.box[0].start
        if first <= at < self.box[0].stop:
            return np.asarray(self.logits[at - first])
        return np.full(self.logits.shape[1:], _OUTSIDE / STEPS, np.float32)


def answer_of(logits: Int8[np.ndarray, "k h h"], *, threshold: float, single: bool) -> LabelAnswer | None:
    """Find the object of a label.

    Args:
        logits: Those of `label_logits`.
        threshold: The logit above which a pixel belongs to the object.
        single: Whether the object is one piece; else smaller pieces belong to it, too.

    Returns:
        None where no pixel belongs to it.
    """
    found = logits > threshold * STEPS
    if not found.any():
        return None
    pieces, count = ndimage.label(found)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    largest = int(np.argmax(sizes))
    present = np.arange(count + 1) == largest if single else sizes >= _LEAST_PIECE * sizes[largest]
    mask = present[pieces]
    box = _box_of(mask)
    part = logits[box].astype(np.float32) / STEPS
    part[found[box] & ~mask[box]] = _OUTSIDE / STEPS
    share = 1 / (1 + np.exp(-part))
    inside = mask[box]
    agreement = 2 * float(share[inside].sum()) / (float(share.sum()) + float(inside.sum()))
    return LabelAnswer(part, box, threshold, agreement)


def _box_of(mask: Bool[np.ndarray, "k h h"]) -> tuple[slice, slice, slice]:
    """Return the box around a mask, a pixel larger on every side that is not the volume's end."""
    spans = []
    for axis in range(3):
        touched = np.flatnonzero(mask.any(axis=tuple(each for each in range(3) if each != axis)))
        spans.append(slice(max(0, int(touched[0]) - 1), min(mask.shape[axis], int(touched[-1]) + 2)))
    return spans[0], spans[1], spans[2]
