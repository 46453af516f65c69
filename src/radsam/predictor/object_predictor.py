"""Masks on the slices of one object, equally for a propagation and a preview: on its crop, or on whole slices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from radsam.predictor.slice_mask import SliceMask, SlicePrompt
from radsam.predictor.slice_predictor import EncodedSlice, ObjectView, SlicePredictor
from radsam.preprocess import Crop
from radsam.runtime import BundleSpec
from radsam.volume import Bounds, SliceGrid, Volume

#: Zoom for a model that was not trained on crops, where the user requests one: small, so that it sees the anatomy.
_UNTRAINED_ZOOM = 2.0
#: How often a point is predicted from the whole slice on, each time on a smaller crop, before the best mask is chosen.
_POINT_PREDICTIONS = 3
#: How wide an object is that a point's own crop fits; measured in docs/radsam-lite.md, as the one above.
_POINT_WIDTH_MM = 48.0
#: An object this many times longer than wide is a tube, which is as wide near its ends as in its middle.
_TUBE = 4.0
#: How much wider than its prompt an object is expected to become, in few steps: a bound that the user moves by a slice
#: mostly leaves the crop, and so the encoded slices, as they are.
_WIDENINGS = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3)


class ObjectPredictor:
    """Predicts masks on the slices of one object.

    It sees the object's crop, and the whole slice where the prompt or the mask does not fit into the crop.

    Args:
        predictor: Predicts single slices.
        volume: The volume.
        view: How the model sees the object.
    """

    def __init__(self, predictor: SlicePredictor, volume: Volume, view: ObjectView) -> None:
        self.view = view
        self._predictor = predictor
        self._volume = volume

    @property
    def spec(self) -> BundleSpec:
        """The model."""
        return self._predictor.spec

    @property
    def slice_mm(self) -> float:
        """Distance between the object's slices."""
        return float(self._volume.geometry.spacing_mm_ijk[self.view.grid.axis])

    def __call__(self, index: int, prompt: SlicePrompt) -> SliceMask:
        """Predict the primary mask of slice `index`."""
        return self._on_crop_or_whole(index, prompt, lambda encoded: (self._predictor.decode(encoded, prompt),))[0]

    def first(self, index: int, prompt: SlicePrompt) -> SliceMask:
        """Predict the primary mask of the first prompt."""
        return self.view.first or self(index, prompt)

    def first_alternatives(self, index: int, prompt: SlicePrompt) -> tuple[SliceMask, ...]:
        """Predict all four masks of the first prompt: the one of `first`, then the three others."""
        if self.view.first:
            return self._predictor.alternatives(self.encoded(index, self.view.first_crop), prompt)
        return self._on_crop_or_whole(index, prompt, lambda encoded: self._predictor.alternatives(encoded, prompt))

    def encoded(self, index: int, crop: Crop | None) -> EncodedSlice:
        """Encode a slice, or a crop of it, as the model sees this object."""
        return self._predictor.encode(self._volume, self.view.with_crop(crop), index)

    def _on_crop_or_whole(
        self, index: int, prompt: SlicePrompt, decode: Callable[[EncodedSlice], tuple[SliceMask, ...]]
    ) -> tuple[SliceMask, ...]:
        crop, grid, box = self.view.crop, self.view.grid, prompt.enclosing_box
        if crop is None or (box is not None and not crop.holds(grid, box)):
            return decode(self.encoded(index, None))
        masks = decode(self.encoded(index, crop))
        found = masks[0].mask.enclosing_box
        # A mask that reaches the edge of the crop continues beyond it.
        return masks if found is None or crop.holds(grid, found) else decode(self.encoded(index, None))


def choose_view(
    predictor: SlicePredictor,
    volume: Volume,
    view: ObjectView,
    index: int,
    prompt: SlicePrompt,
    bounds: Bounds | None = None,
) -> ObjectView:
    """Choose an object's crop from its first prompt alone, so that no later edit moves it and encodes again.

    A prompt near a bound shows an end of the object, so the crop leaves room for an ellipsoid between the bounds.
    A point does not give the object's size. The model therefore predicts the whole slice, then a crop
    around that mask, and again, and a crop around the point that fits a small object, which the others miss where it
    lies beside a large one. Of the masks that follow the point, the one with the highest score decides.

    Args:
        predictor: Predicts single slices.
        volume: The volume.
        view: How the model sees whole slices.
        index: The slice of the first prompt.
        prompt: The first prompt.
        bounds: First and last slice of the object, if they came with the prompt.
    """
    spec, grid = predictor.spec, view.grid

    def crop_around(box: tuple[int, int, int, int] | None, wider: float = 1.0) -> Crop | None:
        if box is None:
            return None
        return Crop.around(grid, box, ratio=wider * spec.crop_ratio, max_zoom=max(spec.max_zoom, _UNTRAINED_ZOOM))

    def crop_of_object(box: tuple[int, int, int, int] | None) -> Crop | None:
        if box is None or bounds is None:
            return crop_around(box)
        row_mm, col_mm = grid.spacing_mm_vu
        width_mm = max((box[3] - box[1] + 1) * row_mm, (box[2] - box[0] + 1) * col_mm)
        return crop_around(box, _widening(index, width_mm, bounds, volume.geometry.spacing_mm_ijk[grid.axis]))

    if not prompt.points_uv:
        crop, of_object = crop_around(prompt.enclosing_box), crop_of_object(prompt.enclosing_box)
        if crop == of_object:
            return view.with_crop(crop)
        # The prompted slice is seen as it is without bounds, so that its preview does not depend on them.
        first = predictor.decode(predictor.encode(volume, view.with_crop(crop), index), prompt)
        reaches = first.mask.enclosing_box
        if crop is not None and reaches is not None and not crop.holds(grid, reaches):
            first, crop = predictor.decode(predictor.encode(volume, view, index), prompt), None
        return replace(view, crop=of_object, first=first, first_crop=crop)
    found: list[tuple[SliceMask, Crop | None]] = []

    def predict(crop: Crop | None) -> SliceMask:
        predicted = predictor.decode(predictor.encode(volume, view.with_crop(crop), index), prompt)
        found.append((predicted, crop))
        return predicted

    crop = None
    for _ in range(_POINT_PREDICTIONS):
        crop = crop_around(predict(crop).mask.enclosing_box)
        if crop is None or crop == found[-1][1]:
            break
    crop = crop_around(_box_of_width(grid, prompt.enclosing_box, _POINT_WIDTH_MM))
    if crop is not None and all(crop != each for _, each in found):
        predict(crop)

    def rank(predicted: SliceMask) -> tuple[bool, float]:
        pixels = predicted.mask.decode()
        follows = all(bool(pixels[v, u]) == positive for u, v, positive in prompt.points_uv)
        return (follows, predicted.score) if pixels.any() else (False, -math.inf)

    first, first_crop = max(found, key=lambda each: rank(each[0]))
    return replace(view, crop=crop_of_object(first.mask.enclosing_box), first=first, first_crop=first_crop)


def _box_of_width(
    grid: SliceGrid, box_uvuv: tuple[int, int, int, int] | None, width_mm: float
) -> tuple[int, int, int, int] | None:
    """The box of this width around the middle of another one, or that one where it is wider."""
    if box_uvuv is None:
        return None
    (row_mm, col_mm), (u0, v0, u1, v1) = grid.spacing_mm_vu, box_uvuv
    more_u, more_v = (
        max(0, round((width_mm / mm - (high - low + 1)) / 2)) for low, high, mm in ((u0, u1, col_mm), (v0, v1, row_mm))
    )
    return u0 - more_u, v0 - more_v, u1 + more_u, v1 + more_v


def _widening(index: int, width_mm: float, bounds: Bounds, slice_mm: float) -> float:
    """How much wider than on slice `index` an object becomes: as an ellipsoid that ends one slice past its bounds."""
    length = bounds.high - bounds.low + 1
    if length * slice_mm > _TUBE * width_mm:
        return 1.0
    # From 0 in the middle to 1 at an end.
    way = min(1.0, abs(2 * index - bounds.low - bounds.high) / length)
    wider = 1.0 / math.sqrt(max(1e-6, 1.0 - way * way))
    return next((each for each in _WIDENINGS if each >= 0.95 * wider), _WIDENINGS[-1])
