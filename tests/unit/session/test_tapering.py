"""Does the mask that goes to the next slice get thinner towards the bounds, and only where it should?"""

from __future__ import annotations

import numpy as np
import pytest

from fakes import FakeBackend, fake_session, fake_spec
from phantoms import ORIGIN_LPS, Scene, ball, tube
from radsam.session import CapabilityWarning
from radsam.volume import Box, Geometry, Point

GRID = Geometry.from_parts((24, 96, 96), ORIGIN_LPS, (1.0, 1.0, 1.0), np.eye(3))
SCENE = ball(GRID, radius_mm=9.0)
BOX = Box(k=12, i0=38, j0=38, i1=57, j1=57)
BOUNDS = (4, 20)


def mask_prompts(scene: Scene = SCENE, box: Box = BOX, bounds: object = BOUNDS, **settings: object) -> list[int]:
    """Areas of the mask prompts of a propagation, low-res, in the order of its predictions."""
    backend = FakeBackend(fake_spec(taper=settings.pop("taper", 1.0)))
    fake_session(scene.volume, backend).segment(box, bounds=bounds, **settings)  # type: ignore[arg-type]
    return [int(each.mask.sum()) for each in backend.prompts if each.mask is not None]


def test_masks_are_passed_on_thinner_by_a_model_that_learned_it() -> None:
    thin, whole = mask_prompts(), mask_prompts(taper=0.0)
    assert len(thin) == len(whole) == 16
    assert sum(thin) < 0.95 * sum(whole)
    assert thin[-1] < 0.75 * whole[-1], "most of all at the end"


@pytest.mark.parametrize("settings", [{"policy": "box"}, {"bounds": None}, {"bounds": (0, 23)}])
def test_boxes_and_masks_without_an_end_are_passed_on_as_they_are(settings: dict[str, object]) -> None:
    assert mask_prompts(**settings) == mask_prompts(taper=0.0, **settings)  # type: ignore[arg-type]


def test_a_long_tube_does_not_get_thinner() -> None:
    scene = tube(GRID, radius_mm=2.0)
    k = 12
    rows, cols = np.nonzero(scene.truth[k])
    box = Box(k=k, i0=int(cols.min()), i1=int(cols.max()), j0=int(rows.min()), j1=int(rows.max()))
    assert mask_prompts(scene, box, (1, 22)) == mask_prompts(scene, box, (1, 22), taper=0.0)


def test_a_correction_tapers_from_the_prompt_and_not_from_itself() -> None:
    backend = FakeBackend(fake_spec(taper=1.0))
    session = fake_session(SCENE.volume, backend)
    session.segment(BOX, bounds=BOUNDS)
    before = len(backend.prompts)
    with pytest.warns(CapabilityWarning, match="did not follow"):
        session.correct(Point(i=60, j=47, k=16))
    masks = [each.mask for each in backend.prompts[before:] if each.mask is not None and not len(each.point_labels)]
    inwards, outwards = (float(mask.sum()) for mask in masks[:2])
    # From slice 12 to one past the bound, 21, the ellipse loses this much from slice 16 to 17; inwards nothing.
    lost = (1 - (5 / 9) ** 2) / (1 - (4 / 9) ** 2)
    assert outwards / inwards == pytest.approx(lost, rel=0.1)
