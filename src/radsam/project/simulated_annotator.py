"""A careful annotator made of code: one object in a session, from a proposal or a box to a mask that is good enough.

The annotator looks at the whole object and does what repairs most at once. What a person would click or draw is an
action, and every action counts: the box, each stroke that adds or takes away, new ends, deleting a proposal, undo.
To look takes time and does not count as an action.

The annotator alone has the truth. A session gets of it what a person would draw: a loose box, first and last slice,
and the wrong pixels of one slice at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radsam.errors import PromptError
from radsam.session import Session
from radsam.session.edit import Reach, Remove
from radsam.session.edit_request import SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, PaintRequest
from radsam.session.requests import ObjectRequest
from radsam.simulate import random_box
from radsam.volume import Bounds, Box, Plane, RunMask, SliceGrid, SparseMask

Action = Literal["box", "add", "take", "ends", "delete", "undo"]

#: Seconds of a person for each kind of action, from the keystroke-level model (Card, Moran and Newell 1980: 1.35 s to
#: decide, 1.1 s to point, 0.1 s to press or let go, 0.28 s for a key) and 8 s to draw along an outline of about
#: 15 cm. They only weigh kinds of actions against each other: a project's own curve has measured seconds.
SECONDS: Mapping[Action, float] = {
    "box": 9.0,  # decide, two corners of 2.5 s with the search for the largest slice, and two ends of 1.5 s
    "add": 12.0,  # scroll to the slice, decide, and draw
    "take": 12.0,  # the same
    "ends": 5.0,  # scroll to each end and press a key there
    "delete": 3.0,  # decide, point, press
    "undo": 2.0,  # see that it got worse, and press a key
}
#: To look over one slice of an object, once at the start and once at the end: four slices a second of scrolling.
LOOK_SECONDS = 0.25

#: A proposal with a lower Dice is deleted and drawn anew. Above it, strokes on the proposal needed fewer actions than a
#: box in one trial by hand: four organs of one neck, proposals of Dice .19 to .60, 24 actions against 29.
WORTH_KEEPING = 0.15
#: Who sees the Dice fall by more than this after an edit takes it back, and lets strokes reach less far.
_WORSE = 0.002
#: How far strokes then reach, in slices to each side; and those on a proposal from the beginning, as in the page.
NEAR = 2


@dataclass(frozen=True, eq=False)
class Effort:
    """What an object has cost, and what came of it.

    Args:
        actions: Number of actions until the mask was good enough, or until the annotator gave up.
        human_seconds: Seconds of the person for these, by `SECONDS` and `LOOK_SECONDS`.
        finishing_seconds: Seconds of the person for the strokes after these.
        machine_seconds: Seconds that the person waited for the session.
        dice: Dice of the whole object before the first action, then after each.
        started_from: "proposal", "prompt", or "" where there was nothing to do: an absent object without a proposal.
        kinds: The kinds of all actions, in their order: first those that `actions` counts, then finishing strokes.
        mask: The object as it is now; empty where it is absent.
    """

    actions: int
    human_seconds: float
    finishing_seconds: float
    machine_seconds: float
    dice: tuple[float, ...]
    started_from: Literal["proposal", "prompt", ""]
    kinds: tuple[Action, ...]
    mask: SparseMask

    @property
    def final_dice(self) -> float:
        """Dice of the object as it is now."""
        return self.dice[-1]


def annotate(
    session: Session,
    name: str,
    truth: SparseMask,
    proposal: SparseMask | None,
    *,
    goal: float = 0.85,
    most: int = 20,
    rng: np.random.Generator,
    hand_in: float | None = None,
) -> Effort:
    """Annotate one object.

    Args:
        session: A session on the object's volume, in which there is no object `name`.
        name: What the object is called.
        truth: Its true voxels; none where the volume doesn't have it.
        proposal: A mask to begin with; None to begin with a box.
        goal: Actions count until the whole object has this Dice.
        most: The annotator gives up after so many actions.
        rng: Source of how loosely the box is drawn.
        hand_in: The annotator then goes on, stroke by stroke without the model and without counting, until the object
            has this Dice; None to stop there.

    Returns:
        The effort; the object stays in the session.
    """
    annotator = _Annotator(session, name, truth, most, rng)
    annotator.begin(proposal)
    while annotator.truth and annotator.dice[-1] < goal and len(annotator.kinds) < most:
        annotator.repair()
    annotator.count()
    while hand_in is not None and annotator.truth and annotator.dice[-1] < hand_in:
        annotator.repair(by_hand=True)
    return annotator.effort()


class _Annotator:
    """One object in progress."""

    def __init__(self, session: Session, name: str, truth: SparseMask, most: int, rng: np.random.Generator) -> None:
        self._session, self._name, self._most, self._rng = session, name, most, rng
        self._grid = SliceGrid.of(session.volume.geometry, Plane.AXIAL)
        self.truth = dict(truth.along(self._grid.axis).slices)
        self._masks: dict[int, RunMask] = {}
        self._bounds: Bounds | None = None
        self._reach: Reach = "next"
        self._machine = self._human = self._counted_seconds = 0.0
        self._counted = 0
        self._started: Literal["proposal", "prompt", ""] = "prompt" if truth else ""
        self.kinds: list[Action] = []
        self.dice: list[float] = []

    def count(self) -> None:
        """Look at the object once more; what comes after this does not count."""
        self._look()
        self._counted, self._counted_seconds = len(self.kinds), self._human

    def effort(self) -> Effort:
        """Return what it has cost."""
        shape_kji = self._session.volume.geometry.shape_kji
        return Effort(
            self._counted,
            self._counted_seconds,
            self._human - self._counted_seconds,
            self._machine,
            tuple(self.dice),
            self._started,
            tuple(self.kinds),
            SparseMask(self._grid.axis, shape_kji, self._masks),
        )

    def begin(self, proposal: SparseMask | None) -> None:
        """Look at the proposal and keep it, or draw a box."""
        if not proposal:
            self._look()
            self.dice.append(self._dice())
        else:
            self._started = "proposal"
            self._run(StartFromMaskRequest(name=self._name, mask=proposal))
            self._look()
            self.dice.append(self._dice())
            if self.dice[-1] >= WORTH_KEEPING:
                self._reach = NEAR
                return
            self._started = "prompt" if self.truth else "proposal"
            self._run(Remove(self._name))
            self._done("delete")
        if self.truth and len(self.kinds) < self._most:
            self._draw_box()

    def _draw_box(self) -> None:
        largest = max(self.truth, key=lambda index: self.truth[index].area)
        with suppress(PromptError):  # the model finds nothing in it: the slice is drawn by hand next
            self._run(SegmentRequest(name=self._name, prompt=self._box(largest), bounds=self._ends))
        self._done("box")

    @property
    def _ends(self) -> Bounds:
        return Bounds(min(self.truth), max(self.truth))

    def repair(self, *, by_hand: bool = False) -> None:
        """Do what repairs most: set the ends, or add or take away the wrong pixels of one slice.

        Args:
            by_hand: Whether only the slice's own pixels change, so that no action can make anything worse.
        """
        wrong: dict[tuple[int, Action], RunMask] = {}
        empty = RunMask.empty(self._grid.shape_vu)
        for index in self.truth.keys() | self._masks.keys():
            truth, mask = self.truth.get(index, empty), self._masks.get(index, empty)
            wrong[index, "add"], wrong[index, "take"] = truth - mask, mask - truth
        reached = NEAR if self._reach == NEAR and not by_hand else 0
        index, kind = max(sorted(wrong), key=lambda each: (self._repaired(wrong, each, reached), wrong[each].area))
        if (
            not by_hand
            and self._bounds != self._ends
            and self._beyond_ends() > self._repaired(wrong, (index, kind), reached)
        ):
            self._run(BoundsRequest(name=self._name, low=min(self.truth), high=max(self.truth)))
            self._done("ends")
            return
        self._paint(index, kind, wrong[index, kind], "slice" if by_hand else self._reach)
        if self.dice[-1] < self.dice[-2] - _WORSE and len(self.kinds) < self._most:
            self._session.undo()
            self._done("undo")
            # Who had to take it back goes on with less: two slices to each side, at last slice by slice.
            self._reach = NEAR if self._reach == "next" else "slice"

    @staticmethod
    def _repaired(wrong: Mapping[tuple[int, Action], RunMask], at: tuple[int, Action], reached: int) -> int:
        """Return the wrong pixels that a stroke may repair: those of its kind on its slice and on those it reaches."""
        index, kind = at
        if not wrong[at].area:
            return 0
        near = ((each, kind) for each in range(index - reached, index + reached + 1))
        return sum(wrong[each].area for each in near if each in wrong)

    def _box(self, index: int) -> Box:
        # As loose as in training and in the benchmark: in pixels of a slice of 1024.
        unit = max(self._grid.shape_vu) / 1024
        return Box.on(self._grid, index, *random_box(self.truth[index].decode(), self._rng, unit=unit))

    def _paint(self, index: int, kind: Action, pixels: RunMask, reach: Reach) -> None:
        shape = SparseMask(self._grid.axis, self._session.volume.geometry.shape_kji, {index: pixels})
        self._run(PaintRequest(name=self._name, shape=shape, positive=kind == "add", reach=reach))
        self._done(kind)

    def _beyond_ends(self) -> int:
        """Return the number of wrong pixels on slices before and after the common ones; none if there is no object."""
        filled = [index for index, mask in self._masks.items() if mask.area]
        if not filled or min(filled) > max(self.truth) or max(filled) < min(self.truth):
            return 0
        low, high = max(min(filled), min(self.truth)), min(max(filled), max(self.truth))
        return sum(
            mask.area
            for masks in (self._masks, self.truth)
            for index, mask in masks.items()
            if not low <= index <= high
        )

    def _run(self, request: ObjectRequest | Remove) -> None:
        """Have the session do an edit, and wait for it."""
        started = time.perf_counter()
        try:
            for _ in self._session.run(request):
                pass
        finally:
            self._machine += time.perf_counter() - started

    def _done(self, kind: Action) -> None:
        self.kinds.append(kind)
        self._human += SECONDS[kind]
        self.dice.append(self._dice())

    def _look(self) -> None:
        self._human += LOOK_SECONDS * len(self.truth.keys() | self._masks.keys())

    def _dice(self) -> float:
        """Take the object's present masks, and return their Dice with the truth."""
        found = self._session.objects.get(self._name)
        self._masks = {index: each.mask for index, each in found.slices.items()} if found else {}
        self._bounds = found.bounds if found else None
        total = sum(each.area for masks in (self._masks, self.truth) for each in masks.values())
        common = sum(self._common(mask, self.truth.get(index)) for index, mask in self._masks.items())
        return 2 * common / total if total else 1.0

    @staticmethod
    def _common(mask: RunMask, truth: RunMask | None) -> int:
        return mask.area - (mask - truth).area if truth else 0
