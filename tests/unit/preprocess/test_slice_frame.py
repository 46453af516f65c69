from __future__ import annotations

import numpy as np
import pytest

from radsam.preprocess import Normalisation, SliceFrame, Window
from radsam.volume import Geometry, SliceGrid

NORMALISATION = Normalisation(Window(0.0, 100.0))


def frame_of(
    shape_kji: tuple[int, int, int] = (2, 6, 8),
    spacing_mm_ijk: tuple[float, float, float] = (1.0, 1.0, 1.0),
    plane: str = "axial",
    input_size: int = 64,
    low_res_size: int = 32,
) -> SliceFrame:
    geometry = Geometry.from_parts(shape_kji, (0.0, 0.0, 0.0), spacing_mm_ijk, np.eye(3))
    return SliceFrame(SliceGrid.of(geometry, plane), input_size, low_res_size)


@pytest.mark.parametrize(
    ("frame", "content"),
    [
        (frame_of((2, 8, 8)), (64, 64)),
        (frame_of((2, 6, 8)), (48, 64)),
        (frame_of((2, 8, 6)), (64, 48)),
        # 10 slices of 5 mm and 100 columns of 0.5 mm are a square of 50 mm.
        (frame_of((10, 7, 100), (0.5, 0.5, 5.0), "coronal"), (64, 64)),
        (frame_of((10, 100, 7), (0.5, 0.25, 5.0), "sagittal"), (64, 32)),
        # 5.33 rows of low-res pixels: whole ones, so that an image and its mask are cut at the same place.
        (frame_of((2, 4, 24)), (10, 64)),
        (frame_of((1, 7, 100), plane="coronal"), (2, 64)),
    ],
)
def test_the_longer_side_in_millimetres_fills_the_frame(frame: SliceFrame, content: tuple[int, int]) -> None:
    assert frame.content_shape == content


@pytest.mark.parametrize("error", [-1e-7, 0.0, 1e-7])
def test_a_side_of_half_a_low_res_pixel_is_rounded_the_same_for_every_file_format(error: float) -> None:
    # 31 of 64 columns are 15.5 of 32 low-res pixels; NIfTI keeps its spacing in single precision.
    assert frame_of((2, 31, 64), (1.0, 1.0 + error, 1.0)).content_shape == (32, 64)


def test_padding_is_at_the_right_and_the_bottom_and_is_zero_after_normalisation() -> None:
    normalisation = Normalisation(Window(0.0, 100.0), pixel_mean=(0.5, 0.4, 0.3), pixel_std=(0.2, 0.25, 0.5))
    image = frame_of((2, 6, 8)).image(np.full((6, 8), 90, np.int16), normalisation)
    assert image.shape == (3, 64, 64)
    assert not image[:, 48:].any()
    for channel, expected in enumerate([(0.9 - 0.5) / 0.2, (0.9 - 0.4) / 0.25, (0.9 - 0.3) / 0.5]):
        np.testing.assert_allclose(image[channel, :48], expected, rtol=1e-5)


def test_the_image_is_turned_to_the_radiological_display() -> None:
    frame = frame_of((6, 2, 8), plane="coronal")
    slice_vu = np.zeros((6, 8), np.int16)
    slice_vu[5, 0] = 100  # the highest slice, at the patient's right
    image = frame.image(slice_vu, NORMALISATION)[0]
    assert np.unravel_index(image.argmax(), image.shape) < (8, 8)
    assert image[:4, :4].min() > 0.9


def test_shrinking_does_not_alias() -> None:
    checkers = (np.indices((256, 256)).sum(axis=0) % 2 * 100).astype(np.int16)
    image = frame_of((2, 256, 256), input_size=64).image(checkers, NORMALISATION)
    np.testing.assert_allclose(image[:, 2:-2, 2:-2], 0.5, atol=0.02)


def test_pixel_centres_land_where_their_pixels_do() -> None:
    frame = frame_of((2, 6, 8))  # eight times as large: pixel 0 covers 0 to 7
    np.testing.assert_allclose(
        frame.points_to_frame(np.array([[0.0, 0.0], [7.0, 5.0], [3.0, 2.0]])), [[3.5, 3.5], [59.5, 43.5], [27.5, 19.5]]
    )
    np.testing.assert_allclose(frame.box_to_frame((0, 0, 7, 5)), [[-0.5, -0.5], [63.5, 47.5]])
    np.testing.assert_allclose(frame.box_to_frame((1, 2, 3, 4)), [[7.5, 15.5], [31.5, 39.5]])


def test_no_points_stay_no_points() -> None:
    frame = frame_of()
    assert frame.points_to_frame(np.empty((0, 2))).shape == (0, 2)
    assert frame.points_from_frame(np.empty((0, 2))).shape == (0, 2)


def test_a_low_res_mask_is_0_or_1_and_cut_at_the_edge_of_its_pixels() -> None:
    mask = np.zeros((6, 8), bool)
    mask[:4] = True
    low_res = frame_of().mask_to_frame(mask)
    assert low_res.dtype == np.float32
    np.testing.assert_array_equal(low_res, np.repeat([1.0, 0.0], 16)[:, None] * np.ones(32))


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("at", range(4))
def test_a_small_mask_does_not_vanish_between_low_res_pixels(size: int, at: int) -> None:
    frame = frame_of((2, 128, 128))
    mask = np.zeros((128, 128), bool)
    mask[40 + at : 40 + at + size, 60 + at : 60 + at + size] = True
    rows, cols = np.nonzero(frame.mask_to_frame(mask))
    assert 1 <= rows.size <= 4
    assert abs(rows.mean() * 4 + 1.5 - (40 + at)) <= 3
    assert abs(cols.mean() * 4 + 1.5 - (60 + at)) <= 3


def test_an_empty_mask_stays_empty() -> None:
    assert not frame_of().mask_to_frame(np.zeros((6, 8), bool)).any()


def test_logits_in_the_padding_do_not_reach_the_slice() -> None:
    frame = frame_of((2, 6, 8))
    low_res = np.full((32, 32), 5.0, np.float32)
    low_res[:24] = -5.0
    assert (frame.logits_to_slice(low_res) == -5.0).all()
