"""The training run: Lightning Fabric, checkpoints by the clock, exact resume.

::

    out/last.pt          the newest checkpoint; `train` goes on from it
    out/best.pt          the one with the best validation score
    out/train.csv        losses by step
    out/validation.csv   scores by step
    out/config.json      the configuration
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from radsam.data.store import open_store
from radsam.errors import ExecutionError, InputError, MissingExtraError
from radsam.io.atomic import replacing
from radsam.model.build import build_sam
from radsam.model.config import SamConfig
from radsam.model.export import state_dict_from_graphs
from radsam.model.sam import Sam
from radsam.runtime import Bundle, find_bundle, open_backend, read_bundle
from radsam.training.checkpoint import Checkpoint, read_checkpoint, require_same_run, write_checkpoint
from radsam.training.config import TrainConfig
from radsam.training.embeddings import EncodedScenes, Progress, encode_scenes
from radsam.training.episode import Episode
from radsam.training.log import TRAINING_COLUMNS, RunLog
from radsam.training.optim import Average, freeze_encoder, gradient_norm, make_optimizer, set_rate
from radsam.training.sampler import Sampler
from radsam.training.step import StepLosses, run_episodes
from radsam.training.validate import ObjectScore, summary, validate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LAST, BEST = "last.pt", "best.pt"

#: Takes a line of news for people.
Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """How a run stands when `train` returns.

    Args:
        step: Optimizer steps done.
        finished: Whether all steps are done; otherwise `train` goes on from here when called again.
        best_score: Best validation score; -1 where none was made.
        checkpoint: The checkpoint to export: the best one, or the last where none was scored.
    """

    step: int
    finished: bool
    best_score: float
    checkpoint: Path


def prepare_scenes(
    config: TrainConfig, progress: Progress = lambda done, total: None, backend: str = "auto"
) -> tuple[Bundle, EncodedScenes]:
    """Open the start weights and the store, and encode what is not encoded yet.

    Raises:
        InputError: The store, the weights or the embeddings cannot be used.
        OutputError: There is too little room on the disk.
    """
    bundle = read_bundle(find_bundle(config.start))
    store = open_store(Path(config.data.store))
    scenes = encode_scenes(
        store,
        bundle,
        config,
        Path(config.embeddings.folder),
        open_engine=lambda bundle: open_backend(bundle, backend),
        progress=progress,
    )
    return bundle, scenes


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = True,
    minutes: float | None = None,
    report: Report = lambda line: None,
) -> TrainResult:
    """Train, or go on training.

    Ctrl-C and SIGTERM finish the step, write a checkpoint and return.

    Args:
        config: What to train.
        out: Folder of the run.
        resume: Go on from the folder's last checkpoint; without, the folder must have none.
        minutes: Stop after this time, to go on later; None trains to the last step.
        report: Takes lines of news.

    Raises:
        InputError: The configuration, data, weights or checkpoint cannot be used.
        ExecutionError: The loss is not a number; the last good checkpoint is kept.
        MissingExtraError: Lightning Fabric is not installed.
    """
    if find_spec("lightning_fabric") is None:
        raise MissingExtraError("Training", "train")
    if not resume and (out / LAST).exists():
        raise InputError(f"{out} holds a run already. Resume it, or name another folder for a new one.")
    bundle, scenes = prepare_scenes(config, lambda done, total: report(f"encoded {done} of {total} slices"))
    out.mkdir(parents=True, exist_ok=True)
    run = Run(config, out, bundle, scenes, report)
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    return run.until(deadline)


def evaluate(
    config: TrainConfig, checkpoint: Path | None = None, progress: Callable[[ObjectScore], None] = lambda score: None
) -> list[ObjectScore]:
    """Score a checkpoint's averaged weights, or the start weights, on the validation split.

    Args:
        config: The run; its sections [data], [embeddings] and [validation] say what is scored.
        checkpoint: A file that `train` wrote; None scores the weights that the run starts from.
        progress: Called after each object.

    Raises:
        InputError: The configuration, data, weights or checkpoint cannot be used.
    """
    bundle, scenes = prepare_scenes(config)
    model = start_model(bundle)
    if checkpoint is not None:
        model.load_state_dict(read_checkpoint(checkpoint).average, strict=False)
    return validate(model, scenes, config, progress)


class Run:
    """One training run on this process.

    Args:
        config: What to train.
        out: Folder of the run; holds the checkpoint to go on from, if any.
        bundle: The start weights.
        scenes: The encoded scenes.
        report: Takes lines of news.

    Raises:
        InputError: The folder's checkpoint belongs to another run.
    """

    def __init__(self, config: TrainConfig, out: Path, bundle: Bundle, scenes: EncodedScenes, report: Report) -> None:
        self.config, self._out, self._bundle, self._scenes, self._report = config, out, bundle, scenes, report
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        self._fabric = _open_fabric(config)
        self._sampler = Sampler(scenes, config)
        self.model = start_model(bundle)
        self._parameters = freeze_encoder(self.model)
        # Made before anything is wrapped, so that names are those of the checkpoints.
        self._optimizer = make_optimizer(self._parameters, config.optim)
        self._average = Average(self._parameters, config.optim.ema)
        self.step, self._seconds, self.best_score = 0, 0.0, -1.0
        if (out / LAST).exists():
            self._restore(read_checkpoint(out / LAST))
        module, self._fabric_optimizer = self._fabric.setup(self.model, self._optimizer)
        module.mark_forward_method("decode")
        self._decode = module.decode
        self._log = RunLog(out, self.step)
        with replacing(out / "config.json") as scratch:
            scratch.write_text(json.dumps(config.to_dict(), indent=2) + "\n", "utf-8")

    def until(self, deadline: float) -> TrainResult:
        """Train to the last step, the deadline (of `time.monotonic`) or a signal to stop."""
        run = self.config.run
        saved = validated = logged_at = time.monotonic()
        losses, steps = StepLosses(), 0
        with _stop_signals() as stop:
            while self.step < self.config.optim.steps and time.monotonic() < deadline and not stop.is_set():
                began = time.monotonic()
                done, rate, norm = self.train_step()
                losses.add(done)
                steps += 1
                self._seconds += time.monotonic() - began
                if self.step % run.log_steps == 0 or self.step == self.config.optim.steps:
                    self._note(losses, rate, norm, (time.monotonic() - logged_at) / steps)
                    losses, steps, logged_at = StepLosses(), 0, time.monotonic()
                if time.monotonic() - saved > 60 * run.checkpoint_minutes:
                    self.save(LAST)
                    saved = time.monotonic()
                if run.validate_minutes and time.monotonic() - validated > 60 * run.validate_minutes:
                    self.validate()
                    validated = logged_at = time.monotonic()
        self.save(LAST)
        finished = self.step >= self.config.optim.steps
        if finished:
            self.validate()
            self.save(LAST)
        self._log.close()
        return TrainResult(
            self.step, finished, self.best_score, self._out / (BEST if (self._out / BEST).exists() else LAST)
        )

    def train_step(self) -> tuple[StepLosses, float, float]:
        """Do one optimizer step; return its losses, the learning rate and the gradient's norm.

        Raises:
            ExecutionError: The loss or the gradient is not a number; the weights are as before the step.
        """
        optim = self.config.optim
        rate = set_rate(self._optimizer, optim, self.step)
        turns, losses = self._sampler.turns(self.step), StepLosses()
        drawn: list[Episode] = []
        for part in range(optim.accumulate):
            episodes = self._sampler.episodes(self.step, part)
            drawn += episodes
            losses.add(
                run_episodes(
                    self._decode,
                    self._fabric.device,
                    episodes,
                    turns,
                    self.config.loss,
                    self._fabric.backward,
                    share=1 / optim.accumulate,
                )
            )
        norm = gradient_norm(self._parameters.values(), optim.clip_norm)
        if not (math.isfinite(losses.total) and math.isfinite(norm)):
            self._stop_at_nan(drawn)
        self._fabric_optimizer.step()
        self._fabric_optimizer.zero_grad()
        self._average.update(self._parameters, self.step)
        self.step += 1
        return losses, rate, norm

    def validate(self) -> float:
        """Score the averaged weights; keep the best."""
        began = time.monotonic()
        averaged = start_model(self._bundle)
        averaged.load_state_dict(self._average.values, strict=False)
        means = summary(validate(averaged, self._scenes, self.config))
        self._log.write("validation", {"step": self.step, "seconds": self._seconds, **means})
        self._report(
            f"step {self.step}: validation Dice {means['score']:.4f} over {means['objects']:.0f} objects "
            f"({time.monotonic() - began:.0f} s)"
        )
        if means["score"] > self.best_score:
            self.best_score = means["score"]
            self.save(BEST)
        return means["score"]

    def save(self, name: str) -> None:
        """Write a checkpoint into the run's folder."""
        write_checkpoint(
            self._out / name,
            Checkpoint(
                config=self.config,
                start_sha256=self._bundle.sha256,
                data_identity=self._scenes.identity,
                train_cases=self._train_cases(),
                step=self.step,
                seconds=self._seconds,
                best_score=self.best_score,
                weights={name: value.detach() for name, value in self._parameters.items()},
                average=self._average.values,
                optimizer=self._optimizer.state_dict(),
            ),
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        require_same_run(checkpoint, self.config, self._bundle.sha256, self._scenes.identity, self._out / LAST)
        self.model.load_state_dict(checkpoint.weights, strict=False)
        self._average.load(checkpoint.average)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self.step, self._seconds, self.best_score = checkpoint.step, checkpoint.seconds, checkpoint.best_score
        self._report(f"resumed at step {self.step}")

    def _stop_at_nan(self, episodes: list[Episode]) -> None:
        kept = self._out / LAST
        raise ExecutionError(
            f"The loss of step {self.step} is not a number. Its batch (seed {self.config.seed}) was: "
            f"{'; '.join(episode.describe() for episode in episodes)}. "
            + (f"The last good checkpoint is kept at {kept}. " if kept.exists() else "No checkpoint was due yet. ")
            + "Look at these slices, lower optim.lr, or train with run.precision=32-true."
        )

    def _note(self, losses: StepLosses, rate: float, norm: float, seconds_per_step: float) -> None:
        row = dict.fromkeys(TRAINING_COLUMNS, math.nan)
        row |= {"step": self.step, "seconds": self._seconds, "lr": rate, "grad_norm": norm}
        row |= {"loss": losses.mean("total"), "dice_loss": losses.mean("dice")}
        row |= {"bce": losses.mean("bce"), "iou_error": losses.mean("iou")}
        row |= {f"dice_loss_{kind}": total / count for kind, (count, total) in losses.by_kind.items()}
        self._log.write("train", row)
        self._report(
            f"step {self.step} of {self.config.optim.steps}: loss {row['loss']:.4f}, dice loss {row['dice_loss']:.4f}, "
            f"lr {rate:.2e}, {seconds_per_step:.2f} s a step"
        )

    def _train_cases(self) -> tuple[str, ...]:
        numbers = range(len(self._scenes.scenes))
        split = self.config.data.train_split
        return tuple(sorted({self._scenes.case_name(n) for n in numbers if self._scenes.split(n) == split}))


def start_model(bundle: Bundle) -> Sam:
    """Build a bundle's model in torch, with its weights, ready for inference."""
    model = build_sam(SamConfig.from_dict(bundle.spec.model))
    model.load_state_dict(state_dict_from_graphs(bundle.encoder, bundle.decoder))
    return model.eval()


def _open_fabric(config: TrainConfig) -> Fabric:
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=config.run.accelerator, devices=1, precision=config.run.precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of ending the process in the middle of a step."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: stop.set()) for each in signals]
    try:
        yield stop
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
