"""This machine: one volume after the other in this process, or several at a time in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from os import cpu_count

from radsam.batch.attempts import MOST_LOSSES
from radsam.batch.batch_plan import VolumeTask
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult
from radsam.batch.timed_model import TimedModel
from radsam.batch.volume_work import Report, segment_volume
from radsam.worker_pool import WorkerPool

#: A row or volume whose process dies is tried once more in the same run.
_ATTEMPTS = 2


def run_in_process(
    volumes: Sequence[VolumeTask],
    settings: BatchSettings,
    folder: OutputFolder,
    *,
    retry_failed: bool = False,
    report: Report = lambda result: None,
    model: TimedModel | None = None,
) -> list[RowResult]:
    """Do every volume.

    Args:
        volumes: Volumes with the rows to do.
        settings: The settings of the batch.
        folder: The output folder.
        retry_failed: Also do rows that failed.
        report: Called after each row.
        model: The loaded model; None loads the settings' model.

    Raises:
        BundleError: The bundle does not exist, or is damaged.
        BackendError: The engine cannot run it here.
        MissingExtraError: The engine is not installed.
        OutputError: The folder's disk has no locks.
    """
    loaded = model or TimedModel.load(settings)
    found: list[RowResult] = []
    for each in volumes:
        found += segment_volume(each, loaded, settings, folder, retry_failed=retry_failed, report=report)
    return found


def run_in_processes(
    volumes: Sequence[VolumeTask],
    settings: BatchSettings,
    folder: OutputFolder,
    *,
    workers: int,
    retry_failed: bool = False,
    report: Report = lambda result: None,
) -> list[RowResult]:
    """Do every volume in worker processes, each with a model of its own.

    A process that dies is replaced, and the rest of its volume is done by the next free worker. The row (or the reading
    of the volume) at which two processes die gets the status "lost".

    Args:
        volumes: Volumes with the rows to do.
        settings: The settings of the batch; without a number of threads, the workers share the processor.
        folder: The output folder.
        workers: Number of processes.
        retry_failed: Also do rows that failed.
        report: Called after each row.

    Raises:
        RadsamError: As for `run_in_process`; or the workers do not start.
    """
    threads = settings.threads or max(1, (cpu_count() or 1) // min(workers, len(volumes)))
    settings = replace(settings, threads=threads)
    load = partial(_load, settings, folder, retry_failed)
    found: list[RowResult] = []
    pool = WorkerPool(workers, load, retry=_rest, group=lambda volume: volume.key)
    with closing(pool.run(volumes)) as results:
        for result in results:
            found.append(result)
            report(result)
    return found


def _load(settings: BatchSettings, folder: OutputFolder, retry_failed: bool) -> Callable[[VolumeTask, Report], None]:
    model = TimedModel.load(settings)

    def work(task: VolumeTask, report: Report) -> None:
        segment_volume(task, model, settings, folder, retry_failed=retry_failed, report=report, most_attempts=_ATTEMPTS)

    return work


def _rest(task: VolumeTask, results: Sequence[RowResult], deaths: int) -> VolumeTask | None:
    """Return the rows without a result; `Attempts` has the one at which the process died."""
    done = {each.id for each in results}
    return None if deaths >= MOST_LOSSES else replace(task, tasks=tuple(t for t in task.tasks if t.row.id not in done))
