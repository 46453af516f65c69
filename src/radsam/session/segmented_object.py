"""One object of a session in its present state, as `Session.objects` returns it."""

from __future__ import annotations

from dataclasses import dataclass

from radsam.predictor import SliceMask
from radsam.propagate import EndReason
from radsam.volume import Bounds, Prompt, SliceGrid


@dataclass(frozen=True)
class PlacedPrompt:
    """One prompt or correction point of an object.

    Args:
        number: Its edit's number in the history, which `Session.delete` takes.
        index: The slice that it lies on.
        prompt: The prompt itself.
    """

    number: int
    index: int
    prompt: Prompt


@dataclass(frozen=True)
class SegmentedObject:
    """One object of a session in its present state.

    Args:
        name: Its name.
        id: Its number in the label map.
        grid: The slices that it was propagated through.
        slices: Slice index to mask and predicted IoU, before the overlap policy applies.
        low_end: Why the propagation ended on the side of smaller slice indices.
        high_end: Why it ended on the other.
        locked: Whether later edits of other objects take no voxel from it.
        window_hu: The window of the model's input.
        placed_prompts: The prompt that started it last and the correction points since then, in order.
        bounds: The first and last slice, as the user gave them; None where the stop rule found the ends.
        painted: Whether the model did not follow the last correction, so that only its clicks were painted.
    """

    name: str
    id: int
    grid: SliceGrid
    slices: dict[int, SliceMask]
    low_end: EndReason
    high_end: EndReason
    locked: bool
    window_hu: tuple[float, float]
    placed_prompts: tuple[PlacedPrompt, ...]
    bounds: Bounds | None = None
    painted: bool = False

    @property
    def whole_voxels(self) -> int:
        """How many voxels it has, before the overlap policy applies."""
        return sum(each.mask.area for each in self.slices.values())

    @property
    def by_hand(self) -> bool:
        """The former name of `painted`."""
        return self.painted
