"""One file of many frames is the same volume as one file per slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicom_files import COMPRESSED, ct_values, write_enhanced, write_series
from radsam.errors import SeriesError
from radsam.io.volume_read import read_info, read_volume


@pytest.mark.parametrize("cosines", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (0.8, 0.6, 0, -0.48, 0.64, 0.6)])
def test_frames_in_any_order_equal_the_series_of_single_images(tmp_path: Path, cosines: tuple[float, ...]) -> None:
    hu = ct_values()
    write_series(tmp_path / "single", hu, cosines=cosines)
    path = write_enhanced(tmp_path / "enhanced" / "ct.dcm", hu, cosines=cosines, order=[3, 0, 4, 1, 2])
    single, enhanced = read_volume(tmp_path / "single"), read_volume(path.parent)
    np.testing.assert_array_equal(enhanced.values, hu)
    np.testing.assert_allclose(enhanced.geometry.affine_lps, single.geometry.affine_lps)
    assert enhanced.content_hash == single.content_hash == read_volume(path).content_hash


def test_each_frame_keeps_its_own_rescale(tmp_path: Path) -> None:
    hu = ct_values().astype(np.float32)
    hu[3] += 0.5
    path = write_enhanced(tmp_path / "ct.dcm", hu, rescale=[(1, -1024), (1, -2000), (1, -1024), (0.5, -1024)])
    np.testing.assert_array_equal(read_volume(path).values, hu)


@pytest.mark.parametrize("compress", COMPRESSED)
def test_compressed_frames_are_decoded(tmp_path: Path, compress: str) -> None:
    hu = ct_values()
    path = write_enhanced(tmp_path / "ct.dcm", hu, order=[4, 2, 0, 1, 3], compress=compress)
    np.testing.assert_array_equal(read_volume(path).values, hu)


def test_time_points_of_one_file_are_not_stacked(tmp_path: Path) -> None:
    hu = ct_values((8, 12, 10))
    path = write_enhanced(tmp_path / "ct.dcm", hu, temporal=[1, 1, 1, 1, 2, 2, 2, 2])
    with pytest.raises(SeriesError, match="2 acquisitions of the same place"):
        read_volume(path)
    np.testing.assert_array_equal(read_volume(path, series="1#2").values, hu[4:])
    (series,) = read_info(path).series
    assert [(each.selector, each.slices, each.problem) for each in series.parts] == [("1#1", 4, ""), ("1#2", 4, "")]


def test_a_single_slice_points_to_its_folder(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "ct.dcm", ct_values((1, 12, 10)))
    with pytest.raises(SeriesError, match="Give the folder"):
        read_volume(path)


def test_frames_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "ct.dcm", ct_values())
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(SeriesError, match="cut short"):
        read_volume(path)
