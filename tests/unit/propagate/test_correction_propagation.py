"""A correction on its own slice and on the next ones, with a model that predictions as written."""

from __future__ import annotations

import numpy as np

from fakes import fake_spec
from radsam.predictor import SliceMask, SlicePrompt
from radsam.propagate import EndReason, PropagationPlan, SideDone, SliceDone, propagate
from radsam.propagate.correction_rule import Change
from radsam.propagate.propagation_step import MaskStep
from radsam.volume import Bounds, RunMask

SHAPE, COUNT, START = (24, 40), 16, 7


def block(v0: int, v1: int, u0: int, u1: int) -> np.ndarray:
    pixels = np.zeros(SHAPE, bool)
    pixels[v0:v1, u0:u1] = True
    return pixels


NONE, BODY, BUMP, FAR = np.zeros(SHAPE, bool), block(6, 16, 6, 20), block(7, 13, 20, 26), block(1, 4, 33, 38)


class Script:
    """A model that predicts each slice as written, else that nothing changes; it notes its prompts."""

    def __init__(self, predictions: dict[int, np.ndarray], score: float = 0.8) -> None:
        self.predictions, self.score = predictions, score
        self.prompts: list[tuple[int, SlicePrompt]] = []

    def __call__(self, index: int, prompt: SlicePrompt) -> SliceMask:
        self.prompts.append((index, prompt))
        prediction = self.predictions.get(index, BODY)
        return SliceMask(index, RunMask.encode(prediction), self.score)

    def step(self) -> MaskStep:
        return MaskStep(fake_spec(), self, "mask", SHAPE)

    def propagate(self, change: Change | None, **plan: object) -> dict[int, np.ndarray]:
        """Propagate from slice 7 of an object that is the same block on slices 2 to 12."""
        before = {index: SliceMask(index, RunMask.encode(BODY), 0.8) for index in range(2, 13)}
        start = SliceMask(START, RunMask.encode(change.apply(BODY) if change else BUMP), 0.8)
        settings = {"bounds": Bounds(2, 12), "before": before, "change": change, "spacing_mm": (2.0, 1.0, 1.0), **plan}
        self.records = list(propagate(PropagationPlan(start, COUNT, **settings), self.step()))  # type: ignore[arg-type]
        found = [each.slice_mask for each in self.records if isinstance(each, SliceDone)]
        return {each.index: each.mask.decode() for each in found if each.index != START}


def test_what_was_added_goes_on_while_the_model_finds_it_and_the_rest_is_not_predicted() -> None:
    predictions = {8: BODY | BUMP | FAR, 9: (BODY | block(8, 12, 20, 24)) & ~block(6, 16, 6, 9), 6: BODY | FAR}
    model = Script(predictions)
    found = model.propagate(Change(BUMP, NONE))
    assert sorted(found) == [8, 9]
    assert np.array_equal(found[8], BODY | BUMP), "another part is another error"
    assert np.array_equal(found[9], BODY | block(8, 12, 20, 24)), "nothing is taken by what was added"
    assert sorted(index for index, _ in model.prompts) == [5, 6, 8, 9, 10, 11], (
        "a side ends after two slices without a change"
    )
    ends = {each.side: each.reason for each in model.records if isinstance(each, SideDone)}
    assert ends == {-1: EndReason.UNCHANGED, 1: EndReason.UNCHANGED}
    prompts = {index: prompt.mask for index, prompt in model.prompts}
    assert prompts[9] == RunMask.encode(BODY | BUMP), "a slice gets what its neighbour has now"


def test_what_was_taken_goes_on_thinner_and_without_the_model() -> None:
    model, bite = Script({}), block(6, 12, 6, 12)
    found = model.propagate(Change(NONE, bite))
    assert model.prompts == []
    # Six pixels wide it is 3 mm deep, so it reaches less than 6 mm: two slices of 2 mm.
    assert sorted(found) == [5, 6, 8, 9]
    taken = {index: BODY & ~mask for index, mask in found.items()}
    assert all(np.array_equal(taken[START - n], taken[START + n]) for n in (1, 2))
    assert not (taken[8] & ~bite).any()
    assert not (taken[9] & ~taken[8]).any()
    assert 0 < taken[9].sum() <= taken[8].sum() <= bite.sum()


def test_no_slice_loses_all_of_the_object() -> None:
    assert Script({}).propagate(Change(NONE, BODY)).keys().isdisjoint({6, 8})


def test_bounds_limits_and_slices_that_are_right_hold() -> None:
    every = dict.fromkeys(range(COUNT), BODY | BUMP)
    found = Script(every).propagate(Change(BUMP, NONE), limits={-1: 5}, fixed={9})
    assert sorted(found) == [5, 6, 8, 10, 11, 12]
    assert sorted(Script(every).propagate(Change(BUMP, NONE), bounds=None, fixed=set(), limits={-1: 6, 1: 9})) == [
        6,
        8,
        9,
    ]


def test_a_slice_of_another_shape_is_replaced_but_not_by_a_mask_of_which_the_model_is_less_sure() -> None:
    other = block(8, 18, 14, 30)
    doubtful = {index: SliceMask(index, RunMask.encode(BODY), 0.6) for index in (5, 6, 8, 9)}
    sure = {10: SliceMask(10, RunMask.encode(BODY), 0.95)}
    model = Script(dict.fromkeys(range(COUNT), other), score=0.7)
    found = model.propagate(None, before=doubtful | sure, limits={-1: 5, 1: 11}, keep_sure=True)
    assert all(np.array_equal(found[index], other) for index in (5, 6, 8, 9))
    assert np.array_equal(found[10], BODY)
    assert dict(model.prompts)[11].mask == RunMask.encode(BODY), "the mask that is kept is passed on"


def corrected(model: Script, click: tuple[int, int, bool], before: np.ndarray, score: float):  # type: ignore[no-untyped-def]
    given = SlicePrompt(points_uv=(click,))
    previous = SliceMask(START, RunMask.encode(before), score)
    return model.step().correct(START, given, given, previous)


def test_on_its_slice_a_click_changes_the_part_that_holds_it() -> None:
    prediction = (BODY | BUMP | FAR) & ~block(6, 10, 6, 9)
    found = corrected(Script({START: prediction}), (23, 9, True), BODY, 0.8)
    assert np.array_equal(found.slice_mask.mask.decode(), BODY | BUMP)
    assert found.unfollowed_uv == ()
    assert np.array_equal(found.change.added, BUMP)
    found = corrected(Script({START: prediction}), (7, 8, False), BODY, 0.8)
    assert np.array_equal(found.slice_mask.mask.decode(), BODY & ~block(6, 10, 6, 9))


def test_an_prediction_of_another_shape_replaces_a_doubtful_mask_and_not_a_sure_one() -> None:
    other = block(8, 18, 14, 30)
    found = corrected(Script({START: other}), (25, 12, True), BODY, 0.6)
    assert found.change is None
    assert np.array_equal(found.slice_mask.mask.decode(), other)
    kept = corrected(Script({START: other}), (25, 12, True), BODY, 0.9)
    assert not (BODY & ~kept.slice_mask.mask.decode()).any()


def test_a_click_that_is_not_followed_is_painted() -> None:
    found = corrected(Script({}), (23, 9, True), BODY, 0.5)
    pixels = found.slice_mask.mask.decode()
    assert pixels[9, 23]
    assert found.unfollowed_uv == ((23, 9, True),)
    assert np.array_equal(found.change.added, pixels & ~BODY)


def test_an_earlier_click_of_the_slice_stays_followed() -> None:
    earlier, added = (22, 11, False), (23, 8, True)
    both = SlicePrompt(points_uv=(earlier, added))
    model = Script({START: BODY | BUMP})
    found = model.step().correct(
        START, SlicePrompt(points_uv=(added,)), both, SliceMask(START, RunMask.encode(BODY), 0.8)
    )
    pixels = found.slice_mask.mask.decode()
    assert pixels[8, 23]
    assert not pixels[11, 22]


def test_between_two_anchors_a_slice_gets_the_shape_between_them() -> None:
    before = {index: SliceMask(index, RunMask.encode(BODY), 0.95) for index in range(2, 13)}
    # Twelve columns farther right six slices on; the model repeats its mask prompt.
    anchor = SliceMask(13, RunMask.encode(np.roll(BODY, 12, axis=1)), 1.0)
    model = Script({})
    plan = PropagationPlan(
        SliceMask(START, RunMask.encode(BODY), 1.0),
        COUNT,
        bounds=Bounds(2, 14),
        limits={-1: 6, 1: 12},
        before={**before, 13: anchor},
        towards={1: anchor},
        spacing_mm=(2.0, 1.0, 1.0),
    )
    list(propagate(plan, model.step()))
    prompts = {index: prompt.mask.decode() for index, prompt in model.prompts if prompt.mask}
    assert sorted(prompts) == [6, 8, 9, 10, 11, 12]
    assert np.array_equal(prompts[6], BODY), "the other side has no anchor"
    for index in range(8, 13):
        expected = np.roll(BODY, 2 * (index - START), axis=1)
        assert np.count_nonzero(prompts[index] ^ expected) <= 0.1 * BODY.sum()
