"""Labels whose slices do not lie on those of the volume: none is lost without a word, and the volume stays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_files import ct_values, write_series
from radsam.io.dicom.dicom_labels import LabelWarning
from radsam.io.dicom.label_slices import LabelGrid
from radsam.io.dicom.polygons import without_same
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume, Plane, SliceGrid, Volume
from radsam.volume.coordinates import Coordinates

SHAPE_KJI = (6, 20, 16)
#: Steps of 1 mm, then of 2 mm: the grid has steps of 1 mm.
HALF_FINE_MM = (0, 1, 2, 3, 4, 6, 8, 10, 12)


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", ct_values(SHAPE_KJI))
    return tmp_path / "ct"


@pytest.fixture
def volume(ct: Path) -> Volume:
    return read_volume(ct)


def structure_set(ct: Path, ids: np.ndarray, change: Callable[[Dataset], None] = lambda dataset: None) -> Path:
    path = ct.parent / "rt.dcm"
    write_labels(
        LabelVolume(ids, read_volume(ct).geometry, {1: "liver"}),
        path,
        file_format="rtstruct",
        source=read_source(ct),
    )
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def contours(dataset: Dataset) -> list[Dataset]:
    return list(dataset.ROIContourSequence[0].ContourSequence)


def moved(k: float, i: float = 0.0) -> Callable[[Dataset], None]:
    """Move the contours by slices and columns."""

    def change(dataset: Dataset) -> None:
        for each in contours(dataset):
            points = np.array(each.ContourData, dtype=float).reshape(-1, 3) + np.array([0.7 * i, 0, 2.5 * k])
            each.ContourData = [f"{number:.4f}" for number in points.ravel()]

    return change


def liver() -> np.ndarray:
    ids = np.zeros(SHAPE_KJI, np.uint8)
    ids[1:5, 3:15, 2:12] = 1
    ids[2, 6:9, 4:9] = 0
    return ids


# --- images between the slices of the grid


@pytest.mark.parametrize("file_format", ["seg", "rtstruct"])
def test_on_an_uneven_series_no_slice_stays_empty_and_the_volume_is_kept(tmp_path: Path, file_format: str) -> None:
    def uneven(k: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient[2] = HALF_FINE_MM[k]

    write_series(tmp_path / "ct", ct_values((9, 30, 30)), spacing_mm_ijk=(1, 1, 1), edit=uneven)
    volume, source = (read(tmp_path / "ct", resample=True) for read in (read_volume, read_source))
    assert volume.series is not None
    assert volume.series.image_k == HALF_FINE_MM
    ids = np.zeros(volume.geometry.shape_kji, np.uint8)
    ids[2:11, 5:25, 5:25] = 1  # images at 2, 3, 4, 6, 8 and 10 mm: 1 + 1 + 1.5 + 2 + 2 + 2 mm
    ids[8, 10:14, 10:14] = 2  # one image, which covers 2 mm
    path = tmp_path / "labels.dcm"
    write_labels(LabelVolume(ids, volume.geometry), path, file_format=file_format, source=source)
    found = read_labels(path, on=volume).ids
    assert np.flatnonzero((found == 1).any(axis=(1, 2))).tolist() == list(range(2, 12))
    assert np.count_nonzero(found) == pytest.approx(9.5 * 400, rel=0.01)
    assert np.count_nonzero(found == 2) == 2 * 16


@given(
    steps=st.lists(st.floats(1, 3), min_size=3, max_size=9),
    sizes=st.lists(st.integers(0, 40), min_size=10, max_size=10),
)
@settings(max_examples=60, deadline=None)
def test_the_volume_is_kept_to_half_a_voxel_whatever_the_steps(steps: list[float], sizes: list[int]) -> None:
    """An image covers half the step to each neighbour; the outermost images are left empty."""
    places = np.concatenate([[0], np.cumsum(steps)])
    grid = LabelGrid(Geometry((int(places[-1]) + 1, 8, 8), np.eye(4)), tuple(places.tolist()))
    masks = {}
    for image in range(1, len(places) - 1):
        mask = np.zeros(64, dtype=bool)
        mask[: sizes[image]] = True
        masks[image] = mask.reshape(8, 8)
    expected = sum(each.sum() * (places[image + 1] - places[image - 1]) / 2 for image, each in masks.items())
    runs = 1 + sum(not sizes[image] for image in masks)  # each run of images with an object is rounded for itself
    found = grid.stack(masks)
    # What lies beyond the last slice of the grid has no voxels.
    beyond = max(0.0, (places[-1] + places[-2]) / 2 - grid.geometry.shape_kji[0] + 0.5) * masks[len(places) - 2].sum()
    assert abs(found.sum() + beyond - expected) <= 0.5 * runs + 0.51


# --- contours beside the slices


@pytest.mark.parametrize("noise_mm", [0.0, 1e-4, -1e-4, 0.01])
def test_contours_half_a_slice_off_all_move_the_same_way(ct: Path, volume: Volume, noise_mm: float) -> None:
    def change(dataset: Dataset) -> None:
        for sign, each in zip((1, -1, -1, 1), contours(dataset), strict=True):
            points = np.array(each.ContourData, dtype=float).reshape(-1, 3) + np.array([0, 0, 1.25 + sign * noise_mm])
            each.ContourData = [f"{number:.4f}" for number in points.ravel()]

    path = structure_set(ct, liver(), change)
    np.testing.assert_array_equal(read_labels(path, on=volume).ids[1:], liver()[:-1])


def test_contours_beyond_the_volume_are_counted(ct: Path, volume: Volume) -> None:
    path = structure_set(ct, liver(), moved(3))
    with pytest.warns(LabelWarning, match=r"of the 4 contours of 'liver' some lie beyond .*2 after .* up to 5\.0 mm"):
        found = read_labels(path, on=volume)
    np.testing.assert_array_equal(found.ids[4:], liver()[1:3])
    path = structure_set(ct, liver(), moved(-2))
    with pytest.warns(LabelWarning, match=r"1 before its first slice, by up to 2\.5 mm"):
        read_labels(path, on=volume)
    path = structure_set(ct, liver(), moved(0, 8))
    with pytest.warns(LabelWarning, match=r"reach beyond the sides of the images and are cut there \(4\)"):
        found = read_labels(path, on=volume)
    np.testing.assert_array_equal(found.ids[:, :, 8:], liver()[:, :, :8])


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
@pytest.mark.parametrize(("turn", "start"), [(1, 0), (-1, 0), (1, 3), (-1, 2)])
def test_a_contour_stored_twice_counts_once(ct: Path, volume: Volume, kind: str, turn: int, start: int) -> None:
    def twice(dataset: Dataset) -> None:
        sequence = dataset.ROIContourSequence[0].ContourSequence
        for each in contours(dataset):
            again = Dataset()
            again.update(each)
            points = np.roll(np.array(each.ContourData, dtype=float).reshape(-1, 3)[::turn], start, axis=0)
            again.ContourData = [f"{number:.3f}" for number in points.ravel()]
            sequence.append(again)
        for each in sequence:
            each.ContourGeometricType = kind

    path = structure_set(ct, liver(), twice)
    with pytest.warns(LabelWarning, match=r"stored more than once and count once \(4\)"):
        np.testing.assert_array_equal(read_labels(path, on=volume).ids, liver())


def _with_middles(points: np.ndarray) -> np.ndarray:
    middles = (points + np.roll(points, -1, axis=0)) / 2
    return np.stack([points, middles], axis=1).reshape(-1, 3)


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda points: np.repeat(points, 2, axis=0), id="points-twice"),
        pytest.param(_with_middles, id="more-points"),
        pytest.param(lambda points: points + 0.005 * np.sin(np.arange(points.size).reshape(-1, 3)), id="rounded"),
    ],
)
def test_a_contour_stored_again_with_other_points_counts_once(
    ct: Path, volume: Volume, again: Callable[[np.ndarray], np.ndarray]
) -> None:
    def twice(dataset: Dataset) -> None:
        for each in contours(dataset):
            copied = Dataset()
            copied.update(each)
            points = again(np.array(each.ContourData, dtype=float).reshape(-1, 3))
            copied.ContourData = [f"{number:.4f}" for number in points.ravel()]
            dataset.ROIContourSequence[0].ContourSequence.append(copied)

    path = structure_set(ct, liver(), twice)
    with pytest.warns(LabelWarning, match=r"stored more than once and count once \(4\)"):
        np.testing.assert_array_equal(read_labels(path, on=volume).ids, liver())


def test_rings_of_the_same_span_and_thin_walls_stay_apart() -> None:
    triangle = np.array([[0.0, 0], [4, 0], [4, 4]])
    assert len(without_same([triangle, triangle[:, ::-1]])) == 2
    assert len(without_same([triangle, triangle + np.array([0.1, 0])])) == 2


def test_contours_in_planes_between_the_images_are_counted(ct: Path, volume: Volume) -> None:
    def between(dataset: Dataset) -> None:
        copied = Dataset()
        copied.update(contours(dataset)[2])
        points = np.array(copied.ContourData, dtype=float).reshape(-1, 3) + np.array([0, 0, 1])
        copied.ContourData = [f"{number:.3f}" for number in points.ravel()]
        dataset.ROIContourSequence[0].ContourSequence.append(copied)

    path = structure_set(ct, liver(), between)
    with pytest.warns(LabelWarning, match=r"of the 5 .* lie between the images, .* are left out \(1\)"):
        np.testing.assert_array_equal(read_labels(path, on=volume).ids, liver())


def test_contours_of_two_points_are_counted(ct: Path, volume: Volume) -> None:
    def short(dataset: Dataset) -> None:
        contours(dataset)[3].ContourData = [0, 0, -20, 1, 0, -20]

    path = structure_set(ct, liver(), short)
    with pytest.warns(LabelWarning, match=r"of the 4 .* less than three points, enclose nothing .*\(1\)"):
        found = read_labels(path, on=volume)
    np.testing.assert_array_equal(found.ids[:4], liver()[:4])
    assert not found.ids[4].any()


# --- frames beside the slices


def test_frames_between_the_images_are_put_on_the_nearest_and_counted(ct: Path, volume: Volume) -> None:
    path = ct.parent / "seg.dcm"
    write_labels(LabelVolume(liver(), volume.geometry, {1: "liver"}), path, source=read_source(ct))
    dataset = pydicom.dcmread(path)
    frames = dataset.PerFrameFunctionalGroupsSequence
    frames[1].PlanePositionSequence[0].ImagePositionPatient[2] += 0.9
    dataset.save_as(path)
    with pytest.warns(LabelWarning, match="1 frames of 'liver' lie between the images"):
        np.testing.assert_array_equal(read_labels(path, on=volume).ids, liver())


# --- millimetres


def test_millimetres_between_two_voxels_go_to_the_upper_one() -> None:
    geometry = Geometry((9, 9, 9), np.diag([1.0, 1.0, 0.3, 1.0]))
    typed = Coordinates(geometry, SliceGrid.of(geometry, Plane.AXIAL), mm=True)
    assert [typed.point((0.0, 0.0, 0.3 * (k + 0.5)), True).k for k in range(8)] == list(range(1, 9))
    assert [typed.point((i + 0.5, 0.0, 0.0), True).i for i in range(8)] == list(range(1, 9))


def test_nothing_is_reported_where_all_is_well(ct: Path, volume: Volume) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_labels(structure_set(ct, liver()), on=volume)
