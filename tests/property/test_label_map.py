"""The label map, composed slice by slice from edit to edit, against one that composes every array anew."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import fake_session
from phantoms import touching_balls
from radsam.errors import SessionError
from radsam.server.mask_revisions import MaskRevisions
from radsam.session import CoveredVoxels, Overlap, Session
from radsam.session.compose import Claim, compose_slice, painting_order
from radsam.session.edit import Edit
from radsam.session.history import edits_of, locks_of, present_objects
from radsam.session.object_ids import object_ids
from radsam.session.replay import Replayer
from radsam.volume import Geometry, Mask, Plane, RunMask, SliceGrid
from servers import unpack

pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")

#: Stored so that no axis is k of the patient: i runs to the feet, j to the right, k to the back.
GEOMETRY = Geometry.from_parts(
    (4, 6, 5), (3.0, -7.0, 11.0), (3.0, 2.0, 1.0), np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
)
SCENE = touching_balls(GEOMETRY)
PLANES = tuple(Plane)
NAMES = st.sampled_from(["liver", "tumour", "vessel"])


def naive_ids(edits: Sequence[Edit], replayer: Replayer) -> np.ndarray:
    """Paint the objects one over another into a whole array; locked ones get what such an array gave them before."""
    numbers, locks = object_ids(edits), locks_of(edits)
    ids = np.zeros(GEOMETRY.shape_kji, np.uint16)
    for name in painting_order(edits):
        if name not in locks:
            ids[whole(edits, name, replayer)] = numbers[name]
    for name, at in locks.items():
        ids[naive_ids(edits[:at], replayer) == object_ids(edits[:at])[name]] = numbers[name]
    return ids


def whole(edits: Sequence[Edit], name: str, replayer: Replayer) -> np.ndarray:
    mask = np.zeros(GEOMETRY.shape_kji, bool)
    result = replayer.result(edits_of(edits, name))
    for index, slice_mask in result.slice_masks.items():
        result.grid.put(mask, index, slice_mask.mask.decode())
    return mask


def naive_covered(ids: np.ndarray, edits: Sequence[Edit], replayer: Replayer) -> list[CoveredVoxels]:
    numbers = object_ids(edits)
    names = {number: name for name, number in numbers.items()} | {0: ""}
    counts = []
    for name in sorted(present_objects(edits), key=numbers.__getitem__):
        owners = ids[whole(edits, name, replayer) & (ids != numbers[name])]
        for by, voxels in zip(*np.unique(owners, return_counts=True), strict=True):
            counts.append(CoveredVoxels(name, names[by], int(voxels)))
    return counts


@st.composite
def masks(draw: st.DrawFn) -> tuple[Plane, Mask, tuple[int, int]]:
    """Any voxels of a slice, and the slices that they are copied to."""
    grid = SliceGrid.of(GEOMETRY, draw(st.sampled_from(PLANES)))
    low, high = sorted(draw(st.lists(st.integers(0, grid.count - 1), min_size=2, max_size=2)))
    bits = draw(st.integers(1, 2 ** (grid.shape_vu[0] * grid.shape_vu[1]) - 1))
    pixels = [bits >> number & 1 for number in range(grid.shape_vu[0] * grid.shape_vu[1])]
    return grid.plane, Mask.on(grid, low, np.array(pixels, bool).reshape(grid.shape_vu)), (low, high)


EDITS = st.one_of(
    st.tuples(st.just("draw"), NAMES, masks()),
    st.tuples(st.just("draw"), NAMES, masks()),
    st.tuples(st.sampled_from(["lock", "unlock", "remove"]), NAMES, st.none()),
    st.tuples(st.sampled_from(["undo", "redo"]), st.none(), st.none()),
    st.tuples(st.just("overlap"), st.sampled_from(list(Overlap)), st.none()),
    st.tuples(st.just("order"), st.lists(NAMES, unique=True), st.none()),
    st.tuples(st.just("id"), NAMES, st.sampled_from([1, 2, 3, 200, 300])),
)


def do(session: Session, kind: str, what: Any, drawn: Any) -> None:
    """Do an edit, or nothing where it is not possible."""
    try:
        match kind:
            case "draw":
                plane, mask, bounds = drawn
                session.segment(mask, bounds=bounds, name=what, plane=plane, policy="copy")
            case "lock" | "unlock":
                session.lock(what, kind == "lock")
            case "remove":
                session.remove(what)
            case "overlap":
                session.overlap = what
            case "order":
                session.order(*what)
            case "id":
                session.set_id(what, drawn)
            case _:
                getattr(session, kind)()
    except SessionError:
        pass


@settings(max_examples=25)
@given(st.lists(EDITS, min_size=1, max_size=12))
def test_after_every_edit_it_is_the_naive_label_map(edits: list[tuple[str, Any, Any]]) -> None:
    session = fake_session(SCENE.volume)
    revisions, seen, revision = MaskRevisions(), {}, 0
    for edit in edits:
        earlier = session.labels.ids
        kept = earlier.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            do(session, *edit)
        done = session.history.done
        expected = naive_ids(done, session._replayer)
        np.testing.assert_array_equal(session.labels.ids, expected)
        assert list(session.covered) == naive_covered(expected, done, session._replayer)
        for name, shown in session.objects.items():
            np.testing.assert_array_equal(session.mask(name), expected == shown.id)
        np.testing.assert_array_equal(earlier, kept)  # an array that was handed out does not change

        changed = revisions.update(session.label_map, session.objects)
        now, slices = unpack(revisions.since(revision))
        assert (now > revision) == changed == bool(slices)
        revision, seen = now, seen | slices
        painted = np.zeros_like(expected)
        for (number, plane, index), mask in seen.items():
            SliceGrid.of(GEOMETRY, PLANES[plane]).take(painted, index)[mask] = number
        np.testing.assert_array_equal(painted, expected)
        assert sum(revisions.voxels().values()) == np.count_nonzero(expected)


def test_an_edit_composes_only_the_slices_that_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    from radsam.session import label_map

    session = fake_session(SCENE.volume)
    composed = []
    plain = label_map.compose_slice
    monkeypatch.setattr(label_map, "compose_slice", lambda claims: composed.append(claims) or plain(claims))
    grids = {grid.axis: grid for grid in (SliceGrid.of(GEOMETRY, plane) for plane in PLANES)}

    def drawn(name: str, axis: int, rows: int, low: int, high: int) -> int:
        pixels = np.zeros(grids[axis].shape_vu, bool)
        pixels[:rows] = True
        composed.clear()
        prompt = Mask.on(grids[axis], low, pixels)
        session.segment(prompt, bounds=(low, high), name=name, plane=grids[axis].plane, policy="copy")
        assert session.labels.ids.any()
        return len(composed)

    assert drawn("liver", 2, 3, 0, 3) == 4
    assert drawn("tumour", 2, 2, 1, 2) == 2
    before = session.label_map.slices
    assert drawn("tumour", 2, 2, 1, 3) == 1  # longer by a slice; the others have equal masks
    assert session.label_map.slices[:3] == before[:3]
    assert drawn("vessel", 1, 3, 2, 2) == 3  # of another plane: rows 0 to 2 of it are slices 0 to 2
    assert drawn("vessel", 1, 3, 2, 3) == 3
    assert drawn("vessel", 1, 4, 2, 3) == 1
    session.undo()
    composed.clear()
    assert session.covered
    assert len(composed) == 1


def test_locks_depend_on_earlier_ones_and_are_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composed anew each time, every further lock would double the work."""
    from radsam.session import label_map

    first = fake_session(SCENE.volume)
    for number in range(8):
        pixels = np.zeros((6, 5), bool)
        pixels.reshape(-1)[number] = True
        first.segment(Mask(pixels=pixels, k=3), bounds=(3, 3), name=str(number), policy="copy", plane="coronal")
        first.lock(str(number))
    composed = []
    plain = label_map.compose_slice
    monkeypatch.setattr(label_map, "compose_slice", lambda claims: composed.append(claims) or plain(claims))
    session = fake_session(SCENE.volume)
    session.restore(first.history, first.known_results())
    np.testing.assert_array_equal(session.labels.ids, first.labels.ids)
    assert len(composed) == 9  # once before each lock, and once at the end


def test_only_slices_on_which_objects_overlap_are_composed_again_in_another_order() -> None:
    shape = (4, 5)
    low, high = np.zeros(shape, bool), np.zeros(shape, bool)
    low[:2, 1:4], high[3, 2:] = True, True
    apart = [Claim("liver", RunMask.encode(low)), Claim("vessel", RunMask.encode(high))]
    high[1, 2:] = True
    over = [Claim("liver", RunMask.encode(low)), Claim("vessel", RunMask.encode(high))]
    assert compose_slice(apart).holds(apart[::-1])
    assert compose_slice(over).holds(over)
    assert not compose_slice(over).holds(over[::-1])
    assert not compose_slice(apart).holds(apart[:1])
    assert not compose_slice(apart).holds(over)
