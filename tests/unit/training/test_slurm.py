from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
import submitit

from radsam.errors import InputError
from radsam.settings import presets_folder
from radsam.training import slurm
from radsam.training.training_checkpoint import read_checkpoint
from radsam.training.training_run import LAST
from tiny_training import tiny_config, write_config

#: Two processes import torch and train a few steps; far more than they need.
MINUTES = 5


@pytest.mark.slow
def test_a_job_trains_on_as_many_processes_as_it_was_given(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copytree(tiny / "store", tmp_path / "store")
    shutil.copytree(tiny / "random-bundle", tmp_path / "random-bundle")
    job = slurm.submit(
        str(write_config(tmp_path)),
        ["optim.steps=2", "optim.batch=2", "optim.accumulate=2"],
        out=tmp_path / "run",
        gpus_per_node=0,
        processes_per_node=2,
        hours=MINUTES / 60,
        cluster="local",
    )
    try:
        results = job.results()
    except submitit.core.utils.FailedJobError:
        pytest.fail(job.stderr() or "no output")
    assert [(result.step, result.finished) for result in results] == [(2, True)] * 2
    config = read_checkpoint(tmp_path / "run" / LAST).config
    assert (config.run.devices, config.optim.accumulate, config.episodes_per_step) == (2, 1, 4)
    assert "step 2 of 2: loss" in (job.stderr() or "")


def test_fewer_processes_accumulate_more(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, optim={"batch": 2}, run={"devices": 4, "nodes": 8})
    dealt = slurm.split_over_processes(config, nodes=1, processes_per_node=4, accelerator="cuda")
    assert (dealt.optim.accumulate, dealt.run.nodes, dealt.run.devices, dealt.run.accelerator) == (8, 1, 4, "cuda")
    assert dealt.identity == config.identity, "a run may continue with another number of GPUs"
    with pytest.raises(InputError, match=r"trains 64 episodes; 3 × 4 processes.*train 24 at a time"):
        slurm.split_over_processes(config, nodes=3, processes_per_node=4, accelerator="cuda")


def test_what_is_wrong_is_said_before_anything_is_queued(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"optim\.lr must be greater than 0, not -1"):
        slurm.submit("amos_vit_b", ["optim.lr=-1"], out=tmp_path / "run")
    with pytest.raises(InputError, match="no configuration 'none'"):
        slurm.submit("none", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(shutil.which("srun") is not None, reason="here is SLURM")
def test_a_machine_without_slurm_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no slurm cluster to submit to"):
        slurm.submit("amos_vit_b", out=tmp_path / "run", gpus_per_node=4)


def test_a_job_that_is_stopped_is_submitted_again_as_it_was(tmp_path: Path) -> None:
    job = slurm.TrainJob(tiny_config(tmp_path).to_dict(), tmp_path)
    again = job.checkpoint().function
    assert again == job
    assert pickle.loads(pickle.dumps(again)) == job


def test_the_example_script_is_bash_and_asks_for_what_its_configuration_has() -> None:
    script = presets_folder() / "slurm.sbatch"
    subprocess.run(["bash", "-n", os.fspath(script)], check=True)
    text = script.read_text()
    assert "--nodes=8" in text
    assert "--gpus-per-node=4" in text
    assert "train amos_vit_b" in text
