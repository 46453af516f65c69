"""How a model sees the slices of one object: chosen from the object's first prompt, once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from radsam.predictor.slice_mask import SliceMask
from radsam.preprocess import Crop, Normalisation
from radsam.volume import SliceGrid


@dataclass(frozen=True)
class ObjectView:
    """How a model sees the slices of one object.

    Args:
        grid: The slices.
        normalisation: How their values become the model's input.
        crop: The part of the displayed slice that the model sees; None for all of it.
        first: The mask on the prompted slice, where the crop was chosen from it, as a point needs.
        first_crop: The crop on which `first` was found.
    """

    grid: SliceGrid
    normalisation: Normalisation
    crop: Crop | None = None
    first: SliceMask | None = None
    first_crop: Crop | None = None

    def with_crop(self, crop: Crop | None) -> ObjectView:
        """Return the same view on another part of the slice."""
        return replace(self, crop=crop)
