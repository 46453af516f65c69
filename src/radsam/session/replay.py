"""From an object's edits to its masks: a pure function, remembered step by step.

The masks of an object follow from its edits alone, so undoing, redoing or deleting an
edit needs no code of its own: the remaining edits are replayed. Every step is
remembered, so that replaying a known one costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from radsam.errors import PromptError
from radsam.predictor import SliceMask, SlicePredictor, SlicePrompt
from radsam.preprocess import Crop
from radsam.propagate import POLICIES, EndReason, SliceDone, StopRule, WalkEnded, default_policy, propagate
from radsam.propagate.next_prompt import Policy, enclosing_box, moved_box, prompt_box
from radsam.propagate.propagator import Ask
from radsam.runtime import Capability
from radsam.session.edit import Correct, Segment
from radsam.session.spot import follows, with_spots
from radsam.volume import Box, Mask, Point, RunMask, SliceGrid, Volume

ObjectEdits = tuple[Segment | Correct, ...]
Record = SliceDone | WalkEnded

#: Zoom of a model that was not trained for any, where the user insists: little enough to still know what it sees.
_UNTRAINED_ZOOM = 2.0
#: Steps remembered; a step is some kilobytes of run lengths.
_REMEMBERED = 2_000


@dataclass(frozen=True)
class ObjectResult:
    """The masks of one object after its last edit.

    Args:
        grid: The slices that the object was walked through.
        answers: Slice index to mask and predicted IoU.
        low_end: Why the walk ended on the side of smaller indices.
        high_end: Why it ended on the other.
        by_hand: Whether the model did not follow the last correction, so that only the spot was set.
    """

    grid: SliceGrid
    answers: Mapping[int, SliceMask]
    low_end: EndReason
    high_end: EndReason
    by_hand: bool = False


class Replayer:
    """Turns the edits of an object into its masks.

    Args:
        volume: The CT.
        predictor: Answers prompts on single slices.
        stop_rule: Ends walks without bounds.
    """

    def __init__(self, volume: Volume, predictor: SlicePredictor, stop_rule: StopRule) -> None:
        self._volume = volume
        self._predictor = predictor
        self._stop_rule = stop_rule
        self.known: OrderedDict[ObjectEdits, ObjectResult] = OrderedDict()

    def result(self, edits: ObjectEdits) -> ObjectResult:
        """Return the masks after `edits`."""
        walk = self.walk(edits)
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def walk(self, edits: ObjectEdits) -> Generator[Record, None, ObjectResult]:
        """Yield the records of the last edit's walk and return the masks; at once where they are known."""
        if edits in self.known:
            self.known.move_to_end(edits)
            return self.known[edits]
        started = next(edit for edit in reversed(edits) if isinstance(edit, Segment))
        grid = SliceGrid.of(self._volume.geometry, started.plane)
        said = said_on_slices(edits, grid)
        ask = self._asker(grid, started)
        last = edits[-1]
        limits: dict[int, int] = {}
        carried: RunMask | None = None
        answers: dict[int, SliceMask] = {}
        by_hand = False
        ends: dict[int, EndReason] = {}
        if isinstance(last, Segment):
            start = self._first(last, grid, ask)
        else:
            before = self.result(edits[:-1])
            start, by_hand = self._corrected(last, grid, said, ask, before, started.policy)
            stood = before.answers.get(start.index)
            if start == stood:
                # Nothing new to pass on: walking back from here would only lose what is right.
                return self.remember(edits, before)
            carried = stood.mask if stood else None
            limits = _limits(start.index, said)
            ends = {-1: before.low_end, 1: before.high_end}
            answers = {
                index: answer
                for index, answer in before.answers.items()
                if any((index - limit) * step > 0 for step, limit in limits.items())
            }
        for record in propagate(
            start,
            ask=lambda index, prompt: _obeying(ask(index, prompt), said),
            policy=self._policy(started.policy),
            slice_count=grid.count,
            bounds=started.bounds,
            said=said,
            stop_rule=self._stop_rule,
            limits=limits,
            carried=carried,
        ):
            if isinstance(record, SliceDone):
                answers[record.answer.index] = record.answer
            elif record.step not in limits:
                ends[record.step] = record.reason
            yield record
        return self.remember(edits, ObjectResult(grid, dict(sorted(answers.items())), ends[-1], ends[1], by_hand))

    def remember(self, edits: ObjectEdits, result: ObjectResult) -> ObjectResult:
        """Keep a step's masks, as computed here or as read from a session file."""
        self.known[edits] = result
        if len(self.known) > _REMEMBERED:
            self.known.popitem(last=False)
        return result

    def _asker(self, grid: SliceGrid, started: Segment) -> Ask:
        """Answer prompts on slices: on the object's crop where it has one and the prompt lies in it."""

        def look(index: int, prompt: SlicePrompt, crop: Crop | None) -> SliceMask:
            encoded = self._predictor.encode(self._volume, grid, index, started.window, crop)
            return self._predictor.decode(encoded, prompt)

        crop = self._crop(grid, started, look) if started.zoom else None

        def ask(index: int, prompt: SlicePrompt) -> SliceMask:
            box = prompt_box(prompt)
            if crop is None or (box is not None and not crop.holds(grid, box)):
                return look(index, prompt, None)
            answer = look(index, prompt, crop)
            found = enclosing_box(answer.mask)
            # What reaches the edge of the crop goes on beyond it.
            return answer if found is None or crop.holds(grid, found) else look(index, prompt, None)

        return ask

    def _crop(
        self, grid: SliceGrid, started: Segment, look: Callable[[int, SlicePrompt, Crop | None], SliceMask]
    ) -> Crop | None:
        """Choose where to look from the first prompt alone, so that no later edit moves it and encodes anew."""
        prompt = slice_prompt(started.prompt, grid)
        if prompt.points_uv:
            # A point says nothing about the size: the whole slice does.
            box = enclosing_box(look(slice_index(started.prompt, grid), prompt, None).mask)
        else:
            box = prompt_box(prompt)
        spec = self._predictor.spec
        if box is None:
            return None
        return Crop.around(grid, box, ratio=spec.crop_ratio, max_zoom=max(spec.max_zoom, _UNTRAINED_ZOOM))

    @property
    def _knows_boxes_only(self) -> bool:
        spec = self._predictor.spec
        return not (spec.can(Capability.POINT) or spec.can(Capability.EDIT))

    def _policy(self, name: str) -> Policy:
        return moved_box if name == "box" and self._knows_boxes_only else POLICIES[name]

    def _first(self, edit: Segment, grid: SliceGrid, ask: Ask) -> SliceMask:
        prompt = slice_prompt(edit.prompt, grid)
        index = slice_index(edit.prompt, grid)
        if prompt.mask is not None and edit.policy == "copy":
            return SliceMask(index, prompt.mask, 1.0)
        if prompt.mask is not None and not self._predictor.spec.can(Capability.MASK):
            # A model that never saw a mask answers one with noise; its box it knows.
            prompt = SlicePrompt(box_uvuv=enclosing_box(prompt.mask))
        answer = ask(index, prompt)
        if not answer.mask.area:
            raise PromptError(
                f"The model found nothing at the prompt on {grid.plane} slice {index}. Try a box that holds the "
                "whole object, another slice, or a window in which the object stands out."
            )
        return answer

    def _corrected(
        self,
        edit: Correct,
        grid: SliceGrid,
        said: Mapping[int, SlicePrompt],
        ask: Ask,
        before: ObjectResult,
        policy: str,
    ) -> tuple[SliceMask, bool]:
        """Ask again with the mask that stood here and every point on this slice (paper 4.2).

        Returns the slice's new mask, and whether the spot had to be set by hand.
        """
        index = slice_index(edit.points[0], grid)
        stood = before.answers.get(index)
        mask = stood.mask if stood else RunMask.encode(np.zeros(grid.shape_vu, bool))
        if stood and self._knows_boxes_only and follows(stood.mask, said[index].points_uv):
            return stood, False  # all is as it was said: another box could only lose it
        # Copying cannot correct: there the model answers as it was trained to.
        name = default_policy(self._predictor.spec) if policy == "copy" else policy
        question = self._policy(name)(mask, said[index])
        if isinstance(question, RunMask):
            return SliceMask(index, question, 1.0), False
        # Only negative points on an empty slice leave nothing to ask: it stays empty.
        answer = ask(index, question) if question else SliceMask(index, mask, 1.0)
        if follows(answer.mask, said[index].points_uv):
            return answer, False
        # An answer that leaves the click as it was is no correction, only another mask.
        return _obeying(stood or SliceMask(index, mask, answer.score), said), True


def _limits(corrected: int, said: Mapping[int, SlicePrompt]) -> dict[int, int]:
    """Find how far a correction walks to each side, -1 or 1: every slice follows what was said nearest to it.

    The paper walks to both ends from every correction (4.2). Nearer to another prompt or correction,
    what came from there is better than what this one sends: see docs/training.md. No limit is
    where nothing else was said on that side.
    """
    limits = {}
    for step in (-1, 1):
        away = [(index - corrected) * step for index in said if (index - corrected) * step > 0]
        if away:
            limits[step] = corrected + step * ((min(away) - 1) // 2)
    return limits


def _obeying(answer: SliceMask, said: Mapping[int, SlicePrompt]) -> SliceMask:
    """Return the answer with every point of its slice on the side that it names."""
    points = said[answer.index].points_uv if answer.index in said else ()
    return answer if follows(answer.mask, points) else replace(answer, mask=with_spots(answer.mask, points))


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


def said_on_slices(edits: ObjectEdits, grid: SliceGrid) -> dict[int, SlicePrompt]:
    """Collect what was said per slice since the object was last started."""
    said: dict[int, SlicePrompt] = {}
    for edit in edits:
        if isinstance(edit, Segment):
            said = {slice_index(edit.prompt, grid): slice_prompt(edit.prompt, grid)}
            continue
        for point in edit.points:
            index = slice_index(point, grid)
            already = said.get(index, SlicePrompt())
            said[index] = replace(already, points_uv=already.points_uv + slice_prompt(point, grid).points_uv)
    return said
