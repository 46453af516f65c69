"""Does a row's prompt land where it was meant, on every grid?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archives import write_balls
from command_line import Target
from phantoms import GRIDS, ball
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.manifest import parse_row
from radsam.batch.recist import diameter_ellipse
from radsam.batch.row_request import LabelFiles, row_request, typed_request
from radsam.errors import GridMismatchError, PromptError, VolumeError
from radsam.io.volume_write import write_labels
from radsam.session.edit_request import SegmentRequest
from radsam.volume import Bounds, Box, Geometry, LabelVolume, Mask, Point, SliceGrid, slice_index

GRID = GRIDS["anisotropic"]


def typed(geometry: Any = GRID, **values: Any) -> SegmentRequest:
    return typed_request(
        parse_row({"id": "a", "volume": "v", "coordinates": "ijk", **values}), geometry, BatchSettings()
    )


def request_of(files: LabelFiles, **values: str) -> SegmentRequest:
    return row_request(parse_row(values), files, BatchSettings())


def index_of(request: SegmentRequest, geometry: Geometry = GRID) -> int:
    return slice_index(request.prompt, SliceGrid.of(geometry, request.plane))


def test_a_box_on_a_slice_and_bounds() -> None:
    placed = typed(slice="4", box="10 12 20 25", bounds="2 6")
    assert placed.prompt == Box(k=4, i0=10, j0=12, i1=20, j1=25)
    assert placed.bounds == Bounds(2, 6)


def test_a_box_in_space_prompts_its_middle_and_bounds_the_object() -> None:
    placed = typed(box="10 12 1 20 25 6")
    assert placed.prompt == Box(k=3, i0=10, j0=12, i1=20, j1=25)
    assert placed.bounds == Bounds(1, 6)
    coronal = typed(box="10 12 1 20 25 6", plane="coronal")
    assert coronal.prompt == Box(j=18, i0=10, i1=20, k0=1, k1=6)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_millimetres_land_on_the_same_voxels_on_every_grid(grid: str, plane: str) -> None:
    geometry = GRIDS[grid]
    slices = SliceGrid.of(geometry, plane)
    low, high = (2, 3, 2), (9, 12, 6)
    corners = [" ".join(map(repr, geometry.index_to_mm(np.array(each, float)).tolist())) for each in (low, high)]
    voxels = typed(geometry, box=" ".join(map(str, (*low, *high))), plane=plane)
    # Either corner may come first: a stored axis may run against the patient's.
    for order in (corners, corners[::-1]):
        placed = typed(geometry, coordinates="lps", box=" ".join(order), plane=plane)
        assert (placed.prompt, placed.bounds) == (voxels.prompt, voxels.bounds)
    point = typed(geometry, coordinates="lps", point=corners[0], plane=plane)
    assert point.prompt == Point(i=2, j=3, k=2)
    assert index_of(point, geometry) == slices.split(low)[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slice": "4", "box": "10 12 20 99"}, "outside the volume"),
        ({"slice": "8", "point": "10 12"}, "outside the volume"),
        ({"slice": "4", "box": "20 12 10 25"}, "smaller end first"),
        ({"slice": "4", "box": "10 12 20 25", "bounds": "6 2"}, "reversed"),
        ({"slice": "4", "box": "10 12 20 25", "bounds": "0 3"}, "exclude"),
        ({"box": "10 12 6 20 25 1"}, "reversed"),
        ({"recist": "10 12 4 20 25 5"}, "slices 4 and 5"),
        ({"slice": "4", "recist": "10 12 10 12"}, "two ends"),
        ({"slice": "4", "recist": "10 12 90 12"}, "outside the volume"),
    ],
)
def test_what_does_not_lie_in_the_volume_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        typed(**values)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_diameter_becomes_an_ellipse_of_true_proportions(grid: str) -> None:
    slices = SliceGrid.of(GRIDS[grid], "axial")
    _, cols, rows = (slices.count, *slices.shape_vu[::-1])
    row_mm, col_mm = slices.spacing_mm_vu
    reach = rows // 2 - 1
    first, second = (cols // 2 - 8, rows // 2 - min(5, reach)), (cols // 2 + 7, rows // 2 + min(6, reach))
    ellipse = diameter_ellipse(slices, first, second)
    _, u = np.nonzero(ellipse)
    assert ellipse[first[1], first[0]]
    assert ellipse[second[1], second[0]]
    length = np.hypot((second[0] - first[0]) * col_mm, (second[1] - first[1]) * row_mm)
    area = ellipse.sum() * row_mm * col_mm
    # With half a pixel at either end: the pixels of a small ellipse are a coarse measure of its area.
    assert area == pytest.approx(np.pi / 4 * 0.75 * (length + min(row_mm, col_mm)) ** 2, rel=0.1)
    assert u.mean() == pytest.approx((first[0] + second[0]) / 2, abs=0.3)


def test_a_recist_row_prompts_with_the_ellipse() -> None:
    placed = typed(recist="10 12 4 20 25 4")
    assert isinstance(placed.prompt, Mask)
    assert index_of(placed) == 4
    assert placed.bounds is None
    on_slice = typed(slice="4", recist="10 12 20 25")
    assert np.array_equal(placed.prompt.pixels, on_slice.prompt.pixels)  # type: ignore[union-attr]


def test_a_mask_prompts_on_its_largest_slice_and_can_give_the_bounds(tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    files = LabelFiles(scene.volume, tmp_path)
    row = {"id": "a", "volume": "v", "mask": "seg.nii.gz", "mask_roi": "1"}
    truth = Target.of(scene.truths["right"])
    placed = request_of(files, **row)
    assert index_of(placed, scene.volume.geometry) == truth.k
    assert placed.bounds is None
    assert request_of(files, **row | {"bounds": "mask"}).bounds == Bounds(*truth.bounds)
    moved = request_of(files, **row | {"slice": str(truth.k + 1), "coordinates": "ijk", "bounds": "1 7"})
    assert (index_of(moved, scene.volume.geometry), moved.bounds) == (truth.k + 1, Bounds(1, 7))


def test_a_mask_of_several_objects_needs_a_choice(tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    files = LabelFiles(scene.volume, tmp_path)
    row = {"id": "a", "volume": "v", "mask": "seg.nii.gz"}
    with pytest.raises(VolumeError, match="mask_roi"):
        request_of(files, **row)
    with pytest.raises(VolumeError, match="no label '7'"):
        request_of(files, **row | {"mask_roi": "7"})
    other = ball("isotropic")
    write_labels(LabelVolume(other.truth.astype("uint8"), other.volume.geometry), tmp_path / "other.nii.gz")
    with pytest.raises(GridMismatchError):
        request_of(files, **row | {"mask": "other.nii.gz"})
