"""Do mask revisions follow the label map after every kind of edit, in every plane?"""

from __future__ import annotations

import numpy as np
import pytest

from fakes import fake_session
from phantoms import touching_balls
from radsam.server.mask_revisions import MaskRevisions
from radsam.volume import LabelVolume, Plane, Point, SliceGrid
from servers import unpack

PLANES = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)


@pytest.mark.filterwarnings("ignore:The model did not follow", "ignore::radsam.OverlapWarning")
@pytest.mark.parametrize("second_plane", PLANES)
def test_all_revisions_together_are_the_label_map(second_plane: Plane) -> None:
    scene = touching_balls("oblique")
    session = fake_session(scene.volume)
    mask_revisions, seen, revision = MaskRevisions(), {}, 0
    centres = {
        name: [round(float(each)) for each in np.argwhere(truth).mean(axis=0)] for name, truth in scene.truths.items()
    }
    (rk, rj, ri), (lk, lj, li) = centres["right"], centres["left"]
    steps = [
        lambda: session.segment(Point(i=ri, j=rj, k=rk), name="right"),
        lambda: session.segment(Point(i=li, j=lj, k=lk), name="left", plane=second_plane),
        lambda: session.correct(Point(i=ri, j=rj, k=rk, positive=False), name="right"),
        lambda: session.lock("left"),
        lambda: session.segment(Point(i=ri, j=rj, k=rk), name="third", plane="sagittal"),
        lambda: session.remove("right"),
        session.undo,
        session.undo,
        session.undo,
        session.undo,
        session.undo,
        session.undo,
        session.redo,
    ]
    for step in steps:
        step()
        changed = mask_revisions.update(session.label_map, session.objects)
        now, slices = unpack(mask_revisions.since(revision))
        assert (now > revision) == changed == bool(slices)
        revision, seen = now, seen | slices
        _check(seen, session.labels)
    assert unpack(mask_revisions.since(revision))[1] == {}
    everything = unpack(mask_revisions.since(0))[1]
    assert all(np.array_equal(everything[place], mask) for place, mask in seen.items())
    assert set(unpack(mask_revisions.since(10**6))[1]) == set(everything)  # an unknown revision


def _check(seen: dict, labels: LabelVolume) -> None:
    painted = np.zeros_like(labels.ids)
    for (number, plane, index), mask in seen.items():
        SliceGrid.of(labels.geometry, PLANES[plane]).take(painted, index)[mask] = number
    np.testing.assert_array_equal(painted, labels.ids)
