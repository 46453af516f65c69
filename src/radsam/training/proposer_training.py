"""Training a proposer on finished cases, in minutes on one core.

The encoder is frozen and its embeddings are reduced once per case (`FinishedCases`). A fifth of the patients is held
out for the first part of the training, to learn how good the answers are on a new case; then all cases are trained on.
"""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from radsam.disk.folder_cache import cache_folder
from radsam.errors import BundleError
from radsam.metrics import dice
from radsam.proposer.label_answer import Head, answer_of, label_logits
from radsam.proposer.proposer_file import LabelFacts, ProposerFile
from radsam.proposer.reduced_slices import MayGoOn, ReducedStore
from radsam.session.engine import Engine
from radsam.training.proposer_data import ONE_PIECE, FinishedCases, PieceSampler, PreparedCase, TrainingCase
from radsam.training.proposer_head import ProposerHead, export_head

_BATCH = 2
_RATE, _DECAY, _BETAS = 3e-3, 1e-2, (0.9, 0.99)
_WARMUP_STEPS = 20
#: Share of the time that cases are prepared for.
_PREPARING = 0.4
#: Of the running average of weights; over fewer steps at the beginning.
_AVERAGE = 0.98
#: The cross-entropy is small, as most pixels are background.
_ENTROPY_WEIGHT = 10.0
#: A label that is marked as absent may only have been left out.
_ABSENT_WEIGHT = 0.3
#: Share of the time after which the answers on cases held out are measured, and share of the patients.
_MEASURE_AT, _HELD_OUT = 0.7, 0.2
#: Fewest patients with which some are held out, and most cases that are measured: each takes seconds.
_FEWEST_PATIENTS, _MOST_MEASURED = 4, 4
#: What is expected of labels that were not measured, and how many measured cases count as much.
_USUAL_AGREEMENT, _USUAL_DICE, _USUAL_SLOPE, _USUAL_WEIGHT = 0.85, 0.6, 1.0, 1.0


@dataclass(frozen=True)
class TrainingReport:
    """What a training did.

    Args:
        steps: Number of its steps.
        seconds: How long it trained, without preparing cases and pauses.
        prepared_seconds: How long preparing the cases took, without pauses.
        dice: Label to the mean Dice of the answers on cases that were held out for the first part; none where too few.
        measured_on: The cases that were held out.
    """

    steps: int
    seconds: float
    prepared_seconds: float
    dice: dict[str, float]
    measured_on: tuple[str, ...]


def train_proposer(
    cases: Sequence[TrainingCase],
    engine: Engine,
    folder: Path,
    *,
    minutes: float = 4.0,
    prepare_all: bool = False,
    threads: int = 1,
    pause: MayGoOn | None = None,
    progress: Callable[[float], None] | None = None,
    seed: int = 0,
    store: Path | None = None,
    steps: int | None = None,
    start: Path | None = None,
    apart: Collection[str] = (),
) -> TrainingReport:
    """Train a proposer and write it into a folder, which `radsam.project.proposer.Proposer.read` reads.

    Args:
        cases: The finished cases.
        engine: Encodes slices that are not stored yet.
        folder: Where the proposer goes.
        minutes: How long it takes, without pauses: preparing cases takes at most two fifths of it, and training the
            rest. Cases that there is no time to prepare have their turn in a later round.
        prepare_all: Prepare all cases, however long it takes, and train for `minutes` afterwards.
        threads: CPU threads of the training.
        pause: Asked before every small unit of work.
        progress: Gets the share of the work that is done.
        seed: Of everything drawn.
        store: Folder of the reduced slices, which later rounds use again; None for one in the user's cache.
        steps: Number of steps instead of a time, for a result that does not depend on the machine.
        start: Folder of an earlier proposer to go on from, where it fits: same encoder, reduction and labels.
        apart: Cases that will be measured on. A `start` that has seen one of them is not used.

    Raises:
        DatasetError: There is no object to learn from.
        OutputError: There is no room.
    """
    torch.set_num_threads(threads)
    report_share = progress or (lambda share: None)
    clock = _Clock(pause)
    finished = FinishedCases(
        cases,
        engine,
        ReducedStore(store or cache_folder("reduced")),
        clock,
        lambda share: report_share(0.4 * share),
        seed,
        lambda: not prepare_all and clock.spent > _PREPARING * 60 * minutes,
    )
    prepared_seconds = clock.spent
    seconds = 60 * minutes if prepare_all else max(60 * minutes - prepared_seconds, (1 - _PREPARING) * 60 * minutes)
    training = _Training(finished, seed, clock)
    earlier = _fitting(start, finished, apart)
    if earlier is not None:
        training.go_on_from(earlier)
    held_out = _held_out(finished.cases, earlier.seen if earlier else (), seed)
    limit = steps or math.inf
    clock.restart()

    def share_done() -> float:
        return training.steps / limit if steps else clock.spent / seconds

    training.use([each for each in finished.cases if each not in held_out])
    measured: list[tuple[str, float, float]] | None = None if held_out else []
    while (done := share_done()) < 1:
        if measured is None and done >= _MEASURE_AT:
            measured = training.measure(held_out)
            training.use(finished.cases)
        training.step(done)
        report_share(0.4 + 0.6 * done)
    report = _report(training.steps, clock.spent, prepared_seconds, measured or [], held_out)
    training.written(folder, measured or [], report)
    return report


class _Clock:
    """Time of work; pauses do not count."""

    def __init__(self, pause: MayGoOn | None) -> None:
        self._pause = pause
        self.restart()

    def restart(self) -> None:
        self._began, self._waited = time.monotonic(), 0.0

    def wait(self) -> None:
        if self._pause is not None:
            began = time.monotonic()
            self._pause.wait()
            self._waited += time.monotonic() - began

    @property
    def spent(self) -> float:
        return time.monotonic() - self._began - self._waited


class _Training:
    """The head, its average and its optimizer."""

    def __init__(self, finished: FinishedCases, seed: int, pause: MayGoOn) -> None:
        self._finished, self._pause = finished, pause
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._head = ProposerHead(len(finished.reduction.matrix), len(finished.labels))
        self._average = copy.deepcopy(self._head).eval()
        self._optimizer = torch.optim.AdamW(
            self._head.parameters(), lr=_RATE, weight_decay=_DECAY, betas=_BETAS, fused=True
        )
        self._earlier: ProposerFile | None = None
        self.steps = 0

    def go_on_from(self, earlier: ProposerFile) -> None:
        """Take the weights of an earlier training."""
        state = {name: torch.from_numpy(value.copy()) for name, value in earlier.weights.items()}
        self._head.load_state_dict(state)
        self._average.load_state_dict(state)
        self._earlier = earlier

    def use(self, cases: Sequence[PreparedCase]) -> None:
        """Train on these cases from now on."""
        self._sampler = PieceSampler(cases, self._finished.labels, _ABSENT_WEIGHT, self._rng)

    def step(self, done: float) -> None:
        """Train on a few pieces.

        Args:
            done: Share of the training that is done, 0 to 1.
        """
        self._pause.wait()
        rate = _RATE * min(1.0, (self.steps + 1) / _WARMUP_STEPS) * (0.5 * (1 + math.cos(math.pi * done)) + 0.01)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        pieces = [self._sampler.draw() for _ in range(_BATCH)]
        slices, target, known = (
            torch.from_numpy(np.stack([getattr(piece, name) for piece in pieces]))
            for name in ("slices", "target", "known")
        )
        loss = proposer_loss(self._head(slices), target, known)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._head.parameters(), 5.0)
        self._optimizer.step()
        self.steps += 1
        self._follow()

    def _follow(self) -> None:
        """Move the average towards the weights."""
        share = 1 - min(_AVERAGE, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for slow, fast in zip(self._average.state_dict().values(), self._head.state_dict().values(), strict=True):
                if slow.is_floating_point():
                    slow.lerp_(fast, share)
                else:
                    slow.copy_(fast)

    def measure(self, cases: Sequence[PreparedCase]) -> list[tuple[str, float, float]]:
        """Answer on cases that were not trained on: label, agreement and Dice of each of their objects."""
        found = []
        for case in cases[:_MOST_MEASURED]:
            logits = label_logits(case.reduced, run_head(self._average), len(self._finished.labels), self._pause)
            for at, label in enumerate(self._finished.labels):
                answer = answer_of(logits[at], threshold=0.0, single=self._is_single(label))
                if case.targets.get(label) and answer is not None:
                    mask = np.zeros(logits.shape[1:], bool)
                    mask[answer.box] = answer.mask
                    found.append((label, answer.agreement, dice(mask, case.mask(label))))
        return found

    def _is_single(self, label: str) -> bool:
        shares = [each.is_one_piece(label) for each in self._finished.cases if each.targets.get(label)]
        return bool(np.mean(shares) >= ONE_PIECE) if shares else True

    def written(self, folder: Path, measured: Sequence[tuple[str, float, float]], report: TrainingReport) -> None:
        """Write the proposer."""
        finished = self._finished
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "head.onnx"
            export_head(self._average, path)
            graph = path.read_bytes()
        facts = [self._facts(label, measured) for label in finished.labels]
        summaries = {each.case.id: each.reduced.summary for each in finished.cases}
        ProposerFile(
            tuple(facts),
            finished.plane,
            finished.encoder_hash,
            finished.reduction,
            graph,
            summaries,
            {name: value.numpy() for name, value in self._average.state_dict().items()},
            tuple(dict.fromkeys([*(self._earlier.seen if self._earlier else ()), *summaries])),
            {**vars(report), "measured_on": list(report.measured_on)},
        ).write(folder)

    def _facts(self, label: str, measured: Sequence[tuple[str, float, float]]) -> LabelFacts:
        """Return what is expected of a label's answers: of its own measurements, drawn towards those of all labels."""
        usual = np.array([_USUAL_AGREEMENT, _USUAL_DICE])
        everything, own = (
            np.array([each[1:] for each in measured if which in (None, each[0])]).reshape(-1, 2)
            for which in (None, label)
        )
        before = {each.name: each for each in self._earlier.labels}.get(label) if self._earlier else None
        if before is not None:
            usual = np.array([before.mean_agreement, before.mean_dice])
        elif len(everything):
            usual = everything.mean(axis=0)
        agreement, score = (usual * _USUAL_WEIGHT + own.sum(axis=0)) / (_USUAL_WEIGHT + len(own))
        cases = sum(bool(each.targets.get(label)) for each in self._finished.cases)
        slope = _slope(everything) if len(everything) > 2 else _USUAL_SLOPE
        return LabelFacts(label, cases, 0.0, self._is_single(label), float(agreement), float(score), slope)


def _slope(measured: Float[np.ndarray, "n 2"]) -> float:
    """Fit how much the Dice rises with the agreement; drawn towards the usual slope where agreements hardly differ."""
    agreement, score = (measured - measured.mean(axis=0)).T
    little = 0.05**2 * 4
    return float(np.clip((agreement @ score + little * _USUAL_SLOPE) / (agreement @ agreement + little), 0.0, 4.0))


def run_head(head: ProposerHead) -> Head:
    """Return a head as `label_logits` calls it."""

    def run(stack: Float32[np.ndarray, "c d r q"]) -> Float32[np.ndarray, "l d h w"]:
        with torch.no_grad():
            return np.asarray(head.eval()(torch.from_numpy(stack)[None])[0].numpy())

    return run


def _fitting(start: Path | None, finished: FinishedCases, apart: Collection[str]) -> ProposerFile | None:
    """Return the earlier proposer if the training can go on from it and has not seen what it will be measured on."""
    if start is None:
        return None
    try:
        earlier = ProposerFile.read(start)
    except BundleError:
        return None
    fits = (
        earlier.reduction.identity == finished.reduction.identity
        and earlier.plane == finished.plane
        and tuple(each.name for each in earlier.labels) == finished.labels
        and not set(apart) & set(earlier.seen)
    )
    return earlier if fits and earlier.weights else None


def _held_out(cases: Sequence[PreparedCase], seen: Collection[str], seed: int) -> list[PreparedCase]:
    """Choose a fifth of the patients whose cases the weights have not seen; return their cases, none of few."""
    patients = sorted({each.case.patient for each in cases})
    known = {each.case.patient for each in cases if each.case.id in seen}
    free = [each for each in patients if each not in known]
    if len(patients) < _FEWEST_PATIENTS or not free:
        return []
    count = min(max(1, round(_HELD_OUT * len(patients))), len(free))
    chosen = {free[at] for at in np.random.default_rng(seed).permutation(len(free))[:count].tolist()}
    return [each for each in cases if each.case.patient in chosen]


def proposer_loss(
    logits: Float[Tensor, "b l d h w"], target: Float[Tensor, "b l d h w"], known: Float[Tensor, "b l"]
) -> Float[Tensor, ""]:
    """Cross-entropy of every pixel, and one minus the Dice of every label that the pieces hold.

    Args:
        logits: The head's.
        target: Share of each pixel that each label covers.
        known: Weight of each label of each piece; 0 leaves it out.
    """
    weight = known[:, :, None, None, None]
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    present = (weight >= 1).to(logits.dtype)
    share, truth = logits.sigmoid() * present, target * present
    axes = (0, 2, 3, 4)
    both, sizes = (share * truth).sum(axes), share.sum(axes) + truth.sum(axes)
    held = (truth.sum(axes) > 0).to(logits.dtype)
    overlap = ((1 - (2 * both + 1) / (sizes + 1)) * held).sum() / held.sum().clamp(min=1)
    return _ENTROPY_WEIGHT * (entropy * weight).mean() + overlap


def _report(
    steps: int,
    seconds: float,
    prepared_seconds: float,
    measured: Sequence[tuple[str, float, float]],
    held_out: Sequence[PreparedCase],
) -> TrainingReport:
    labels = dict.fromkeys(label for label, _, _ in measured)
    scores = {label: float(np.mean([score for each, _, score in measured if each == label])) for label in labels}
    measured_on = tuple(each.case.id for each in held_out[:_MOST_MEASURED])
    return TrainingReport(steps, seconds, prepared_seconds, scores, measured_on)
