"""Do points, boxes and masks come back from the frame as they went in, whatever the slice?"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phantoms import stored_otherwise
from radsam.metrics import dice
from radsam.preprocess import Crop, Normalisation, SliceFrame, Window
from radsam.volume import Geometry, Plane, SliceGrid, Volume

SIZES = [(256, 256), (1024, 256), (128, 64), (64, 64)]
STORAGES = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]

planes = st.sampled_from(list(Plane))
storages = st.sampled_from(STORAGES)
sizes = st.sampled_from(SIZES)
shapes = st.tuples(st.integers(2, 40), st.integers(2, 60), st.integers(2, 60))
# Tenths of millimetres, as scanners have them.
spacings = st.tuples(*[st.integers(5, 50).map(lambda tenths: tenths / 10)] * 3)


class Stored:
    """One volume, stored in some order."""

    def __init__(self, volume: Volume, plane: Plane, sizes: tuple[int, int]) -> None:
        self.volume, self.plane, self.sizes = volume, plane, sizes

    def __repr__(self) -> str:
        return f"{self.volume.geometry.affine_lps.tolist()}, {self.volume.values.shape}, {self.plane}, {self.sizes}"

    @property
    def grid(self) -> SliceGrid:
        return SliceGrid.of(self.volume.geometry, self.plane)

    @property
    def frame(self) -> SliceFrame:
        return SliceFrame(self.grid, *self.sizes)


@st.composite
def stored(draw: st.DrawFn, shape: st.SearchStrategy = shapes, spacing: st.SearchStrategy = spacings) -> Stored:
    shape_kji = draw(shape)
    hu = np.random.default_rng(draw(st.integers(0, 9))).integers(-500, 500, shape_kji).astype(np.int16)
    volume = Volume(hu, Geometry.from_parts(shape_kji, (5.0, -9.0, 40.0), draw(spacing), np.eye(3)))
    return Stored(stored_otherwise(volume, *draw(storages)), draw(planes), draw(sizes))


@given(stored(), st.data())
def test_points_come_back(case: Stored, data: st.DataObject) -> None:
    rows, cols = case.grid.shape_vu
    point = st.tuples(st.floats(-0.5, cols - 0.5), st.floats(-0.5, rows - 0.5))
    points_uv = np.array(data.draw(st.lists(point, max_size=5)), np.float64).reshape(-1, 2)
    points_xy = case.frame.points_to_frame(points_uv)
    height, width = case.frame.content_shape
    assert (points_xy >= -0.5 - 1e-9).all()
    assert (points_xy <= np.array([width, height]) - 0.5 + 1e-9).all()
    np.testing.assert_allclose(case.frame.points_from_frame(points_xy), points_uv, atol=1e-9)


@given(stored(), st.data())
def test_boxes_come_back_exactly(case: Stored, data: st.DataObject) -> None:
    rows, cols = case.grid.shape_vu
    u0, v0 = data.draw(st.integers(0, cols - 1)), data.draw(st.integers(0, rows - 1))
    box = u0, v0, data.draw(st.integers(u0, cols - 1)), data.draw(st.integers(v0, rows - 1))
    corners_xy = case.frame.box_to_frame(box)
    assert (corners_xy[0] < corners_xy[1]).all()
    assert case.frame.box_from_frame(corners_xy) == box
    # The model takes its prompts in single precision.
    assert case.frame.box_from_frame(corners_xy.astype(np.float32).astype(np.float64)) == box


@given(stored(), st.data())
def test_a_box_and_the_mask_that_fills_it_have_the_same_edges(case: Stored, data: st.DataObject) -> None:
    rows, cols = case.grid.shape_vu
    low_rows, low_cols = (n * case.sizes[1] // case.sizes[0] for n in case.frame.content_shape)
    low_uv = (low_rows, low_cols) if case.grid.transpose else (low_cols, low_rows)
    # At least three pixels of the coarser grid: where the filter of one edge ends before the other begins.
    least = [3 * max(1, -(-n // low)) for n, low in zip((cols, rows), low_uv, strict=True)]
    assume(cols >= least[0] and rows >= least[1])
    u0, v0 = data.draw(st.integers(0, cols - least[0])), data.draw(st.integers(0, rows - least[1]))
    u1 = data.draw(st.integers(u0 + least[0] - 1, cols - 1))
    v1 = data.draw(st.integers(v0 + least[1] - 1, rows - 1))
    mask = np.zeros((rows, cols), bool)
    mask[v0 : v1 + 1, u0 : u1 + 1] = True
    y, x = np.nonzero(case.frame.mask_to_frame(mask))
    stride = case.sizes[0] / case.sizes[1]
    corners = (case.frame.box_to_frame((u0, v0, u1, v1)) + 0.5) / stride  # edges, in low-res pixels
    drawn = np.array([[x.min(), y.min()], [x.max() + 1, y.max() + 1]])
    # A pixel belongs to the side that its centre lies on. The filter of the outermost pixels is cut by the
    # slice's rim, which loses an eighth of its weight and moves their edge by up to 0.07.
    assert np.abs(drawn - corners).max() <= 0.5 + 0.07


@given(
    stored(shape=st.tuples(*[st.integers(40, 64)] * 3), spacing=st.tuples(*[st.sampled_from([0.8, 1.0, 1.3])] * 3)),
    st.data(),
)
@settings(max_examples=50)
def test_a_mask_through_the_model_and_back_keeps_its_place_and_area(case: Stored, data: st.DataObject) -> None:
    rows, cols = case.grid.shape_vu
    v0, u0 = data.draw(st.floats(12, rows - 12)), data.draw(st.floats(12, cols - 12))
    a, b = data.draw(st.floats(7, 11)), data.draw(st.floats(7, 11))
    v, u = np.indices((rows, cols))
    mask = ((v - v0) / a) ** 2 + ((u - u0) / b) ** 2 <= 1
    back = case.frame.logits_to_slice(case.frame.mask_to_frame(mask) * 16 - 8) > 0
    # Half a pixel of the coarser grid, where a slice pixel is up to 1.75 times as fine.
    assert dice(back, mask) > 0.93
    assert abs(int(back.sum()) / int(mask.sum()) - 1) < 0.1
    np.testing.assert_allclose(np.argwhere(back).mean(axis=0), np.argwhere(mask).mean(axis=0), atol=0.8)


@given(shapes, spacings, planes, storages, sizes, st.floats(0, 1))
@settings(max_examples=30)
def test_the_same_anatomy_stored_otherwise_gives_the_same_bits(
    shape_kji: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    plane: Plane,
    storage: tuple[tuple[int, ...], tuple[bool, ...]],
    size: tuple[int, int],
    where: float,
) -> None:
    geometry = Geometry.from_parts(shape_kji, (5.0, -9.0, 40.0), spacing_mm, np.eye(3))
    volume = Volume(np.random.default_rng(1).integers(-500, 500, shape_kji).astype(np.int16), geometry)
    images = []
    for each in (volume, stored_otherwise(volume, *storage)):
        grid = SliceGrid.of(each.geometry, plane)
        voxel = np.round(where * (np.array(geometry.shape_ijk) - 1))
        i, j, k = np.round(each.geometry.mm_to_index(geometry.index_to_mm(voxel))).astype(int)
        index, _, _ = grid.split((int(i), int(j), int(k)))
        images.append(
            SliceFrame(grid, *size).image(grid.take(each.values, index), Normalisation(Window(-160.0, 240.0)))
        )
    np.testing.assert_array_equal(images[0], images[1])


@given(shapes, spacings, planes, sizes, st.tuples(*[st.floats(-1e-7, 1e-7)] * 3))
def test_a_spacing_rounded_by_a_file_format_gives_the_same_frame(
    shape_kji: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    plane: Plane,
    size: tuple[int, int],
    error: tuple[float, float, float],
) -> None:
    exact = Geometry.from_parts(shape_kji, (0.0, 0.0, 0.0), spacing_mm, np.eye(3))
    rounded = Geometry(shape_kji, exact.affine_lps @ np.diag([*(1 + e for e in error), 1.0]))
    grids = [SliceGrid.of(geometry, plane) for geometry in (exact, rounded)]
    lengths_mm = np.array(grids[0].shape_vu) * grids[0].spacing_mm_vu
    # Every rounding has its edge; this one's lies where no usual spacing falls.
    assume(np.abs(lengths_mm / lengths_mm.max() * size[1] % 1 - 0.4995).min() > 1e-4)
    a, b = (SliceFrame(grid, *size) for grid in grids)
    assert a.content_shape == b.content_shape
    points_uv = np.array([[0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_array_equal(a.points_to_frame(points_uv), b.points_to_frame(points_uv))


@given(stored(), st.data())
def test_a_crop_is_seen_as_if_the_volume_ended_there(case: Stored, data: st.DataObject) -> None:
    grid, (rows, cols) = case.grid, case.grid.display_shape
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    crop = Crop(row, col, data.draw(st.integers(1, rows - row)), data.draw(st.integers(1, cols - col)))
    cropped = SliceFrame(grid, *case.sizes, crop=crop)
    # The same part, cut out of the volume.
    corners = [
        grid.display_xy_to_uv(float(x), float(y)) for x, y in ((col, row), (col + crop.cols - 1, row + crop.rows - 1))
    ]
    (u0, u1), (v0, v1) = (sorted(int(each) for each in axis) for axis in zip(*corners, strict=True))
    index = data.draw(st.integers(0, grid.count - 1))
    part = grid.take(case.volume.values, index)[v0 : v1 + 1, u0 : u1 + 1]
    alone = SliceFrame(replace(grid, shape_vu=part.shape), *case.sizes)

    normalisation = Normalisation(Window(-160.0, 240.0))
    assert cropped.content_shape == alone.content_shape
    np.testing.assert_array_equal(
        cropped.image(grid.take(case.volume.values, index), normalisation),
        alone.image(np.ascontiguousarray(part), normalisation),
    )
    points_uv = np.array([[u0, v0], [u1, v1], [(u0 + u1) / 2, v0 - 0.5]])
    points_xy = cropped.points_to_frame(points_uv)
    np.testing.assert_allclose(points_xy, alone.points_to_frame(points_uv - [u0, v0]), atol=1e-9)
    np.testing.assert_allclose(cropped.points_from_frame(points_xy), points_uv, atol=1e-9)
    assert cropped.box_from_frame(cropped.box_to_frame((u0, v0, u1, v1))) == (u0, v0, u1, v1)
    mask = grid.take(case.volume.values, index) > 0
    low_res = cropped.mask_to_frame(mask)
    np.testing.assert_array_equal(low_res, alone.mask_to_frame(np.ascontiguousarray(mask[v0 : v1 + 1, u0 : u1 + 1])))
    logits = cropped.logits_to_slice(low_res)
    inside = np.zeros(mask.shape, bool)
    inside[v0 : v1 + 1, u0 : u1 + 1] = True
    np.testing.assert_array_equal(logits[inside].reshape(part.shape), alone.logits_to_slice(low_res))
    assert (logits[~inside] == -np.inf).all()


@given(stored(), st.floats(1.0, 4.0), st.floats(1.5, 8.0), st.data())
def test_a_crop_lies_in_the_slice_and_holds_its_box(
    case: Stored, ratio: float, max_zoom: float, data: st.DataObject
) -> None:
    grid = case.grid
    rows, cols = grid.shape_vu
    u0, v0 = data.draw(st.integers(0, cols - 1)), data.draw(st.integers(0, rows - 1))
    box = u0, v0, data.draw(st.integers(u0, cols - 1)), data.draw(st.integers(v0, rows - 1))
    crop = Crop.around(grid, box, ratio=ratio, max_zoom=max_zoom)
    spacing_mm = np.array(grid.display_spacing_mm)
    longest_mm = float((np.array(grid.display_shape) * spacing_mm).max())
    box_mm = float(
        (np.array([v1 - v0 + 1 for v0, v1 in ((box[1], box[3]), (box[0], box[2]))]) * grid.spacing_mm_vu).max()
    )
    if crop is None:
        assert max(ratio * box_mm, longest_mm / max_zoom) >= 0.79 * longest_mm
        return
    assert crop.row + crop.rows <= grid.display_shape[0]
    assert crop.col + crop.cols <= grid.display_shape[1]
    filled = np.zeros(grid.shape_vu, bool)
    filled[box[1] : box[3] + 1, box[0] : box[2] + 1] = True
    assert crop.take(grid.to_display(filled)).sum() == filled.sum()
    # A square in millimetres, to a pixel, where the slice is large enough.
    for length, mm, whole in zip(crop.shape, spacing_mm, grid.display_shape, strict=True):
        assert length == whole or abs(length * mm - max(ratio * box_mm, longest_mm / max_zoom)) <= mm
    held = crop.take(grid.to_display(filled)).nonzero()
    # Pixels of the crop beside the box, on both sides together; the edge takes a few of them.
    free = [length - np.unique(where).size for length, where in zip(crop.shape, held, strict=True)]
    assert crop.holds(grid, box) or min(free) < 2 + 0.1 * max(crop.shape)
