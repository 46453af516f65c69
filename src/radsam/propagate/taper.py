"""The taper: most objects get thinner towards the bounds, so a mask is thinned before the next slice gets it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from radsam.predictor import SliceMask
from radsam.runtime import BundleSpec
from radsam.volume import Bounds, RunMask

#: Smoothing of the mask that decides between pixels equally far from its edge, in pixels.
_SIGMA_PX = 2.0
#: An object this many times longer than wide is a tube, such as the oesophagus and the spinal cord.
_TUBE = 4.0


@dataclass(frozen=True)
class Taper:
    """Thins the mask that is passed on, as an ellipsoid gets thinner between a slice and the bound.

    A model that gets its neighbour's mask mostly repeats it, so an excess of the mask adds up from
    slice to slice. The bounds limit it better than the mask does: measured in docs/radsam-lite.md.

    Args:
        start: The slice of the first prompt; a mask gets no thinner towards it.
        low: First slice of the object; None where it is unknown.
        high: Last slice, likewise.
        slice_count: Slices of the volume. An object that reaches the first or last one may be cut off there, so
            it gets no thinner on that side.
        strength: 1 for an ellipsoid, 0 for a cylinder, which never gets thinner.
    """

    start: int
    low: int | None
    high: int | None
    slice_count: int
    strength: float

    @classmethod
    def of(
        cls,
        mask: RunMask,
        start: int,
        ends: tuple[int, int],
        slice_count: int,
        spacing_mm: tuple[float, float, float],
        strength: float,
    ) -> Taper:
        """Return the taper of an object from its mask on slice `start`; a long tube has none.

        Args:
            mask: The object's mask there.
            start: The slice of the first prompt.
            ends: First and last slice of the object.
            slice_count: Slices of the volume.
            spacing_mm: Distance between slices, between rows and between columns.
            strength: 1 for an ellipsoid.
        """
        box, (slice_mm, row_mm, col_mm) = mask.enclosing_box, spacing_mm
        if box is None:
            return cls(start, *ends, slice_count, 0.0)
        width_mm = max((box[3] - box[1] + 1) * row_mm, (box[2] - box[0] + 1) * col_mm)
        length_mm = (ends[1] - ends[0] + 1) * slice_mm
        return cls(start, *ends, slice_count, strength if length_mm <= _TUBE * width_mm else 0.0)

    @classmethod
    def of_model(
        cls,
        spec: BundleSpec,
        policy: str,
        first: SliceMask,
        bounds: Bounds | None,
        slice_count: int,
        spacing_mm: tuple[float, float, float],
    ) -> Taper | None:
        """Return the taper that a model was trained with, where masks are passed on between bounds, else None.

        It begins at `first`, the object's mask on the slice of its first prompt, for corrections, too; see `of`.
        """
        if not spec.taper or policy != "mask" or bounds is None:
            return None
        return cls.of(first.mask, first.index, (bounds.low, bounds.high), slice_count, spacing_mm, spec.taper)

    def share(self, before: int, index: int) -> float:
        """The share of its area that a mask of slice `before` keeps on slice `index`; at most 1."""
        return float(min(1.0, (self._area(index) / self._area(before)) ** self.strength))

    def __call__(self, mask: RunMask, before: int, index: int) -> RunMask:
        """Thin the mask of slice `before` for slice `index`, by taking pixels from its edge."""
        return thinned(mask, self.share(before, index))

    def _area(self, index: int) -> float:
        """Area on a slice, relative to the start's."""
        bound = self.low if index < self.start else self.high
        if bound is None or bound in (0, self.slice_count - 1) or index == self.start:
            return 1.0
        # One slice past the bound the area is zero.
        distance = (index - self.start) / (bound - self.start + (1 if index > self.start else -1))
        return max(1.0 - distance * distance, 1e-3)


def thinned(mask: RunMask, share: float) -> RunMask:
    """Return the given share of a mask's pixels, the deepest ones.

    Args:
        mask: Any mask.
        share: Share of its pixels to keep, 0 to 1; at least one pixel stays.
    """
    box = mask.enclosing_box if share < 1.0 else None
    if box is None:
        return mask
    pixels = mask.decode()
    around = slice(box[1], box[3] + 1), slice(box[0], box[2] + 1)
    # The image's border is an edge, too.
    inside = np.pad(pixels[around], 1)
    depth = scipy.ndimage.distance_transform_edt(inside) + scipy.ndimage.gaussian_filter(
        inside.astype(np.float64), _SIGMA_PX
    )
    depth = depth[1:-1, 1:-1]
    count = max(1, round(share * mask.area))
    least = np.partition(depth[pixels[around]], -count)[-count]
    thin = np.zeros_like(pixels)
    thin[around] = pixels[around] & (depth >= least)
    return RunMask.encode(thin)
