from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import GridMismatchError, VolumeError
from radsam.volume import Geometry, LabelVolume, Volume

SHAPE = (3, 4, 5)


def unchecked(cls: type, **fields: object) -> None:
    """Build a value past the type checks of the test run, which an installed program does not have."""
    value = object.__new__(cls)
    for name, given in fields.items():
        object.__setattr__(value, name, given)
    value.__post_init__()


def geometry(move_mm: float = 0.0, spacing_i: float = 0.9375) -> Geometry:
    return Geometry.from_parts(SHAPE, (1.0 + move_mm, -2.0, 3.0), (spacing_i, 0.9, 5.0), np.eye(3))


def hu() -> np.ndarray:
    return np.arange(60, dtype=np.int16).reshape(SHAPE)


def test_the_same_ct_has_the_same_hash() -> None:
    assert Volume(hu(), geometry()).content_hash == Volume(hu().copy(), geometry(), source="elsewhere").content_hash


def test_the_hash_does_not_depend_on_the_memory_layout() -> None:
    strided = np.asfortranarray(hu())
    assert Volume(strided, geometry()).content_hash == Volume(hu(), geometry()).content_hash


def test_the_rounding_of_a_float32_header_keeps_the_hash() -> None:
    rounded = Geometry(SHAPE, geometry(0.1).affine_lps.astype(np.float32).astype(np.float64))
    assert Volume(hu(), rounded).content_hash == Volume(hu(), geometry(0.1)).content_hash


def test_a_negative_zero_in_the_affine_keeps_the_hash() -> None:
    affine = geometry().affine_lps.copy()
    affine[0, 1] = -0.0
    assert Volume(hu(), Geometry(SHAPE, affine)).content_hash == Volume(hu(), geometry()).content_hash


def one_voxel_changed() -> Volume:
    changed = hu()
    changed[2, 3, 4] += 1
    return Volume(changed, geometry())


def two_slices_swapped() -> Volume:
    return Volume(hu()[[1, 0, 2]], geometry())


def other_shape() -> Volume:
    shape = (3, 5, 4)
    return Volume(hu().reshape(shape), Geometry(shape, geometry().affine_lps))


@pytest.mark.parametrize(
    "other",
    [
        one_voxel_changed(),
        two_slices_swapped(),
        other_shape(),
        Volume(hu(), geometry(move_mm=0.5)),
        Volume(hu(), geometry(spacing_i=0.95)),
    ],
    ids=["a voxel", "slice order", "shape", "origin", "spacing"],
)
def test_any_change_of_values_or_grid_changes_the_hash(other: Volume) -> None:
    assert other.content_hash != Volume(hu(), geometry()).content_hash


def test_an_array_on_another_grid_is_refused_by_name() -> None:
    with pytest.raises(VolumeError, match=r"in ct\.nii is \(4, 4, 5\), its grid is \(3, 4, 5\)"):
        Volume(np.zeros((4, 4, 5), dtype=np.int16), geometry(), source="ct.nii")


def test_values_that_are_not_finite_are_refused() -> None:
    values = hu().astype(np.float32)
    values[2, 1, 0] = np.inf
    with pytest.raises(VolumeError, match="NaN or infinite"):
        Volume(values, geometry())


def test_a_constant_volume_is_refused() -> None:
    with pytest.raises(VolumeError, match=r"Every voxel in empty\.nii is -1024"):
        Volume(np.full(SHAPE, -1024, dtype=np.int16), geometry(), source="empty.nii")


def test_slices_that_are_constant_but_differ_are_a_volume() -> None:
    values = np.zeros(SHAPE, dtype=np.int16)
    values[1] = 1
    assert Volume(values, geometry()).values[1, 0, 0] == 1


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_other_number_types_are_refused(dtype: type) -> None:
    with pytest.raises(VolumeError, match="int16 or float32"):
        unchecked(Volume, values=hu().astype(dtype), geometry=geometry(), source="")


def test_labels_keep_to_their_grid_and_their_ids() -> None:
    ids = np.zeros(SHAPE, dtype=np.uint8)
    assert LabelVolume(ids, geometry(), {1: "liver"}).names[1] == "liver"
    with pytest.raises(GridMismatchError, match="their grid is"):
        LabelVolume(ids[:2], geometry())
    with pytest.raises(VolumeError, match="uint8 or uint16"):
        unchecked(LabelVolume, ids=ids.astype(np.int64), geometry=geometry(), names={})
    with pytest.raises(VolumeError, match="start at 1"):
        LabelVolume(ids, geometry(), {0: "air"})
