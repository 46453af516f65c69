"""Proposals for cases that nobody has begun, with the weights in use, and the order in which cases teach most."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from radsam.disk.atomic_write import make_folder, replacing
from radsam.errors import VolumeError
from radsam.project.case_order import order_of_cases
from radsam.project.learner_engine import LearnerEngines
from radsam.project.learning_round import reduced_folder
from radsam.project.pause import Pause
from radsam.project.project import Case, Project, TaskState
from radsam.project.proposer import Proposer
from radsam.proposer.proposer_file import ProposerFile
from radsam.runtime import read_bundle
from radsam.session import Engine

_log = logging.getLogger(__name__)


class CaseProposer:
    """Proposes for one case at a time.

    Args:
        project: The project.
        engines: Opens the weights in use.
        pause: Called between small units of work.
    """

    def __init__(self, project: Project, engines: LearnerEngines, pause: Pause) -> None:
        self._project, self._engines, self._pause = project, engines, pause
        self._loaded: tuple[int, Engine, Proposer] | None = None
        self._unreadable: set[str] = set()

    def __call__(self) -> bool:
        """Propose for the case that is offered first of those without proposals of the weights in use.

        Returns:
            Whether there may be another one.
        """
        number = self._project.current_round()
        if number is None or not (self._project.weights_folder(number) / "proposer").exists():
            return False
        case = next(self._open_cases(number), None)
        if case is None:
            return False
        if self._loaded is None or self._loaded[0] != number:
            folder = self._project.weights_folder(number)
            engine = self._engines.open(read_bundle(folder / "bundle"))
            self._loaded = number, engine, Proposer.read(folder / "proposer", self._engines.threads)
        self._propose(case)
        return True

    def _propose(self, case: Case) -> None:
        assert self._loaded is not None
        number, engine, proposer = self._loaded
        try:
            volume = self._project.volume(case.id)
        except VolumeError as error:
            self._unreadable.add(case.id)
            _log.warning("case %s gets no proposals: %s", case.id, error)
            return
        found = proposer.propose(volume, engine, self._pause, reduced_folder(self._project))
        answers = self._answers(number)
        answers[case.id] = {"uncertainty": found.uncertainty, "features": found.features.astype(float).tolist()}
        self._project.set_proposals(case.id, number, found.proposals)
        self._write_answers(number, answers)
        self._rank(number, answers)

    def _open_cases(self, number: int) -> Iterator[Case]:
        """Yield the cases that nobody has begun and that have no proposals of these weights, those offered first."""
        done = self._answers(number)
        begun = {each.case for each in self._project.tasks() if each.state not in (TaskState.NEW, TaskState.PROPOSED)}
        begun |= {case for case, _ in self._project.locks()}
        cases = [each for each in self._project.cases() if not each.excluded and each.id not in begun]
        if self._project.settings.order == "teaching":
            cases.sort(key=lambda each: -(each.teaches or 0.0))
        yield from (each for each in cases if each.id not in done and each.id not in self._unreadable)

    def _rank(self, number: int, answers: dict[str, dict[str, object]]) -> None:
        """Say how much each open case that has an answer would teach."""
        finished = {each.case for each in self._project.tasks() if each.state.is_finished}
        left = [case for case in answers if case not in finished]
        seen = ProposerFile.read(self._project.weights_folder(number) / "proposer").summaries
        teaches = order_of_cases(
            {case: float(str(answers[case]["uncertainty"])) for case in left},
            {case: np.array(answers[case]["features"], np.float32) for case in left},
            list(seen.values()),
        )
        self._project.set_teaches(teaches)

    def _answers_path(self, number: int) -> Path:
        return self._project.folder / "learning" / f"answers-{number:04d}.json"

    def _answers(self, number: int) -> dict[str, dict[str, object]]:
        """Return what is known of the answers of these weights, by case."""
        try:
            found = json.loads(self._answers_path(number).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write_answers(self, number: int, answers: dict[str, dict[str, object]]) -> None:
        path = self._answers_path(number)
        make_folder(path.parent)
        for other in path.parent.glob("answers-*.json"):
            if other != path:
                other.unlink(missing_ok=True)
        with replacing(path) as scratch:
            scratch.write_text(json.dumps(answers) + "\n", "utf-8")
