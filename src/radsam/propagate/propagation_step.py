"""One step of a propagation: from the state that the last slice left to the mask of the next slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from radsam.errors import PromptError
from radsam.predictor import MaskSource, ObjectPredictor, SliceMask, SlicePrompt
from radsam.propagate.correction_rule import Change, is_other_shape, is_surer, marked_change
from radsam.propagate.next_prompt import default_policy, is_box_only, policy_for
from radsam.propagate.painted_click import follows, marks_of, paint, with_deepest, with_painted_clicks, with_regions
from radsam.propagate.propagation_plan import PropagationPlan
from radsam.runtime import BundleSpec, Capability
from radsam.volume import RunMask

#: Predicts the mask of a slice from a prompt, as `ObjectPredictor` does.
Predict = Callable[[int, SlicePrompt], SliceMask]
State = TypeVar("State")


@dataclass(frozen=True)
class CorrectedSlice:
    """A slice after a correction.

    Args:
        slice_mask: Its mask.
        unfollowed_uv: The clicks (u, v, positive) that the model did not follow: the pixels around them were painted.
        change: What was corrected of a slice that was right otherwise; None where the slice has another mask now, so
            that its neighbours' masks are replaced, too.
    """

    slice_mask: SliceMask
    unfollowed_uv: tuple[tuple[int, int, bool], ...] = ()
    change: Change | None = None


@runtime_checkable
class PropagationStep(Protocol[State]):
    """Predicts a slice of a propagation, with a state that it passes from slice to slice.

    Each side begins with a state of its own, made from the plan. A state is a frozen value and a step
    changes nothing, so that an object's masks stay a function of its edits.

    `MaskStep` passes on the last mask, and names the slice that it is of and the way from there for a model that
    takes them. A model with a memory of several slices would be another class with the same methods, which
    `step_for` returns where the bundle names it: its state would have one more field.
    """

    def begin(self, plan: PropagationPlan) -> State:
        """Return the state of a side at the plan's start."""

    def __call__(self, state: State, index: int) -> tuple[SliceMask, State]:
        """Return the mask of slice `index`, the next one of the side, and the state for the slice after it."""

    def passed(self, state: State, kept: SliceMask) -> State:
        """Return the state after a slice that keeps its mask."""

    def correct(
        self, index: int, added: SlicePrompt, user_prompt: SlicePrompt, previous: SliceMask | None
    ) -> CorrectedSlice:
        """Correct a slice.

        Args:
            index: The slice.
            added: What the correction adds on it.
            user_prompt: Everything that the user gave on it, `added` included.
            previous: Its mask before the correction; None where it had none.

        Raises:
            PromptError: The model found nothing in a box.
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
        user_prompt = plan.user_prompts.get(index, SlicePrompt())
        if between := plan.between(index):
            # A mask of this slice, as good as one can say: it has no source, and it is thin enough.
            incoming, source = between, None
        else:
            incoming = plan.taper(state.mask, state.index, index) if plan.taper else state.mask
            source = self._source(state, index)
        found = plan.with_hand(self._found(index, incoming, user_prompt, source))
        return found, self.passed(state, found)

    def passed(self, state: MaskState, kept: SliceMask) -> MaskState:
        """Pass on the mask of a slice; an empty one does not end the object."""
        return replace(state, mask=kept.mask, index=kept.index) if kept.mask.area else state

    def _source(self, state: MaskState, index: int) -> MaskSource | None:
        """Where the mask comes from; None for a model that does not take it."""
        if self.slice_mm is None:
            return None
        plan, side = state.plan, 1 if index > state.index else -1
        source = MaskSource.of(state.index, index, plan.start.index, plan.bound_of_object(side), self.slice_mm)
        return replace(source, start=replace(plan.start, mask=plan.carried)) if self.spec.prototype_channels else source

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
        return _painted(self.predict(index, prompt.for_model), user_prompt)

    def correct(
        self, index: int, added: SlicePrompt, user_prompt: SlicePrompt, previous: SliceMask | None
    ) -> CorrectedSlice:
        """Predict a slice from a new box or mask, or again with its previous mask and every point on it (paper 4.2)."""
        empty = RunMask.empty(self.shape_vu)
        if added.is_anchor:
            found = self.predict(index, self._trained(added.for_model))
            if not found.mask.area:
                found = SliceMask(index, self._given(index, added), found.score)
            return self._checked(index, found, added, found)
        mask = previous.mask if previous else empty
        if previous and is_box_only(self.spec) and follows(mask, added):
            return CorrectedSlice(previous)  # another box could only make it worse
        # Copying cannot correct: the model is prompted there as it was trained.
        policy = default_policy(self.spec) if self.policy == "copy" else self.policy
        user_prompt = with_deepest(user_prompt, added, mask)
        prompt = policy_for(self.spec, policy)(with_regions(mask, added), user_prompt)
        if isinstance(prompt, RunMask) or not prompt:
            return CorrectedSlice(SliceMask(index, mask, 1.0))
        predicted = self.predict(index, prompt.for_model)
        before = previous or SliceMask(index, empty, predicted.score)
        if self._is_new_shape(predicted, user_prompt, before):
            return CorrectedSlice(predicted)
        return self._changed(index, predicted, added, user_prompt, before)

    @staticmethod
    def _is_new_shape(predicted: SliceMask, user_prompt: SlicePrompt, before: SliceMask) -> bool:
        """Whether the slice as a whole was wrong, so that the prediction replaces its mask."""
        return (
            before.mask.area > 0
            and not is_surer(before.score, predicted.score)
            and follows(predicted.mask, user_prompt)
            and is_other_shape(before.mask.decode(), predicted.mask.decode())
        )

    def _changed(
        self, index: int, predicted: SliceMask, added: SlicePrompt, user_prompt: SlicePrompt, before: SliceMask
    ) -> CorrectedSlice:
        """Take the part of the prediction that belongs to what was added; what the model does not follow is painted."""
        pixels = before.mask.decode()
        after = marked_change(pixels, predicted.mask.decode(), *marks_of(added, pixels.shape)).apply(pixels)
        unfollowed: tuple[tuple[int, int, bool], ...] = ()
        if not follows(RunMask.encode(after), user_prompt):
            left = tuple(each for each in user_prompt.points_uv if after[each[1], each[0]] != each[2])
            unfollowed = left or user_prompt.points_uv
            after = paint(RunMask.encode(after), user_prompt).decode()
        found = SliceMask(index, RunMask.encode(after), predicted.score)
        return CorrectedSlice(before if found.mask == before.mask else found, unfollowed, Change.between(pixels, after))

    def _trained(self, prompt: SlicePrompt) -> SlicePrompt:
        """Return a prompt that the model was trained on: it predicts noise from a mask that it does not know."""
        if prompt.mask and not self.spec.can(Capability.MASK):
            return SlicePrompt(box_uvuv=prompt.mask.enclosing_box, points_uv=prompt.points_uv)
        return prompt

    @staticmethod
    def _given(index: int, added: SlicePrompt) -> RunMask:
        """Return the mask that was given, on a slice where the model finds nothing.

        Raises:
            PromptError: Only a box was given.
        """
        if added.mask is None:
            raise PromptError(
                f"The model found nothing in the box on slice {index}. Try a box that holds the whole object, or paint "
                "the slice by hand."
            )
        return added.mask

    def _checked(self, index: int, predicted: SliceMask, given: SlicePrompt, otherwise: SliceMask) -> CorrectedSlice:
        """Return a predicted mask where it follows what was given, else another one with that painted."""
        if follows(predicted.mask, given):
            return CorrectedSlice(predicted)
        pixels = predicted.mask.decode()
        unfollowed = tuple(each for each in given.points_uv if pixels[each[1], each[0]] != each[2])
        return CorrectedSlice(replace(otherwise, mask=paint(otherwise.mask, given)), unfollowed or given.points_uv)


def step_for(predictor: ObjectPredictor, policy: str) -> PropagationStep[Any]:
    """Return the propagation step that a model was trained for."""
    slice_mm = predictor.slice_mm if predictor.spec.takes_source else None
    return MaskStep(predictor.spec, predictor, policy, predictor.view.grid.shape_vu, slice_mm)


def _painted(found: SliceMask, user_prompt: SlicePrompt) -> SliceMask:
    """Return a mask with every point of its slice on the side that the user gave."""
    return replace(found, mask=with_painted_clicks(found.mask, user_prompt.points_uv))
