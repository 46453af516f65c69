"""How a simulated project learns and proposes: as a real one does, in the same process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from radsam.project.case_order import order_of_cases
from radsam.project.learner_process import is_due
from radsam.project.learning_round import reduced_folder, run_round
from radsam.project.project import Project
from radsam.project.proposal import Proposal
from radsam.project.proposer import CaseProposals, Proposer
from radsam.project.simulation import ANNOTATOR
from radsam.proposer.proposer_file import ProposerFile
from radsam.session import Engine
from radsam.volume import Volume


class ProjectLearner:
    """Learns in this process, and accepts the weights that a round offers.

    Args:
        default: The default weights.
        threads: CPU threads of proposals.
        report: Called with the progress of a round.
    """

    def __init__(self, default: Engine, threads: int, report: Callable[[float, str], None]) -> None:
        self._default, self._threads, self._report = default, threads, report
        self._engines: dict[int, Engine] = {}
        self._known: dict[tuple[int, str], CaseProposals] = {}

    def learn_if_due(self, project: Project) -> None:
        """Do a learning round if it is time, and accept its weights if they are offered."""
        if is_due(project):
            run_round(project, by=ANNOTATOR, model=str(self._default.bundle.path), report=self._report)
        for each in project.rounds():
            if each.state == "offered":
                project.accept_round(each.number, ANNOTATOR)

    def engine(self, project: Project) -> Engine:
        """Return the weights in use; of earlier rounds, nothing stays in memory."""
        number = project.current_round()
        if number is None:
            return self._default
        if number not in self._engines:
            self._engines = {number: self._default.load(project.weights_folder(number) / "bundle")}
        return self._engines[number]

    def propose(self, project: Project, case: str, volume: Volume) -> Mapping[str, Proposal]:
        """Return the proposals for a case with the weights in use, and store them; none with default weights."""
        number = _proposing(project)
        if number is None:
            return {}
        found = self._answers(project, case, volume)
        project.set_proposals(case, number, found.proposals)
        return found.proposals

    def rank(self, project: Project, cases: Sequence[str]) -> None:
        """Say how much cases would teach, from the proposals for all of them."""
        if (number := _proposing(project)) is None:
            return
        answers = {case: self._answers(project, case) for case in cases}
        seen = ProposerFile.read(project.weights_folder(number) / "proposer").summaries
        teaches = order_of_cases(
            {case: each.uncertainty for case, each in answers.items()},
            {case: each.features for case, each in answers.items()},
            list(seen.values()),
        )
        project.set_teaches(teaches)

    def _answers(self, project: Project, case: str, volume: Volume | None = None) -> CaseProposals:
        """Return the answers on a case with the weights in use; those of earlier weights are forgotten."""
        number = _proposing(project)
        assert number is not None
        if (number, case) not in self._known:
            self._known = {key: each for key, each in self._known.items() if key[0] == number}
            proposer = Proposer.read(project.weights_folder(number) / "proposer", self._threads)
            volume = volume or project.volume(case)
            self._known[number, case] = proposer.propose(volume, self.engine(project), store=reduced_folder(project))
        return self._known[number, case]


def _proposing(project: Project) -> int | None:
    """Return the round of the weights in use, if they propose."""
    number = project.current_round()
    return number if number and (project.weights_folder(number) / "proposer").exists() else None
