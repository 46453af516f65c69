from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from radsam.errors import GridMismatchError, PromptError
from radsam.render import mask_outlines, render_preview
from radsam.render.preview import PAGE_SIZE, main_view
from radsam.render.slice_drawing import (
    NEGATIVE_COLOUR,
    POSITIVE_COLOUR,
    PROMPT_COLOUR,
    Viewport,
    draw_prompt,
    prompt_colour,
    prompt_pixels,
)
from radsam.volume import Bounds, Box, Geometry, Lasso, Mask, Plane, Point, Scribble, SliceGrid, Volume
from radsam.volume.object_colours import OBJECT_COLOURS

WINDOW_HU = (-160.0, 240.0)
# Not square in any plane, thick slices, a grid that is neither LPS nor centred.
SHAPE_KJI, SPACING_IJK = (20, 48, 64), (1.5, 2.0, 5.0)


def geometry(signs: tuple[float, float, float] = (1.0, -1.0, 1.0)) -> Geometry:
    return Geometry.from_parts(SHAPE_KJI, (-40.0, 30.0, 12.5), SPACING_IJK, np.diag(signs))


def block(k: slice, j: slice, i: slice) -> np.ndarray:
    mask = np.zeros(SHAPE_KJI, dtype=bool)
    mask[k, j, i] = True
    return mask


BLOCK = block(slice(6, 12), slice(10, 30), slice(8, 24))


def volume_of(mask: np.ndarray, grid: Geometry | None = None) -> Volume:
    """A block of 240 HU in -160 HU: white on black in the window."""
    return Volume(np.where(mask, np.int16(240), np.int16(-160)), grid or geometry())


def page(masks: dict[str, np.ndarray] | None = None, **changes: object) -> np.ndarray:
    given = {"plane": Plane.AXIAL, "index": 8, "window": WINDOW_HU, **changes}
    volume = given.pop("volume", None) or volume_of(BLOCK)
    picture = render_preview(volume, masks or {}, **given)  # type: ignore[arg-type]
    return np.asarray(picture).astype(int)


def main_part(whole_page: np.ndarray, view: Viewport) -> np.ndarray:
    return whole_page[view.top : view.top + view.height, view.left : view.left + view.width]


def box_of(changed: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the changed pixels, in positions where pixel 0 covers 0 to 1."""
    rows, cols = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    return cols[0], rows[0], cols[-1] + 1, rows[-1] + 1


def near(pixels: np.ndarray, colour: tuple[int, int, int], within: int = 40) -> np.ndarray:
    return np.abs(pixels - np.array(colour)).max(axis=-1) < within


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, float]]:
    """Every text that is written, with its place."""
    texts: dict[str, tuple[float, float]] = {}
    original = ImageDraw.ImageDraw.text

    def recording(
        self: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, *args: object, **named: object
    ) -> None:
        texts[text] = xy
        original(self, xy, text, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", recording)
    return texts


def winding_mask(outlines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Which pixel centres lie inside an odd number of outlines."""
    y, x = np.indices(shape)
    inside = np.zeros(shape, dtype=bool)
    for line in outlines:
        for (x0, y0), (x1, y1) in pairwise(line):
            if y0 != y1:
                crosses = (y0 > y) != (y1 > y)
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def test_a_rectangle_is_outlined_along_the_edges_of_its_pixels() -> None:
    mask = np.zeros((9, 12), dtype=bool)
    mask[2:5, 3:8] = True
    (outline,) = mask_outlines(mask)
    assert outline.min(axis=0).tolist() == [2.5, 1.5]
    assert outline.max(axis=0).tolist() == [7.5, 4.5]
    np.testing.assert_array_equal(outline[0], outline[-1])


def test_a_mask_at_the_border_is_outlined_along_the_border() -> None:
    (outline,) = mask_outlines(np.ones((3, 4), dtype=bool))
    assert outline.min(axis=0).tolist() == [-0.5, -0.5]
    assert outline.max(axis=0).tolist() == [3.5, 2.5]


@pytest.mark.parametrize("seed", range(5))
def test_outlines_hold_exactly_the_centres_of_their_pixels(seed: int) -> None:
    mask = np.random.default_rng(seed).random((17, 23)) < 0.5
    np.testing.assert_array_equal(winding_mask(mask_outlines(mask), mask.shape), mask)


def test_an_empty_mask_has_no_outline() -> None:
    assert mask_outlines(np.zeros((4, 4), dtype=bool)) == []


def test_the_page_is_an_rgb_picture_of_its_fixed_size() -> None:
    picture = render_preview(volume_of(BLOCK), {}, plane=Plane.AXIAL, index=8, window=WINDOW_HU)
    assert isinstance(picture, Image.Image)
    assert (picture.size, picture.mode) == (PAGE_SIZE, "RGB")


@pytest.mark.parametrize("plane", list(Plane))
@pytest.mark.parametrize("signs", [(1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0)])
def test_a_mark_appears_where_the_radiologist_expects_it(plane: Plane, signs: tuple[float, float, float]) -> None:
    grid_of = geometry(signs)
    middle = grid_of.index_to_mm((np.array(grid_of.shape_ijk) - 1.0) / 2)
    # Right, anterior and superior of the middle.
    i, j, k = np.round(grid_of.mm_to_index(middle + np.array([-25.0, -20.0, 25.0]))).astype(int).tolist()
    mark = block(slice(k - 1, k + 2), slice(j - 2, j + 3), slice(i - 2, i + 3))
    grid = SliceGrid.of(grid_of, plane)
    view = main_view(grid)
    shown = main_part(
        page(volume=volume_of(mark, grid_of), plane=plane, index=(i, j, k)[grid.axis], window=(-160.0, 240.0)), view
    )
    rows, cols = np.nonzero(near(shown[40:-70, 40:-40], (255, 255, 255), 60))
    # Right, anterior and superior are all towards the top left, in each of the planes.
    assert rows.max() + 40 < view.height / 2
    assert cols.max() + 40 < view.width / 2


def test_storage_order_does_not_change_the_picture() -> None:
    hu = np.random.default_rng(0).integers(-160, 240, SHAPE_KJI).astype(np.int16)
    stored = Volume(hu, geometry((1.0, 1.0, 1.0)))
    affine = stored.geometry.affine_lps.copy()
    affine[:3, 3] += affine[:3, 0] * (SHAPE_KJI[2] - 1)
    affine[:3, 0] *= -1
    mirrored = Volume(np.ascontiguousarray(hu[:, :, ::-1]), Geometry(SHAPE_KJI, affine))
    usual = page({"a": BLOCK}, volume=stored)
    np.testing.assert_array_equal(page({"a": BLOCK[:, :, ::-1].copy()}, volume=mirrored), usual)


def test_a_contour_lies_on_the_grey_edge_of_its_object() -> None:
    grid = SliceGrid.of(geometry(), Plane.AXIAL)
    view = main_view(grid)
    plain, outlined = main_part(page(), view), main_part(page({"a": BLOCK}), view)
    line = near(outlined, OBJECT_COLOURS[0])
    # A row through the block, whose columns 8 to 23 are white.
    x, y = view.to_page(np.array([[7.5, 27.0], [23.5, 27.0]])).T - np.array([[view.left], [view.top]])
    row = int(y[0])
    white = plain[row, :, 0] > 127
    grey_edges = np.flatnonzero(white[1:] != white[:-1]) + 1
    drawn = np.flatnonzero(line[row]) + 0.5
    lines = [drawn[drawn < x.mean()].mean(), drawn[drawn > x.mean()].mean()]
    np.testing.assert_allclose(grey_edges, x, atol=0.75)
    np.testing.assert_allclose(lines, x, atol=0.75)


@pytest.mark.parametrize("plane", list(Plane))
def test_contours_surround_the_pixels_of_their_mask(plane: Plane) -> None:
    grid = SliceGrid.of(geometry(), plane)
    index = {Plane.AXIAL: 8, Plane.CORONAL: 20, Plane.SAGITTAL: 15}[plane]
    view = main_view(grid)
    changed = (page({"a": BLOCK}, plane=plane, index=index) != page(plane=plane, index=index)).any(axis=-1)
    shown = main_part(changed[..., None], view)[..., 0]
    rows, cols = np.nonzero(grid.to_display(grid.take(BLOCK, index)))
    corners = view.to_page(np.array([[cols.min() - 0.5, rows.min() - 0.5], [cols.max() + 0.5, rows.max() + 0.5]]))
    # The line is two pixels wide: one outside the edge, and what smoothing adds.
    outside = np.array([-1.0, -1.0, 1.0, 1.0])
    expected = (corners - (view.left, view.top)).ravel() + outside
    np.testing.assert_allclose(box_of(shown), expected, atol=1.0)


def test_a_box_is_drawn_around_both_of_its_ends() -> None:
    grid = SliceGrid.of(geometry(), Plane.AXIAL)
    view = main_view(grid)
    box = Box(k=8, i0=8, i1=23, j0=10, j1=29)
    drawn = main_part(near(page(prompts=[box]), PROMPT_COLOUR)[..., None], view)[..., 0]
    rows, cols = np.nonzero(grid.to_display(grid.take(BLOCK, 8)))
    corners = view.to_page(np.array([[cols.min() - 0.5, rows.min() - 0.5], [cols.max() + 0.5, rows.max() + 0.5]]))
    expected = (corners - (view.left, view.top)).ravel() + np.array([-1.0, -1.0, 1.0, 1.0])
    np.testing.assert_allclose(box_of(drawn), expected, atol=1.5)
    top = drawn[int(expected[1]) + 1, int(expected[0]) : int(expected[2])]
    assert 0.3 < top.mean() < 0.8  # dashed


@pytest.mark.parametrize(("positive", "colour"), [(True, POSITIVE_COLOUR), (False, NEGATIVE_COLOUR)])
def test_a_point_is_marked_at_its_pixel_with_its_sign(positive: bool, colour: tuple[int, int, int]) -> None:
    grid = SliceGrid.of(geometry(), Plane.AXIAL)
    view = main_view(grid)
    shown = main_part(page(prompts=[Point(i=40, j=5, k=8, positive=positive)]), view)
    rows, cols = np.nonzero(near(shown, colour))
    x, y = view.to_page(np.array(grid.uv_to_display_xy(40.0, 5.0))) - (view.left, view.top)
    assert (cols.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.6)
    assert (np.ptp(rows) > 12) == positive
    assert np.ptp(cols) > 12


def test_a_mask_prompt_is_dotted_along_its_outline() -> None:
    grid = SliceGrid.of(geometry(), Plane.AXIAL)
    view = main_view(grid)
    pixels = BLOCK[8].copy()
    drawn = main_part(near(page(prompts=[Mask(pixels=pixels, k=8)]), PROMPT_COLOUR)[..., None], view)[..., 0]
    outlined = main_part((page({"a": BLOCK}) != page()).any(axis=-1)[..., None], view)[..., 0]
    np.testing.assert_allclose(box_of(drawn), box_of(outlined), atol=2.0)
    assert 0.1 * outlined.sum() < drawn.sum() < 0.9 * outlined.sum()


def test_the_legend_names_the_kinds_of_prompts_that_were_given() -> None:
    box, inside = Box(k=8, i0=8, i1=23, j0=10, j1=29), Point(i=12, j=15, k=8)
    outside = Point(i=40, j=5, k=8, positive=False)
    colours = (PROMPT_COLOUR, POSITIVE_COLOUR, NEGATIVE_COLOUR)
    for prompts in ([], [box], [inside], [box, inside, outside]):
        shown = page(masks={"a": BLOCK}, prompts=prompts)
        legend = shown[legend_top(shown) :, 1032:1060]
        found = [bool(near(legend, colour).any()) for colour in colours]
        assert found == [box in prompts, inside in prompts, outside in prompts]


def legend_top(shown: np.ndarray) -> int:
    """The row above which the mosaic ends: the first empty one below its beginning."""
    empty = (shown[200:, 1032:1060] == shown[5, 5]).all(axis=(1, 2))
    runs = [n for n in range(len(empty) - 20) if empty[n : n + 20].all()]
    return 200 + runs[0]


def test_prompts_elsewhere_are_not_drawn_on_the_large_slice() -> None:
    view = main_view(SliceGrid.of(geometry(), Plane.AXIAL))
    elsewhere = [Box(k=9, i0=1, i1=5, j0=1, j1=5), Box(j=8, i0=1, i1=5, k0=1, k1=5), Point(i=1, j=1, k=7)]
    np.testing.assert_array_equal(main_part(page(prompts=elsewhere), view), main_part(page(), view))


@pytest.mark.parametrize("plane", list(Plane))
def test_a_cube_in_millimetres_is_square_on_the_page(plane: Plane) -> None:
    cube = block(slice(4, 10), slice(10, 25), slice(20, 40))  # 30 mm along each axis
    view = main_view(SliceGrid.of(geometry(), plane))
    shown = main_part(
        page(volume=volume_of(cube), plane=plane, index={"axial": 5, "coronal": 12, "sagittal": 22}[plane]), view
    )
    left, top, right, bottom = box_of(shown[60:-60, 60:-60, 0] > 127)
    assert right - left == pytest.approx(bottom - top, abs=3)
    assert right - left == pytest.approx(30 * view.px_per_mm(SliceGrid.of(geometry(), plane)), abs=3)


@pytest.mark.parametrize(("plane", "letters"), [("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI")])
def test_letters_stand_at_the_edges_they_name(
    plane: str, letters: str, written: dict[str, tuple[float, float]]
) -> None:
    page(plane=Plane(plane))
    left, right, top, bottom = (written[letter] for letter in letters)
    assert left[0] < top[0] == bottom[0] < right[0]
    assert top[1] < left[1] == right[1] < bottom[1]


def test_the_page_states_window_slice_position_scale_and_use(written: dict[str, tuple[float, float]]) -> None:
    page({"left kidney": BLOCK}, title="Case 7", footer="radsam-lite on openvino cpu bf16")
    assert "radsam-lite on openvino cpu bf16" in written
    line = next(text for text in written if text.startswith("Axial"))
    assert "slice k = 8 of 0 to 19" in line
    assert "S 52.5 mm" in line  # 12.5 + 8 × 5
    assert "CT, window -160 to 240 HU" in line
    assert {"Case 7", "left kidney", "28.8 ml", "20 mm", "Not for diagnostic use"} <= set(written)


def test_a_slice_below_the_origin_is_named_inferior(written: dict[str, tuple[float, float]]) -> None:
    page(volume=volume_of(BLOCK, geometry((1.0, 1.0, -1.0))))
    assert any("I 27.5 mm" in text for text in written)


def tiles(written: dict[str, tuple[float, float]]) -> list[int]:
    return [int(text[2:]) for text in written if text[:2] == "k " and text[2:].isdigit()]


def test_the_mosaic_spreads_over_the_bounds_and_shows_the_prompted_slice(
    written: dict[str, tuple[float, float]],
) -> None:
    page({"a": BLOCK}, bounds=Bounds(1, 19), index=9)
    shown = tiles(written)
    assert len(shown) == 16
    assert shown == sorted(shown)
    assert {1, 9, 19} <= set(shown)


def test_a_flat_object_is_shown_with_its_neighbours(written: dict[str, tuple[float, float]]) -> None:
    page({"a": block(slice(8, 9), slice(3, 9), slice(3, 9))})
    assert tiles(written) == list(range(4, 13))


def test_without_an_object_the_mosaic_shows_the_volume(written: dict[str, tuple[float, float]]) -> None:
    page({"nothing": np.zeros(SHAPE_KJI, dtype=bool)})
    assert (tiles(written)[0], tiles(written)[-1]) == (0, 19)
    assert "0.00 ml" in written


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 3, 1), (5, 1, 40), (3, 2, 300)])
@pytest.mark.parametrize("plane", list(Plane))
def test_tiny_and_thin_volumes_are_shown(shape: tuple[int, int, int], plane: Plane) -> None:
    hu = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    volume = Volume(hu, Geometry(shape, np.diag([0.5, 0.5, 9.0, 1.0])))
    full = np.ones(shape, dtype=bool)
    plain = page(volume=volume, plane=plane, index=0)
    assert (page({"a": full}, volume=volume, plane=plane, index=0) != plain).any()


def test_many_objects_with_long_names_stay_on_the_page(written: dict[str, tuple[float, float]]) -> None:
    many = {f"{n} très long name of a structure that does not end {'x' * 80}": BLOCK for n in range(60)}
    page(many, prompts=[Point(i=1, j=1, k=8)], title="T" * 400)
    more = next(text for text in written if text.startswith("and "))
    shown = sum("tres" in text for text in written)
    assert more == f"and {60 - shown} more"
    assert all(y < PAGE_SIZE[1] - 15 for _, y in written.values())
    assert all(len(text) < 120 for text in written)


def test_a_mask_on_another_grid_is_refused_by_name() -> None:
    with pytest.raises(GridMismatchError, match=r"mask 'spleen' is \(2, 2, 2\), the volume \(20, 48, 64\)"):
        page({"spleen": np.ones((2, 2, 2), dtype=bool)})


def test_an_empty_window_and_a_missing_slice_are_refused() -> None:
    with pytest.raises(PromptError, match="window 240 to -160 is empty"):
        page(window=(240.0, -160.0))
    with pytest.raises(PromptError, match="no axial slice 20"):
        page(index=20)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("plane", Plane)
def test_scribbles_and_lassos_are_drawn_where_their_pixels_are(plane: Plane, positive: bool) -> None:
    grid = SliceGrid.of(geometry(), plane)
    rows, cols = grid.shape_vu
    prompts = {
        "lasso": Lasso.on(grid, 5, [(2.0, 3.0), (cols / 2, 3.0), (cols / 2, rows - 2.0)], positive),
        "scribble": Scribble(voxels_ijk=(grid.join(5, 4, 2), grid.join(5, 4, rows - 3)), positive=positive),
    }
    for prompt in prompts.values():
        canvas = Image.new("RGB", (600, 600))
        view = Viewport.fit(grid, (0, 0, 600, 600))
        draw_prompt(canvas, view, grid, 4, prompt, 7.0)
        assert not np.asarray(canvas).any()  # another slice
        draw_prompt(canvas, view, grid, 5, prompt, 7.0)
        drawn = box_of(near(np.asarray(canvas).astype(int), prompt_colour(prompt), 120))
        xy = view.to_page(prompt_pixels(grid, prompt))
        expected = np.concatenate([xy.min(axis=0), xy.max(axis=0)])
        # A scribble is outlined around its pixels; lines are a few page pixels wide.
        pixel = max(view.width / grid.display_shape[1], view.height / grid.display_shape[0])
        assert np.abs(np.array(drawn) - expected).max() < pixel / 2 + 4
