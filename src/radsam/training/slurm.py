"""Training on a SLURM cluster, through submitit: one process for each GPU, requeued until it is done.

A job that is stopped by its time limit or preempted is put into the queue again and continues
from the run's last checkpoint: at most `run.checkpoint_minutes` of work are done twice.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsam.errors import InputError, MissingExtraError
from radsam.settings import find_config, read_settings, settings_from_dict
from radsam.training.training_config import Accelerator, TrainConfig

if TYPE_CHECKING:
    from submitit import Job
    from submitit.helpers import DelayedSubmission

    from radsam.training.training_run import TrainResult

#: Time between the signal to stop and the end of a job.
_NOTICE_SECONDS = 120


def submit(
    config: str,
    overrides: Sequence[str] = (),
    *,
    out: Path,
    nodes: int = 1,
    gpus_per_node: int = 1,
    processes_per_node: int | None = None,
    hours: float = 20.0,
    partition: str | None = None,
    account: str | None = None,
    cpus_per_process: int = 8,
    restarts: int = 10,
    cluster: str = "slurm",
) -> Job[TrainResult]:
    """Put a training run into the queue; returns at once.

    The step trains as many episodes as the configuration says, however many processes there
    are: `optim.accumulate` makes up for the difference.

    Args:
        config: A configuration file, or the name of a shipped one.
        overrides: Values that replace the configuration's, as ``section.key=value``.
        out: Folder of the run, on a disk that all nodes see; submitit's logs go to its ``slurm``.
        nodes: Number of machines.
        gpus_per_node: GPUs on each of them; 0 trains on CPUs.
        processes_per_node: None takes one for each GPU.
        hours: Time limit of one job; a run that needs longer is requeued.
        partition: The cluster's partition; None for its default.
        account: Account that the time is charged to; None for the default.
        cpus_per_process: CPU cores of each process.
        restarts: How often the time limit may be reached.
        cluster: "slurm"; submitit's "local" starts the same processes on this machine.

    Raises:
        InputError: The configuration is wrong or cannot be split over that number of processes, or
            this machine has no cluster of this kind.
        MissingExtraError: submitit is not installed.
    """
    if find_spec("submitit") is None:
        raise MissingExtraError("Submitting to SLURM", "train")
    import submitit

    per_node = processes_per_node or max(1, gpus_per_node)
    settings = split_over_processes(
        read_settings(TrainConfig, find_config(config), overrides), nodes, per_node, "cuda" if gpus_per_node else "cpu"
    )
    out = out.absolute()
    (out / "slurm").mkdir(parents=True, exist_ok=True)
    try:
        executor = submitit.AutoExecutor(out / "slurm", cluster=cluster, slurm_max_num_timeout=restarts)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"This machine has no {cluster} cluster to submit to: {error}") from error
    executor.update_parameters(
        name=settings.name,
        nodes=nodes,
        tasks_per_node=per_node,
        gpus_per_node=gpus_per_node or None,
        cpus_per_task=cpus_per_process,
        timeout_min=math.ceil(60 * hours),
        slurm_partition=partition,
        slurm_account=account,
        slurm_signal_delay_s=_NOTICE_SECONDS,
    )
    return executor.submit(TrainJob(settings.to_dict(), out))


def split_over_processes(
    config: TrainConfig, nodes: int, processes_per_node: int, accelerator: Accelerator
) -> TrainConfig:
    """Return the same run on another number of processes.

    Raises:
        InputError: The episodes of a step cannot be split over them.
    """
    together = config.optim.batch * nodes * processes_per_node
    accumulate, rest = divmod(config.episodes_per_step, together)
    if rest:
        raise InputError(
            f"A step of {config.name!r} trains {config.episodes_per_step} episodes; {nodes} × {processes_per_node} "
            f"processes with optim.batch = {config.optim.batch} train {together} at a time, which does not divide it. "
            "Set optim.batch to another value, or take another number of processes."
        )
    return replace(
        config,
        optim=replace(config.optim, accumulate=accumulate),
        run=replace(config.run, nodes=nodes, devices=processes_per_node, accelerator=accelerator),
    )


@dataclass(frozen=True)
class TrainJob:
    """The work of one process of a job; submitit stores it and runs it on the cluster.

    Args:
        config: The configuration, as plain values: later changes of the file do not reach the job.
        out: Folder of the run.
    """

    config: dict[str, Any]
    out: Path

    def __call__(self) -> TrainResult:
        """Train, or continue training."""
        from radsam.training.training_run import train

        _announce_processes()
        return train(settings_from_dict(TrainConfig, self.config), self.out, report=_to_log)

    def checkpoint(self) -> DelayedSubmission:
        """Called when the job has to stop: the next one continues from the run's last checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _announce_processes() -> None:
    """Set the variables that tell Fabric of the job's processes, as torchrun does, on every kind of cluster."""
    from submitit import JobEnvironment

    job = JobEnvironment()
    if job.num_tasks == 1:
        return
    alone = job.num_nodes == 1
    # All processes of a job find the same port, and two jobs on one machine hardly ever do.
    port = 20000 + int.from_bytes(hashlib.sha256(job.job_id.encode()).digest()[:4], "big") % 20000
    os.environ.update(
        RANK=str(job.global_rank),
        WORLD_SIZE=str(job.num_tasks),
        LOCAL_RANK=str(job.local_rank),
        LOCAL_WORLD_SIZE=str(job.num_tasks // job.num_nodes),
        GROUP_RANK=str(job.node),
        MASTER_ADDR="127.0.0.1" if alone else job.hostnames[0],
        MASTER_PORT=str(port),
        TORCHELASTIC_RUN_ID=job.job_id,
    )


def _to_log(line: str) -> None:
    """Write progress to the job's standard error, which submitit stores as a file."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
