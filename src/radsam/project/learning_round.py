"""A learning round: from finished cases to weights that are offered, or declined with the figures.

Its state is a row of the project's database and a folder::

    DIR/learning/round-0003/plan.json     which cases, which weights; written first
                            tuning/       what the decoder is tuned on, and its training run
                            tuned/        the tuned decoder
                            compared.json objects that were annotated with the weights in use and with the new ones
                            facts.json    what its parts have come to, and their seconds
                            weights/      bundle/, proposer/, round.json
    DIR/weights/round-0003/               the same folder, which gets its place by one rename
                                          before the row says that it is offered

A process that ends at any moment leaves a round that goes on at the next start. A round whose cases were taken back
to work meanwhile is dropped whole.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radsam.disk.atomic_write import make_folder, replacing
from radsam.disk.file_lock import locked_folder
from radsam.errors import ExecutionError, MissingExtraError, RadsamError
from radsam.predictor.embedding_cache import embeddings_folder
from radsam.project.comparison import Comparison, Contender, Propose, compare, fewest_actions
from radsam.project.finished_mask import FinishedMask
from radsam.project.learner_engine import LearnerEngines
from radsam.project.pause import Pause, StoppedError, WorkTime
from radsam.project.project import Project, Round
from radsam.project.proposal import Proposal
from radsam.project.proposer import Proposer
from radsam.project.round_plan import (
    RoundPlan,
    finished_cases,
    independent,
    require_enough,
    split_patients,
    times_of,
)
from radsam.project.session_embeddings import SessionEmbeddings
from radsam.project.tuning_store import write_tuning_store
from radsam.runtime import Bundle, find_bundle, read_bundle
from radsam.session import Engine
from radsam.training.required_modules import can_train
from radsam.volume import Volume

#: Called with the share of a round that is done, and what it does.
Report = Callable[[float, str], None]

#: Which share of a round's time each part may take, and what it is called while it runs.
_PARTS: dict[str, tuple[float, str]] = {
    "slices": (0.05, "collects what the sessions have encoded"),
    "decoder": (0.15, "tunes the decoder"),
    "proposer": (0.50, "learns to propose"),
    "comparison": (0.30, "compares the new weights with those in use"),
}
#: What is compared: proposals save the most, and a decoder of few steps may be worse than the one before.
_IN_USE, _NEW_PROPOSALS, _ALL_NEW = "in use", "new proposals", "new proposals and decoder"
#: Bytes of an embedding of 64×64×256, as float16.
_EMBEDDING_BYTES = 2 << 20
#: Embeddings to train on, as a share of the memory limit: they are mapped, so the system may drop them at any time.
_SLICES_SHARE = 0.25
#: Seconds between changes of the round's row.
_REPORT_SECONDS = 1.0
#: Who learns, in the log.
LEARNER = "learner"


def run_round(
    project: Project,
    *,
    by: str = LEARNER,
    minutes: float | None = None,
    threads: int | None = None,
    memory_gb: float | None = None,
    pause: Pause | None = None,
    model: str | None = None,
    report: Report = lambda share, message: None,
) -> Round:
    """Go on with the round that was stopped, or do a new one.

    Args:
        project: The project.
        by: Who wants it.
        minutes: The longest that a new round takes, without pauses; None takes it from the project's settings.
        threads: CPU threads; None likewise.
        memory_gb: Memory; None likewise.
        pause: Called between small units of work.
        model: The bundle to start from; None for the default of the modality.
        report: Called with the progress.

    Returns:
        The round: offered, declined because the new weights need no fewer actions, or dropped with the reason.

    Raises:
        InputError: There are too few finished cases.
        MissingExtraError: The extra "train" is not installed.
        InUseError: Another process learns for the project.
        StoppedError: `pause` has stopped it; the next call goes on with it.
    """
    require_learning()
    settings, pause = project.settings, pause or Pause()
    with locked_folder(project.folder / "learning", "radsam project learn"):
        cases = finished_cases(project)
        plan = _resumable(project, cases) or _begin(project, cases, by, minutes or settings.learn_minutes, model)
        engines = LearnerEngines(
            SessionEmbeddings(embeddings_folder()),
            pause,
            threads or settings.learn_threads,
            memory_gb or settings.learn_memory_gb,
        )
        return _LearningRound(project, plan, cases, engines, pause, report).run()


def reduced_folder(project: Project) -> Path:
    """Return where the reduced slices of a project's cases are, so that none is encoded again in the next round."""
    return project.folder / "learning" / "reduced"


def require_learning() -> None:
    """Refuse to learn without the packages for it.

    Raises:
        MissingExtraError: The extra "train" is not installed.
    """
    if not can_train():
        raise MissingExtraError("Learning from finished cases", "train")


def _resumable(project: Project, cases: Mapping[str, Sequence[FinishedMask]]) -> RoundPlan | None:
    """Return the plan of the round that was stopped; drop it if it cannot go on."""
    running = [each for each in project.rounds() if each.state == "running"]
    _remove_leftovers(project, {each.number for each in running})
    for each in running:
        plan = RoundPlan.read(_work_folder(project, each.number) / "plan.json")
        why = "It was stopped before it had begun."
        if plan is not None:
            why = _why_not(plan, cases)
        if plan is not None and not why:
            return plan
        _drop(project, each.number, why)
    return None


def _why_not(plan: RoundPlan, cases: Mapping[str, Sequence[FinishedMask]]) -> str:
    changed = plan.changed(cases)
    if changed:
        return f"Case {changed} was changed or taken back to work while the round ran."
    try:
        same = read_bundle(Path(plan.start)).sha256 == plan.start_sha256
    except RadsamError:
        same = False
    return "" if same else "The weights that it started from were changed or removed."


def _begin(
    project: Project, cases: Mapping[str, Sequence[FinishedMask]], by: str, minutes: float, model: str | None
) -> RoundPlan:
    require_enough(cases)
    rounds, in_use = project.rounds(), project.current_round()
    # Also what declined rounds have learned from, as their proposers are gone on from.
    made = [each for each in rounds if project.weights_folder(each.number).exists()]
    known = {case for each in made for case in each.trained_on}
    seed = project.settings.seed
    train, compared = split_patients(cases, known, seed, len(rounds))
    start = _start_bundle(project, train[0], model)
    number = project.begin_round(by, train, compared).number
    folder, times = _work_folder(project, number), times_of(cases)
    make_folder(folder)
    plan = RoundPlan(
        number=number,
        train={case: times[case] for case in train},
        compare={case: times[case] for case in compared},
        start=str(start.path.resolve()),
        start_sha256=start.sha256,
        in_use=in_use,
        minutes=minutes,
        seed=seed,
    )
    plan.write(folder / "plan.json")
    return plan


def _start_bundle(project: Project, case: str, model: str | None) -> Bundle:
    """Return the bundle that rounds start from: the named one, or the default for the modality of a case."""
    if model is not None:
        return read_bundle(find_bundle(model))
    return read_bundle(find_bundle(modality=project.volume(case).modality))


def _work_folder(project: Project, number: int) -> Path:
    return project.folder / "learning" / f"round-{number:04d}"


def _remove_leftovers(project: Project, running: set[int]) -> None:
    """Remove work files of rounds that have ended."""
    wanted = {_work_folder(project, number) for number in running}
    _remove(*(each for each in (project.folder / "learning").glob("round-*") if each not in wanted))


def _drop(project: Project, number: int, why: str) -> Round:
    """End a round without weights, and remove all that it has made."""
    dropped = project.drop_round(number, why)
    _remove(_work_folder(project, number), project.weights_folder(number))
    return dropped


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


class _LearningRound:
    """A round in progress."""

    def __init__(
        self,
        project: Project,
        plan: RoundPlan,
        cases: Mapping[str, list[FinishedMask]],
        engines: LearnerEngines,
        pause: Pause,
        report: Report,
    ) -> None:
        self._project, self._plan, self._engines, self._pause = project, plan, engines, pause
        self._train = [cases[case] for case in plan.train]
        drawn = [independent(cases[case]) for case in plan.compare]
        # Where all that is left to compare on were proposals once, they have to do.
        self._compare = [each for each in drawn if each] or [cases[case] for case in plan.compare]
        self._folder = _work_folder(project, plan.number)
        self._weights = self._folder / "weights"
        self._start = read_bundle(Path(plan.start))
        self._report, self._reported = report, float("-inf")
        self._proposers: dict[Path, Propose] = {}
        self._facts: dict[str, Any] = _read_json(self._folder / "facts.json")

    def run(self) -> Round:
        """Do what is left of it."""
        number = self._plan.number
        try:
            if not self._project.weights_folder(number).exists():
                make_folder(self._weights)
                for part in (self._collect, self._tune, self._learn_to_propose, self._compare_weights):
                    self._require_unchanged()
                    part()
                self._require_unchanged()
                self._publish()
            return self._decide()
        except StoppedError:
            raise
        except RadsamError as error:
            return _drop(self._project, number, str(error))
        except BaseException as error:
            if isinstance(error, Exception | MemoryError):
                _drop(
                    self._project, number, f"It failed ({type(error).__name__}). See the log of the learning process."
                )
            raise

    def _collect(self) -> None:
        """Write what the decoder is tuned on."""
        with self._part("slices") as (work, progress):
            memory = self._engines.memory_gb * 1e9
            slices = write_tuning_store(
                self._train,
                self._project.volume,
                self._engines.open(self._start).predictor,
                self._engines.embeddings,
                self._folder / "tuning",
                most_slices=int(_SLICES_SHARE * memory / _EMBEDDING_BYTES),
                seconds=work.limit,
                pause=self._pause,
                progress=progress,
                seed=self._plan.seed,
            )
            self._note(slices=asdict(slices))

    def _tune(self) -> None:
        """Train the decoder from the start weights, and export it."""
        target, scratch = self._folder / "tuned", self._folder / "tuned.partial"
        if target.exists():
            return
        _remove(scratch)
        from radsam.training.finished_tuning import export_tuned, tune

        with self._part("decoder") as (work, progress):
            tuned = tune(
                self._folder / "tuning",
                self._start,
                seconds=work.limit,
                threads=self._engines.threads,
                seed=self._plan.seed,
                wait=self._pause.wait,
                progress=progress,
            )
            names = ", ".join(self._plan.train)
            notes = f"Tuned by a project of RadSAM on its finished cases: {names}. Masks by its annotators."
            name = f"{self._start.spec.name}-round-{self._plan.number}"
            export_tuned(tuned, scratch, name=name, notes=notes)
            scratch.rename(target)
            self._note(steps=tuned.steps, loss=tuned.loss)

    def _learn_to_propose(self) -> None:
        """Train what proposes without a prompt; a training that was stopped begins again."""
        from radsam.training.proposer_data import TrainingCase
        from radsam.training.proposer_training import train_proposer

        target, scratch = self._weights / "proposer", self._folder / "proposer"
        if target.exists():
            return
        _remove(scratch)
        with self._part("proposer") as (work, progress):
            trained = train_proposer(
                [
                    TrainingCase(
                        id=masks[0].case.id,
                        patient=masks[0].case.patient,
                        volume=partial(self._project.volume, masks[0].case.id),
                        masks={each.label: None if each.absent else each.voxels for each in masks},
                    )
                    for masks in self._train
                ],
                self._engines.open(self._start),
                scratch,
                minutes=work.limit / 60,
                threads=self._engines.threads,
                pause=self._pause,
                progress=progress,
                seed=self._plan.seed,
                store=reduced_folder(self._project),
                start=self._last_proposer(),
                apart=self._cases_of_compared_patients(),
            )
            scratch.rename(target)
            self._note(proposer={"steps": trained.steps, "dice": trained.dice})

    def _last_proposer(self) -> Path | None:
        """Return the proposer that the new one goes on from: the last one, accepted or not, so that steps add up."""
        made = [self._project.weights_folder(each.number) / "proposer" for each in self._project.rounds()]
        return next((each for each in reversed(made) if each.exists()), None)

    def _cases_of_compared_patients(self) -> list[str]:
        """Return every case of the patients that are compared on: nothing may have learned from one of them."""
        compared = {self._project.case(each).patient for each in self._plan.compare}
        return [each.id for each in self._project.cases() if each.patient in compared]

    def _compare_weights(self) -> None:
        """Let the simulated annotator do objects of other patients, and keep the decoder that needs fewer actions."""
        with self._part("comparison") as (work, progress):
            if self._plan.in_use is None:
                decoder, proposer = self._start.path, None
            else:
                in_use = self._project.weights_folder(self._plan.in_use)
                decoder, proposer = in_use / "bundle", in_use / "proposer"
            tuned, proposing = self._folder / "tuned", self._weights / "proposer"
            rows = compare(
                self._compare,
                self._project.volume,
                {
                    _IN_USE: self._contender(decoder, proposer),
                    _NEW_PROPOSALS: self._contender(decoder, proposing),
                    _ALL_NEW: self._contender(tuned, proposing),
                },
                self._folder / "compared.json",
                goal=self._project.settings.goal_dice,
                work=work,
                seed=self._plan.seed,
                progress=progress,
            )
            best = fewest_actions(rows, (_NEW_PROPOSALS, _ALL_NEW))
            others = {name: Comparison.of(rows, _IN_USE, name).actions_after for name in (_NEW_PROPOSALS, _ALL_NEW)}
            self._note(scores=asdict(Comparison.of(rows, _IN_USE, best)), new=best, actions=others)
            self._keep(tuned if best == _ALL_NEW else decoder)

    def _keep(self, bundle: Path) -> None:
        """Put a bundle among the new weights."""
        target, scratch = self._weights / "bundle", self._folder / "bundle.partial"
        _remove(target, scratch)
        shutil.copytree(bundle, scratch)
        scratch.rename(target)

    def _contender(self, decoder: Path, proposer: Path | None) -> Contender:
        """Return weights as a user has them; those that the project began with propose nothing."""
        bundle = read_bundle(decoder)
        if proposer is None or not proposer.exists():
            return Contender(self._engines.open(bundle), lambda volume, engine: {})
        return Contender(self._engines.open(bundle), self._proposing(proposer))

    def _proposing(self, folder: Path) -> Propose:
        """Return what proposes with a proposer; the weights that share it share its answers on the last volume."""
        if folder not in self._proposers:
            reader, store = Proposer.read(folder, self._engines.threads), reduced_folder(self._project)
            last: list[tuple[Volume, Mapping[str, Proposal]]] = []

            def propose(volume: Volume, engine: Engine) -> Mapping[str, Proposal]:
                if not last or last[0][0] is not volume:
                    last[:] = [(volume, reader.propose(volume, engine, self._pause, store).proposals)]
                return last[0][1]

            self._proposers[folder] = propose
        return self._proposers[folder]

    def _publish(self) -> None:
        """Put the weights where the server finds them, by one rename."""
        record = {
            "round": self._plan.number,
            "trained_on": list(self._plan.train),
            "compared_on": list(self._plan.compare),
            "start": {"name": self._start.spec.name, "sha256": self._start.sha256},
            "compared_with_round": self._plan.in_use,
            "made_by": f"radsam {version('radsam')}",
            **self._facts,
        }
        _write_json(self._weights / "round.json", record)
        target = self._project.weights_folder(self._plan.number)
        make_folder(target.parent)
        _sync(self._weights)
        self._weights.rename(target)
        _sync(target.parent)

    def _decide(self) -> Round:
        """Offer the weights if they need fewer actions, else decline them; with the figures either way."""
        number, target = self._plan.number, self._project.weights_folder(self._plan.number)
        record = _read_json(target / "round.json")
        found = Comparison(**record["scores"])
        scores = {
            **record["scores"],
            **{key: record[key] for key in ("slices", "steps", "seconds", "new", "actions") if key in record},
        }
        if found.is_better:
            ended = self._project.offer_round(number, scores)
        else:
            message = (
                f"The new weights need {found.actions_after:.1f} actions for an object and those in use "
                f"{found.actions_before:.1f}, on {found.objects} objects of {found.patients} patients."
            )
            ended = self._project.decline_round(number, LEARNER, message, scores)
        _remove(self._folder)
        return ended

    def _require_unchanged(self) -> None:
        changed = self._plan.changed(finished_cases(self._project))
        if changed:
            raise ExecutionError(f"Case {changed} was changed or taken back to work while the round ran.")

    @contextmanager
    def _part(self, name: str) -> Iterator[tuple[WorkTime, Callable[[float], None]]]:
        """Measure a part's time, over all processes that work on it, and report its progress."""
        share, words = _PARTS[name]
        before = sum(each for each, _ in list(_PARTS.values())[: list(_PARTS).index(name)])
        spent = self._facts.get("seconds", {}).get(name, 0.0)
        work = WorkTime(self._pause, 60 * self._plan.minutes * share, spent)

        def progress(done: float) -> None:
            self._say(before + share * min(1.0, done), words)

        progress(0.0)
        try:
            yield work, progress
        finally:
            self._note(seconds={**self._facts.get("seconds", {}), name: round(work.spent, 1)})

    def _say(self, share: float, message: str) -> None:
        if time.monotonic() - self._reported >= _REPORT_SECONDS:
            self._reported = time.monotonic()
            left = math.ceil(self._plan.minutes * (1 - share))
            self._project.update_round(self._plan.number, share, f"{message}, at most {left} min left")
            self._report(share, message)

    def _note(self, **facts: Any) -> None:
        self._facts |= facts
        _write_json(self._folder / "facts.json", self._facts)


def _sync(folder: Path) -> None:
    """Put the files of a folder, and their names, on disk."""
    if os.name != "posix":
        return
    for path in [folder, *folder.rglob("*")]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
