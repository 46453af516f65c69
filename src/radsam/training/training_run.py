"""The training run: Lightning Fabric, checkpoints by the clock, exact resume.

With several processes each of them trains its own parts of every step (see
`radsam.training.distributed`); the first one validates and writes.

::

    out/last.pt          the newest checkpoint; `train` continues from it
    out/best.pt          the one with the best validation score
    out/before-nan.pt    the weights before a step whose loss was not a number, if there was one
    out/train.csv        losses by step
    out/validation.csv   scores by step
    out/config.json      the configuration
"""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from radsam.data.packed_store import PACK_SUFFIX, read_pack
from radsam.data.training_store import open_store
from radsam.disk.atomic_write import replacing
from radsam.disk.file_hash import sha256_of
from radsam.disk.file_lock import locked_folder
from radsam.errors import ExecutionError, InputError, MissingExtraError
from radsam.io.input_files import refuse_inputs
from radsam.model.fast_decoder import FastDecoder
from radsam.model.recompute import recompute_activations
from radsam.runtime import open_backend
from radsam.training import distributed
from radsam.training.augmented_scenes import AugmentedScenes, plan_augmented_scenes
from radsam.training.batched_episodes import (
    BatchedSampler,
    EpisodeBatch,
    PackedScenes,
    plan_packed_scenes,
    run_batched_episodes,
)
from radsam.training.episode_embeddings import StoredEmbeddings, TrainedEmbeddings
from radsam.training.episode_sampler import Sampler
from radsam.training.optimizer import Average, choose_parameters, make_optimizer, set_rate
from radsam.training.rollouts import read_rollouts
from radsam.training.start_weights import Start, encoder_bundle, read_start, start_model
from radsam.training.stored_embeddings import EncodedScenes, Progress, encode_scenes
from radsam.training.training_checkpoint import (
    Checkpoint,
    load_weights,
    read_checkpoint,
    require_same_run,
    write_checkpoint,
)
from radsam.training.training_config import TrainConfig
from radsam.training.training_log import TRAINING_COLUMNS, RunLog
from radsam.training.training_step import StepLosses, run_episodes
from radsam.training.training_validation import ObjectScore, summary, validate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LAST, BEST, BEFORE_NAN = "last.pt", "best.pt", "before-nan.pt"

AnyScenes = EncodedScenes | AugmentedScenes | PackedScenes

#: Takes a line of progress.
Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """State of a run when `train` returns.

    Args:
        step: Optimizer steps done.
        finished: Whether all steps are done; otherwise `train` continues from here when called again.
        best_score: Best validation score; -1 where none was made.
        checkpoint: The checkpoint to export: the best one, or the last where none was scored.
        rank: Which of the run's processes returned it; 0 is the first one.
    """

    step: int
    finished: bool
    best_score: float
    checkpoint: Path
    rank: int = 0


def prepare_scenes(
    config: TrainConfig, progress: Progress = lambda done, total: None, backend: str = "auto"
) -> tuple[Start, AnyScenes]:
    """Open the start weights and the store or pack; for a frozen encoder, encode the slices that are not encoded yet.

    Raises:
        InputError: The store, the weights or the embeddings cannot be used.
        OutputError: There is too little room on the disk.
    """
    start, path = read_start(config.start), Path(config.data.store)
    spec = config.decoder.spec_of(start.spec)
    if path.suffix == PACK_SUFFIX:
        identity, pack = sha256_of(path), read_pack(path)
        if not config.data.rollouts:
            return start, plan_packed_scenes(pack, identity, spec, config)
        file = Path(config.data.rollouts)
        rollouts = read_rollouts(file, identity)
        return start, plan_packed_scenes(pack, f"{identity} {sha256_of(file)}", spec, config, rollouts)
    store = open_store(path)
    if config.encoder.train:
        return start, plan_augmented_scenes(store, spec, config)
    scenes = encode_scenes(
        store,
        encoder_bundle(start),
        config.data,
        config.embeddings,
        Path(config.embeddings.folder),
        # On every machine alike: a run may be resumed on another, and its embeddings have one name.
        open_engine=lambda bundle: open_backend(bundle, backend, precision="f32"),
        progress=progress,
    )
    return start, replace(scenes, spec=spec)


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = True,
    minutes: float | None = None,
    report: Report = lambda line: None,
) -> TrainResult:
    """Train, or continue training.

    Ctrl-C and SIGTERM finish the step, write a checkpoint and return. With several processes
    (`config.run`), this is called in each of them; one that was started alone starts the
    others of its machine.

    Args:
        config: The run.
        out: Folder of the run.
        resume: Continue from the folder's last checkpoint; otherwise the folder must have none.
        minutes: Stop after this time, to continue later; None trains to the last step.
        report: Takes lines of progress.

    Raises:
        InputError: The configuration, data, weights or checkpoint cannot be used.
        InUseError: Another run writes to the folder.
        OutputError: The run would write over the weights that it starts from.
        ExecutionError: The loss is not a number; the last good checkpoint stays.
        MissingExtraError: Lightning Fabric is not installed.
    """
    if find_spec("lightning_fabric") is None:
        raise MissingExtraError("Training", "train")
    if not resume and (out / LAST).exists():
        raise InputError(f"{out} holds a run already. Resume it, or name another folder for a new one.")
    refuse_inputs([out / LAST, out / BEST], [Path(config.start)])
    fabric = distributed.open_fabric(config.run)
    with ExitStack() as alone:
        if fabric.is_global_zero:
            alone.enter_context(locked_folder(out, "radsam train"))
        else:
            report = _silent
        return _train_alone(config, out, minutes, report, fabric)


def _train_alone(config: TrainConfig, out: Path, minutes: float | None, report: Report, fabric: Fabric) -> TrainResult:
    """Do the work of `train`, while no other run writes to the folder."""
    # The other processes read the embeddings that the first one has written.
    with fabric.rank_zero_first():
        start, scenes = prepare_scenes(config, lambda done, total: report(f"encoded {done} of {total} slices"))
    run = Run(config, out, start, scenes, report, fabric)
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    return run.until(deadline)


def evaluate(
    config: TrainConfig, checkpoint: Path | None = None, progress: Callable[[ObjectScore], None] = lambda score: None
) -> list[ObjectScore]:
    """Score a checkpoint's averaged weights, or the start weights, on the validation split.

    Args:
        config: The run; its sections [data], [embeddings] and [validation] choose the objects.
        checkpoint: A file that `train` wrote; None scores the weights that the run starts from.
        progress: Called after each object.

    Raises:
        InputError: The configuration, data, weights or checkpoint cannot be used.
    """
    start, scenes = prepare_scenes(config)
    if isinstance(scenes, PackedScenes):
        raise InputError(f"{config.data.store} is a pack, which has no whole volumes to score. Name the store itself.")
    model = start_model(start, config.decoder)
    if checkpoint is not None:
        load_weights(model, read_checkpoint(checkpoint).average, checkpoint)
    return validate(model.to(distributed.one_device(config.run)), scenes, config, progress)


class Run:
    """One training run, as one of its processes sees it.

    Args:
        config: The run.
        out: Folder of the run, made if it is missing; holds the checkpoint to continue from, if any.
        start: The start weights.
        scenes: The slices: encoded scenes, or augmented ones where the encoder is trained.
        report: Takes lines of progress.
        fabric: Where it runs; None opens what `config.run` says.
        wait: Called before each prediction of a step; returns when it may be made. Does not count as time of the step.

    Attributes:
        model: The network in training.
        step: Optimizer steps done.
        seconds: Time spent in them.
        best_score: Best validation score so far; -1 before the first.

    Raises:
        InputError: The folder's checkpoint belongs to another run.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        start: Start,
        scenes: AnyScenes,
        report: Report,
        fabric: Fabric | None = None,
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._wait, self._waited = wait, 0.0
        self.config, self._out, self._start, self._scenes, self._report = config, out, start, scenes, report
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        self._fabric = fabric or distributed.open_fabric(config.run)
        self._sampler = (
            BatchedSampler(scenes, config, self._fabric.device)
            if isinstance(scenes, PackedScenes)
            else Sampler(scenes, config)
        )
        self.model = start_model(start, config.decoder).to(self._fabric.device)
        # Attention wants this layout, so nothing is copied for it; measured in docs/training.md.
        self.model.image_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._decoder = FastDecoder(self.model)
        if config.encoder.checkpoint_activations:
            recompute_activations(self.model.image_encoder)
        self._parameters = choose_parameters(self.model, config.encoder, config.optim.lr_scale)
        self._optimizer = make_optimizer(self._parameters, config.optim, config.encoder)
        self._average = Average(self._parameters, config.optim.ema)
        self.step, self.seconds, self.best_score = 0, 0.0, -1.0
        if (out / LAST).exists():
            self._restore(read_checkpoint(out / LAST))
        self._log: RunLog | None = None
        self._opened_at = self.step
        if self._fabric.is_global_zero:
            out.mkdir(parents=True, exist_ok=True)
            with replacing(out / "config.json") as scratch:
                scratch.write_text(json.dumps(config.to_dict(), indent=2) + "\n", "utf-8")

    def until(self, deadline: float) -> TrainResult:
        """Train to the last step, the deadline (of `time.monotonic`) or a signal to stop."""
        run = self.config.run
        saved = validated = logged_at = time.monotonic()
        losses, steps = StepLosses(), 0
        with stop_signals() as stop:
            while self.step < self.config.optim.steps:
                now = time.monotonic()
                due = run.validate_minutes > 0 and now - validated > 60 * run.validate_minutes
                stopping, validating = distributed.any_process(self._fabric, (stop.is_set() or now >= deadline, due))
                if stopping:
                    break
                if validating:
                    self.save(LAST)  # whatever happens while the weights are scored
                    self.validate()
                    validated = logged_at = time.monotonic()
                done, rate, norm = self.train_step()
                losses.add(done)
                steps += 1
                if self.step % run.log_steps == 0 or self.step == self.config.optim.steps:
                    self._note(losses, rate, norm, (time.monotonic() - logged_at) / steps)
                    losses, steps, logged_at = StepLosses(), 0, time.monotonic()
                if time.monotonic() - saved > 60 * run.checkpoint_minutes:
                    self.save(LAST)
                    saved = time.monotonic()
        self.save(LAST)
        finished = self.step >= self.config.optim.steps
        if finished:
            self.validate()
            self.save(LAST)
        if self._log is not None:
            self._log.close()
        self._fabric.barrier()
        checkpoint = self._out / (BEST if (self._out / BEST).exists() else LAST)
        return TrainResult(self.step, finished, self.best_score, checkpoint, self._fabric.global_rank)

    def train_step(self) -> tuple[StepLosses, float, float]:
        """Do one optimizer step; return its losses on this process, the learning rate and the gradient's norm.

        Raises:
            ExecutionError: The loss or the gradient is not a number; the weights are as before the step.
        """
        began, optim, fabric = time.monotonic() - self._waited, self.config.optim, self._fabric
        rate = set_rate(self._optimizer, optim, self.step)
        turns = self._sampler.turns(self.step)
        first_part = fabric.global_rank * optim.accumulate
        by_part = [self._forward_and_back(first_part + part, turns) for part in range(optim.accumulate)]
        distributed.average_gradients(fabric, self._parameters.values())
        clipped = fabric.clip_gradients(self.model, self._optimizer, max_norm=optim.clip_norm, error_if_nonfinite=False)
        norm = math.nan if clipped is None else float(clipped)
        finite = distributed.flags_of_all(fabric, [math.isfinite(losses.total) for losses in by_part])
        # In 16-mixed a gradient may overflow: then the step is left out and the loss scaled less.
        if not all(finite) or not (math.isfinite(norm) or self.config.run.precision == "16-mixed"):
            self._stop_at_nan([part for part, good in enumerate(finite) if not good] or range(len(finite)))
        fabric.strategy.optimizer_step(self._optimizer)
        self._optimizer.zero_grad()
        self._average.update(self._parameters, self.step)
        self.step += 1
        losses = StepLosses()
        for each in by_part:
            losses.add(each)
        self.seconds += time.monotonic() - self._waited - began
        return losses, rate, norm

    def _forward_and_back(self, part: int, turns: int) -> StepLosses:
        device, trained = self._fabric.device, self.config.encoder.train
        share, backward = 1 / self.config.optim.accumulate, self._fabric.backward
        episodes = self._sampler.episodes(self.step, part)
        if isinstance(episodes, EpisodeBatch):
            return run_batched_episodes(episodes, self._encode, self._decode, turns, self.config, backward, share)
        return run_episodes(
            TrainedEmbeddings(self._encode, device) if trained else StoredEmbeddings(device),
            self._decode,
            device,
            episodes,
            turns,
            self.config.loss,
            backward,
            share,
        )

    def _encode(self, images: Tensor) -> Tensor:
        with self._fabric.autocast():
            return self.model.encode(images)

    def _decode(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        began = time.monotonic()
        self._wait()
        self._waited += time.monotonic() - began
        with self._fabric.autocast():
            logits, scores = self._decoder(*inputs)
        return logits, scores

    def validate(self) -> float:
        """Score the averaged weights; keep the best. The first process does, the others wait.

        A pack has no whole volumes to score: then it does nothing, and the last checkpoint counts.
        """
        if isinstance(self._scenes, PackedScenes):
            return self.best_score
        score = distributed.on_first_process(self._fabric, self._score)
        if score > self.best_score:
            self.best_score = score
            self.save(BEST)
        return score

    def _score(self) -> float:
        began = time.monotonic()
        averaged = copy.deepcopy(self.model)
        averaged.load_state_dict(self._average.values, strict=False)
        assert not isinstance(self._scenes, PackedScenes)
        means = summary(validate(averaged, self._scenes, self.config))
        self._write("validation", {"step": self.step, "seconds": self.seconds, **means})
        self._report(
            f"step {self.step}: validation Dice {means['score']:.4f} over {means['objects']:.0f} objects "
            f"({time.monotonic() - began:.0f} s)"
        )
        return means["score"]

    def save(self, name: str) -> None:
        """Write a checkpoint into the run's folder; the first process does."""
        if not self._fabric.is_global_zero:
            return
        write_checkpoint(
            self._out / name,
            Checkpoint(
                config=self.config,
                start_sha256=self._start.sha256,
                data_identity=self._scenes.identity,
                train_cases=self._train_cases(),
                step=self.step,
                seconds=self.seconds,
                best_score=self.best_score,
                weights={name: value.detach() for name, value in self._parameters.items()},
                average=self._average.values,
                optimizer=self._optimizer.state_dict(),
                precision=self._fabric.strategy.precision.state_dict(),
                train_modalities=self._train_modalities(),
            ),
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        require_same_run(checkpoint, self.config, self._start.sha256, self._scenes.identity, self._out / LAST)
        load_weights(self.model, checkpoint.weights, self._out / LAST)
        self._average.load(checkpoint.average)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        if checkpoint.precision:
            self._fabric.strategy.precision.load_state_dict(checkpoint.precision)
        self.step, self.seconds, self.best_score = checkpoint.step, checkpoint.seconds, checkpoint.best_score
        self._report(f"resumed at step {self.step}")

    def _stop_at_nan(self, parts: Iterable[int]) -> None:
        self.save(BEFORE_NAN)
        last = self._out / LAST
        # Drawn again, as they were before their first turn.
        batches = [self._sampler.episodes(self.step, part) for part in parts]
        episodes = [
            line
            for batch in batches
            for line in (batch.describe() if isinstance(batch, EpisodeBatch) else [each.describe() for each in batch])
        ]
        raise ExecutionError(
            f"The loss of step {self.step} is not a number. Its batch (seed {self.config.seed}) was: "
            f"{'; '.join(episodes)}. "
            + (f"The last good checkpoint is {last}. " if last.exists() else "No checkpoint was due yet. ")
            + f"The weights before this step are in {self._out / BEFORE_NAN}. "
            + "Check these slices, lower optim.lr, or train with run.precision=32-true."
        )

    def _note(self, losses: StepLosses, rate: float, norm: float, seconds_per_step: float) -> None:
        losses = distributed.losses_of_all(self._fabric, losses)
        row = dict.fromkeys(TRAINING_COLUMNS, math.nan)
        row |= {"step": self.step, "seconds": self.seconds, "lr": rate, "grad_norm": norm}
        row |= {"loss": losses.mean("total"), "dice_loss": losses.mean("dice")}
        row |= {"bce": losses.mean("bce"), "iou_error": losses.mean("iou"), "presence_loss": losses.mean("presence")}
        row |= {f"dice_loss_{kind}": total / count for kind, (count, total) in losses.by_kind.items()}
        self._write("train", row)
        self._report(
            f"step {self.step} of {self.config.optim.steps}: loss {row['loss']:.4f}, dice loss {row['dice_loss']:.4f}, "
            f"lr {rate:.2e}, {seconds_per_step:.2f} s a step"
        )

    def _write(self, name: str, row: Mapping[str, float | int]) -> None:
        if not self._fabric.is_global_zero:
            return
        if self._log is None:  # opened by its first line: TensorBoard takes seconds to load
            self._log = RunLog(self._out, self._opened_at)
        self._log.write(name, row)

    def _train_cases(self) -> tuple[str, ...]:
        if isinstance(self._scenes, PackedScenes):
            return self._scenes.train_cases
        numbers = range(len(self._scenes.scenes))
        split = self.config.data.train_split
        return tuple(sorted({self._scenes.case_name(n) for n in numbers if self._scenes.split(n) == split}))

    def _train_modalities(self) -> dict[str, int]:
        names, scenes = set(self._train_cases()), self._scenes
        cases = scenes.pack.cases if isinstance(scenes, PackedScenes) else scenes.store.cases
        return dict(Counter(case.modality.value for case in cases if case.case_id in names))


def _silent(line: str) -> None:
    """The first process reports; the others are silent."""


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
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
