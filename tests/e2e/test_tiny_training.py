"""From files to weights: prepare, encode, train, get killed, resume, export, use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from radsam.errors import BundleError, InputError
from radsam.runtime import Capability, open_backend, read_bundle
from radsam.runtime.backend import FramePrompt
from radsam.training.bundle_export import export_checkpoint
from radsam.training.training_checkpoint import read_checkpoint
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import LAST, train
from tiny_training import tiny_config, write_small_bundle, write_store

CHILD = """
import json, sys
from pathlib import Path
from radsam.settings import settings_from_dict
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import train
config = settings_from_dict(TrainConfig, json.loads(Path(sys.argv[1]).read_text()))
train(config, Path(sys.argv[2]), report=lambda line: print(line, flush=True))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    write_store(folder)
    write_small_bundle(folder / "random-bundle")
    return folder


def start(config: TrainConfig, folder: Path, out: Path) -> subprocess.Popen[str]:
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder / "config.json"), str(out)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    # A checkpoint after every step, so that the kill comes between two of them.
    config = tiny_config(folder, optim={"steps": 25}, run={"checkpoint_minutes": 1e-6, "threads": 1})
    with start(config, folder, tmp_path / "killed") as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if line.startswith("step 4 "):
                killed.send_signal(signal.SIGKILL)
                break
    at = read_checkpoint(tmp_path / "killed" / LAST).step
    assert 0 < at < 25
    for out in ("killed", "whole"):
        process = start(config, folder, tmp_path / out)
        process.communicate()
        assert process.returncode == 0
    one, two = (read_checkpoint(tmp_path / out / LAST) for out in ("killed", "whole"))
    assert one.step == two.step == 25
    assert all(torch.equal(one.average[name], two.average[name]) for name in one.average)


@pytest.mark.slow
def test_sigterm_finishes_the_step_and_writes_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    config = tiny_config(folder, optim={"steps": 100_000}, run={"threads": 1})
    with start(config, folder, tmp_path / "run") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step 2 "):
                process.terminate()
                break
        process.communicate()
    assert process.returncode == 0
    # It ends long before its last step, which no machine reaches within the limit of a test.
    assert 2 <= read_checkpoint(tmp_path / "run" / LAST).step < 100_000


def test_trained_weights_are_exported_and_answer(folder: Path, tmp_path: Path) -> None:
    config = tiny_config(folder, data={"exclude": [{"case": "tube_b", "reason": "its licence forbids it"}]})
    result = train(config, tmp_path / "run")
    path = export_checkpoint(
        result.checkpoint, tmp_path / "tiny-weights.zip", notes="Scores: none.", backend="torch:cpu"
    )
    bundle = read_bundle(path)
    assert set(bundle.spec.capabilities) == set(Capability)
    assert bundle.spec.name == "tiny"
    assert bundle.spec.max_zoom == config.embeddings.max_zoom > 1
    assert "tube_b: its licence forbids it" in bundle.card
    assert "tube_a" in bundle.card
    assert "Scores: none." in bundle.card
    engine = open_backend(bundle)
    embedding = engine.encode(np.zeros((1, 3, 64, 64), np.float32))[0]
    no_points = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    decoded = engine.decode(embedding, FramePrompt(*no_points, mask=np.ones((64, 64), np.float32)))
    assert decoded.logits.shape == (4, 64, 64)
    assert np.isfinite(decoded.logits).all()
    with pytest.raises(BundleError, match="exists already"):
        export_checkpoint(result.checkpoint, path)


def test_capabilities_are_those_that_were_trained(folder: Path, tmp_path: Path) -> None:
    only_boxes = {"box": 1.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "turns": [1.0]}
    result = train(tiny_config(folder, prompts=only_boxes, optim={"steps": 1}), tmp_path / "run")
    path = export_checkpoint(result.checkpoint, tmp_path / "boxes", backend="torch:cpu")
    assert read_bundle(path).spec.capabilities == (Capability.BOX,)


def test_a_model_that_saw_whole_slices_only_does_not_zoom(folder: Path, tmp_path: Path) -> None:
    result = train(tiny_config(folder, embeddings={"scenes": 0}, optim={"steps": 1}), tmp_path / "run")
    path = export_checkpoint(result.checkpoint, tmp_path / "whole", backend="torch:cpu")
    assert read_bundle(path).spec.max_zoom == 1


def test_a_checkpoint_whose_start_was_replaced_is_not_exported(folder: Path, tmp_path: Path) -> None:
    other = write_small_bundle(tmp_path / "weights" / "random-bundle")
    config = tiny_config(folder, optim={"steps": 1})
    result = train(config, tmp_path / "run")
    description = json.loads((other / "bundle.json").read_text())
    description["spec"]["origin"] = "another training"
    (other / "bundle.json").write_text(json.dumps(description))
    content = torch.load(result.checkpoint, weights_only=True)
    content["config"]["start"] = str(other)
    torch.save(content, tmp_path / "moved.pt")
    with pytest.raises(InputError, match=r"are not those that .* started from"):
        export_checkpoint(tmp_path / "moved.pt", tmp_path / "out")
