"""How an object's slices are asked: on its crop or whole, by a walk or for a preview, always the same way."""

from __future__ import annotations

from collections.abc import Callable

from radsam.errors import PromptError
from radsam.predictor import EncodedSlice, SliceMask, SlicePredictor, SlicePrompt
from radsam.preprocess import Crop
from radsam.runtime import Capability
from radsam.session.edit import Segment
from radsam.volume import SliceGrid, Volume, slice_index

#: Zoom of a model that was not trained for any, where the user insists: little enough to still know what it sees.
_UNTRAINED_ZOOM = 2.0
#: How often a point is asked, each time closer, before the answer is chosen.
_LOOKS = 3


class ObjectPredictor:
    """Answers prompts on the slices of one object: on its crop where it has one and the prompt lies in it.

    Args:
        volume: The CT.
        predictor: Answers prompts on single slices.
        grid: The slices that the object is walked through.
        started: The edit that started the object.
    """

    def __init__(self, volume: Volume, predictor: SlicePredictor, grid: SliceGrid, started: Segment) -> None:
        self._volume = volume
        self._predictor = predictor
        self._grid = grid
        self._started = started
        self._started_at = slice_index(started.prompt, grid)
        self._found: tuple[SliceMask, Crop | None] | None = None
        self.crop = self._chosen_crop() if started.zoom else None

    def __call__(self, index: int, prompt: SlicePrompt) -> SliceMask:
        """Answer a prompt on slice `index` with the primary mask."""
        return self._answers(index, prompt, lambda encoded: (self._predictor.decode(encoded, prompt),))[0]

    def first(self) -> SliceMask:
        """Answer the prompt that starts the object.

        Raises:
            PromptError: The model found nothing.
        """
        prompt, index = self._first_prompt(), self._started_at
        if prompt.mask is not None and self._started.policy == "copy":
            return SliceMask(index, prompt.mask, 1.0)
        answer = self._found[0] if self._found else self(index, prompt)
        if not answer.mask.area:
            raise PromptError(
                f"The model found nothing at the prompt on {self._grid.plane} slice {index}. Try a box that holds the "
                "whole object, another slice, or a window in which the object stands out."
            )
        return answer

    def first_alternatives(self) -> tuple[SliceMask, ...]:
        """Answer the prompt that starts the object with all four masks: what `first` answers, then the others."""
        prompt, index = self._first_prompt(), self._started_at
        if prompt.mask is not None and self._started.policy == "copy":
            return (SliceMask(index, prompt.mask, 1.0),)
        if self._found:
            return self._predictor.alternatives(self._encoded(index, self._found[1]), prompt)
        return self._answers(index, prompt, lambda encoded: self._predictor.alternatives(encoded, prompt))

    def _answers(
        self, index: int, prompt: SlicePrompt, decode: Callable[[EncodedSlice], tuple[SliceMask, ...]]
    ) -> tuple[SliceMask, ...]:
        """Answer a prompt on the crop, or on the whole slice where the crop is too small for it."""
        crop, box = self.crop, prompt.enclosing_box
        if crop is None or (box is not None and not crop.holds(self._grid, box)):
            return decode(self._encoded(index, None))
        answers = decode(self._encoded(index, crop))
        found = answers[0].mask.enclosing_box
        # What reaches the edge of the crop goes on beyond it.
        return answers if found is None or crop.holds(self._grid, found) else decode(self._encoded(index, None))

    def _encoded(self, index: int, crop: Crop | None) -> EncodedSlice:
        return self._predictor.encode(self._volume, self._grid, index, self._started.window, crop)

    def _chosen_crop(self) -> Crop | None:
        """Choose where to look from the first prompt alone, so that no later edit moves it and encodes anew."""
        prompt = SlicePrompt.of(self._started.prompt, self._grid)
        if not prompt.points_uv:
            return self._crop_around(prompt.enclosing_box)
        # A point says nothing about the size. The whole slice gives a first idea, looking closer a second and a
        # third, and the model knows best which it is surest of: measured in docs/training.md.
        looks: list[tuple[SliceMask, Crop | None]] = []
        crop = None
        for _ in range(_LOOKS):
            answer = self._predictor.decode(self._encoded(self._started_at, crop), prompt)
            looks.append((answer, crop))
            crop = self._crop_around(answer.mask.enclosing_box)
            if crop is None or crop == looks[-1][1]:
                break
        self._found = max(looks, key=lambda look: look[0].score if look[0].mask.area else 0.0)
        return self._crop_around(self._found[0].mask.enclosing_box)

    def _crop_around(self, box: tuple[int, int, int, int] | None) -> Crop | None:
        spec = self._predictor.spec
        if box is None:
            return None
        return Crop.around(self._grid, box, ratio=spec.crop_ratio, max_zoom=max(spec.max_zoom, _UNTRAINED_ZOOM))

    def _first_prompt(self) -> SlicePrompt:
        prompt = SlicePrompt.of(self._started.prompt, self._grid)
        copied = self._started.policy == "copy"
        if prompt.mask is not None and not copied and not self._predictor.spec.can(Capability.MASK):
            # A model that never saw a mask answers one with noise; its box it knows.
            return SlicePrompt(box_uvuv=prompt.mask.enclosing_box)
        return prompt
