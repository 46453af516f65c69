"""An edit that claims voxels of another object says that it does not get them, and why."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import fake_session
from phantoms import ball
from radsam.session import Overlap, OverlapWarning, Session
from radsam.volume import Mask, Point

SCENE = ball("flipped")
SHAPE_JI = SCENE.volume.geometry.shape_kji[1:]


def draw(session: Session, name: str, rows: slice, *, plane: str = "axial") -> None:
    pixels = np.zeros(SHAPE_JI, bool)
    pixels[rows, 3:9] = True
    session.segment(Mask(pixels=pixels, k=4), bounds=(4, 4), name=name, policy="copy", plane=plane)


@pytest.fixture
def session() -> Session:
    session = fake_session(SCENE.volume)
    draw(session, "liver", slice(2, 6))
    return session


def keep_first(session: Session) -> None:
    session.overlap = Overlap.KEEP_FIRST


CASES = {
    "locked": (lambda session: session.lock("liver"), "'liver' is locked"),
    "first": (keep_first, r"'liver' was started first \(keep first\)"),
    "order": (lambda session: session.order("liver"), "'liver' comes first in the priority order"),
}


@pytest.mark.parametrize("case", list(CASES))
def test_voxels_that_another_object_keeps_are_named_with_the_reason(session: Session, case: str) -> None:
    arrange, reason = CASES[case]
    arrange(session)
    with pytest.warns(OverlapWarning, match=rf"{reason}, so this edit of 'tumour' gets none of them"):
        draw(session, "tumour", slice(4, 8))
    assert session.outcome is not None
    shown = session.outcome.to_dict(0.001)
    assert (shown["refused_by"], shown["refused_why"], shown["taken_from"]) == ({"liver": 12}, {"liver": case}, {})
    assert (shown["added"], shown["taken"]) == (24, 0)


@pytest.mark.filterwarnings("ignore::radsam.CapabilityWarning", "ignore:.* takes .*:radsam.OverlapWarning")
@pytest.mark.parametrize("case", list(CASES))
def test_a_click_inside_such_an_object_is_named(session: Session, case: str) -> None:
    draw(session, "tumour", slice(8, 12))
    arrange, reason = CASES[case]
    arrange(session)
    inside = rf"The click \(4, 3, 4\) on 'tumour' lies inside 'liver', which keeps its voxels: {reason}"
    with pytest.warns(OverlapWarning, match=inside):
        session.correct(Point(i=4, j=3, k=4), name="tumour")
    assert session.label_map.owner((4, 3, 4)) == "liver"


def test_nothing_is_refused_where_the_last_one_wins_or_both_keep(session: Session) -> None:
    with pytest.warns(OverlapWarning) as caught:
        draw(session, "tumour", slice(4, 8))
    assert ["none of them" in str(each.message) for each in caught] == [False]
    assert session.outcome is not None
    assert (session.outcome.taken_from, session.outcome.refused_by) == ({"liver": 12}, {})
    session.overlap = Overlap.KEEP_BOTH
    draw(session, "cyst", slice(3, 5))


@pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")
def test_an_object_that_starts_again_in_another_plane_is_compared_voxel_by_voxel(session: Session) -> None:
    grid_mask = session.mask("liver", whole=True)
    coronal = np.ascontiguousarray(grid_mask[:, 3, :])
    session.segment(Mask(pixels=coronal, j=3), bounds=(2, 3), name="liver", policy="copy", plane="coronal")
    assert session.outcome is not None
    assert (session.outcome.slices, session.outcome.added, session.outcome.taken) == ((4, 5), 0, 12)
