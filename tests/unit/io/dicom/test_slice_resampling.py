"""A tilted gantry and uneven distances: refused, and on request put where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicom_files import ct_values, write_series
from radsam.errors import SeriesError
from radsam.io.dicom.slice_resampling import AIR_HU
from radsam.io.volume_read import read_volume


def ramp(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """HU that are linear in space: linear interpolation gives them exactly."""
    return np.rint(3 * x + 2 * y + 4 * z)


def write_ramp(folder: Path, positions_lps: list[tuple[float, float, float]], spacing_mm: float = 1.0) -> None:
    j, i = np.mgrid[:12, :10] * spacing_mm
    hu = np.stack([ramp(x + i, y + j, np.full_like(i, z)) for x, y, z in positions_lps])

    def place(k: int, dataset) -> None:
        dataset.ImagePositionPatient = list(positions_lps[k])

    write_series(folder, hu, spacing_mm_ijk=(spacing_mm, spacing_mm, 1), edit=place)


def check_ramp(folder: Path) -> np.ndarray:
    """Compare every voxel that is not air with the ramp at its place; return which those are."""
    with pytest.raises(SeriesError, match="--resample"):
        read_volume(folder)
    volume = read_volume(folder, resample=True)
    k, j, i = np.indices(volume.values.shape)
    places = volume.geometry.index_to_mm(np.stack([i, j, k], axis=-1).astype(np.float64))
    inside = volume.values != AIR_HU
    error = np.abs(volume.values - ramp(*np.moveaxis(places, -1, 0)))[inside]
    # Stored and resampled HU are rounded, and interpolation mixes two rounded values.
    assert error.max() <= 1.5
    assert volume.series is not None
    assert volume.series.resampled
    assert volume.values.dtype == np.int16
    return inside


def test_a_tilted_gantry_moves_each_slice_within_its_plane(tmp_path: Path) -> None:
    slope = np.tan(np.radians(20))
    write_ramp(tmp_path, [(0, 3 * k * slope, 3 * k) for k in range(6)])
    inside = check_ramp(tmp_path)
    assert inside.shape == (6, 12 + int(np.ceil(15 * slope)), 10)
    # A shift by a part of a pixel loses the outermost row, which has only one neighbour.
    assert inside.sum() >= 6 * 11 * 10


def test_a_tilt_to_the_other_side_keeps_its_place(tmp_path: Path) -> None:
    write_ramp(tmp_path, [(1.0 * k, -2.0 * k, 3 * k) for k in range(5)])
    # Whole pixels: nothing is interpolated and nothing lost.
    assert check_ramp(tmp_path).sum() == 5 * 12 * 10
    assert read_volume(tmp_path, resample=True).geometry.origin_lps == pytest.approx((0, -8, 0))


def test_uneven_distances_are_interpolated(tmp_path: Path) -> None:
    write_ramp(tmp_path, [(0, 0, z) for z in (0, 2, 4, 6, 10, 14, 18)])
    with pytest.raises(SeriesError, match=r"4\.00 mm between|2\.00 mm between"):
        read_volume(tmp_path)
    assert check_ramp(tmp_path).shape == (10, 12, 10)
    assert read_volume(tmp_path, resample=True).geometry.spacing_mm_ijk[2] == pytest.approx(2)


def test_a_drifting_distance_is_resampled(tmp_path: Path) -> None:
    write_ramp(tmp_path, [(0, 0, k + 0.0028 * k * k) for k in range(30)])
    assert check_ramp(tmp_path).all()


def test_a_wide_gap_is_not_bridged(tmp_path: Path) -> None:
    write_ramp(tmp_path, [(0, 0, z) for z in (0, 2, 4, 6, 14, 16, 18)])
    with pytest.raises(SeriesError, match=r"8\.00 mm between 6\.00.*does not fill"):
        read_volume(tmp_path, resample=True)


def test_a_regular_series_is_left_alone(tmp_path: Path) -> None:
    hu = ct_values()
    write_series(tmp_path, hu)
    volume = read_volume(tmp_path, resample=True)
    np.testing.assert_array_equal(volume.values, hu)
    assert volume.series is not None
    assert volume.series.resampled == ""
