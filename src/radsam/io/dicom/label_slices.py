"""From masks on images to a mask on a volume, also where the images lie between the slices of a resampled grid.

An image covers the part of the body that is nearer to it than to any other image. A slice of the grid that lies in
the part of one image takes its mask as it is. One that lies in the parts of several gets a shape between theirs, as
large as the area that falls into it, so that an object keeps its volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from radsam.volume import Geometry, Volume
from radsam.volume.geometry import nearest_index

#: Images closer than this, in slices, to the slices of the grid lie on them.
_ON_SLICE = 1e-3
#: A place this much before the middle between two images, in slices, counts as on it: files round to 0.01 mm or less.
_MIDDLE = 0.05


@dataclass(frozen=True, eq=False)
class LabelGrid:
    """The grid that objects are brought to, and the images that they were drawn on.

    Args:
        geometry: The grid.
        image_k: Where along k each image lies, ascending; empty where the images are the grid's slices.
    """

    geometry: Geometry
    image_k: tuple[float, ...] = ()

    @classmethod
    def of(cls, volume: Volume) -> LabelGrid:
        """Return the grid of a volume and the images that it was read from."""
        return cls(volume.geometry, volume.series.image_k if volume.series else ())

    def nearest_image(self, k: Float[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Return the image nearest to places along k; of two the upper one.

        The first and the last image reach as far outwards as inwards; before them it is -1, after them their number.
        """
        if not self.image_k:
            return np.asarray(np.clip(nearest_index(k + _MIDDLE), -1, self.geometry.shape_kji[0]))
        return np.asarray(np.searchsorted(self._borders(), k + _MIDDLE, side="right") - 1, dtype=np.int64)

    def stack(self, masks: Mapping[int, Bool[np.ndarray, "rows cols"]]) -> Bool[np.ndarray, "k j i"]:
        """Stack masks, by the index of their image; an image without one has no object.

        Returns:
            The mask on the grid; of images between its slices, with their volume to half a voxel.
        """
        mask = np.zeros(self.geometry.shape_kji, dtype=bool)
        slices = np.arange(mask.shape[0])
        places = np.array(self.image_k or slices)
        if places.size == slices.size and np.abs(places - slices).max() < _ON_SLICE:
            for image, inside in masks.items():
                mask[image] = inside
            return mask
        borders = self._borders()
        borders[0], borders[-1] = min(borders[0], -0.5), max(borders[-1], mask.shape[0] - 0.5)
        left = 0.0  # area that a slice could not show, in pixels: the next one takes it
        for k in range(mask.shape[0]):
            shares = np.diff(np.clip(borders, k - 0.5, k + 0.5))
            here = np.flatnonzero(shares > _ON_SLICE).tolist()
            part = {image: float(shares[image]) for image in here if image in masks}
            area = left + sum(share * np.count_nonzero(masks[image]) for image, share in part.items())
            if not part:
                left = 0.0
                continue
            mask[k] = _between({image: masks[image] for image in part}, part, int(area + 0.5))
            left = area - float(np.count_nonzero(mask[k]))
        return mask

    def _borders(self) -> Float[np.ndarray, " n"]:
        """Return the borders of the images' parts along k, one more than images."""
        places = np.array(self.image_k)
        middles = (places[1:] + places[:-1]) / 2
        first, last = 2 * places[0] - middles[0], 2 * places[-1] - middles[-1]
        return np.concatenate([[first], middles, [last]])


def _between(
    masks: Mapping[int, Bool[np.ndarray, "rows cols"]], shares: Mapping[int, float], area: int
) -> Bool[np.ndarray, "rows cols"]:
    """Return a shape of `area` pixels between masks: what all of them hold, then what lies deepest in their mean."""
    from scipy.ndimage import distance_transform_edt

    found = list(masks.values())
    either = np.logical_or.reduce(found)
    empty_share = 1 - sum(shares.values())
    if empty_share < _ON_SLICE and all((each == either).all() for each in found):
        return np.asarray(either)
    rows, cols = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    if not rows.size:
        return np.asarray(either)
    # One pixel more on each side, so that there is an outside to measure from.
    window = tuple(slice(max(0, int(each[0]) - 1), int(each[-1]) + 2) for each in (rows, cols))
    depth = np.zeros(either[window].shape)
    for image, mask in masks.items():
        inside = np.pad(mask[window], 1)
        depth += shares[image] * (distance_transform_edt(inside) - distance_transform_edt(~inside))[1:-1, 1:-1]
    in_all = np.logical_and.reduce(found)[window] & (empty_share < _ON_SLICE)
    depth = np.where(in_all, np.inf, np.where(either[window], depth, -np.inf))
    area = min(area, int(np.count_nonzero(either)))
    chosen = np.zeros(depth.size, dtype=bool)
    chosen[np.argsort(-depth, axis=None, kind="stable")[:area]] = True
    result = np.zeros(either.shape, dtype=bool)
    result[window] = chosen.reshape(depth.shape)
    return result
