from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from radsam.errors import InputError
from radsam.training import distributed
from radsam.training.training_checkpoint import Checkpoint, read_checkpoint
from radsam.training.training_config import RunConfig, TrainConfig
from radsam.training.training_run import LAST, Run, prepare_scenes
from tiny_training import tiny_config

HELPER = Path(__file__).resolve().parents[2] / "two_processes.py"
ENCODER = {"train": True, "lr_decay": 0.8}
LIVE = {"scenes": 0}


def processes_of(config: TrainConfig, folder: Path) -> list[dict[str, Any]]:
    """Run `two_processes` as two processes; what each of them found."""
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    out = folder / "two"
    out.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [*command, str(HELPER), str(folder / "config.json"), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((out / f"process-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_two_processes_train_the_same_as_one_with_twice_the_batch(tiny: Path, tmp_path: Path) -> None:
    optim = {"steps": 3, "batch": 2, "lr": 1e-3}
    two = tiny_config(tiny, encoder=ENCODER, embeddings=LIVE, optim=optim, run={"devices": 2})
    one = tiny_config(tiny, encoder=ENCODER, embeddings=LIVE, optim={**optim, "batch": 4})
    assert one.identity == two.identity
    found = processes_of(two, tmp_path)

    run = Run(one, tmp_path / "one", *prepare_scenes(one), report=lambda line: None)
    before = {name: value.detach().clone() for name, value in run._parameters.items()}
    run.until(float("inf"))
    expected, agreed = (read_checkpoint(tmp_path / name / LAST) for name in ("one", "two"))
    assert (agreed.step, agreed.train_cases) == (3, ("tube_a", "tube_b"))
    assert _distance(agreed, expected, before) < 0.01, "they moved to the same weights"
    # Rank 0 alone validates, and tells the other what came out.
    assert [each["finished"]["best_score"] for each in found] == [pytest.approx(run.best_score, abs=1e-3)] * 2

    for each in found:
        assert each["wishes"] == [False, True, True], "what one process wishes all of them do"
        assert each["flags"] == [True, True, False, True], "the first process's flags come first"
        assert each["on the first"] == 7.0
        assert each["gradients"] == [2.0, 2.5, None]
        assert each["stopped"] == 0
        # The second process's part is the one that was not a number: episodes 2 and 3 of the step.
        bad = [one.describe() for one in run._sampler.episodes(3, 0)[2:]]
        assert f"was: {'; '.join(bad)}. The last good checkpoint" in each["error"]


def _distance(one: Checkpoint, other: Checkpoint, before: dict[str, torch.Tensor]) -> float:
    """How far two runs' weights are apart, as a share of how far they moved."""
    apart = sum(float((one.weights[name] - other.weights[name]).square().sum()) for name in before)
    moved = sum(float((other.weights[name] - before[name]).square().sum()) for name in before)
    return (apart / moved) ** 0.5


def test_bf16_is_taken_only_where_the_hardware_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert distributed.precision_on("cpu", "auto") == "32-true"
    assert distributed.precision_on("mps", "auto") == "32-true"
    assert distributed.precision_on("cpu", "bf16-mixed") == "bf16-mixed", "a precision that is named is used"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert distributed.precision_on("cpu", "auto") == "bf16-mixed"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for supported in (False, True):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s)
        assert distributed.precision_on("cuda", "auto") == ("bf16-mixed" if supported else "32-true")


@pytest.mark.parametrize(
    ("run", "started", "message"),
    [
        ({"nodes": 2}, {}, r"run\.nodes is 2, but this process was started alone.*torchrun"),
        ({"devices": 4}, {"WORLD_SIZE": "2"}, r"2 process\(es\) were started, but.* is 4 × 1"),
        ({}, {"WORLD_SIZE": "2"}, r"optim\.accumulate makes up"),
        ({"nodes": 2, "devices": 2}, {"SLURM_STEP_NUM_TASKS": "8"}, r"8 process\(es\) were started"),
    ],
)
def test_processes_that_do_not_know_of_each_other_are_refused(
    run: dict[str, int], started: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        distributed.open_fabric(RunConfig(**run))


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a device of that kind")
def test_hardware_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"kind 'cuda', cannot be started.*run\.accelerator"):
        distributed.open_fabric(RunConfig(accelerator="cuda"))
