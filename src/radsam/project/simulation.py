"""A project from its first case to its last one with a simulated annotator, on cases whose true labels are known.

Each case is done in two arms, with the same seeds: "learning" is a project as a lab has it, whose annotator gets
proposals and new weights as they come; "without" begins each object with a box and has the default weights. Learning
sees what the annotator has made, never the truth.

::

    OUT/simulation.json   what is simulated; another simulation is refused in the same folder
    OUT/efforts.csv       one row per arm and object, written as it goes
    OUT/project/          the project of the arm with learning
    OUT/report.html, .md  written after each case

A run that is killed goes on where it was: an object that has its row, and in the project its finished mask, is not
done again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from radsam.data.case import Case
from radsam.data.case_load import load_case
from radsam.disk.atomic_write import make_folder, replacing
from radsam.errors import InputError
from radsam.project.project import NewCase, Project, ProjectSettings
from radsam.project.proposal import Proposal
from radsam.project.simulated_annotator import Effort, annotate
from radsam.project.simulation_rows import ARMS, Arm, EffortRow, effort_columns, read_rows, with_row, write_rows
from radsam.project.task_state import Order
from radsam.session import Engine, Session
from radsam.session.label_set import Label, LabelSet
from radsam.volume import Plane, SliceGrid, SparseMask, Volume

#: The user of a simulated project.
ANNOTATOR = "simulated"
PLAN, TABLE, PROJECT = "simulation.json", "efforts.csv", "project"
#: Called with the number of objects that are done, that of all, and what comes next.
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SimulationPlan:
    """What is simulated.

    Args:
        labels: The labels, in the order in which they are annotated.
        cases: The cases, in the order of the list.
        goal: Actions count until an object has this Dice.
        most: The annotator gives up after so many actions; the object counts with these.
        hand_in: In the project, objects are then finished stroke by stroke to this Dice, because learning needs good
            masks; these strokes are written down apart.
        learn_every: Cases after which the project learns.
        minutes: The longest that a learning round takes.
        threads: Processor cores of learning and of the sessions.
        order: The order of the cases: as listed, or those first that teach most.
        seed: Of everything random.
        weights: Name and hash of the default weights.
    """

    labels: tuple[str, ...]
    cases: tuple[str, ...]
    goal: float
    most: int
    hand_in: float
    learn_every: int
    minutes: float
    threads: int
    order: Order
    seed: int
    weights: str

    def start(self, folder: Path) -> None:
        """Write the plan into a new folder; of a folder that has one, go on with that.

        Raises:
            InputError: The folder has another simulation.
        """
        path, mine = folder / PLAN, json.loads(json.dumps(asdict(self)))
        if not path.exists():
            make_folder(folder)
            with replacing(path) as partial:
                partial.write_text(json.dumps(mine, indent=1) + "\n", "utf-8")
            return
        other = _read_plan(path)
        if different := sorted(name for name in mine if mine[name] != other.get(name)):
            raise InputError(
                f"{folder} holds another simulation: {', '.join(different)} differ. Give the same options to go on "
                "with it, or a new folder."
            )

    @classmethod
    def read(cls, folder: Path) -> SimulationPlan:
        """Read the plan of a folder.

        Raises:
            InputError: There is none, or it cannot be read.
        """
        found = _read_plan(folder / PLAN)
        try:
            return cls(**{**found, "labels": tuple(found["labels"]), "cases": tuple(found["cases"])})
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder / PLAN} is not a simulation: {error!r}.") from error


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a simulation: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a simulation.")
    return found


def usable_cases(cases: Sequence[Case], labels: Sequence[str]) -> tuple[list[Case], list[str]]:
    """Choose the cases in which all labels are known; a label that nobody has drawn is not an absent one.

    Returns:
        The cases, and a sentence for each that is left out.

    Raises:
        InputError: None is left.
    """
    lacking = {each.case_id: [label for label in labels if label not in each.labels] for each in cases}
    usable = [each for each in cases if not lacking[each.case_id]]
    if not usable:
        known = sorted({name for each in cases for name in each.labels})
        raise InputError(f"No case has all of the labels {', '.join(labels)}. The cases have: {', '.join(known)}.")
    return usable, [f"{case} is left out: it has no {', '.join(names)}." for case, names in lacking.items() if names]


@runtime_checkable
class Learner(Protocol):
    """How a project learns and proposes."""

    def learn_if_due(self, project: Project) -> None:
        """Do a learning round if it is time, and accept its weights if they are offered."""

    def engine(self, project: Project) -> Engine:
        """Return the weights in use."""

    def propose(self, project: Project, case: str, volume: Volume) -> Mapping[str, Proposal]:
        """Return the proposals for a case with the weights in use, and store them."""

    def rank(self, project: Project, cases: Sequence[str]) -> None:
        """Say how much cases would teach."""


class Simulation:
    """A simulation in its folder.

    Args:
        folder: The folder.
        cases: The cases, with all labels of the plan.
        plan: What is simulated.
        default: The default weights.
        learner: How the project learns.
    """

    def __init__(
        self, folder: Path, cases: Sequence[Case], plan: SimulationPlan, default: Engine, learner: Learner
    ) -> None:
        self.folder, self.plan = folder, plan
        self._cases = {each.case_id: each for each in cases}
        self._default, self._learner = default, learner
        plan.start(folder)
        self.project = _project(folder / PROJECT, cases, plan)
        self.rows = read_rows(folder / TABLE)

    def run(self, report: Report, after_case: Callable[[], None] = lambda: None) -> None:
        """Do what is left of it.

        Args:
            report: Called before each object.
            after_case: Called after each case.
        """
        while left := [case for case in self._cases if not self._is_done(case)]:
            self._learner.learn_if_due(self.project)
            self._do_case(self._next(left), report)
            after_case()

    def _next(self, left: list[str]) -> Case:
        """Return the case that was begun, or the next one in the order."""
        counts = {case: sum(row.case == case for row in self.rows) for case in self._cases}
        begun = [case for case, count in counts.items() if count]
        if open_ones := [case for case in begun if case in left]:
            return self._cases[open_ones[0]]
        if self.plan.order == "teaching" and self.project.current_round() is not None:
            self._learner.rank(self.project, left)
            teaches = {each.id: each.teaches or 0.0 for each in self.project.cases()}
            left.sort(key=lambda case: -teaches[case])
        return self._cases[left[0]]

    def _is_done(self, case: str) -> bool:
        rows = {row.key for row in self.rows}
        finished = {each.label for each in self.project.tasks(case) if each.state.is_finished}
        wanted = set(self.plan.labels)
        return finished >= wanted and all((arm, case, label) in rows for arm in ARMS for label in wanted)

    def _do_case(self, case: Case, report: Report) -> None:
        volume, labels = load_case(case)
        truths = {name: labels.ids == number for number, name in labels.names.items() if name in self.plan.labels}
        axis = SliceGrid.of(volume.geometry, Plane.AXIAL).axis
        order = 1 + len({row.case for row in self.rows} - {case.case_id})
        proposals = self._learner.propose(self.project, case.case_id, volume)
        arms: dict[Arm, tuple[Session, Mapping[str, Proposal]]] = {
            "without": (self._default.open(volume), {}),
            "learning": (self._learner.engine(self.project).open(volume), proposals),
        }
        for label in self.plan.labels:
            truth = SparseMask.of(np.asarray(truths[label]), axis)
            for arm, (session, proposed) in arms.items():
                if not self._is_missing(arm, case.case_id, label):
                    continue
                report(len(self.rows), 2 * len(self.plan.cases) * len(self.plan.labels), f"{case.case_id}, {label}")
                effort = self._annotate(arm, session, case.case_id, label, truth, proposed.get(label))
                self._write(self._row(arm, order, case, label, truth, effort, proposed.get(label)))
                if arm == "learning":
                    self._finish(case.case_id, label, effort, volume)
        self.project.release(case.case_id, ANNOTATOR)

    def _is_missing(self, arm: Arm, case: str, label: str) -> bool:
        """Whether an object is to be done; in the project it is done when its mask is finished, too."""
        if all(row.key != (arm, case, label) for row in self.rows):
            return True
        return arm == "learning" and not any(
            each.label == label and each.state.is_finished for each in self.project.tasks(case)
        )

    def _annotate(
        self, arm: Arm, session: Session, case: str, label: str, truth: SparseMask, proposal: Proposal | None
    ) -> Effort:
        """Annotate an object; in both arms the box would be the same. In the project it is handed in."""
        seed = [self.plan.seed, zlib.crc32(f"{case}/{label}".encode())]
        return annotate(
            session,
            label,
            truth,
            proposal.mask if proposal else None,
            goal=self.plan.goal,
            most=self.plan.most,
            rng=np.random.default_rng(seed),
            hand_in=self.plan.hand_in if arm == "learning" else None,
        )

    def _row(
        self,
        arm: Arm,
        order: int,
        case: Case,
        label: str,
        truth: SparseMask,
        effort: Effort,
        proposal: Proposal | None,
    ) -> EffortRow:
        facts: dict[str, Any] = {
            "dice_proposal": round(effort.dice[0], 4) if proposal else -1.0,
            "certainty": round(proposal.certainty, 4) if proposal else -1.0,
            "round": (self.project.current_round() or 0) if arm == "learning" else 0,
            **effort_columns(effort, self.plan.goal),
        }
        known: dict[str, Any] = {
            "arm": arm,
            "order": order,
            "case": case.case_id,
            "patient": case.patient,
            "label": label,
        }
        return EffortRow(**known, voxels=truth.voxels, slices=len(truth.slices), **facts)

    def _write(self, row: EffortRow) -> None:
        self.rows = with_row(self.rows, row)
        write_rows(self.folder / TABLE, self.rows)

    def _finish(self, case: str, label: str, effort: Effort, volume: Volume) -> None:
        """Hand in what the annotator has made."""
        self.project.begin(case, label, ANNOTATOR, object=label, started_from=effort.started_from)
        self.project.add_work(case, label, ANNOTATOR, effort.actions, effort.human_seconds)
        provenance = {"annotator": ANNOTATOR, "edits": list(effort.kinds)}
        mask = effort.mask or None
        self.project.finish(case, label, ANNOTATOR, mask, provenance, volume.geometry)


def _project(folder: Path, cases: Sequence[Case], plan: SimulationPlan) -> Project:
    """Open the project of the arm with learning; at the first start, make it."""
    if folder.exists():
        return Project.open(folder)
    settings = ProjectSettings(
        "simulation",
        learn_every=plan.learn_every,
        learn_minutes=plan.minutes,
        learn_threads=plan.threads,
        order=plan.order,
        goal_dice=plan.goal,
        seed=plan.seed,
    )
    labels = LabelSet(tuple(Label(name, value) for value, name in enumerate(plan.labels, start=1)))
    listed = [
        NewCase(
            each.case_id, str(each.image.resolve()), None, each.patient, str(each.modality) if each.modality else None
        )
        for each in cases
    ]
    return Project.create(folder, settings, labels, listed, ANNOTATOR)
