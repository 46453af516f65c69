"""What the model's scores say: the Dice of slices that they promise, and where an object without bounds ends.

    python benchmarks/slice_scores.py DATA [--split val] [--most-objects 4] [--fit]

DATA has cases with a manifest.json. Each object is propagated from its exact box on the slice of largest area, without
bounds and up to ten slices past its ends. Prints Markdown tables: how well slices are ranked and what Dice those of an
expected Dice have; then the Dice of objects with the ends that the stop rule finds, and whether offered ends are nearer
to the truth. ``--fit`` prints the factors of `radsam.propagate.expected_dice` as these objects would have them.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import radsam
from radsam.benchmark.slice_rows import BAD_DICE, area_under_curve
from radsam.data.adapters.folder import find_cases
from radsam.data.case_load import load_case
from radsam.errors import PromptError
from radsam.predictor import SliceMask
from radsam.propagate import EndReason, StopRule
from radsam.propagate.expected_dice import SUSPECT, expected_dice
from radsam.propagate.unsure_end import other_end
from radsam.volume import Box, Plane, RunMask, SliceGrid

_PAST = 10


@dataclass(frozen=True)
class Watch(StopRule):
    """Ends a side some slices past the truth, and notes each slice with the mask that came in."""

    low: int = 0
    high: int = 0
    seen: dict[int, tuple[RunMask, SliceMask]] = field(default_factory=dict)
    min_share: float = 0.0
    most_absent: float = math.inf

    def broken_by(self, incoming: RunMask, current: SliceMask) -> EndReason | None:
        """Note the slice."""
        if not current.mask.area or not self.low - _PAST <= current.index <= self.high + _PAST:
            return EndReason.EMPTY
        self.seen[current.index] = incoming, current
        return None


@dataclass(frozen=True)
class Propagated:
    """An object's slices: masks, what came in, and pixels of the truth and in common."""

    slices: dict[int, SliceMask]
    incoming: dict[int, RunMask]
    truth: dict[int, int]
    shared: dict[int, int]
    start: int
    ends: tuple[int, int]

    def side(self, side: int) -> list[int]:
        """The slices of a side, from the start outwards."""
        return list(takewhile(lambda index: index in self.slices, count(self.start, side)))

    def dice(self, first: int, last: int) -> float:
        """The Dice of the object where it ends at these slices."""
        kept = [index for index in self.slices if first <= index <= last]
        found = sum(self.slices[index].mask.area for index in kept)
        return 2 * sum(self.shared[index] for index in kept) / (found + sum(self.truth.values()))

    def end(self, side: int, rule: StopRule) -> int:
        """Where a rule ends a side, as a propagation does."""
        last, doubt, scores = self.start, 0.0, [self.slices[self.start].score]
        for index in self.side(side)[1:]:
            current = self.slices[index]
            doubt = rule.doubt(current, scores, doubt)
            if rule.broken_by(self.incoming[index], current) or rule.ended_by(current, doubt):
                return last
            scores.append(current.score)
            last = last if doubt else index
        return self.side(side)[-1]


def propagated(engine: radsam.Engine, volume: radsam.Volume, truth: np.ndarray) -> Propagated | None:
    """Propagate an object past its ends; None where the model finds nothing."""
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    areas = {index: int(np.count_nonzero(grid.take(truth, index))) for index in range(grid.count)}
    held = [index for index, area in areas.items() if area]
    start = max(held, key=lambda index: areas[index])
    rows, columns = (np.flatnonzero(grid.take(truth, start).any(axis=axis)) for axis in (1, 0))
    watch = Watch(low=held[0], high=held[-1])
    session = engine.open(volume, stop_rule=watch)
    try:
        box = Box.on(grid, start, int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1]))
        first = session.segment(box, name="object").slices[start]
    except PromptError:
        return None
    slices = {start: first, **{index: current for index, (_, current) in watch.seen.items()}}
    shared = {index: int((each.mask.decode() & grid.take(truth, index)).sum()) for index, each in slices.items()}
    incoming = {index: before for index, (before, _) in watch.seen.items()}
    return Propagated(slices, incoming, areas, shared, start, (held[0], held[-1]))


def slice_table(objects: list[Propagated], fit: bool) -> None:
    """Print how well scores rank slices, and the Dice of those of each expected Dice."""
    scores, expected, dices, within, rows = [], [], [], {"score": [], "expected Dice": []}, []
    for each in objects:
        inside = {index: one for index, one in each.slices.items() if each.ends[0] <= index <= each.ends[1]}
        found = expected_dice(inside, (), [each.start])
        others = [index for index in inside if index != each.start]
        dice = [2 * each.shared[i] / max(1, inside[i].mask.area + each.truth[i]) for i in others]
        ranked = {"score": [inside[i].score for i in others], "expected Dice": [found[i] for i in others]}
        scores += ranked["score"]
        expected += ranked["expected Dice"]
        dices += dice
        for index in others:
            low, high = sorted((index, each.start))
            lowest = min(inside[i].score for i in range(low, high + 1) if i in inside)
            rows.append((1.0, lowest, math.log(high - low)))
        for name, values in ranked.items():
            if len(others) > 5 and np.std(dice) > 0.02 and np.std(values) > 0:
                within[name].append(float(spearmanr(values, dice)[0]))
    truth = np.array(dices)
    print(f"{len(objects)} objects, {len(truth)} slices besides the prompted ones\n")
    print(f"| ranked by | slices below {BAD_DICE} found (area under the curve) | rank correlation within an object |")
    print("|---|---|---|")
    for name, values in (("score", scores), ("expected Dice", expected)):
        area = area_under_curve(values, truth < BAD_DICE)
        print(f"| {name} | {'–' if area is None else f'{area:.3f}'} | {np.mean(within[name]):.3f} |")
    print("\n| expected Dice | slices | mean of it | mean Dice |\n|---|---|---|---|")
    promised = np.array(expected)
    for low in np.arange(0, 1, 0.1):
        chosen = (promised >= low) & (promised < low + 0.1 + (low > 0.85))
        if chosen.any():
            print(f"| {low:.1f} | {chosen.sum()} | {promised[chosen].mean():.2f} | {truth[chosen].mean():.2f} |")
    suspect = promised < SUSPECT
    print(f"\nBelow {SUSPECT}: {suspect.mean():.2f} of the slices, mean Dice {truth[suspect].mean():.2f}.")
    if fit:
        factors, *_ = np.linalg.lstsq(np.array(rows), truth, rcond=None)
        print("Fitted: constant {:.3f}, lowest score {:.3f}, ln of the way {:.3f}.".format(*factors))


def end_table(objects: list[Propagated]) -> None:
    """Print the Dice of objects with ends by rules, and what offered ends are worth."""
    print("\n| ends | mean Dice |\n|---|---|")
    print(f"| the true ones | {np.mean([each.dice(*each.ends) for each in objects]):.3f} |")
    rules = {"a score below 0.5": StopRule(min_score=0.5, min_share=0.0), "the stop rule": StopRule()}
    for name, rule in rules.items():
        print(f"| {name} | {np.mean([each.dice(each.end(-1, rule), each.end(1, rule)) for each in objects]):.3f} |")
    nearer = farther = 0
    for each in objects:
        for side, true in zip((-1, 1), each.ends, strict=True):
            end = each.end(side, StopRule())
            offered = other_end([each.slices[i] for i in each.side(side) if (end - i) * side >= 0])
            if offered is not None:
                better = abs(offered - true) < abs(end - true)
                nearer, farther = nearer + better, farther + (not better)
    print(f"\nOther ends that are offered: {nearer} nearer to the true one than the found one, {farther} not.")


def main() -> None:
    """Parse the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--most-objects", type=int, default=4, help="of a case, spread over their sizes")
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fit", action="store_true", help="print the factors that fit these objects best")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    engine = radsam.load(given.model, precision="f32", threads=given.threads)
    objects = []
    for case in find_cases(given.data):
        if case.split != given.split:
            continue
        volume, labels = load_case(case)
        sizes = {each: int((labels.ids == each).sum()) for each in labels.names}
        large = sorted((each for each, size in sizes.items() if size >= 200), key=lambda each: sizes[each])
        most = min(given.most_objects, len(large))
        for rank in np.unique(np.linspace(0, len(large) - 1, most).round().astype(int)) if large else ():
            print(f"{case.case_id} {labels.names[large[rank]]}", file=sys.stderr)
            found = propagated(engine, volume, np.asarray(labels.ids == large[rank]))
            objects += [found] if found else []
    if not objects:
        sys.exit(f"No object of the split {given.split!r} in {given.data}: DATA needs a manifest.json.")
    slice_table(objects, given.fit)
    end_table(objects)


if __name__ == "__main__":
    main()
