"""SEG and RTSTRUCT of another series: refused, or resampled on request."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_files import ct_values, write_series
from radsam.errors import GridMismatchError
from radsam.io.dicom.dicom_labels import LabelOverlapWarning
from radsam.io.dicom.source_series import read_source
from radsam.io.label_grid import LabelResampledWarning
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume, Volume

SHAPE_KJI = (6, 20, 16)
ORIGIN, SPACING = (-10.0, -20.0, -30.0), (0.7, 0.8, 2.5)


def series(folder: Path, uid: str = "1.2.3", **changes: object) -> Volume:
    shape = changes.pop("shape", SHAPE_KJI)
    write_series(folder, ct_values(shape), series_uid=uid, **changes)
    return read_volume(folder)


@pytest.fixture
def arterial(tmp_path: Path) -> Volume:
    return series(tmp_path / "arterial", "1.2.826.0.1.3680043.8.498.9")


@pytest.fixture
def wholes() -> dict[int, np.ndarray]:
    liver, tumour = np.zeros((2, *SHAPE_KJI), bool)
    liver[1:4, 3:15, 2:12], tumour[2:6, 4:8, 6:14] = True, True
    return {1: liver, 2: tumour}


@pytest.fixture(params=["seg", "rtstruct"])
def written(request: pytest.FixtureRequest, tmp_path: Path, arterial: Volume, wholes: dict[int, np.ndarray]) -> Path:
    path = tmp_path / f"{request.param}.dcm"
    ids = np.where(wholes[2], 2, wholes[1]).astype(np.uint8)
    covered = {1: np.flatnonzero(wholes[1] & wholes[2])}
    labels = LabelVolume(ids, arterial.geometry, {1: "liver", 2: "tumour"}, covered)
    write_labels(labels, path, file_format=request.param, source=read_source(tmp_path / "arterial"))
    return path


def changed(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def resampled(path: Path, volume: Volume) -> LabelVolume:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelOverlapWarning)
        with pytest.warns(LabelResampledWarning):
            return read_labels(path, on=volume, resample=True)


def nearest(whole: np.ndarray, source: Volume, target: Volume) -> np.ndarray:
    """Look up each voxel of the target by its place."""
    kji = np.indices(target.geometry.shape_kji).reshape(3, -1)
    place = source.geometry.mm_to_index(target.geometry.index_to_mm(kji[::-1].T.astype(float)))
    index = np.floor(place + 0.5 + 1e-6).astype(int)
    inside = ((index >= 0) & (index < source.geometry.shape_ijk)).all(axis=1)
    found = np.zeros(kji.shape[1], bool)
    i, j, k = index[inside].T
    found[inside] = whole[k, j, i]
    return found.reshape(target.geometry.shape_kji)


def test_another_series_is_refused_with_the_option(tmp_path: Path, written: Path) -> None:
    with pytest.raises(GridMismatchError, match=r"another series.*--resample-masks"):
        read_labels(written, on=series(tmp_path / "venous"))


@pytest.mark.parametrize(
    "grid",
    [
        {},  # the same grid
        {"shape": (9, 20, 16), "origin_lps": (-10.0, -20.0, -35.0)},  # a larger extent
        {"shape": (11, 18, 14), "origin_lps": (-8.6, -20.0, -30.0), "spacing_mm_ijk": (0.7, 0.8, 1.25)},
        {"shape": (4, 20, 16), "spacing_mm_ijk": (0.7, 0.8, 5.0)},
    ],
)
def test_objects_come_to_another_series_whole_and_in_place(
    tmp_path: Path, written: Path, arterial: Volume, wholes: dict[int, np.ndarray], grid: dict
) -> None:
    venous = series(tmp_path / "venous", **grid)
    labels = resampled(written, venous)
    assert labels.geometry.same_grid(venous.geometry)
    assert labels.names == {1: "liver", 2: "tumour"}
    for number, whole in wholes.items():
        np.testing.assert_array_equal(labels.mask(number), nearest(whole, arterial, venous))


def test_pixels_of_another_size(tmp_path: Path, written: Path, arterial: Volume, wholes: dict[int, np.ndarray]) -> None:
    venous = series(tmp_path / "venous", shape=(6, 32, 28), spacing_mm_ijk=(0.4, 0.5, 2.5))
    labels = resampled(written, venous)
    for number, whole in wholes.items():
        expected = nearest(whole, arterial, venous)
        # Contours run between the voxels, so along them the finer pixels may fall on the other side.
        different = np.count_nonzero(labels.mask(number) != expected)
        assert different <= (0 if written.stem == "seg" else 0.12 * expected.sum())


def test_contours_and_frames_in_a_folder_seen_from_below(
    tmp_path: Path, written: Path, arterial: Volume, wholes: dict[int, np.ndarray]
) -> None:
    flipped = series(tmp_path / "venous", cosines=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), origin_lps=(0.5, -20.0, -17.5))
    labels = resampled(written, flipped)
    for number, whole in wholes.items():
        expected = nearest(whole, arterial, flipped)
        assert expected.sum() == whole.sum()
        np.testing.assert_array_equal(labels.mask(number), expected)


def test_parts_outside_are_counted(tmp_path: Path, written: Path) -> None:
    short = series(tmp_path / "venous", shape=(3, 20, 16))
    with pytest.warns(LabelOverlapWarning), pytest.warns(LabelResampledWarning) as caught:
        read_labels(written, on=short, resample=True)
    (note,) = (str(each.message) for each in caught if each.category is LabelResampledWarning)
    assert "liver (120 of its 360 voxels are lost), tumour (96 of its 128 voxels are lost)" in note


def test_labels_of_the_series_itself_are_not_resampled(
    tmp_path: Path, written: Path, arterial: Volume, wholes: dict[int, np.ndarray]
) -> None:
    with pytest.warns(LabelOverlapWarning) as caught:
        labels = read_labels(written, on=arterial, resample=True)
    assert len(caught) == 1
    for number, whole in wholes.items():
        np.testing.assert_array_equal(labels.mask(number), whole)


def test_another_frame_of_reference_is_refused(tmp_path: Path, written: Path) -> None:
    def moved(k: int, dataset: Dataset) -> None:
        dataset.FrameOfReferenceUID = "1.2.4"

    elsewhere = series(tmp_path / "moved", edit=moved)
    with pytest.raises(GridMismatchError, match=r"another frame of reference.*register it first"):
        read_labels(written, on=elsewhere, resample=True)


@pytest.mark.parametrize("written", ["rtstruct"], indirect=True)
def test_contours_that_cannot_be_resampled_are_refused(tmp_path: Path, written: Path) -> None:
    venous = series(tmp_path / "venous")

    def uneven(dataset: Dataset) -> None:
        contours = [each for roi in dataset.ROIContourSequence for each in roi.ContourSequence]
        points = np.array(contours[1].ContourData, float) + np.tile([0, 0, 0.9], len(contours[1].ContourData) // 3)
        contours[1].ContourData = [f"{each:.3f}" for each in points]

    with pytest.raises(GridMismatchError, match="planes at uneven distances"):
        read_labels(changed(written, uneven), on=venous, resample=True)
    coronal = series(tmp_path / "coronal", cosines=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    with pytest.raises(GridMismatchError, match="not drawn in planes along the slices"):
        read_labels(written, on=coronal, resample=True)
