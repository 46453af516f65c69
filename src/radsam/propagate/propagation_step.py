"""One step of a propagation: from the state that the last slice left to the mask of the next slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from radsam.predictor import MaskSource, ObjectPredictor, SliceMask, SlicePrompt
from radsam.propagate.next_prompt import default_policy, is_box_only, policy_for
from radsam.propagate.painted_click import follows_points, with_painted_clicks
from radsam.propagate.propagation_plan import PropagationPlan
from radsam.runtime import BundleSpec
from radsam.volume import RunMask

#: Predicts the mask of a slice from a prompt, as `ObjectPredictor` does.
Predict = Callable[[int, SlicePrompt], SliceMask]
State = TypeVar("State")


@runtime_checkable
class PropagationStep(Protocol[State]):
    """Predicts a slice of a propagation, with a state that it passes from slice to slice.

    Each side begins with a state of its own, made from the plan. A state is a frozen value and a step
    changes nothing, so that an object's masks stay a function of its edits.

    `MaskStep` passes on the last mask, and names the slice that it is of and the way from there for a model that
    takes them. A model with a memory of several slices would be another class with the same three methods, which
    `step_for` returns where the bundle names it: its state would have one more field.
    """

    def begin(self, plan: PropagationPlan) -> State:
        """Return the state of a side at the plan's start."""

    def __call__(self, state: State, index: int) -> tuple[SliceMask, State]:
        """Return the mask of slice `index`, the next one of the side, and the state for the slice after it."""

    def correct(self, index: int, user_prompt: SlicePrompt, previous: SliceMask | None) -> tuple[SliceMask, bool]:
        """Return the corrected mask of a slice, and whether a click was painted since the model did not follow it.

        Args:
            index: The slice.
            user_prompt: Everything that the user gave on it.
            previous: Its mask before the correction; None where it had none.
        """


@dataclass(frozen=True)
class MaskState:
    """The state that a slice passes to the next one.

    Args:
        plan: The propagation.
        mask: The last mask that was not empty.
        index: Its slice.
    """

    plan: PropagationPlan
    mask: RunMask
    index: int


@dataclass(frozen=True)
class MaskStep:
    """Turns the last mask into the prompt of the next slice, by a policy.

    Args:
        spec: The model.
        predict: Predicts the object's slices.
        policy: Name of the policy, of `radsam.propagate.POLICIES`.
        shape_vu: Rows and columns of a slice.
        slice_mm: Distance between slices, for a model that takes the source of a mask; None for one that does not.
    """

    spec: BundleSpec
    predict: Predict
    policy: str
    shape_vu: tuple[int, int]
    slice_mm: float | None = None

    def begin(self, plan: PropagationPlan) -> MaskState:
        """Start with the mask that the plan's first slice passes on."""
        return MaskState(plan, plan.carried, plan.start.index)

    def __call__(self, state: MaskState, index: int) -> tuple[SliceMask, MaskState]:
        """Predict a slice from the last mask and the user's prompt on it."""
        plan = state.plan
        incoming = plan.taper(state.mask, state.index, index) if plan.taper else state.mask
        user_prompt = plan.user_prompts.get(index, SlicePrompt())
        found = self._found(index, incoming, user_prompt, self._source(state, index))
        return found, replace(state, mask=found.mask, index=index) if found.mask.area else state

    def _source(self, state: MaskState, index: int) -> MaskSource | None:
        """Where the mask comes from; None for a model that does not take it."""
        if self.slice_mm is None:
            return None
        plan, side = state.plan, 1 if index > state.index else -1
        return MaskSource.of(state.index, index, plan.start.index, plan.bound_of_object(side), self.slice_mm)

    def _found(self, index: int, incoming: RunMask, user_prompt: SlicePrompt, source: MaskSource | None) -> SliceMask:
        if not incoming.area and not user_prompt:
            return SliceMask(index, incoming, 1.0)
        prompt = policy_for(self.spec, self.policy)(incoming, user_prompt)
        if isinstance(prompt, RunMask):
            return SliceMask(index, prompt, 1.0)
        if not prompt:
            return SliceMask(index, incoming, 1.0)
        if prompt.mask:
            prompt = replace(prompt, source=source)
        return _painted(self.predict(index, prompt), user_prompt)

    def correct(self, index: int, user_prompt: SlicePrompt, previous: SliceMask | None) -> tuple[SliceMask, bool]:
        """Predict a slice again with its previous mask and every point on it (paper 4.2)."""
        if previous and is_box_only(self.spec) and follows_points(previous.mask, user_prompt.points_uv):
            return previous, False  # another box could only make it worse
        mask = previous.mask if previous else RunMask.encode(np.zeros(self.shape_vu, bool))
        # Copying cannot correct: the model is prompted there as it was trained.
        policy = default_policy(self.spec) if self.policy == "copy" else self.policy
        prompt = policy_for(self.spec, policy)(mask, user_prompt)
        if isinstance(prompt, RunMask) or not prompt:
            return SliceMask(index, mask, 1.0), False
        predicted = self.predict(index, prompt)
        if follows_points(predicted.mask, user_prompt.points_uv):
            return predicted, False
        # A mask that leaves the click as it was is not a correction, only another mask.
        return _painted(previous or SliceMask(index, mask, predicted.score), user_prompt), True


def step_for(predictor: ObjectPredictor, policy: str) -> PropagationStep[Any]:
    """Return the propagation step that a model was trained for."""
    slice_mm = predictor.slice_mm if predictor.spec.takes_source else None
    return MaskStep(predictor.spec, predictor, policy, predictor.view.grid.shape_vu, slice_mm)


def _painted(found: SliceMask, user_prompt: SlicePrompt) -> SliceMask:
    """Return a mask with every point of its slice on the side that the user gave."""
    return replace(found, mask=with_painted_clicks(found.mask, user_prompt.points_uv))
