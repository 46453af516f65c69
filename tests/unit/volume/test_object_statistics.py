"""Are an object's diameters exact, on any grid, and its values those of its voxels?"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from radsam.volume import Geometry, Modality, Plane, SliceGrid, SparseMask, Volume
from radsam.volume.axial_diameters import axial_diameters
from radsam.volume.object_statistics import object_statistics

SPACING_IJK = (0.7, 1.3, 2.5)


def geometry_of(shape_kji: tuple[int, int, int], axes: tuple[int, int, int] = (0, 1, 2), flip: int = 1) -> Geometry:
    """A grid whose stored axis n runs along the patient's axis `axes[n]`."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for stored, patient in enumerate(axes):
        affine[patient, stored] = SPACING_IJK[stored] * flip
    return Geometry(shape_kji, affine)


def outline_mm(mask: np.ndarray, spacing_uv: np.ndarray) -> np.ndarray:
    """The middles of the sides of all pixels."""
    v, u = np.nonzero(mask)
    sides = np.array([(-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)])
    return ((np.stack([u, v], axis=1)[:, None] + sides) * spacing_uv).reshape(-1, 2)


def widest_across(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """The longest chord of the hull across a-b, from all lines between two points that cross each perpendicular."""
    along = (b - a) / np.linalg.norm(b - a)
    across = np.array([-along[1], along[0]])
    at, height = (points - a) @ along, (points - a) @ across
    m, n = np.triu_indices(len(at), 1)
    best = 0.0
    for t in np.unique(at):
        cross = (at[m] - t) * (at[n] - t) < 0
        p, q = m[cross], n[cross]
        between = height[p] + (t - at[p]) / (at[q] - at[p]) * (height[q] - height[p])
        crossing = np.concatenate([height[abs(at - t) < 1e-12], between])
        best = max(best, float(np.ptp(crossing)))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_diameters_are_exact_for_the_hull_of_the_outline(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blob = ndimage.gaussian_filter(rng.normal(size=(9, 11)), 1.2) > 0
    parts, _ = ndimage.label(blob, np.ones((3, 3)))
    part = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    spacing_uv = np.array(SPACING_IJK[:2])
    points = outline_mm(part, spacing_uv)
    mask = np.zeros((3, 9, 11), bool)
    mask[1] = part
    found = axial_diameters(SparseMask.of(mask, 2), geometry_of(mask.shape))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    assert found.index == 1
    assert found.longest.mm == pytest.approx(distances.max())
    a, b = (np.array(end[:2]) * spacing_uv for end in found.longest.ends_ijk)
    assert np.linalg.norm(a - b) == pytest.approx(found.longest.mm)
    c, d = (np.array(end[:2]) * spacing_uv for end in found.perpendicular.ends_ijk)
    assert np.linalg.norm(c - d) == pytest.approx(found.perpendicular.mm)
    assert abs((b - a) @ (d - c)) < 1e-9
    assert found.perpendicular.mm == pytest.approx(widest_across(points, a, b))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flip", [1, -1])
def test_the_slice_is_axial_and_in_millimetres_however_a_volume_is_stored(axes: Any, flip: int) -> None:
    geometry = geometry_of((12, 13, 14), axes, flip)
    grid = SliceGrid.of(geometry, Plane.AXIAL)
    assert grid.axis == axes.index(2)
    mask = np.zeros(geometry.shape_kji, bool)
    across = np.moveaxis(mask, 2 - grid.axis, 0)
    across[4, 2:9, 5] = True  # seven pixels along v
    across[5, 6, 3:5] = True
    found = axial_diameters(SparseMask.of(mask, 0), geometry)
    v_mm, u_mm = grid.spacing_mm_vu
    assert found.index == (4 if 7 * v_mm > 2 * u_mm else 5)
    assert found.longest.mm == pytest.approx(7 * v_mm)
    assert found.perpendicular.mm == pytest.approx(u_mm)
    ends = sorted(end[grid.uv_axes[1]] for end in found.longest.ends_ijk)
    assert ends == pytest.approx([1.5, 8.5])
    in_lps = [geometry.affine_lps @ [*end, 1] for end in found.longest.ends_ijk]
    assert np.linalg.norm(in_lps[0] - in_lps[1]) == pytest.approx(found.longest.mm)


def test_parts_are_measured_one_by_one_and_the_longest_of_any_slice_counts() -> None:
    mask = np.zeros((4, 20, 20), bool)
    mask[0, 0, 0:3] = mask[0, 19, 17:20] = True  # far apart, but short
    mask[2, 4, 4:10] = True
    mask[3, 8:10, 8] = True
    found = axial_diameters(SparseMask.of(mask, 2), geometry_of(mask.shape))
    assert (found.index, found.longest.mm) == (2, pytest.approx(6 * 0.7))
    mask[1, range(5), range(5)] = True  # touching at corners: one part
    assert axial_diameters(SparseMask.of(mask, 2), geometry_of(mask.shape)).index == 1


def test_one_voxel_is_as_long_as_its_longer_side() -> None:
    mask = np.zeros((2, 3, 4), bool)
    mask[1, 2, 3] = True
    found = axial_diameters(SparseMask.of(mask, 2), geometry_of(mask.shape))
    assert found.longest.mm == pytest.approx(1.3)
    assert found.perpendicular.mm == pytest.approx(0.7)
    assert np.array(sorted(found.longest.ends_ijk, key=lambda end: end[1])) == pytest.approx(
        np.array([(3.0, 1.5, 1.0), (3.0, 2.5, 1.0)])
    )


def test_values_are_those_of_the_voxels() -> None:
    rng = np.random.default_rng(3)
    hu = rng.normal(40, 20, (6, 7, 8)).astype(np.int16)
    mask = rng.random(hu.shape) < 0.4
    hu[tuple(np.argwhere(mask)[0])] = 3000  # a clip
    volume = Volume(hu, geometry_of(hu.shape))
    found = object_statistics(volume, SparseMask.of(mask, 1))
    values = hu[mask].astype(float)
    assert found is not None
    assert (found.voxels, found.minimum, found.maximum) == (values.size, values.min(), 3000)
    assert (found.mean, found.sd, found.median) == pytest.approx((values.mean(), values.std(), np.median(values)))
    assert found.volume_ml == pytest.approx(values.size * 0.7 * 1.3 * 2.5 / 1000)
    shown = found.histogram
    assert sum(shown.counts) + shown.below + shown.above == values.size
    assert shown.above >= 1
    for n, count in enumerate(shown.counts):
        low = shown.low + n * shown.width
        assert count == ((values >= low) & (values < low + shown.width)).sum()


def test_any_kind_of_value_has_a_histogram() -> None:
    hu = np.zeros((2, 3, 4), np.float32)
    hu[0] = np.linspace(0, 1.5, 12).reshape(3, 4)
    volume = Volume(hu, geometry_of(hu.shape), modality=Modality.PET)
    one = np.zeros(hu.shape, bool)
    one[0] = True
    suv = object_statistics(volume, SparseMask.of(one, 2))
    assert suv is not None
    assert len(suv.histogram.counts) == 64
    assert sum(suv.histogram.counts) + suv.histogram.below + suv.histogram.above == 12
    one[:] = False
    one[1, 0, 0] = True
    constant = object_statistics(volume, SparseMask.of(one, 2))
    assert constant is not None
    assert (constant.sd, constant.histogram.counts) == (0, (1,))
    one[:] = False
    assert object_statistics(volume, SparseMask.of(one, 2)) is None
