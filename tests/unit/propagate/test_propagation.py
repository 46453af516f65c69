from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from fakes import FakeBackend, fake_session, fake_spec
from phantoms import GRIDS, ball, tube
from radsam.metrics import dice
from radsam.predictor import SliceMask, SlicePrompt
from radsam.propagate import EndReason, PropagationPlan, SideDone, SliceDone, StopRule, propagate
from radsam.propagate.propagation import Record
from radsam.propagate.propagation_step import CorrectedSlice, MaskStep
from radsam.volume import Bounds, Box, Plane, RunMask, SliceGrid

SHAPE = (6, 10)
COUNT = 12


def square(columns: int = 4, at: int = 2) -> RunMask:
    pixels = np.zeros(SHAPE, bool)
    pixels[1:5, at : at + columns] = True
    return RunMask.encode(pixels)


EMPTY = RunMask.encode(np.zeros(SHAPE, bool))


class Script:
    """A model that predicts each slice as written, else the same square; it notes its prompts."""

    def __init__(
        self, scores: dict[int, float] | None = None, presence: dict[int, float] | None = None, **masks: RunMask
    ) -> None:
        self.masks = {int(name[1:]): mask for name, mask in masks.items()}
        self.scores = scores or {}
        self.presence = presence or {}
        self.prompts: list[tuple[int, SlicePrompt]] = []

    def __call__(self, index: int, prompt: SlicePrompt) -> SliceMask:
        self.prompts.append((index, prompt))
        mask, score = self.masks.get(index, square()), self.scores.get(index, 0.9)
        return SliceMask(index, mask, score, self.presence.get(index))

    @property
    def indices(self) -> list[int]:
        return [index for index, _ in self.prompts]

    def propagate(
        self,
        start: int = 5,
        *,
        mask: RunMask | None = None,
        policy: str = "mask",
        bounds: Bounds | None = None,
        user_prompts: dict[int, SlicePrompt] | None = None,
    ) -> list[Record]:
        first = SliceMask(start, square() if mask is None else mask, 0.9)
        rule = StopRule(prior=0.0, most_absent=3.0)
        plan = PropagationPlan(first, COUNT, bounds=bounds, user_prompts=user_prompts or {}, stop_rule=rule)
        return list(propagate(plan, self.step(policy)))

    def step(self, policy: str = "mask") -> MaskStep:
        return MaskStep(fake_spec(), self, policy, SHAPE)


def done(records: Iterable[Record]) -> list[SliceDone]:
    return [record for record in records if isinstance(record, SliceDone)]


def ends(records: Iterable[Record]) -> list[tuple[int, int, EndReason]]:
    return sorted((r.side, r.last_index, r.reason) for r in records if isinstance(r, SideDone))


def test_both_bounds_are_reached_and_not_passed() -> None:
    model = Script()
    records = model.propagate(bounds=Bounds(2, 9))
    assert sorted(record.slice_mask.index for record in done(records)) == list(range(2, 10))
    assert ends(records) == [(-1, 2, EndReason.BOUND), (1, 9, EndReason.BOUND)]
    assert sorted(model.indices) == [2, 3, 4, 6, 7, 8, 9]


def test_the_two_sides_take_turns_from_the_prompted_slice_outwards() -> None:
    records = Script().propagate(bounds=Bounds(3, 9))
    assert [record.slice_mask.index for record in done(records)] == [5, 4, 6, 3, 7, 8, 9]


def test_progress_counts_to_the_total_where_there_is_one() -> None:
    records = done(Script().propagate(bounds=Bounds(3, 9)))
    assert [(record.done, record.total) for record in records] == [(n, 7) for n in range(1, 8)]
    assert {record.total for record in done(Script().propagate())} == {None}


def test_without_bounds_a_propagation_ends_with_the_volume() -> None:
    records = Script().propagate()
    assert len(done(records)) == COUNT
    assert ends(records) == [(-1, 0, EndReason.VOLUME_END), (1, 11, EndReason.VOLUME_END)]


@pytest.mark.parametrize(("start", "bounds"), [(0, None), (11, None), (0, Bounds(0, 11)), (4, Bounds(4, 4))])
def test_a_prompt_on_the_first_or_last_slice_ends_that_side_at_once(start: int, bounds: Bounds | None) -> None:
    records = Script().propagate(start, bounds=bounds)
    assert len(done(records)) == (bounds.high - bounds.low + 1 if bounds else COUNT)
    assert len(ends(records)) == 2


def test_a_side_ends_before_three_slices_of_low_scores() -> None:
    records = Script({8: 0.6, 9: 0.6, 10: 0.6}).propagate()
    assert sorted(record.slice_mask.index for record in done(records)) == list(range(8))
    assert (1, 7, EndReason.LOW_SCORE) in ends(records)


def test_slices_in_doubt_belong_to_the_object_where_a_better_one_follows() -> None:
    records = Script({7: 0.6, 8: 0.6, 10: 0.6, 11: 0.6}).propagate()
    assert [record.slice_mask.index for record in done(records) if record.slice_mask.index > 5] == list(range(6, 12))
    assert (1, 11, EndReason.VOLUME_END) in ends(records)


def test_an_end_after_slices_in_doubt_drops_them() -> None:
    records = Script({7: 0.6, 8: 0.6}, s9=EMPTY).propagate()
    assert (1, 6, EndReason.EMPTY) in ends(records)
    assert max(record.slice_mask.index for record in done(records)) == 6


def test_a_side_ends_where_the_model_says_that_the_object_ended() -> None:
    # Each slice alone is in doubt, and what is held back is dropped once there is enough of it.
    records = Script(presence={6: 4.0, 7: 4.0, 8: -1.0, 9: 0.5, 10: -2.0, 11: -2.0}).propagate()
    assert (1, 7, EndReason.ABSENT) in ends(records)
    assert max(record.slice_mask.index for record in done(records)) == 7


def test_slices_on_which_the_object_seems_gone_belong_to_it_where_it_comes_back() -> None:
    records = Script(presence={7: -2.0, 8: 4.0, 9: -4.0}).propagate()
    assert [record.slice_mask.index for record in done(records) if record.slice_mask.index > 5] == [6, 7, 8]
    assert (1, 8, EndReason.ABSENT) in ends(records)


def test_absence_ends_nothing_between_bounds_or_before_a_prompt() -> None:
    absent = dict.fromkeys(range(6, 11), -9.0)
    assert len(done(Script(presence=absent).propagate(bounds=Bounds(4, 10)))) == 7
    prompts = {10: SlicePrompt(points_uv=((3, 3, True),))}
    assert (1, 11, EndReason.VOLUME_END) in ends(Script(presence=absent).propagate(user_prompts=prompts))


def test_low_scores_end_nothing_between_bounds_or_before_a_prompt() -> None:
    scores = dict.fromkeys((7, 8, 9, 10), 0.6)
    assert len(done(Script(scores).propagate(bounds=Bounds(4, 10)))) == 7
    prompts = {10: SlicePrompt(points_uv=((3, 3, True),))}
    assert (1, 11, EndReason.VOLUME_END) in ends(Script(scores).propagate(user_prompts=prompts))


def test_a_mask_by_hand_says_nothing_about_scores() -> None:
    model = Script(dict.fromkeys(range(12), 0.5))
    plan = PropagationPlan(SliceMask(5, square(), 1.0), COUNT)
    assert len(done(propagate(plan, model.step()))) == COUNT


def test_each_mask_prompts_its_neighbour() -> None:
    model = Script(s6=square(3), s7=square(2))
    model.propagate(bounds=Bounds(5, 8))
    assert [prompt.mask for _, prompt in model.prompts] == [square(), square(3), square(2)]


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (EMPTY, EndReason.EMPTY),
        (square(2, at=3), None),
        (square(10, at=0), None),
        (square(4, at=6), EndReason.DRIFT),
    ],
)
def test_the_slice_that_breaks_the_rule_is_not_part_of_the_object(mask: RunMask, reason: EndReason | None) -> None:
    records = Script(s8=mask).propagate()
    expected = (1, 7, reason) if reason else (1, 11, EndReason.VOLUME_END)
    assert ends(records) == [(-1, 0, EndReason.VOLUME_END), expected]
    assert max(record.slice_mask.index for record in done(records)) == expected[1]


def test_inside_bounds_no_rule_ends_a_propagation() -> None:
    records = Script(s6=square(1, at=9), s7=square(9, at=0)).propagate(bounds=Bounds(4, 8))
    assert len(done(records)) == 5


def test_an_empty_slice_inside_bounds_is_kept_empty_and_passed_over() -> None:
    model = Script(s6=square(3), s7=EMPTY, s8=EMPTY)
    records = model.propagate(bounds=Bounds(5, 9))
    areas = {record.slice_mask.index: record.slice_mask.mask.area for record in done(records)}
    assert areas == {5: 16, 6: 12, 7: 0, 8: 0, 9: 16}
    assert [prompt.mask for _, prompt in model.prompts] == [square(), *[square(3)] * 3]


@pytest.mark.parametrize(
    "user_prompt", [SlicePrompt(points_uv=((3, 2, True),)), SlicePrompt(box_uvuv=(2, 1, 5, 4))], ids=["point", "box"]
)
def test_without_bounds_a_side_goes_on_to_the_farthest_slice_that_the_user_marked(
    user_prompt: SlicePrompt,
) -> None:
    records = Script(s6=EMPTY, s7=square(1, at=9), s10=EMPTY).propagate(user_prompts={9: user_prompt})
    assert ends(records) == [(-1, 0, EndReason.VOLUME_END), (1, 9, EndReason.EMPTY)]
    assert {record.slice_mask.index for record in done(records)} == set(range(10))


def test_a_negative_point_keeps_no_propagation_from_ending() -> None:
    records = Script(s7=EMPTY).propagate(user_prompts={9: SlicePrompt(points_uv=((3, 2, False),))})
    assert ends(records)[1] == (1, 6, EndReason.EMPTY)


def test_a_slice_gets_the_users_points_beside_the_incoming_mask() -> None:
    points = ((3, 2, True), (7, 2, False))
    model = Script()
    model.propagate(bounds=Bounds(4, 7), user_prompts={6: SlicePrompt(points_uv=points)})
    prompts = dict(model.prompts)
    assert prompts[6] == SlicePrompt(points_uv=points, mask=square())
    assert prompts[4] == prompts[7] == SlicePrompt(mask=square())


def test_points_bring_an_object_back_where_the_incoming_mask_is_empty() -> None:
    model = Script()
    records = model.propagate(mask=EMPTY, bounds=Bounds(4, 8), user_prompts={7: SlicePrompt(points_uv=((3, 2, True),))})
    areas = {record.slice_mask.index: record.slice_mask.mask.area for record in done(records)}
    assert areas == {4: 0, 5: 0, 6: 0, 7: 16, 8: 16}
    assert model.indices == [7, 8]


def test_nothing_is_predicted_before_it_is_needed_and_nothing_after_the_propagation_is_closed() -> None:
    model = Script()
    records = propagate(PropagationPlan(SliceMask(5, square(), 0.9), COUNT), model.step())
    next(records)
    assert model.indices == []
    next(records)
    next(records)
    records.close()  # type: ignore[attr-defined]
    assert model.indices == [4, 6]
    assert list(records) == []


class MemoryStep:
    """A step with another state: the slices of the side so far, and how far the bound is."""

    def begin(self, plan: PropagationPlan) -> tuple[PropagationPlan, tuple[int, ...]]:
        return plan, (plan.start.index,)

    def __call__(
        self, state: tuple[PropagationPlan, tuple[int, ...]], index: int
    ) -> tuple[SliceMask, tuple[PropagationPlan, tuple[int, ...]]]:
        plan, seen = state
        end = plan.last_index(1 if index > seen[-1] else -1)
        assert end is not None
        return SliceMask(index, square(1 + abs(end - index)), len(seen) / 10), (plan, (*seen, index))

    def passed(
        self, state: tuple[PropagationPlan, tuple[int, ...]], kept: SliceMask
    ) -> tuple[PropagationPlan, tuple[int, ...]]:
        return state[0], (*state[1], kept.index)

    def correct(
        self, index: int, added: SlicePrompt, user_prompt: SlicePrompt, previous: SliceMask | None
    ) -> CorrectedSlice:
        raise NotImplementedError


def test_a_step_with_a_state_of_its_own_has_one_on_each_side() -> None:
    found = done(propagate(PropagationPlan(SliceMask(5, square(), 0.9), COUNT, bounds=Bounds(3, 8)), MemoryStep()))
    scores = {record.slice_mask.index: record.slice_mask.score for record in found}
    assert scores == {5: 0.9, 4: 0.1, 3: 0.2, 6: 0.1, 7: 0.2, 8: 0.3}
    assert {record.slice_mask.index: record.slice_mask.mask.area // 4 for record in found[1:]} == {
        4: 2, 3: 1, 6: 3, 7: 2, 8: 1
    }  # fmt: skip


def test_copying_never_prompts_the_model() -> None:
    model = Script()
    records = model.propagate(policy="copy")
    assert model.prompts == []
    assert {record.slice_mask.mask for record in done(records)} == {square()}
    assert {record.slice_mask.score for record in done(records)[1:]} == {1.0}


@pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")  # one ball, found twice
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("plane", list(Plane))
@pytest.mark.parametrize("policy", ["mask", "box"])
def test_a_ball_is_found_in_every_plane_of_every_grid(name: str, plane: Plane, policy: str) -> None:
    scene = ball(name)
    grid = SliceGrid.of(scene.volume.geometry, plane)
    inside = [index for index in range(grid.count) if grid.take(scene.truth, index).any()]
    middle = inside[len(inside) // 2]
    v, u = np.nonzero(grid.take(scene.truth, middle))
    box = Box.on(grid, middle, int(u.min()), int(v.min()), int(u.max()), int(v.max()))
    session = fake_session(scene.volume, FakeBackend())
    bounded = session.segment(box, bounds=(inside[0], inside[-1]), plane=plane, policy=policy, name="bounded")
    assert list(bounded.slices) == inside
    free = session.segment(box, plane=plane, policy=policy, name="free")
    assert set(inside[1:-1]) <= set(free.slices) <= set(inside)
    # A box policy sees no farther than the box around the slice before.
    least = 0.9 if policy == "mask" else 0.4
    for found in (bounded, free):
        mask = np.zeros_like(scene.truth)
        for index, each in found.slices.items():
            grid.put(mask, index, each.mask.decode())
        assert dice(mask, scene.truth) > least


def test_a_tube_is_followed_to_both_ends_of_the_volume() -> None:
    scene = tube("oblique")
    session = fake_session(scene.volume)
    v, u = np.nonzero(scene.truth[4])
    found = session.segment(Box(k=4, i0=int(u.min()), j0=int(v.min()), i1=int(u.max()), j1=int(v.max())))
    assert (found.low_end, found.high_end) == (EndReason.VOLUME_END, EndReason.VOLUME_END)
    assert dice(session.mask("object"), scene.truth) > 0.97
