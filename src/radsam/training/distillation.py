"""Train a fast image encoder to give the embeddings of a slow one, from the slow one's stored embeddings.

The teacher encodes the scenes of a configuration once (`radsam.training.stored_embeddings`); the
student sees the same images and is pulled towards those embeddings by their squared error. No
label is used. The result is a bundle with the student's encoder and the decoder of
another one (`radsam.training.student_encoder`), which training with a frozen encoder then fits to it.

::

    out/last.pt        the newest checkpoint; `distill` continues from it
    out/train.csv      relative error by step: 1 is no better than the mean embedding, 0 is the teacher
    out/validation.csv the same, of the averaged weights on the validation split
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from radsam.data.training_store import open_store
from radsam.disk.file_lock import locked_folder
from radsam.errors import ExecutionError, InputError
from radsam.runtime import Bundle, find_bundle, open_backend, read_bundle
from radsam.training.distillation_checkpoint import (
    DistillCheckpoint,
    DistillConfig,
    read_distillation,
    write_distillation,
)
from radsam.training.optimizer import ENCODER_PREFIX, Average, make_optimizer, set_rate
from radsam.training.stored_embeddings import EncodedScenes, encode_scenes
from radsam.training.student_encoder import student_of
from radsam.training.training_log import RunLog
from radsam.training.training_run import LAST, Report, stop_signals

#: Slices that the teacher's variance and the validation error are measured on, spread over all.
_MEASURED = 64


@dataclass(frozen=True)
class DistillResult:
    """State of a distillation when `distill` returns.

    Args:
        step: Optimizer steps done.
        finished: Whether all steps are done; otherwise `distill` continues from here when called again.
        error: Latest relative error on the validation split; -1 where none was measured.
        checkpoint: The checkpoint to export.
    """

    step: int
    finished: bool
    error: float
    checkpoint: Path


def distill(
    config: DistillConfig, out: Path, *, minutes: float | None = None, report: Report = lambda line: None
) -> DistillResult:
    """Distill, or continue: a run that was stopped or killed ends with the weights it would have had.

    Args:
        config: The distillation.
        out: Folder of the run.
        minutes: Stop after this time, to continue later; None goes to the last step.
        report: Takes lines of progress.

    Raises:
        InputError: The configuration, data, weights or checkpoint cannot be used.
        InUseError: Another run writes to the folder.
        ExecutionError: The error is not a number; the last good checkpoint stays.
    """
    with locked_folder(out, "radsam distill"):
        return _distill_alone(config, out, minutes, report)


def _distill_alone(config: DistillConfig, out: Path, minutes: float | None, report: Report) -> DistillResult:
    """Do the work of `distill`, while no other run writes to the folder."""
    if config.threads:
        torch.set_num_threads(config.threads)
    teacher = read_bundle(find_bundle(config.start))
    scenes = encode_scenes(
        open_store(Path(config.data.store)),
        teacher,
        config.data,
        config.embeddings,
        Path(config.embeddings.folder),
        open_engine=lambda bundle: open_backend(bundle, precision="f32"),
        progress=lambda done, total: report(f"encoded {done} of {total} slices"),
    )
    run = Distillation(config, out, teacher, scenes, report)
    return run.until(math.inf if minutes is None else time.monotonic() + 60 * minutes)


class Distillation:
    """One distillation.

    Args:
        config: The distillation.
        out: Folder of the run, made if it is missing; holds the checkpoint to continue from, if any.
        teacher: The bundle of the teacher.
        scenes: The teacher's embeddings.
        report: Takes lines of progress.

    Raises:
        InputError: The folder's checkpoint belongs to another run, or the student does not fit the teacher.
    """

    def __init__(
        self, config: DistillConfig, out: Path, teacher: Bundle, scenes: EncodedScenes, report: Report
    ) -> None:
        self.config, self._out, self._teacher, self._scenes, self._report = config, out, teacher, scenes, report
        torch.manual_seed(config.seed)
        self.student = student_of(config, teacher)
        self._parameters = {ENCODER_PREFIX + name: each for name, each in self.student.named_parameters()}
        self._optimizer = make_optimizer(self._parameters, config.optim)
        self._state = {name: value for name, value in self.student.state_dict().items() if value.is_floating_point()}
        self._average = Average(self._state, config.optim.ema)
        self._train, self._val = self._slices(config.data.train_split), self._slices(config.data.val_split)
        measured = np.stack([self._scenes.embedding(*key) for key in _spread(self._train)]).astype(np.float32)
        self._variance = float(measured.var(axis=(0, 2, 3)).mean())
        self.step, self._seconds, self.error = 0, 0.0, -1.0
        if (out / LAST).exists():
            self._restore(read_distillation(out / LAST))
        out.mkdir(parents=True, exist_ok=True)
        self._log = RunLog(out, self.step)

    def until(self, deadline: float) -> DistillResult:
        """Go to the last step, the deadline (of `time.monotonic`) or a signal to stop."""
        config = self.config
        saved = validated = logged = time.monotonic()
        errors: list[float] = []
        with stop_signals() as stop:
            while self.step < config.optim.steps and not stop.is_set() and time.monotonic() < deadline:
                began = time.monotonic()
                errors.append(self.train_step())
                self._seconds += time.monotonic() - began
                if self.step % config.log_steps == 0:
                    self._note(errors, (time.monotonic() - logged) / len(errors))
                    errors, logged = [], time.monotonic()
                if time.monotonic() - validated > 60 * config.validate_minutes:
                    self.save()  # whatever happens while the weights are measured
                    self.validate()
                    validated = logged = time.monotonic()
                if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
        self.save()
        finished = self.step >= config.optim.steps
        if finished:
            self.validate()
            self.save()
        self._log.close()
        return DistillResult(self.step, finished, self.error, self._out / LAST)

    def train_step(self) -> float:
        """Do one step; return the batch's relative error.

        Raises:
            ExecutionError: The error is not a number; the weights are as before the step.
        """
        optim = self.config.optim
        set_rate(self._optimizer, optim, self.step)
        rng = np.random.default_rng([self.config.seed, self.step])
        keys = [self._train[n] for n in rng.choice(len(self._train), min(optim.batch, len(self._train)), False)]
        self.student.train()
        error = self._error(keys)
        self._optimizer.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), optim.clip_norm)
        relative = float(error.detach())
        if not (math.isfinite(relative) and math.isfinite(float(norm))):
            raise ExecutionError(
                f"The error of step {self.step} is not a number (seed {self.config.seed}). Lower optim.lr; the last "
                f"good checkpoint, if one was due, is {self._out / LAST}."
            )
        self._optimizer.step()
        self._average.update(self._state, self.step)
        self.step += 1
        return relative

    def validate(self) -> float:
        """Measure the averaged weights on slices of the validation split."""
        trained = {name: value.clone() for name, value in self._state.items()}
        self.student.load_state_dict(self._average.values, strict=False)
        self.student.eval()
        with torch.inference_mode():
            self.error = float(np.mean([float(self._error([key])) for key in _spread(self._val)]))
        self.student.load_state_dict(trained, strict=False)
        self._log.write("validation", {"step": self.step, "seconds": self._seconds, "error": self.error})
        self._report(f"step {self.step}: relative error {self.error:.4f} on the validation split")
        return self.error

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        content = DistillCheckpoint(
            config=self.config,
            start_sha256=self._teacher.sha256,
            data_identity=self._scenes.identity,
            cases=tuple(sorted({self._scenes.case_name(scene) for scene, _ in self._train})),
            step=self.step,
            seconds=self._seconds,
            error=self.error,
            weights=dict(self._state),
            average=self._average.values,
            optimizer=self._optimizer.state_dict(),
        )
        write_distillation(self._out / LAST, content)

    def _restore(self, checkpoint: DistillCheckpoint) -> None:
        theirs = (checkpoint.config.identity, checkpoint.start_sha256, checkpoint.data_identity)
        if theirs != (self.config.identity, self._teacher.sha256, self._scenes.identity):
            raise InputError(
                f"{self._out / LAST} belongs to another distillation: its configuration, its teacher or its data "
                "differ. Take those it was started with, or another output folder."
            )
        self.student.load_state_dict(checkpoint.weights, strict=False)
        self._average.load(checkpoint.average)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self.step, self._seconds, self.error = checkpoint.step, checkpoint.seconds, checkpoint.error
        self._report(f"resumed at step {self.step}")

    def _slices(self, split: str) -> list[tuple[int, int]]:
        """Every encoded slice of a split as (scene, slice of the scene)."""
        scenes = self._scenes
        chosen = [number for number in range(len(scenes.scenes)) if scenes.split(number) == split]
        return [(number, index) for number in chosen for index in range(scenes.scenes[number].count)]

    def _error(self, keys: list[tuple[int, int]]) -> Tensor:
        images = np.stack([self._scenes.image(*key) for key in keys])
        wanted = np.stack([self._scenes.embedding(*key) for key in keys]).astype(np.float32)
        found = self.student(torch.from_numpy(images).to(memory_format=torch.channels_last))
        return nn.functional.mse_loss(found, torch.from_numpy(wanted)) / self._variance

    def _note(self, errors: list[float], seconds_per_step: float) -> None:
        mean, rate = float(np.mean(errors)), self._optimizer.param_groups[0]["lr"]
        self._log.write("train", {"step": self.step, "seconds": self._seconds, "lr": rate, "error": mean})
        self._report(
            f"step {self.step} of {self.config.optim.steps}: relative error {mean:.4f}, {seconds_per_step:.2f} s a step"
        )


def _spread(slices: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most `_MEASURED` of them, evenly."""
    return [slices[n] for n in np.unique(np.linspace(0, len(slices) - 1, _MEASURED).round().astype(int))]
