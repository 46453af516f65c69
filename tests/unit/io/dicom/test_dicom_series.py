from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from dicom_files import ct_values, write_report, write_series
from radsam.errors import SeriesError, VolumeError
from radsam.io.volume_read import read_info, read_volume


@pytest.fixture
def two_series(tmp_path: Path) -> Path:
    def venous(k: int, dataset) -> None:
        dataset.SeriesNumber = 12
        dataset.SeriesDescription = "venous 2.5"

    write_series(tmp_path, ct_values(seed=2), names=[f"b{k}" for k in range(5)], series_uid="1.2.12", edit=venous)
    write_series(tmp_path, ct_values((4, 12, 10), seed=1), series_uid="1.2.3")
    return tmp_path


def test_several_series_are_listed_and_need_a_choice(two_series: Path) -> None:
    with pytest.raises(SeriesError) as caught:
        read_volume(two_series)
    message = str(caught.value)
    assert "--series" in message
    assert "1: CT, 4 images of 10×12, 'synthetic', 1.2.3" in message
    assert "2: CT, 5 images of 10×12, 'venous 2.5', 1.2.12" in message


@pytest.mark.parametrize("choice", ["2", "1.2.12"])
def test_a_series_is_chosen_by_number_or_uid(two_series: Path, choice: str) -> None:
    np.testing.assert_array_equal(read_volume(two_series, series=choice).values, ct_values(seed=2))
    info = read_info(two_series, series=choice)
    assert info.geometry is not None
    assert info.geometry.shape_kji == (5, 12, 10)


@pytest.mark.parametrize("choice", ["3", "0", "1.2", ""])
def test_a_series_that_is_not_there_is_refused(two_series: Path, choice: str) -> None:
    for read in (read_volume, read_info):
        with pytest.raises(SeriesError, match="no series"):
            read(two_series, series=choice)


def test_the_listing_needs_no_choice(two_series: Path) -> None:
    info = read_info(two_series)
    assert info.geometry is None
    assert "2 series" in info.problem
    assert [(each.number, each.slices, each.shape_ij) for each in info.series] == [(1, 4, (10, 12)), (2, 5, (10, 12))]
    assert info.series[0].spacing_mm_ijk == pytest.approx((0.7, 0.8, 2.5))


def test_studies_are_listed_with_their_series(two_series: Path) -> None:
    def older(k: int, dataset) -> None:
        dataset.StudyInstanceUID, dataset.StudyDate, dataset.StudyDescription = "1.2.0", "20200101", "thorax"

    write_series(two_series / "older", ct_values(), series_uid="1.2.99", edit=older)
    write_report(two_series / "report.dcm", "SR")
    info = read_info(two_series)
    assert [(each.date, each.description, each.series) for each in info.studies] == [
        ("20200101", "thorax", (1,)),
        ("20240131", "abdomen", (2, 3)),
    ]
    assert [(each.path, each.modality) for each in info.objects] == [("report.dcm", "SR")]


def test_one_series_uid_in_two_studies_is_two_series(tmp_path: Path) -> None:
    def second(k: int, dataset) -> None:
        dataset.StudyInstanceUID = "1.2.0"

    write_series(tmp_path / "a", ct_values(seed=1), series_uid="1.2.3")
    write_series(tmp_path / "b", ct_values(seed=2), series_uid="1.2.3", edit=second)
    assert len(read_info(tmp_path).series) == 2


def test_info_names_nobody_and_is_plain_json(two_series: Path) -> None:
    text = json.dumps(read_info(two_series, series="1").to_dict())
    assert "Nobody" not in text
    loaded = json.loads(text)
    assert loaded["dtype"] == "uint16"
    assert loaded["shape_ijk"] == [10, 12, 4]
    assert loaded["series"][1]["acquisitions"] == {"1": 5}


def test_objects_that_are_not_images_are_ignored(tmp_path: Path) -> None:
    hu = ct_values()
    write_series(tmp_path, hu)
    for modality in ("RTSTRUCT", "SR"):
        write_report(tmp_path / f"{modality}.dcm", modality)

    def dose(k: int, dataset) -> None:
        dataset.Modality, dataset.NumberOfFrames = "RTDOSE", 2
        dataset.PixelData *= 2

    write_series(tmp_path / "dose", hu[:1], edit=dose)

    def screenshot(k: int, dataset) -> None:
        del dataset.ImagePositionPatient, dataset.ImageOrientationPatient

    write_series(tmp_path / "secondary", hu[:1], edit=screenshot)
    assert len(read_info(tmp_path).series) == 1
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


def test_a_folder_without_dicom_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match=r"the folder is empty\. Give the folder"):
        read_volume(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    (tmp_path / "b.txt").write_bytes(b"x")
    (tmp_path / "c.txt").write_bytes(b"")
    with pytest.raises(SeriesError, match=r"3 files \(2 with \.txt, 1 with \.nii\.gz\)"):
        read_volume(tmp_path)


@pytest.mark.parametrize("name", ["slice.dcm", "slice", "slice.001"])
def test_a_single_dicom_file_points_to_its_folder(tmp_path: Path, name: str) -> None:
    path = write_series(tmp_path, ct_values((1, 12, 10)), names=[name])[0]
    with pytest.raises(VolumeError, match="Give the folder"):
        read_volume(path)


def test_a_series_cannot_be_chosen_in_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "ct.nii").write_bytes(b"x")
    with pytest.raises(SeriesError, match="one volume"):
        read_volume(tmp_path / "ct.nii", series="1")


@pytest.mark.parametrize("folder", [b"s\xe9ries", b"s\xe9ries/with a\nline"])
def test_names_need_not_be_utf8(tmp_path: Path, folder: bytes) -> None:
    place = tmp_path / os.fsdecode(folder)
    place.mkdir(parents=True)
    for number, each in enumerate(write_series(tmp_path, ct_values(), compress="JPEG-LS lossless")):
        each.rename(place / os.fsdecode(b"\xff\n%d.dcm" % number))
    np.testing.assert_array_equal(read_volume(place).values, ct_values())
    assert read_info(place).geometry is not None


def test_bytes_behind_the_pixels_are_left_out_without_a_warning(tmp_path: Path) -> None:
    hu = ct_values()
    write_series(tmp_path, hu, edit=lambda k, dataset: setattr(dataset, "PixelData", dataset.PixelData + bytes(16)))
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


def test_an_intercept_without_a_slope_counts(tmp_path: Path) -> None:
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.Modality = "MR"
        del dataset.RescaleSlope

    hu = ct_values()
    write_series(tmp_path, hu, edit=edit)
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)
