"""Does the simulated annotator count what a person would do, and give the session no more than a person would?"""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from fakes import FakeBackend, fake_session
from phantoms import Scene, ball, touching_balls
from radsam.project.simulated_annotator import LOOK_SECONDS, SECONDS, Effort, annotate
from radsam.session import Session
from radsam.session.edit import Remove
from radsam.session.edit_request import SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, PaintRequest
from radsam.volume import SparseMask


def _mask(voxels: np.ndarray) -> SparseMask:
    return SparseMask.of(np.asarray(voxels), 2)


def _annotate(
    scene: Scene, truth: np.ndarray, proposal: np.ndarray | None, session: Session | None = None, **settings: Any
) -> Effort:
    return annotate(
        session or fake_session(scene.volume),
        "object",
        _mask(truth),
        None if proposal is None else _mask(proposal),
        rng=np.random.default_rng(3),
        **settings,
    )


@pytest.mark.parametrize("grid", ["anisotropic", "oblique", "sagittal"])
def test_a_box_that_is_right_is_one_action(grid: str) -> None:
    scene = ball(grid)
    effort = _annotate(scene, scene.truth, None)
    assert (effort.kinds, effort.actions, effort.started_from) == (("box",), 1, "prompt")
    assert effort.dice[0] == 0
    assert effort.dice[1] == effort.final_dice > 0.85
    assert effort.mask.voxels > 0.8 * scene.truth.sum()
    assert effort.human_seconds > SECONDS["box"]


def test_a_good_proposal_costs_looks_and_no_action() -> None:
    scene, backend = ball("anisotropic"), FakeBackend()
    session = fake_session(scene.volume, backend)
    effort = _annotate(scene, scene.truth, scene.truth, session)
    assert (effort.kinds, effort.started_from, effort.dice) == ((), "proposal", (1.0,))
    slices = int(scene.truth.any(axis=(1, 2)).sum())
    assert effort.human_seconds == pytest.approx(2 * LOOK_SECONDS * slices)
    assert not backend.prompts, "nothing was predicted"
    assert np.array_equal(session.mask("object"), scene.truth)


def test_a_bad_proposal_is_deleted_and_drawn_anew() -> None:
    scene = touching_balls("anisotropic")
    effort = _annotate(scene, scene.truths["right"], scene.truths["left"])
    assert effort.kinds[:2] == ("delete", "box")
    assert effort.started_from == "prompt"
    assert effort.actions == len(effort.kinds)


def test_a_proposal_that_goes_on_too_far_gets_new_ends() -> None:
    scene = ball("isotropic")
    truth = scene.truth.copy()
    held = np.flatnonzero(truth.any(axis=(1, 2)))
    truth[held[-6:]] = False
    effort = _annotate(scene, truth, scene.truth, goal=0.95)
    assert effort.kinds == ("ends",)
    assert effort.final_dice == 1.0


def test_what_is_missing_is_added_and_what_is_too_much_taken() -> None:
    scene = ball("anisotropic")
    middle = scene.truth.shape[0] // 2
    proposal = scene.truth.copy()
    proposal[middle] = False
    added = _annotate(scene, scene.truth, proposal, goal=0.99)
    assert added.kinds == ("add",)
    assert added.final_dice > added.dice[0]
    more = scene.truth.copy()
    more[middle] |= ndimage.binary_dilation(more[middle], iterations=6)
    taken = _annotate(scene, scene.truth, more, goal=0.99)
    assert taken.kinds[0] == "take"
    assert taken.human_seconds == pytest.approx(
        len(taken.kinds) * SECONDS["take"] + 2 * LOOK_SECONDS * scene.truth.any(axis=(1, 2)).sum()
    )


def test_a_label_that_is_absent_needs_nothing_but_a_look() -> None:
    scene = ball("anisotropic")
    nothing = np.zeros_like(scene.truth)
    effort = _annotate(scene, nothing, None)
    assert (effort.kinds, effort.started_from, effort.dice, effort.mask.voxels) == ((), "", (1.0,), 0)
    session = fake_session(scene.volume)
    effort = _annotate(scene, nothing, scene.truth, session)
    assert (effort.kinds, effort.started_from) == (("delete",), "proposal")
    assert (effort.final_dice, effort.mask.voxels, list(session.objects)) == (1.0, 0, [])


def test_what_the_model_does_not_find_is_given_up_or_finished_by_hand() -> None:
    scene = ball("isotropic")
    dark = np.roll(scene.truth, 9, axis=2) & ~scene.truth  # no edge of it can be seen
    given_up = _annotate(scene, dark, None, most=4)
    assert given_up.actions == len(given_up.kinds) == 4
    assert given_up.final_dice < 0.85
    finished = _annotate(scene, dark, None, most=4, hand_in=0.9)
    assert finished.actions == 4 < len(finished.kinds)
    assert finished.dice[:5] == given_up.dice
    assert finished.final_dice >= 0.9
    assert finished.human_seconds == given_up.human_seconds
    assert finished.finishing_seconds == sum(SECONDS[each] for each in finished.kinds[4:])
    assert given_up.finishing_seconds == 0


def test_a_mask_is_handed_in_better_than_what_counts() -> None:
    scene = touching_balls("anisotropic")
    good_enough, handed_in = (_annotate(scene, scene.truths["left"], None, hand_in=each) for each in (None, 0.99))
    assert handed_in.actions == good_enough.actions < len(handed_in.kinds)
    assert handed_in.human_seconds == good_enough.human_seconds
    assert good_enough.final_dice < 0.99 <= handed_in.final_dice


def test_the_same_seed_costs_the_same() -> None:
    scene = touching_balls("anisotropic")
    first, second = (_annotate(scene, scene.truths["left"], None) for _ in range(2))
    assert (first.kinds, first.dice, first.human_seconds) == (second.kinds, second.dice, second.human_seconds)
    assert np.array_equal(first.mask.decode(), second.mask.decode())


class _WatchedSession(Session):
    """A session that remembers its requests."""

    requests: list[Any]

    def run(self, request: Any, **settings: Any) -> Any:
        """Remember the request, and do it."""
        self.requests.append(request)
        return super().run(request, **settings)


def test_the_session_sees_the_truth_in_a_box_ends_and_single_slices_only() -> None:
    scene = touching_balls("anisotropic")
    plain = fake_session(scene.volume)
    session = _WatchedSession(scene.volume, plain.predictor)
    session.requests = []
    proposal = np.roll(scene.truths["right"], 4, axis=2)
    effort = _annotate(scene, scene.truths["right"], proposal, session, goal=0.97)
    assert len(effort.kinds) > 1
    for request in session.requests:
        match request:
            case StartFromMaskRequest(mask=mask, refine=False):
                assert np.array_equal(mask.decode(), proposal)
            case PaintRequest(shape=SparseMask() as shape):
                assert len(shape.slices) == 1
            case SegmentRequest() | BoundsRequest() | Remove():
                pass
            case _:
                pytest.fail(f"{request} is nothing that the annotator does")


class _SpoilingSession(Session):
    """A session whose propagation of a stroke fills the whole slice."""

    def run(self, request: Any, **settings: Any) -> Any:
        """Do it, and too much of it."""
        if isinstance(request, PaintRequest) and request.reach != "slice":
            (index,) = request.shape.slices
            slab = np.zeros(self.volume.geometry.shape_kji, bool)
            slab[index] = True
            request = request.model_copy(update={"shape": _mask(slab), "positive": True, "reach": "slice"})
        return super().run(request, **settings)


def test_what_makes_it_worse_is_undone_and_counted() -> None:
    scene = ball("isotropic")
    proposal = scene.truth.copy()
    held = np.flatnonzero(proposal.any(axis=(1, 2)))
    proposal[held[1:3]] = False
    session = _SpoilingSession(scene.volume, fake_session(scene.volume).predictor)
    effort = _annotate(scene, scene.truth, proposal, session, goal=0.999)
    assert effort.kinds == ("add", "undo", "add", "add"), "strokes on a proposal reach two slices, then none"
    assert effort.dice[1] < effort.dice[0] == effort.dice[2]
    assert effort.final_dice == 1.0
