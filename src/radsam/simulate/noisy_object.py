"""A wrong mask of a whole object, as of a model that segmented it alone: the start of a correction of many slices."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from radsam.errors import PromptError

Voxels = Bool[np.ndarray, "k j i"]

#: Size of the wrong parts, as a share of the object's mean width.
_PART = 0.2
#: Room around the object, as a share of its extent along each axis, which the wrong mask may fill.
_ROOM = 0.25
#: The least room, in voxels.
_LEAST_ROOM = 3


def noisy_object(
    truth: Voxels, spacing_mm_kji: tuple[float, float, float], rng: np.random.Generator, *, amount: float = 0.35
) -> Voxels:
    """Draw a wrong version of an object in 3D: its surface is moved in and out by a smooth random field.

    Parts of the object are missing and parts beside it are added, each some slices long, as a model's errors are:
    noise that is drawn for every slice alone would be easier to correct, since the neighbours would be right.

    Args:
        truth: The object.
        spacing_mm_kji: Distance of voxels along each axis.
        rng: Source of randomness.
        amount: Standard deviation of the way of the surface, as a share of the object's largest depth.

    Returns:
        A new mask of the same shape; the truth where nothing would be left.

    Raises:
        PromptError: The object is empty.
    """
    if not truth.any():
        raise PromptError("An empty object has no wrong version: give one with at least one voxel.")
    at = ndimage.find_objects(truth.astype(np.uint8))[0]
    extent = np.array([part.stop - part.start for part in at])
    room = np.maximum(_LEAST_ROOM, (_ROOM * extent).astype(int))
    around = tuple(
        slice(max(0, part.start - int(more)), min(size, part.stop + int(more)))
        for part, more, size in zip(at, room, truth.shape, strict=True)
    )
    object_, spacing_mm = truth[around], np.asarray(spacing_mm_kji)
    depth_mm = ndimage.distance_transform_edt(object_, sampling=spacing_mm)
    inside_mm = depth_mm - ndimage.distance_transform_edt(~object_, sampling=spacing_mm)
    sigma = _PART * np.cbrt(np.prod(extent * spacing_mm)) / spacing_mm
    field = ndimage.gaussian_filter(rng.standard_normal(object_.shape), sigma, mode="nearest")
    field -= field.mean()
    moved_mm = amount * depth_mm.max() * field / max(float(field.std()), 1e-12)
    noisy = np.zeros_like(truth)
    noisy[around] = inside_mm + moved_mm > 0
    return noisy if noisy.any() else truth.copy()
