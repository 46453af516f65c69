"""One object of a session in its present state, as `Session.objects` returns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from radsam.predictor import SliceMask
from radsam.propagate import EndReason
from radsam.propagate.expected_dice import SUSPECT, expected_dice
from radsam.propagate.unsure_end import other_end
from radsam.session.edit import Confirm, ObjectEdit, Paint, Segment, StartEdit, StartFromMask
from radsam.session.stopped import SIDE_OF, End
from radsam.session.user_state import slice_prompts_of
from radsam.volume import Bounds, Geometry, Prompt, SliceGrid


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
class PlacedEdit:
    """One edit of an object.

    Args:
        number: Its number in the history, which `Session.delete` takes.
        kind: Its kind, as in the JSON of edits: "segment", "correct", "paint", "bounds", "continue", "confirm",
            "clean_up" or "start_from_mask".
        slices: The slices of the plane that it was made in, which it names or touches; empty for one of the whole
            object.
    """

    number: int
    kind: str
    slices: tuple[int, ...]

    @classmethod
    def of(cls, number: int, edit: ObjectEdit, grid: SliceGrid) -> PlacedEdit:
        """Describe an edit of an object with slices of `grid`."""
        match edit:
            case Paint():
                slices = tuple(edit.voxels.along(grid.axis).slices)
            case Confirm():
                slices = edit.slices
            case _:
                slices = tuple(slice_prompts_of(edit, grid))
        return cls(number, edit.edit, slices)


def started_from(edit: StartEdit) -> str:
    """Name what starts an object, as `SegmentedObject.started_from` lists."""
    match edit:
        case StartFromMask(by_hand=True):
            return "paint"
        case StartFromMask(refine=refine):
            return "3D mask, refined" if refine else "3D mask"
        case Segment(prompt=prompt):
            return type(prompt).__name__.lower()


def placed_edits(edits: Mapping[int, ObjectEdit], geometry: Geometry) -> tuple[PlacedEdit, ...]:
    """Describe the edits of an object, which was maybe started several times and in several planes."""
    placed, grid = [], None
    for number, edit in edits.items():
        if isinstance(edit, StartEdit) and (grid is None or grid.plane != edit.plane):
            grid = SliceGrid.of(geometry, edit.plane)
        assert grid is not None  # the first edit of an object starts it
        placed.append(PlacedEdit.of(number, edit, grid))
    return tuple(placed)


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
        window: The window of the model's input.
        placed_prompts: The prompt that started it last and the prompts of corrections since then, in order.
        bounds: The first and last slice, as the user set them; None where the stop rule found the ends.
        unfollowed: The voxels (i, j, k) of the last correction's clicks that the model did not follow, so that only
            the pixels around them were painted.
        edits: Its edits, in order.
        confirmed: The slices that are marked right.
        start: The kind of the edit that started it last: "segment" or "start_from_mask".
        started_from: What started it last: "box", "point", "mask", "scribble", "3D mask", "3D mask, refined" or
            "paint".
        unfinished: The ends at which a propagation was stopped, "low" and "high", each with the slice up to which it
            was requested; None where the stop rule was to find the end.
    """

    name: str
    id: int
    grid: SliceGrid
    slices: dict[int, SliceMask]
    low_end: EndReason
    high_end: EndReason
    locked: bool
    window: tuple[float, float]
    placed_prompts: tuple[PlacedPrompt, ...]
    bounds: Bounds | None = None
    unfollowed: tuple[tuple[int, int, int], ...] = ()
    edits: tuple[PlacedEdit, ...] = ()
    confirmed: tuple[int, ...] = ()
    start: str = "segment"
    started_from: str = ""
    unfinished: Mapping[End, int | None] = field(default_factory=dict)

    @property
    def painted(self) -> bool:
        """Whether the model did not follow the last correction, so that only its clicks were painted."""
        return bool(self.unfollowed)

    @property
    def expected_dice(self) -> dict[int, float]:
        """The Dice that each slice probably has, 0 to 1, by the model's scores; see docs/explained/limits.md.

        1 for slices that the model did not predict, or that are marked right. "Review next" in the page begins with
        the lowest one.
        """
        given = {index for index, each in self.slices.items() if each.score == 1.0}
        prompted = {each.index for each in self.placed_prompts}
        prompted |= {index for each in self.edits if each.kind == "paint" for index in each.slices}
        if self.start == "start_from_mask":  # each slice was given, or predicted from its own mask
            prompted |= self.slices.keys()
        return expected_dice(self.slices, given.union(self.confirmed), prompted)

    @property
    def suspect_slices(self) -> tuple[int, ...]:
        """The slices worth a look first, by ascending expected Dice."""
        found = self.expected_dice
        return tuple(sorted((index for index in found if found[index] < SUSPECT), key=lambda index: found[index]))

    @property
    def other_ends(self) -> dict[End, int]:
        """Where it may end instead, "low" and "high", if the model was unsure of an end that it has found itself."""
        reasons: dict[End, EndReason] = {"low": self.low_end, "high": self.high_end}
        found = {}
        marked = [*(each.index for each in self.placed_prompts), *self.confirmed]
        marked += [index for each in self.edits if each.kind == "paint" for index in each.slices]
        for end, reason in reasons.items():
            if reason in (EndReason.BOUND, EndReason.STOPPED) or not marked:
                continue
            side = SIDE_OF[end]
            last = max(index * side for index in marked)
            outwards = sorted((index for index in self.slices if index * side >= last), key=lambda index: index * side)
            other = other_end([self.slices[index] for index in outwards])
            if other is not None:
                found[end] = other
        return found

    @property
    def whole_voxels(self) -> int:
        """How many voxels it has, before the overlap policy applies."""
        return sum(each.mask.area for each in self.slices.values())

    @property
    def by_hand(self) -> bool:
        """The former name of `painted`."""
        return self.painted
