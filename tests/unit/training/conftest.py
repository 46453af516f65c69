from __future__ import annotations

from pathlib import Path

import pytest

from radsam.model.sam import Sam
from radsam.runtime import Bundle
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_run import Run, prepare_scenes
from tiny_training import tiny_config, write_small_bundle, write_store


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small store and a small bundle; see `tiny_training`."""
    folder = tmp_path_factory.mktemp("tiny")
    write_store(folder)
    write_small_bundle(folder / "random-bundle")
    return folder


@pytest.fixture(scope="session")
def tiny_scenes(tiny: Path) -> tuple[Bundle, EncodedScenes]:
    """The encoded scenes of the tiny configuration, by torch in full precision."""
    bundle, scenes = prepare_scenes(tiny_config(tiny), backend="torch:cpu")
    assert isinstance(bundle, Bundle)
    assert isinstance(scenes, EncodedScenes)
    return bundle, scenes


@pytest.fixture(scope="session")
def tiny_model(tiny: Path, tiny_scenes: tuple[Bundle, EncodedScenes]) -> Sam:
    """The small model after a few steps: it roughly finds the prompted object."""
    prompts = {"box": 0.6, "point": 0.0, "mask": 0.0, "neighbour": 0.4, "turns": [1.0], "ended_share": 0.0}
    config = tiny_config(tiny, optim={"steps": 200, "batch": 4, "lr": 3e-3}, prompts=prompts)
    out = tiny / "model"
    out.mkdir()
    run = Run(config, out, *tiny_scenes, report=lambda line: None)
    for _ in range(config.optim.steps):
        run.train_step()
    return run.model
