"""Real scanner files: compressed, with contours beside them, and a series that must not be stacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicom_files import decoded_with_pydicom
from radsam.errors import SeriesError
from radsam.io.read import read_info, read_volume


def test_a_compressed_series_equals_the_nifti_made_from_it(shared_data: Path) -> None:
    from_dicom = read_volume(shared_data / "dicom" / "abdomen_jpeg2000")
    from_nifti = read_volume(shared_data / "ct" / "abdomen_2mm_organs" / "ct.nii.gz")
    # The same voxel is the one at the same millimetres; this holds whatever the storage order.
    k, j, i = np.meshgrid(*(np.arange(n) for n in from_dicom.geometry.shape_kji), indexing="ij")
    here_ijk = np.stack([i, j, k], axis=-1).reshape(-1, 3)[::101].astype(np.float64)
    there = np.rint(from_nifti.geometry.mm_to_index(from_dicom.geometry.index_to_mm(here_ijk))).astype(int)
    here = here_ijk.astype(int)
    ours = np.clip(from_dicom.hu[here[:, 2], here[:, 1], here[:, 0]], -1024, 3071)
    np.testing.assert_array_equal(ours, from_nifti.hu[there[:, 2], there[:, 1], there[:, 0]])
    # These two are in fact stored alike, and nothing lies outside the clipped range.
    assert from_dicom.geometry.same_grid(from_nifti.geometry)
    assert from_dicom.content_hash == from_nifti.content_hash


def test_real_hu_equal_those_of_pydicom(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "abdomen_jpeg2000"
    volume = read_volume(folder)
    first = sorted(folder.iterdir())[0]  # the scanner numbers from the top down
    np.testing.assert_array_equal(volume.hu[-1], decoded_with_pydicom(first))


def test_contours_beside_a_series_are_ignored(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "lung_rtstruct"
    info = read_info(folder)
    assert [(each.number, each.slices, each.problem) for each in info.series] == [(1, 44, "")]
    volume = read_volume(folder)
    assert volume.geometry.shape_kji == (44, 512, 512)
    assert volume.geometry.spacing_mm_ijk == pytest.approx((0.9766, 0.9766, 3.0))
    assert volume.hu.dtype == np.int16
    assert volume.hu.min() == -1000


def test_three_acquisitions_in_one_series_are_refused_and_one_can_be_chosen(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "mixed_acquisitions"
    with pytest.raises(SeriesError) as caught:
        read_volume(folder)
    for line in ("1#1: 10 slices from -150.00 to -127.50", "1#2: 10", "1#3: 10 slices from -140.00 to -117.50"):
        assert line in str(caught.value)
    chosen = read_volume(folder, series="1#3")
    assert chosen.geometry.shape_kji == (10, 512, 512)
    assert chosen.geometry.origin_lps == pytest.approx((-200, -200, -140))
    np.testing.assert_array_equal(chosen.hu[0], decoded_with_pydicom(folder / "IM000.dcm"))
