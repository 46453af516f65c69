"""Objects that overlap are whole in SEG and RTSTRUCT; a label map says what it loses of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from dicom_files import check_with_dciodvfy, ct_values, write_series
from radsam.io.dicom.dicom_labels import LabelOverlapWarning
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume, Volume

SHAPE_KJI = (6, 20, 16)


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlap") / "ct"
    write_series(folder, ct_values(SHAPE_KJI))
    return folder


@pytest.fixture(scope="module")
def volume(ct: Path) -> Volume:
    return read_volume(ct)


@pytest.fixture
def wholes() -> dict[int, np.ndarray]:
    """A liver, a tumour in it, and a cyst in the tumour; 4 has no voxel of its own in the label map."""
    masks = {number: np.zeros(SHAPE_KJI, bool) for number in (1, 2, 3, 4)}
    masks[1][1:5, 3:15, 2:12] = True
    masks[2][2:4, 5:11, 4:10] = True
    masks[3][2, 7:9, 6:8] = True
    masks[4][3, 6:8, 5:7] = True
    return masks


@pytest.fixture
def overlapping(volume: Volume, wholes: dict[int, np.ndarray]) -> LabelVolume:
    ids = np.zeros(SHAPE_KJI, np.uint8)
    for number in (1, 4, 2, 3):
        ids[wholes[number]] = number
    covered = {number: np.flatnonzero(wholes[number] & (ids != number)) for number in (2, 4, 1)}
    names = {1: "liver", 2: "tumour", 3: "cyst", 4: "vessel"}
    return LabelVolume(ids, volume.geometry, names, covered)


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_overlapping_objects_are_written_and_read_whole(
    tmp_path: Path,
    ct: Path,
    volume: Volume,
    overlapping: LabelVolume,
    wholes: dict[int, np.ndarray],
    kind: str,
) -> None:
    path = tmp_path / "out.dcm"
    write_labels(overlapping, path, file_format=kind, source=read_source(ct))
    check_with_dciodvfy(path)
    with pytest.warns(LabelOverlapWarning) as caught:
        found = read_labels(path, on=volume)
    (reported,) = (str(each.message) for each in caught)
    inside_liver = int((wholes[1] & wholes[2]).sum())
    assert f"{inside_liver - 4 - 4} of the 480 voxels of 'liver' are in 'tumour'" in reported
    assert "4 of the 480 voxels of 'liver' are in 'cyst'" in reported
    assert "4 of the 480 voxels of 'liver' are in 'vessel'" in reported
    for number, name in overlapping.names.items():
        np.testing.assert_array_equal(found.mask(number), wholes[number])
        assert found.names[number] == name
        alone = read_labels(path, on=volume, names=[name])
        np.testing.assert_array_equal(alone.ids > 0, wholes[number])
        assert not alone.covered
    # The smaller object is on top.
    assert not any((found.ids[wholes[number]] != number).any() for number in (3, 4))

    again = tmp_path / "again.dcm"
    write_labels(found, again, file_format=kind, source=read_source(ct))
    with pytest.warns(LabelOverlapWarning):
        second = read_labels(again, on=volume)
    assert all((second.mask(number) == wholes[number]).all() for number in wholes)


def test_segments_overlap_says_whether_they_do(tmp_path: Path, ct: Path, overlapping: LabelVolume) -> None:
    source, path = read_source(ct), tmp_path / "out.dcm"
    write_labels(overlapping, path, source=source)
    assert pydicom.dcmread(path).SegmentsOverlap == "YES"
    assert highdicom.seg.segread(path).number_of_segments == 4
    write_labels(overlapping.select([2]), path, source=source)
    assert pydicom.dcmread(path).SegmentsOverlap == "NO"
    write_labels(LabelVolume(overlapping.ids, overlapping.geometry, overlapping.names), path, source=source)
    assert pydicom.dcmread(path).SegmentsOverlap == "NO"


def test_touching_objects_give_no_warning(tmp_path: Path, ct: Path, volume: Volume, overlapping: LabelVolume) -> None:
    path = tmp_path / "out.dcm"
    write_labels(LabelVolume(overlapping.ids, overlapping.geometry), path, source=read_source(ct))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not read_labels(path, on=volume).covered
