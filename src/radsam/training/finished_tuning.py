"""Tuning the decoder on finished objects, with the embeddings of the sessions that made them.

The folder of a tuning::

    store/               a training store (`radsam.data`) with a case for each object: what its session saw of it
    scenes/*.npy         the embeddings of runs of neighbouring slices, float16
    scenes/*.json        which slices of which case they are, and their window
    run/                 the training run, which is resumed
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radsam.data.training_store import open_store
from radsam.errors import InputError
from radsam.preprocess import Window
from radsam.runtime import Bundle, read_bundle
from radsam.settings import find_config, read_settings
from radsam.training.bundle_export import export_checkpoint
from radsam.training.scenes import Scene, ids_seen, rows_of
from radsam.training.slice_view import View
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import LAST, Run

#: A prediction of so many episodes, forward and back, takes less than a second on one core: it is over soon when work
#: has to pause.
BATCH = 2
#: More than any round has time for.
_MOST_STEPS = 100_000
#: Seconds of training between checkpoints.
_SAVE_SECONDS = 20.0


@dataclass(frozen=True)
class Tuned:
    """What a tuning has come to.

    Args:
        checkpoint: Its weights.
        steps: Optimizer steps.
        seconds: Time in them.
        loss: Mean loss of the last of them.
    """

    checkpoint: Path
    steps: int
    seconds: float
    loss: float


def tuning_config(folder: Path, start: Bundle, threads: int, seed: int) -> TrainConfig:
    """Return the preset `finetune`, for a run of minutes beside an annotator.

    Args:
        folder: The folder of the tuning.
        start: The weights to start from.
        threads: CPU threads.
        seed: Seed of everything that is drawn.
    """
    window = start.spec.ct_window
    ours = {
        "name": f"{start.spec.name}-project",
        "start": str(start.path.resolve()),
        "seed": seed,
        "data.store": str(folder / "store"),
        "data.train_split": "train",
        "embeddings.folder": str(folder / "scenes"),
        "embeddings.window": [window.low, window.high],
        "embeddings.scenes": 0,
        "optim.steps": _MOST_STEPS,
        "optim.batch": BATCH,
        "run.threads": threads,
        "run.precision": "32-true",
    }
    # JSON's strings and lists are TOML's, too. The rate rises over a share of the steps, of which few are done.
    warmup = 20 / _MOST_STEPS
    overrides = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in ours.items()]
    return read_settings(TrainConfig, find_config("finetune"), [*overrides, f"optim.warmup={warmup}"])


def read_scenes(folder: Path, start: Bundle, min_pixels: int) -> EncodedScenes:
    """Read the scenes that were written for a tuning.

    Raises:
        InputError: There is none, or its case is missing.
    """
    store = open_store(folder / "store")
    numbers = {case.folder.name: number for number, case in enumerate(store.cases)}
    scenes, files, parts, digest = [], [], [], hashlib.sha256()
    for path in sorted((folder / "scenes").glob("*.json")):
        stated = json.loads(path.read_text("utf-8"))
        number = numbers[stated["case"]]
        case = store.cases[number]
        view = View.whole(case.grid.display_shape, case.row_mm, case.col_mm, Window(*stated["window"]), case.outside)
        scene = Scene(number, stated["first"], stated["count"], view)
        scenes.append(scene)
        files.append(path.with_suffix(".npy"))
        digest.update(f"{path.name} {stated}".encode())
        for index in range(scene.count):
            parts.append(rows_of(ids_seen(store, scene, index), len(scenes) - 1, index, min_pixels))
    if not scenes:
        raise InputError(f"{folder} has no finished object to learn from.")
    return EncodedScenes(store, start.spec, tuple(scenes), np.concatenate(parts), digest.hexdigest(), files)


def tune(
    folder: Path,
    start: Bundle,
    *,
    seconds: float,
    threads: int,
    seed: int,
    wait: Callable[[], None],
    progress: Callable[[float], None] = lambda share: None,
    most_steps: int = _MOST_STEPS,
) -> Tuned:
    """Train prompt encoder and mask decoder, or go on with it where another process was stopped.

    Args:
        folder: The folder of the tuning.
        start: The weights to start from.
        seconds: The longest time in steps, over all processes that work on it.
        threads: CPU threads.
        seed: Seed of everything that is drawn.
        wait: Called before each prediction; returns when it may be made.
        progress: Called after each step, with the share of the time that is spent.
        most_steps: Stop after so many steps, all processes together.
    """
    config = tuning_config(folder, start, threads, seed)
    scenes = read_scenes(folder, start, config.data.min_pixels)
    run = Run(config, folder / "run", start, scenes, lambda line: None, wait=wait)
    saved = run.seconds
    recent: list[float] = []
    while run.seconds < seconds and run.step < most_steps:
        losses, _, _ = run.train_step()
        recent = [*recent[-49:], losses.mean("total")]
        progress(min(1.0, run.seconds / seconds))
        if run.seconds - saved > _SAVE_SECONDS:
            run.save(LAST)
            saved = run.seconds
    run.save(LAST)
    return Tuned(folder / "run" / LAST, run.step, run.seconds, float(np.mean(recent)) if recent else float("nan"))


def export_tuned(tuned: Tuned, target: Path, *, name: str, notes: str, licence: str = "not stated") -> Bundle:
    """Write the tuned weights as a bundle with the encoder that they started from.

    Args:
        tuned: The tuning.
        target: Folder of the bundle; must not exist.
        name: Its name.
        notes: Markdown for its model card.
        licence: Licence of the weights, for the card.
    """
    return read_bundle(export_checkpoint(tuned.checkpoint, target, name=name, notes=notes, licence=licence))
