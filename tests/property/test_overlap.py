"""Objects that overlap: label map, whole objects, counts and warnings, against a naive computation."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import fake_session
from phantoms import touching_balls
from radsam.session import CoveredVoxels, Overlap, OverlapWarning, Session
from radsam.volume import Geometry, Mask, SliceGrid

SCENE = touching_balls(Geometry.from_parts((5, 9, 8), (3.0, -7.0, 11.0), (2.0, 2.0, 3.0), np.diag([-1.0, 1.0, 1.0])))
SHAPE = SCENE.volume.geometry.shape_kji
ML = SCENE.volume.geometry.voxel_volume_mm3 / 1000
NAMES = ("liver", "tumour", "vessel", "cyst")
_WARNING = re.compile(
    r"'(\w+)' takes (\d+) voxels \((\S+) ml\) of '(\w+)': the label map holds (\S+) of its (\S+) ml\."
)


@dataclass(frozen=True)
class Drawn:
    """An object whose voxels fill a box, drawn by copying one slice to its neighbours."""

    name: str
    plane: str
    low_kji: tuple[int, int, int]
    high_kji: tuple[int, int, int]

    def voxels(self) -> np.ndarray:
        mask = np.zeros(SHAPE, bool)
        mask[tuple(slice(low, high + 1) for low, high in zip(self.low_kji, self.high_kji, strict=True))] = True
        return mask

    def draw(self, session: Session) -> None:
        grid = SliceGrid.of(session.volume.geometry, self.plane)
        low, high = self.low_kji[2 - grid.axis], self.high_kji[2 - grid.axis]
        prompt = Mask.on(grid, low, np.ascontiguousarray(grid.take(self.voxels(), low)))
        session.segment(prompt, bounds=(low, high), name=self.name, plane=self.plane, policy="copy")


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    ends = [sorted(draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2))) for size in SHAPE]
    plane = draw(st.sampled_from(["axial", "coronal", "sagittal"]))
    return Drawn(draw(st.sampled_from(NAMES)), plane, *zip(*ends, strict=True))  # type: ignore[arg-type]


def paint(order: list[str], wholes: dict[str, np.ndarray], ids: dict[str, int]) -> np.ndarray:
    painted = np.zeros(SHAPE, np.uint8)
    for name in order:
        painted[wholes[name]] = ids[name]
    return painted


@settings(max_examples=25)
@given(st.lists(drawn(), min_size=1, max_size=5), st.sampled_from([None, *Overlap]), st.data())
def test_label_map_whole_objects_and_counts_agree_with_a_naive_computation(
    objects: list[Drawn], overlap: Overlap | None, data: st.DataObject
) -> None:
    session = fake_session(SCENE.volume)
    if overlap is not None:
        session.overlap = overlap
    for each in objects:
        before = {(one.name, one.by): one.voxels for one in session.covered}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", OverlapWarning)
            each.draw(session)
    wholes = {each.name: each.voxels() for each in objects}  # the last of each name counts
    first = list(dict.fromkeys(each.name for each in objects))
    last = list(dict.fromkeys(each.name for each in reversed(objects)))[::-1]
    ids = {name: number for number, name in enumerate(first, start=1)}
    order = first[::-1] if overlap is Overlap.KEEP_FIRST else last
    expected = paint(order, wholes, ids)

    labels = session.labels
    np.testing.assert_array_equal(labels.ids, expected)
    exclusive = overlap in (Overlap.LAST_WINS, Overlap.KEEP_FIRST)
    counts = {
        (name, by): int((wholes[name] & (expected == ids[by])).sum()) for name in first for by in first if name != by
    }
    for name in first:
        np.testing.assert_array_equal(session.mask(name, whole=True), wholes[name])
        np.testing.assert_array_equal(session.mask(name), expected == ids[name])
        assert session.objects[name].whole_voxels == wholes[name].sum()
        held = expected == ids[name] if exclusive else wholes[name]
        np.testing.assert_array_equal(labels.mask(ids[name]), held)
        for k in range(SHAPE[0]):
            np.testing.assert_array_equal(labels.slice_mask(ids[name], k), held[k])
    assert labels.present_ids == sorted(ids[name] for name in first if labels.mask(ids[name]).any())
    assert labels.keep_both is (overlap is Overlap.KEEP_BOTH)
    assert {(one.name, one.by): one.voxels for one in session.covered} == {
        pair: count for pair, count in counts.items() if count
    }

    reported = {}
    for text in (str(each.message) for each in caught if each.category is OverlapWarning):
        by, voxels, ml, name, left, whole = _WARNING.match(text).groups()  # type: ignore[union-attr]
        reported[name, by] = int(voxels)
        sizes = int(voxels), (expected == ids[name]).sum(), wholes[name].sum()
        assert (ml, left, whole) == tuple(f"{size * ML:.3f}" for size in sizes)
    grown = {pair: count for pair, count in counts.items() if count > before.get(pair, 0)}
    assert reported == ({} if overlap is Overlap.KEEP_BOTH else grown)

    some = data.draw(st.sets(st.sampled_from(first)))
    chosen = labels.select([ids[name] for name in some])
    assert set(chosen.names.values()) == some
    if exclusive:
        np.testing.assert_array_equal(chosen.ids, np.where(np.isin(expected, list(chosen.names)), expected, 0))
    else:
        np.testing.assert_array_equal(chosen.ids, paint([name for name in order if name in some], wholes, ids))
        for name in some:
            np.testing.assert_array_equal(chosen.mask(ids[name]), wholes[name])


def test_a_locked_object_is_whole_beside_the_label_map() -> None:
    session = fake_session(SCENE.volume)
    Drawn("liver", "axial", (0, 0, 0), (3, 7, 7)).draw(session)
    session.lock("liver")
    with pytest.warns(OverlapWarning, match=r"'liver' takes 18 voxels .* of 'tumour'"):
        Drawn("tumour", "axial", (1, 2, 2), (2, 4, 4)).draw(session)
    assert [(each.name, each.by, each.voxels) for each in session.covered] == [("tumour", "liver", 18)]
    assert not session.mask("tumour").any()
    assert session.labels.mask(2).sum() == 18


def test_voxels_that_a_lock_leaves_to_nobody_are_reported() -> None:
    session = fake_session(SCENE.volume)
    Drawn("liver", "axial", (0, 0, 0), (3, 7, 7)).draw(session)
    with pytest.warns(OverlapWarning, match=r"'tumour' takes 18 voxels .* of 'liver'"):
        Drawn("tumour", "axial", (1, 2, 2), (2, 4, 4)).draw(session)
    session.lock("liver")
    with pytest.warns(OverlapWarning, match="18 voxels of 'liver' belong to no object"):
        session.remove("tumour")
    assert session.covered == (CoveredVoxels("liver", "", 18),)
    assert session.mask("liver", whole=True).sum() - session.mask("liver").sum() == 18
    assert session.labels.mask(1).sum() == session.mask("liver", whole=True).sum()
