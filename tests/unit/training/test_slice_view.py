from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from radsam.preprocess import Window
from radsam.training.slice_view import AIR_HU, View

WHOLE = View.whole((30, 40), 2.0, 1.0, Window(-160.0, 240.0))


def test_the_whole_view_changes_nothing() -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, (30, 40), dtype=np.int16)
    np.testing.assert_array_equal(WHOLE.values(hu, np.random.default_rng(0)), hu)
    assert WHOLE.ids(hu.astype(np.uint16)).dtype == np.uint16


def test_a_crop_beyond_the_edge_shows_air() -> None:
    hu = np.arange(1200, dtype=np.int16).reshape(30, 40)
    view = replace(WHOLE, rows=5, cols=6, centre_row=0.0, centre_col=38.5)
    seen = view.values(hu, np.random.default_rng(0))
    np.testing.assert_array_equal(seen[2:, :4], hu[:3, 36:])
    assert (seen[:2] == AIR_HU).all()
    assert (seen[:, 4:] == AIR_HU).all()


@pytest.mark.parametrize("shear", [0.0, 0.1])
def test_image_and_objects_are_turned_alike(shear: float) -> None:
    ids = np.zeros((30, 40), np.uint8)
    ids[4:9, 25:34] = 3
    hu = np.where(ids > 0, 500, 0).astype(np.int16)
    view = replace(WHOLE, angle_deg=20.0, shear=shear)
    seen, turned = view.values(hu, np.random.default_rng(0)), view.ids(ids)
    assert set(np.unique(turned)) == {0, 3}
    assert (turned > 0).sum() == pytest.approx(45, abs=6)
    np.testing.assert_allclose(center_of_mass(seen > 250), center_of_mass(turned > 0), atol=0.3)
    assert abs(center_of_mass(turned > 0)[0] - 6) > 1, "it was turned at all"


def test_a_turn_is_one_of_millimetres_not_of_pixels() -> None:
    # A square of 20 mm, in pixels of 2 × 1 mm, stays a square of 20 mm after a quarter turn.
    ids = np.zeros((30, 40), np.uint8)
    ids[10:20, 10:30] = 1
    turned = replace(WHOLE, angle_deg=90.0).ids(ids)
    rows, cols = np.flatnonzero(turned.any(axis=1)), np.flatnonzero(turned.any(axis=0))
    assert (len(rows), len(cols)) == pytest.approx((10, 20), abs=1)


def test_a_pixel_of_1024_is_smaller_in_a_closer_view() -> None:
    # The whole slice is 60 mm high in pixels of at least 1 mm.
    assert WHOLE.unit_px == pytest.approx(60 / 1024)
    assert replace(WHOLE, rows=15, cols=20).unit_px == pytest.approx(30 / 1024)


def test_the_identity_of_a_view_of_a_ct_is_as_before_it_could_be_an_mr() -> None:
    start = "View(rows=30, cols=40, row_mm=2.0, col_mm=1.0, centre_row=14.5, centre_col=19.5, angle_deg=0.0, shear=0.0,"
    assert WHOLE.identity == f"{start} window_hu=(-160.0, 240.0), noise_hu=0.0)"
    assert replace(WHOLE, outside=0.0).identity == f"{start} window_hu=(-160.0, 240.0), noise_hu=0.0, outside=0.0)"


def test_noise_is_repeatable() -> None:
    view = replace(WHOLE, noise=10.0)
    hu = np.zeros((30, 40), np.int16)
    one, two = (view.values(hu, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.std() == pytest.approx(10, rel=0.2)
