"""Check a plan before it runs: missing files, volumes that cannot be used, and prompts outside their volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radsam.batch.batch_plan import BatchPlan, RowTask, VolumeTask
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.row_request import typed_request
from radsam.batch.row_results import Status
from radsam.errors import InputError, VolumeError
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_info


@dataclass(frozen=True)
class Problem:
    """A row that would fail, or get no Dice.

    Args:
        line: Its line of the manifest.
        id: Its id.
        status: The status that it would get.
        message: The reason.
        fails: Whether it would have no mask.
    """

    line: int
    id: str
    status: Status
    message: str
    fails: bool = True


@dataclass(frozen=True)
class PlanCheck:
    """What is known of a plan before it runs.

    Args:
        problems: Rows that would fail, or get no Dice, in the order of the manifest.
        modalities: What the volumes would be taken for, and how many; "" for those of which only the values can tell.
    """

    problems: list[Problem]
    modalities: Mapping[str, int]


def check_plan(
    plan: BatchPlan, settings: BatchSettings, progress: Callable[[int, int | None], None] = lambda done, total: None
) -> PlanCheck:
    """Check a plan, from headers alone; volumes in a PACS and mask prompts are not read.

    Rows that failed in an earlier run and are not tried again are among the problems.

    Args:
        plan: The plan.
        settings: The settings of the run.
        progress: Called with the number of volumes checked and of all volumes.
    """
    found = [Problem(each.line, each.id, Status.BAD_ROW, each.message) for each in plan.bad_rows]
    for task in plan.rows:
        known = plan.done.get(task.row.id)
        if known is not None and known.status is not Status.DONE and task.row.id in plan.shard_ids:
            found.append(_problem(task, known.status, known.message))
    modalities: Counter[str] = Counter()
    for number, volume in enumerate(plan.volumes, start=1):
        problems, modality = _of_volume(volume, settings)
        found += problems
        if modality is not None:
            modalities[modality] += 1
        progress(number, len(plan.volumes))
    return PlanCheck(sorted(found, key=lambda each: each.line), dict(modalities))


def _of_volume(volume: VolumeTask, settings: BatchSettings) -> tuple[list[Problem], str | None]:
    """Return the problems of a volume's rows, and its modality; None if it cannot be used."""
    modality = volume.modality or settings.modality
    if volume.is_remote:
        return [], modality or ""
    path = Path(volume.location)
    if not path.exists():
        missing = [_problem(task, Status.MISSING_FILE, f"There is no {volume.volume}.") for task in volume.tasks]
        return missing, None
    try:
        info = read_info(path, series=volume.series, modality=modality)
        if info.problem and not settings.resample:
            raise VolumeError(info.problem)
        if info.names:
            raise VolumeError(f"{volume.volume} is a segmentation ({info.modality}), not a volume.")
        if settings.file_format.is_dicom:
            read_source(path, series=volume.series, resample=settings.resample)
    except InputError as error:
        return [_problem(task, Status.BAD_INPUT, str(error)) for task in volume.tasks], None
    found = []
    for task in volume.tasks:
        row = task.row
        if row.mask is not None and not (volume.base / row.mask).exists():
            found.append(_problem(task, Status.MISSING_FILE, f"There is no {row.mask}."))
        elif row.mask is None and info.geometry is not None:
            try:
                typed_request(row, info.geometry, settings)
            except InputError as error:
                found.append(_problem(task, Status.BAD_INPUT, str(error)))
        if row.truth is not None and not (volume.base / row.truth).exists():
            found.append(_problem(task, Status.MISSING_FILE, f"There is no truth {row.truth}: no Dice.", fails=False))
    return found, info.modality


def _problem(task: RowTask, status: Status, message: str, *, fails: bool = True) -> Problem:
    return Problem(task.line, task.row.id, status, message, fails)
