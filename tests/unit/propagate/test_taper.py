from __future__ import annotations

import numpy as np
import pytest

from fakes import fake_spec
from radsam.predictor import SliceMask, SlicePrompt
from radsam.propagate import PropagationPlan, SliceDone, propagate
from radsam.propagate.propagation_step import MaskStep
from radsam.propagate.taper import Taper, thinned
from radsam.volume import Bounds, RunMask

COUNT = 30


def disk(radius: float, shape: tuple[int, int] = (60, 60), centre: tuple[float, float] = (30, 30)) -> RunMask:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return RunMask.encode((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2)


def propagated_areas(start: int, bounds: Bounds | None, taper: float) -> dict[int, int]:
    """Areas by slice of a model that repeats what it is shown."""
    first = SliceMask(start, disk(20), 1.0)

    def repeats(index: int, prompt: SlicePrompt) -> SliceMask:
        assert prompt.mask is not None
        return SliceMask(index, prompt.mask, 1.0)

    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    thins = Taper(start, low, high, COUNT, taper)
    plan = PropagationPlan(first, COUNT, bounds=bounds, taper=thins)
    records = propagate(plan, MaskStep(fake_spec(), repeats, "mask", first.mask.shape))
    return {each.slice_mask.index: each.slice_mask.mask.area for each in records if isinstance(each, SliceDone)}


def test_a_repeated_disk_becomes_the_ellipsoid_between_start_and_bounds() -> None:
    areas = propagated_areas(14, Bounds(5, 23), 1.0)
    for index, area in areas.items():
        way = (index - 14) / 10
        assert area == pytest.approx(areas[14] * (1 - way * way), rel=0.1), index
    assert areas[13] == areas[15]


def test_strength_stands_between_cylinder_and_ellipsoid() -> None:
    cylinder, half, ellipsoid = (propagated_areas(14, Bounds(5, 23), taper)[22] for taper in (0.0, 0.5, 1.0))
    assert cylinder > half > ellipsoid > 0
    assert cylinder == propagated_areas(14, Bounds(5, 23), 0.0)[14]


def test_nothing_gets_thinner_without_bounds_or_where_the_volume_ends() -> None:
    assert len(set(propagated_areas(14, None, 1.0).values())) == 1
    areas = propagated_areas(14, Bounds(0, 23), 1.0)
    assert areas[0] == areas[14]
    assert areas[23] < areas[14] / 2


def test_a_mask_that_comes_from_further_away_loses_as_much_as_on_the_way() -> None:
    taper = Taper(start=10, low=2, high=20, slice_count=COUNT, strength=1.0)
    assert taper.share(12, 15) == pytest.approx(taper.share(12, 13) * taper.share(13, 14) * taper.share(14, 15))
    assert taper.share(15, 12) == 1.0, "towards the start nothing is lost"


def test_thinning_takes_the_edge_all_around_and_leaves_something() -> None:
    whole, thin = disk(20), thinned(disk(20), 0.5)
    assert thin.area == pytest.approx(0.5 * whole.area, rel=0.02)
    rows, cols = np.nonzero(thin.decode())
    assert (rows.mean(), cols.mean()) == (30.0, 30.0)
    assert thinned(disk(1), 0.01).area >= 1
    assert thinned(whole, 1.0) == whole
    empty = RunMask.encode(np.zeros((9, 9), bool))
    assert thinned(empty, 0.5) == empty
    at_border = thinned(disk(20, centre=(0, 30)), 0.5).decode()
    assert not at_border[0, 30 - 20], "the border of the image is an edge too"
