"""SLURM through submitit: an array of jobs, each of which does a shard of the volumes in its own process.

A job that is preempted, or reaches its time limit, is requeued and continues with the missing rows. The command
that submitted the jobs waits for them; if it is stopped, running it again continues.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from radsam.batch.batch_plan import VolumeTask, is_settled
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.engines.local_engine import run_in_process
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult, read_volume_results
from radsam.batch.volume_work import Report
from radsam.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

#: Seconds between the signal to stop and a job's end.
_NOTICE_SECONDS = 60
#: Seconds between two reads of the results of unfinished volumes.
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class SlurmCluster:
    """The resources of the jobs.

    Args:
        kind: "slurm"; submitit's "local" starts the same processes on this machine, its "debug" runs them in this
            process.
        jobs: Number of jobs.
        partition: The cluster's partition; None for its default.
        account: The account that pays; None for the default.
        hours: Time limit of one job.
        restarts: Number of times that a job may reach its time limit.

    Raises:
        InputError: A number is not positive.
    """

    kind: str = "slurm"
    jobs: int = 8
    partition: str | None = None
    account: str | None = None
    hours: float = 8.0
    restarts: int = 10

    def __post_init__(self) -> None:
        if self.jobs < 1 or not 0 < self.hours < math.inf:
            raise InputError(
                f"SLURM needs a job and a time limit above 0, not {self.jobs} jobs of {self.hours:g} hours."
            )


@dataclass(frozen=True)
class ShardJob:
    """The work of one job; submitit stores it and runs it on the cluster.

    Args:
        volumes: Its share.
        settings: The settings of the batch.
        folder: The output folder.
        retry_failed: Also do rows that failed.
    """

    volumes: tuple[VolumeTask, ...]
    settings: BatchSettings
    folder: OutputFolder
    retry_failed: bool

    def __call__(self) -> list[RowResult]:
        """Do the share, or continue it."""
        return run_in_process(self.volumes, self.settings, self.folder, retry_failed=self.retry_failed)

    def checkpoint(self) -> DelayedSubmission:
        """Called when the job has to stop: the same job again does the missing rows."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run_on_slurm(
    volumes: Sequence[VolumeTask],
    settings: BatchSettings,
    folder: OutputFolder,
    cluster: SlurmCluster,
    *,
    retry_failed: bool = False,
    report: Report = lambda result: None,
) -> list[RowResult]:
    """Do every volume with an array of jobs, and wait for them.

    Args:
        volumes: Volumes with the rows to do.
        settings: The settings of the batch.
        folder: The output folder, on a disk that all machines share; submitit's logs go to its ``slurm``.
        cluster: The resources of the jobs.
        retry_failed: Also do rows that failed.
        report: Called after each row with a result.

    Returns:
        The stored results; rows of a job that ended early have none.

    Raises:
        MissingExtraError: submitit is not installed.
        InputError: This machine has no cluster of this kind.
    """
    if find_spec("submitit") is None:
        raise MissingExtraError("--engine slurm", "batch")
    import submitit

    try:
        executor = submitit.AutoExecutor(
            folder.path / "slurm", cluster=cluster.kind, slurm_max_num_timeout=cluster.restarts
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"No {cluster.kind} cluster is available on this machine: {error}") from error
    threads = settings.threads or 1
    # Half as much again: the estimate is rough, and a job with too little memory is killed.
    memory_gb = math.ceil(1.5 * max(each.memory_bytes() for each in volumes) / (1 << 30))
    executor.update_parameters(
        name="radsam-batch",
        nodes=1,
        tasks_per_node=1,
        cpus_per_task=threads,
        mem_gb=memory_gb,
        timeout_min=math.ceil(60 * cluster.hours),
        slurm_partition=cluster.partition,
        slurm_account=cluster.account,
        slurm_signal_delay_s=_NOTICE_SECONDS,
    )
    jobs = executor.map_array(
        lambda job: job(),
        [
            ShardJob(share, replace(settings, threads=threads), folder, retry_failed)
            for share in shares(volumes, cluster.jobs)
        ],
    )
    return _wait(jobs, volumes, folder, report)


def shares(volumes: Sequence[VolumeTask], count: int) -> list[tuple[VolumeTask, ...]]:
    """Divide volumes among at most `count` jobs, with about the same number of rows."""
    largest_first = sorted(volumes, key=lambda each: (-len(each.tasks), each.key))
    return [tuple(largest_first[number::count]) for number in range(min(count, len(volumes)))]


def _wait(jobs: Sequence[Any], volumes: Sequence[VolumeTask], folder: OutputFolder, report: Report) -> list[RowResult]:
    """Report rows as they appear, until every job has ended or failed."""
    found: dict[str, RowResult] = {}
    while True:
        ended = all(each.done() for each in jobs)  # checked before the results are read: nothing is written after it
        for volume in volumes:
            if all(task.row.id in found for task in volume.tasks):
                continue
            stored = read_volume_results(folder, volume.key)
            for task in volume.tasks:
                result = stored.get(task.row.id)
                if result is not None and task.row.id not in found and is_settled(result, task, retry_failed=False):
                    found[task.row.id] = result
                    report(result)
        if ended:
            return list(found.values())
        time.sleep(_POLL_SECONDS)
