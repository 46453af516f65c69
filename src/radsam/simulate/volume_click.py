"""The next correction of a whole object: in 3D, the choice of slice included.

Masks are 3D, indexed ``[k, j, i]``; results are voxels (i, j, k). The two-dimensional
`random_click` and `centre_click` correct a slice that is already chosen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from radsam.volume import Point

Voxels = Bool[np.ndarray, "k j i"]

#: Of several deepest voxels the challenge's script draws one from a generator with this seed.
_TIE_SEED = 42


def random_voxel(predicted: Voxels, truth: Voxels, rng: np.random.Generator) -> Point | None:
    """Draw a voxel uniformly from the error of the whole object (paper 3.3, 4.2).

    Returns:
        The click, or None where the prediction is right everywhere.
    """
    wrong = np.flatnonzero(predicted != truth)
    if not wrong.size:
        return None
    k, j, i = (int(each) for each in np.unravel_index(int(wrong[rng.integers(wrong.size)]), truth.shape))
    return Point(i=i, j=j, k=k, positive=bool(truth[k, j, i]))


def centre_voxel(predicted: Voxels, truth: Voxels) -> Point | None:
    """Choose the centre of the largest error, as the CVPR 2025 interactive 3D challenge does.

    False negatives and false positives that touch, over sides, edges or corners, are one
    error; its centre is the voxel farthest from the error's edge, counted in voxels. The
    border of the volume is an edge. Of several such voxels one is drawn from a fixed seed.

    Returns:
        The click, or None where the prediction is right everywhere.
    """
    wrong = predicted != truth
    regions, count = ndimage.label(wrong, structure=np.ones((3, 3, 3), bool))
    if not count:
        return None
    largest = 1 + int(np.bincount(regions.ravel())[1:].argmax())
    at = ndimage.find_objects(regions, largest)[-1]
    depth = ndimage.distance_transform_edt(np.pad(regions[at] == largest, 1))
    deepest = np.argwhere(depth == depth.max())
    # The generator of the challenge's script: another one would click elsewhere.
    chosen = deepest[np.random.RandomState(_TIE_SEED).choice(len(deepest))]
    k, j, i = (int(index) - 1 + part.start for index, part in zip(chosen, at, strict=True))
    return Point(i=i, j=j, k=k, positive=bool(truth[k, j, i]))


def scribble_voxels(predicted: Voxels, truth: Voxels, *, most: int = 7) -> tuple[Point, ...]:
    """Draw a stroke along the largest error of the slice that has the most wrong voxels.

    The stroke runs through the error's deepest pixel along its longer principal axis, from end
    to end of the error, and is sampled evenly.

    Args:
        predicted: The predicted mask.
        truth: The true mask.
        most: Largest number of points.

    Returns:
        Clicks of one sign on one slice; none where the prediction is right everywhere.
    """
    wrong_per_slice = (predicted != truth).sum(axis=(1, 2))
    k = int(wrong_per_slice.argmax())
    if not wrong_per_slice[k]:
        return ()
    best: Bool[np.ndarray, "j i"] | None = None
    for wrong in (truth[k] & ~predicted[k], predicted[k] & ~truth[k]):
        regions, count = ndimage.label(wrong)
        if count:
            region = regions == 1 + int(np.bincount(regions.ravel())[1:].argmax())
            best = region if best is None or region.sum() > best.sum() else best
    if best is None:  # cannot happen: the slice has wrong voxels
        return ()
    depth = ndimage.distance_transform_edt(np.pad(best, 1))[1:-1, 1:-1]
    centre = np.array(np.unravel_index(int(depth.argmax()), depth.shape))
    # In a region of one row or column the covariance is flat; its larger eigenvector is still the axis.
    spread = np.argwhere(best) - centre
    axis = np.linalg.eigh(spread.T @ spread)[1][:, -1]
    reach = np.arange(-max(best.shape), max(best.shape) + 1)
    line = np.rint(centre + reach[:, None] * axis).astype(int)
    inside = [(int(j), int(i)) for j, i in line if 0 <= j < best.shape[0] and 0 <= i < best.shape[1] and best[j, i]]
    along = list(dict.fromkeys(inside))
    chosen = np.unique(np.linspace(0, len(along) - 1, min(most, len(along))).round().astype(int))
    return tuple(Point(i=i, j=j, k=k, positive=bool(truth[k, j, i])) for j, i in (along[index] for index in chosen))
