"""An object from its first prompt on: how the model sees it, its first mask, and the predictor of its slices."""

from __future__ import annotations

from radsam.errors import PromptError
from radsam.predictor import ObjectPredictor, ObjectView, SliceMask, SlicePredictor, SlicePrompt, choose_view
from radsam.propagate import step_for
from radsam.runtime import Capability
from radsam.session.edit import Segment
from radsam.session.user_prompts import slice_prompt_of
from radsam.volume import SliceGrid, Volume


class StartedObject:
    """All that follows from an object's first prompt alone.

    Args:
        volume: The CT.
        predictor: Predicts single slices.
        started: The edit that started the object.
        view: How the model sees the object, where an earlier edit has chosen it.

    Attributes:
        grid: The slices that it is propagated through.
        index: The slice of the prompt.
        view: How the model sees it.
        step: Predicts one slice after the other.
    """

    def __init__(
        self, volume: Volume, predictor: SlicePredictor, started: Segment, view: ObjectView | None = None
    ) -> None:
        self.segment = started
        self.grid = SliceGrid.of(volume.geometry, started.plane)
        self.index, self._prompt = slice_prompt_of(started, self.grid)
        self._copied = self._prompt.mask if started.policy == "copy" else None
        if self._prompt.mask and not self._copied and not predictor.spec.can(Capability.MASK):
            # A model that was not trained on masks predicts noise from one; it was trained on boxes.
            self._prompt = SlicePrompt(box_uvuv=self._prompt.mask.enclosing_box)
        if view is None:
            view = predictor.view(self.grid, started.window)
            view = choose_view(predictor, volume, view, self.index, self._prompt) if started.zoom else view
        self.view = view
        self._predictor = ObjectPredictor(predictor, volume, view)
        self.step = step_for(self._predictor, started.policy)

    def first(self) -> SliceMask:
        """Return the mask of the prompt.

        Raises:
            PromptError: The model found nothing.
        """
        if self._copied:
            return SliceMask(self.index, self._copied, 1.0)
        found = self._predictor.first(self.index, self._prompt)
        if not found.mask.area:
            raise PromptError(
                f"The model found nothing at the prompt on {self.grid.plane} slice {self.index}. Try a box that holds "
                "the whole object, another slice, or a window that shows the object clearly."
            )
        return found

    def first_alternatives(self) -> tuple[SliceMask, ...]:
        """Return the mask of the prompt as `first` does, then the model's three others."""
        if self._copied:
            return (SliceMask(self.index, self._copied, 1.0),)
        return self._predictor.first_alternatives(self.index, self._prompt)
