"""Whether new weights need fewer actions than those in use, on finished cases that they were not trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from radsam.benchmark.bootstrap import paired_difference
from radsam.disk.atomic_write import replacing
from radsam.project.finished_mask import FinishedMask
from radsam.project.pause import WorkTime
from radsam.project.proposal import Proposal
from radsam.project.simulated_annotator import annotate
from radsam.session import Engine
from radsam.volume import SparseMask, Volume

#: Most objects that are annotated with each of the weights.
MOST_OBJECTS = 24
#: A simulated annotator gives up an object after so many actions.
MOST_ACTIONS = 12


#: Makes the proposals for a volume; none by label where it finds nothing.
Propose = Callable[[Volume, Engine], Mapping[str, Proposal]]


@dataclass(frozen=True)
class Contender:
    """Weights that are compared.

    Args:
        engine: The decoder.
        propose: What proposes with it.
    """

    engine: Engine
    propose: Propose


@dataclass(frozen=True)
class Taken:
    """What one object has taken with one of the weights.

    Args:
        actions: Actions of the simulated annotator.
        seconds: Seconds of a person that they stand for.
        dice: Dice of the first answer: of the proposal, or after the box.
    """

    actions: int
    seconds: float
    dice: float


@dataclass(frozen=True)
class ComparedObject:
    """What one object has taken with each of the weights.

    Args:
        case: Its case.
        patient: Its patient.
        label: Its label.
        taken: Name of the weights to what it has taken with them.
    """

    case: str
    patient: str
    label: str
    taken: Mapping[str, Taken]


@dataclass(frozen=True)
class Comparison:
    """The outcome: means over objects, and the interval of their difference over patients.

    Args:
        objects: Number of objects.
        patients: Number of their patients.
        actions_before: Actions per object with the weights in use.
        actions_after: Those with the new ones.
        difference: The latter less the former: negative where the new weights need fewer.
        low: Lower end of its 95 % interval; None with fewer than three patients.
        high: Upper end.
        seconds_before: Seconds of a person per object, by the simulated annotator.
        seconds_after: Those with the new weights.
        dice_before: Mean Dice of the first answers.
        dice_after: That with the new weights.
    """

    objects: int
    patients: int
    actions_before: float
    actions_after: float
    difference: float
    low: float | None
    high: float | None
    seconds_before: float
    seconds_after: float
    dice_before: float
    dice_after: float

    @property
    def is_better(self) -> bool:
        """Whether the new weights need fewer actions on average."""
        return self.difference < 0

    @classmethod
    def of(cls, rows: Sequence[ComparedObject], before: str, after: str) -> Comparison:
        """Summarise objects, of which there is at least one.

        Args:
            rows: The objects.
            before: Name of the weights in use.
            after: Name of the new ones.
        """
        keys = [(each.case, each.label) for each in rows]
        estimate = paired_difference(
            dict(zip(keys, (float(each.taken[after].actions) for each in rows), strict=True)),
            dict(zip(keys, (float(each.taken[before].actions) for each in rows), strict=True)),
            dict(zip(keys, (each.patient for each in rows), strict=True)),
        )
        assert estimate is not None

        def mean(of: str, name: str) -> float:
            return float(np.mean([getattr(each.taken[of], name) for each in rows]))

        return cls(
            objects=len(rows),
            patients=estimate.patients,
            actions_before=mean(before, "actions"),
            actions_after=mean(after, "actions"),
            difference=estimate.mean,
            low=estimate.low,
            high=estimate.high,
            seconds_before=mean(before, "seconds"),
            seconds_after=mean(after, "seconds"),
            dice_before=mean(before, "dice"),
            dice_after=mean(after, "dice"),
        )


def compare(
    cases: Sequence[Sequence[FinishedMask]],
    load: Callable[[str], Volume],
    contenders: Mapping[str, Contender],
    rows_file: Path,
    *,
    goal: float,
    work: WorkTime,
    seed: int,
    most: int = MOST_OBJECTS,
    progress: Callable[[float], None] = lambda share: None,
) -> list[ComparedObject]:
    """Let a simulated annotator do objects with all of the weights; each object with all of them, or with none.

    Time is shared out evenly, so that the last case gets as much as the first.

    Args:
        cases: The finished masks of each case; they are taken for the truth.
        load: Reads the volume of a case.
        contenders: Name to weights, at least two.
        rows_file: Has each object when it is done, and what is in it already is not done again.
        goal: The Dice at which the annotator is content.
        work: The time; at least one object of each case is done.
        seed: Chooses the objects, and draws the boxes: the same ones for all.
        most: Most objects.
        progress: Called with the share that is done.
    """
    rows = read_rows(rows_file)
    done = {(each.case, each.label) for each in rows}
    for number, masks in enumerate(cases):
        rng = np.random.default_rng([seed, number])
        share = (number + 1) / len(cases)
        chosen = [masks[at] for at in rng.permutation(len(masks))]
        waiting = [each for each in chosen if (each.case.id, each.label) not in done]
        if not waiting or (len(waiting) < len(masks) and work.share >= share):
            continue
        volume = load(waiting[0].case.id)
        proposals = {name: each.propose(volume, each.engine) for name, each in contenders.items()}
        for mask in waiting:
            if len(rows) >= max(number + 1, round(share * most)) or (mask is not waiting[0] and work.share >= share):
                break
            rows.append(_annotated(volume, mask, contenders, proposals, goal, [seed, number, masks.index(mask)]))
            _write_rows(rows_file, rows)
            progress(len(rows) / most)
    return rows


def _annotated(
    volume: Volume,
    mask: FinishedMask,
    contenders: Mapping[str, Contender],
    proposals: Mapping[str, Mapping[str, Proposal]],
    goal: float,
    seed: Sequence[int],
) -> ComparedObject:
    """Annotate one object with each of the contenders."""
    truth = SparseMask.of(mask.voxels(), 2)
    taken = {}
    for name, contender in contenders.items():
        proposal = proposals[name].get(mask.label)
        effort = annotate(
            contender.engine.open(volume),
            mask.label,
            truth,
            proposal.mask if proposal else None,
            goal=goal,
            most=MOST_ACTIONS,
            rng=np.random.default_rng(seed),
        )
        taken[name] = Taken(effort.actions, effort.human_seconds, _first_dice(effort.dice))
    return ComparedObject(mask.case.id, mask.case.patient, mask.label, taken)


def fewest_actions(rows: Sequence[ComparedObject], names: Sequence[str]) -> str:
    """Return the weights with which objects take the fewest actions; the first of equal ones."""
    return min(names, key=lambda name: sum(each.taken[name].actions for each in rows))


def _first_dice(dice: Sequence[float]) -> float:
    """The Dice of the proposal; of an object without one, that after the box."""
    return next((each for each in dice if each > 0), 0.0)


def read_rows(path: Path) -> list[ComparedObject]:
    """Read the objects that were compared so far."""
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))
    return [
        ComparedObject(**{**each, "taken": {name: Taken(**taken) for name, taken in each["taken"].items()}})
        for each in found
    ]


def _write_rows(path: Path, rows: Sequence[ComparedObject]) -> None:
    with replacing(path) as scratch:
        scratch.write_text(json.dumps([asdict(each) for each in rows]) + "\n", "utf-8")
