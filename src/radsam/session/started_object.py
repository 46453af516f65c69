"""An object from its start on: how the model sees it, its first mask, and the predictor of its slices."""

from __future__ import annotations

from collections.abc import Iterable

from radsam.errors import PromptError
from radsam.predictor import ObjectPredictor, ObjectView, SliceMask, SlicePredictor, SlicePrompt, choose_view
from radsam.propagate import step_for
from radsam.runtime import Capability
from radsam.session.edit import Segment, StartEdit, StartFromMask
from radsam.volume import RunMask, SliceGrid, Volume


class StartedObject:
    """All that follows from an object's start alone.

    Args:
        volume: The volume.
        predictor: Predicts single slices.
        started: The edit that started the object.
        view: How the model sees the object, where an earlier edit has chosen it.

    Attributes:
        started: As given.
        grid: The slices that it is propagated through.
        given_masks: The mask that it was started from, by slice; empty for an object that a prompt started.
        index: The slice of the prompt; of a mask its largest slice.
        view: How the model sees it.
        predict: Predicts one slice.
        step: Predicts one slice after the other.
    """

    def __init__(
        self, volume: Volume, predictor: SlicePredictor, started: StartEdit, view: ObjectView | None = None
    ) -> None:
        self.started = started
        self.grid = SliceGrid.of(volume.geometry, started.plane)
        self.given_masks: dict[int, RunMask] = {}
        if isinstance(started, StartFromMask):
            self.given_masks = dict(started.mask.along(self.grid.axis).slices)
            self.index = max(self.given_masks, key=lambda index: self.given_masks[index].area)
            # The crop holds the whole object.
            self._prompt = SlicePrompt(box_uvuv=_enclosing_box(self.given_masks.values()))
        else:
            ((self.index, self._prompt),) = SlicePrompt.by_slice(started.prompt, self.grid).items()
        self._copied = self._prompt.mask if started.policy == "copy" else None
        if self._prompt.mask and not self._copied and not predictor.spec.can(Capability.MASK):
            # A model that was not trained on masks predicts noise from one; it was trained on boxes.
            self._prompt = SlicePrompt(box_uvuv=self._prompt.mask.enclosing_box)
        if view is None:
            bounds = started.bounds if isinstance(started, Segment) else None
            view = predictor.view(self.grid, started.window)
            view = choose_view(predictor, volume, view, self.index, self._prompt, bounds) if started.zoom else view
        self.view = view
        self.predict = ObjectPredictor(predictor, volume, view)
        self.step = step_for(self.predict, started.policy)

    def first(self) -> SliceMask:
        """Return the mask of the prompt, or the largest slice of the mask that the object was started from.

        Raises:
            PromptError: The model found nothing.
        """
        if self.given_masks:
            return SliceMask(self.index, self.given_masks[self.index], 1.0)
        if self._copied:
            return SliceMask(self.index, self._copied, 1.0)
        found = self.predict.first(self.index, self._prompt)
        if not found.mask.area:
            raise PromptError(
                f"The model found nothing at the prompt on {self.grid.plane} slice {self.index}. Try a box that holds "
                "the whole object, another slice, or a window that shows the object clearly."
            )
        return found

    def first_alternatives(self) -> tuple[SliceMask, ...]:
        """Return the mask of the prompt as `first` does, then the model's three others, if it predicted that one."""
        if self.given_masks or self._copied:
            return (self.first(),)
        return self.predict.first_alternatives(self.index, self._prompt)

    def refined(self, index: int) -> SliceMask:
        """Predict a slice of the mask that the object was started from, with that mask as the prompt.

        A slice on which the model finds nothing keeps the mask that was given.
        """
        given = self.given_masks[index]
        as_mask = self.predict.spec.can(Capability.MASK)
        prompt = SlicePrompt(mask=given) if as_mask else SlicePrompt(box_uvuv=given.enclosing_box)
        found = self.predict(index, prompt)
        return found if found.mask.area else SliceMask(index, given, found.score)


def _enclosing_box(masks: Iterable[RunMask]) -> tuple[int, int, int, int]:
    """Return the inclusive box u0, v0, u1, v1 around all masks, at least one of which has pixels."""
    u0s, v0s, u1s, v1s = zip(*(box for each in masks if (box := each.enclosing_box)), strict=True)
    return min(u0s), min(v0s), max(u1s), max(v1s)
