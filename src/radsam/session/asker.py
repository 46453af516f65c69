"""How an object's slices are asked: on its crop or whole, by a walk or for a preview, always the same way."""

from __future__ import annotations

from collections.abc import Callable

from radsam.errors import PromptError
from radsam.predictor import EncodedSlice, SliceMask, SlicePredictor, SlicePrompt
from radsam.preprocess import Crop
from radsam.propagate.next_prompt import enclosing_box, prompt_box
from radsam.runtime import Capability
from radsam.session.edit import Segment
from radsam.volume import Box, Mask, Point, RunMask, SliceGrid, Volume

#: Zoom of a model that was not trained for any, where the user insists: little enough to still know what it sees.
_UNTRAINED_ZOOM = 2.0


class Asker:
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
        self.crop = self._chosen_crop() if started.zoom else None

    def __call__(self, index: int, prompt: SlicePrompt) -> SliceMask:
        """Answer a prompt on slice `index` with the primary mask."""
        return self._answers(index, prompt, lambda encoded: (self._predictor.decode(encoded, prompt),))[0]

    def first(self) -> SliceMask:
        """Answer the prompt that starts the object.

        Raises:
            PromptError: The model found nothing.
        """
        prompt = self._first_prompt()
        index = slice_index(self._started.prompt, self._grid)
        if prompt.mask is not None and self._started.policy == "copy":
            return SliceMask(index, prompt.mask, 1.0)
        answer = self(index, prompt)
        if not answer.mask.area:
            raise PromptError(
                f"The model found nothing at the prompt on {self._grid.plane} slice {index}. Try a box that holds the "
                "whole object, another slice, or a window in which the object stands out."
            )
        return answer

    def first_alternatives(self) -> tuple[SliceMask, ...]:
        """Answer the prompt that starts the object with all four masks: what `first` answers, then the others."""
        prompt = self._first_prompt()
        index = slice_index(self._started.prompt, self._grid)
        if prompt.mask is not None and self._started.policy == "copy":
            return (SliceMask(index, prompt.mask, 1.0),)
        return self._answers(index, prompt, lambda encoded: self._predictor.alternatives(encoded, prompt))

    def _answers(
        self, index: int, prompt: SlicePrompt, decode: Callable[[EncodedSlice], tuple[SliceMask, ...]]
    ) -> tuple[SliceMask, ...]:
        """Answer a prompt on the crop, or on the whole slice where the crop is too small for it."""
        crop, box = self.crop, prompt_box(prompt)
        if crop is None or (box is not None and not crop.holds(self._grid, box)):
            return decode(self._encoded(index, None))
        answers = decode(self._encoded(index, crop))
        found = enclosing_box(answers[0].mask)
        # What reaches the edge of the crop goes on beyond it.
        return answers if found is None or crop.holds(self._grid, found) else decode(self._encoded(index, None))

    def _encoded(self, index: int, crop: Crop | None) -> EncodedSlice:
        return self._predictor.encode(self._volume, self._grid, index, self._started.window, crop)

    def _chosen_crop(self) -> Crop | None:
        """Choose where to look from the first prompt alone, so that no later edit moves it and encodes anew."""
        prompt = slice_prompt(self._started.prompt, self._grid)
        if prompt.points_uv:
            # A point says nothing about the size: the whole slice does.
            encoded = self._encoded(slice_index(self._started.prompt, self._grid), None)
            box = enclosing_box(self._predictor.decode(encoded, prompt).mask)
        else:
            box = prompt_box(prompt)
        spec = self._predictor.spec
        if box is None:
            return None
        return Crop.around(self._grid, box, ratio=spec.crop_ratio, max_zoom=max(spec.max_zoom, _UNTRAINED_ZOOM))

    def _first_prompt(self) -> SlicePrompt:
        prompt = slice_prompt(self._started.prompt, self._grid)
        copied = self._started.policy == "copy"
        if prompt.mask is not None and not copied and not self._predictor.spec.can(Capability.MASK):
            # A model that never saw a mask answers one with noise; its box it knows.
            return SlicePrompt(box_uvuv=enclosing_box(prompt.mask))
        return prompt


def slice_index(prompt: Point | Box | Mask, grid: SliceGrid) -> int:
    """Return the slice that a prompt lies on."""
    return grid.split(prompt.index_ijk)[0] if isinstance(prompt, Point) else prompt.index


def slice_prompt(prompt: Point | Box | Mask, grid: SliceGrid) -> SlicePrompt:
    """Turn a prompt in voxels into what is said about its slice."""
    match prompt:
        case Point():
            _, u, v = grid.split(prompt.index_ijk)
            return SlicePrompt(points_uv=((u, v, prompt.positive),))
        case Box():
            return SlicePrompt(box_uvuv=prompt.uvuv)
        case Mask():
            return SlicePrompt(mask=RunMask.encode(prompt.pixels))
