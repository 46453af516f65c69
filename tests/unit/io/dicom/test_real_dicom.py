"""Real scanner files: compressed, with contours beside them, and a series that must not be stacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dicom_files import check_with_dciodvfy, decoded_with_pydicom
from radsam.errors import SeriesError
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels


def test_a_compressed_series_equals_the_nifti_made_from_it(shared_data: Path) -> None:
    from_dicom = read_volume(shared_data / "dicom" / "abdomen_jpeg2000")
    from_nifti = read_volume(shared_data / "ct" / "abdomen_2mm_organs" / "ct.nii.gz")
    # The same voxel is the one at the same millimetres; this holds whatever the storage order.
    k, j, i = np.meshgrid(*(np.arange(n) for n in from_dicom.geometry.shape_kji), indexing="ij")
    here_ijk = np.stack([i, j, k], axis=-1).reshape(-1, 3)[::101].astype(np.float64)
    there = np.rint(from_nifti.geometry.mm_to_index(from_dicom.geometry.index_to_mm(here_ijk))).astype(int)
    here = here_ijk.astype(int)
    ours = np.clip(from_dicom.values[here[:, 2], here[:, 1], here[:, 0]], -1024, 3071)
    np.testing.assert_array_equal(ours, from_nifti.values[there[:, 2], there[:, 1], there[:, 0]])
    # These two are in fact stored alike, and nothing lies outside the clipped range.
    assert from_dicom.geometry.same_grid(from_nifti.geometry)
    assert from_dicom.content_hash == from_nifti.content_hash


def test_real_hu_equal_those_of_pydicom(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "abdomen_jpeg2000"
    volume = read_volume(folder)
    first = sorted(folder.iterdir())[0]  # the scanner numbers from the top down
    np.testing.assert_array_equal(volume.values[-1], decoded_with_pydicom(first))


def test_contours_beside_a_series_are_ignored(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "lung_rtstruct"
    info = read_info(folder)
    assert [(each.number, each.slices, each.problem) for each in info.series] == [(1, 44, "")]
    volume = read_volume(folder)
    assert volume.geometry.shape_kji == (44, 512, 512)
    assert volume.geometry.spacing_mm_ijk == pytest.approx((0.9766, 0.9766, 3.0))
    assert volume.values.dtype == np.int16
    assert volume.values.min() == -1000


def test_three_acquisitions_in_one_series_are_refused_and_one_can_be_chosen(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "mixed_acquisitions"
    with pytest.raises(SeriesError) as caught:
        read_volume(folder)
    for line in ("1#1: 10 slices from -150.00 to -127.50", "1#2: 10", "1#3: 10 slices from -140.00 to -117.50"):
        assert line in str(caught.value)
    chosen = read_volume(folder, series="1#3")
    assert chosen.geometry.shape_kji == (10, 512, 512)
    assert chosen.geometry.origin_lps == pytest.approx((-200, -200, -140))
    np.testing.assert_array_equal(chosen.values[0], decoded_with_pydicom(folder / "IM000.dcm"))


def test_real_contours_enclose_the_volume_that_their_polygons_have(shared_data: Path) -> None:
    """SimpleITK places the points, the shoelace formula measures: no rasteriser of ours takes part."""
    folder = shared_data / "dicom" / "lung_rtstruct"
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    found = read_labels(folder / "RTSTRUCT.dcm", on=read_volume(folder))
    assert list(found.names.values()) == ["Tumor_c40", "LN_c40", "Carina_c40", "Vertebra_c40"]
    for number, roi in enumerate(pydicom.dcmread(folder / "RTSTRUCT.dcm").ROIContourSequence, start=1):
        pixels = 0.0
        for contour in roi.ContourSequence:
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            x, y, _ = np.array([image.TransformPhysicalPointToContinuousIndex(each) for each in points.tolist()]).T
            pixels += abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        assert np.count_nonzero(found.ids == number) == pytest.approx(pixels, rel=0.02)


@pytest.mark.parametrize("file_format", ["seg", "rtstruct"])
def test_real_labels_go_round_voxel_by_voxel(shared_data: Path, tmp_path: Path, file_format: str) -> None:
    """Contours of a scanner's software become a SEG or new contours, and are the same voxels."""
    folder = shared_data / "dicom" / "lung_rtstruct"
    volume = read_volume(folder)
    found = read_labels(folder / "RTSTRUCT.dcm", on=volume)
    path = tmp_path / "out.dcm"
    write_labels(found, path, file_format=file_format, source=read_source(folder))
    check_with_dciodvfy(path)
    again = read_labels(path, on=volume)
    np.testing.assert_array_equal(again.ids, found.ids)
    assert dict(again.names) == dict(found.names)


def test_acquisitions_are_listed_each_with_its_spacing(shared_data: Path) -> None:
    (series,) = read_info(shared_data / "dicom" / "mixed_acquisitions").series
    assert [(each.selector, each.slices) for each in series.parts] == [("1#1", 10), ("1#2", 10), ("1#3", 10)]
    assert all(each.spacing_mm_ijk == pytest.approx((0.78125, 0.78125, 2.5)) for each in series.parts)
