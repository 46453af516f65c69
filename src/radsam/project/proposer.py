"""First answers on a new case, without a prompt: one per label, for the annotator to correct.

A trained proposer runs without torch: the model's own encoder, then a small graph over neighbouring slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float32

from radsam.errors import BundleError
from radsam.project.proposal import Proposal
from radsam.proposer.label_answer import STEPS, Head, LabelAnswer, answer_of, label_logits
from radsam.proposer.proposer_file import LabelFacts, ProposerFile
from radsam.proposer.reduced_slices import MayGoOn, ReducedSlices, ReducedStore, WholeSlices
from radsam.runtime.graph_runner import open_graph
from radsam.session.engine import Engine
from radsam.volume import Volume

#: An answer of which a lower Dice is expected is none: to delete it would cost more than it saves.
LEAST_CERTAINTY = 0.2


@dataclass(frozen=True, eq=False)
class CaseProposals:
    """The first answers on one case.

    Args:
        proposals: Label to its proposal; labels without one were not found.
        absent: Label that was not found to how sure that is, 0 to 1.
        uncertainty: 1 less the mean certainty over all labels: how much there is to learn from the case.
        features: What the case looks like, for comparing cases.
    """

    proposals: dict[str, Proposal]
    absent: dict[str, float]
    uncertainty: float
    features: Float32[np.ndarray, " s"]


class Proposer:
    """A trained proposer.

    Args:
        content: What was trained.
        threads: CPU threads of its graph; None for all.

    Raises:
        BackendError: The graph cannot be loaded.
    """

    def __init__(self, content: ProposerFile, threads: int | None = None) -> None:
        self.content = content
        run = open_graph(content.graph, "the proposer", threads)

        def head(stack: Float32[np.ndarray, "c d r q"]) -> Float32[np.ndarray, "l d h w"]:
            return np.asarray(run({"slices": stack[None]})["logits"][0])

        self._head: Head = head

    @classmethod
    def read(cls, folder: Path, threads: int | None = None) -> Proposer:
        """Read what `radsam.training.proposer_training.train_proposer` has written.

        Raises:
            BundleError: The files are missing, damaged, or of a later version.
            BackendError: The graph cannot be loaded.
        """
        return cls(ProposerFile.read(folder), threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels."""
        return tuple(each.name for each in self.content.labels)

    def propose(
        self, volume: Volume, engine: Engine, pause: MayGoOn | None = None, store: Path | None = None
    ) -> CaseProposals:
        """Answer on a case.

        Args:
            volume: The volume of the case.
            engine: The model whose encoder it was trained with.
            pause: Asked before every small unit of work.
            store: Folder of reduced slices, so that a later round does not encode the case again; None keeps none.

        Raises:
            BundleError: The engine's encoder is another one than it was trained with.
            BackendError: The engine failed.
        """
        predictor = engine.for_modality(volume.modality).predictor
        if predictor.encoder_hash != self.content.encoder_hash:
            raise BundleError(
                "The proposer was trained with another image encoder than this model's. Use the model that the "
                "project was made with, or let it learn again."
            )
        seen = WholeSlices(predictor, volume, self.content.plane)
        with TemporaryDirectory(prefix="radsam-") as scratch:
            reduced = ReducedStore(store or Path(scratch)).reduced(seen, self.content.reduction, pause)
            logits = label_logits(reduced, self._head, len(self.content.labels), pause)
            found = {
                facts.name: answer_of(logits[at], threshold=facts.threshold, single=facts.single)
                for at, facts in enumerate(self.content.labels)
            }
            highest = {facts.name: float(logits[at].max()) / STEPS for at, facts in enumerate(self.content.labels)}
            return self._proposals(reduced, found, highest)

    def _proposals(
        self, reduced: ReducedSlices, found: dict[str, LabelAnswer | None], highest: dict[str, float]
    ) -> CaseProposals:
        proposals, absent = {}, {}
        for facts in self.content.labels:
            proposal = self._proposal(reduced, facts, found[facts.name])
            if proposal is not None:
                proposals[facts.name] = proposal
            else:
                absent[facts.name] = _absence(facts, highest[facts.name])
        certainties = [each.certainty for each in proposals.values()] + list(absent.values())
        uncertainty = 1 - float(np.mean(certainties)) if certainties else 1.0
        return CaseProposals(proposals, absent, uncertainty, np.array(reduced.summary))

    def _proposal(self, reduced: ReducedSlices, facts: LabelFacts, answer: LabelAnswer | None) -> Proposal | None:
        if answer is None or not facts.cases:
            return None
        certainty = facts.certainty(answer.agreement)
        mask = answer.in_volume(reduced) if certainty >= LEAST_CERTAINTY else None
        if not mask:
            return None
        return Proposal(facts.name, mask, certainty, self.content.plane, min(mask.slices), max(mask.slices))


def _absence(facts: LabelFacts, highest: float) -> float:
    """Return how sure it is that a label is absent: 0 where it was never seen, else from its highest logit."""
    return float(1 / (1 + np.exp(np.clip(highest, -30, 30)))) if facts.cases else 0.0
