"""Check a plan before it runs: missing files, and prompts outside their volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radsam.batch.batch_plan import BatchPlan, RowTask, VolumeTask
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.row_request import typed_request
from radsam.batch.row_results import Status
from radsam.errors import InputError
from radsam.io.volume_read import read_info

#: Whether a prompt fits its volume does not depend on the run's settings.
_SETTINGS = BatchSettings()


@dataclass(frozen=True)
class Problem:
    """A row that would fail.

    Args:
        line: Its line of the manifest.
        id: Its id.
        status: The status that it would get.
        message: The reason.
    """

    line: int
    id: str
    status: Status
    message: str


def find_problems(
    plan: BatchPlan, progress: Callable[[int, int | None], None] = lambda done, total: None
) -> list[Problem]:
    """Find rows that would fail, from headers alone; volumes in a PACS and mask prompts are not read.

    Args:
        plan: The plan.
        progress: Called with the number of volumes checked and of all volumes.
    """
    found = [Problem(each.line, each.id, Status.BAD_ROW, each.message) for each in plan.bad_rows]
    for number, volume in enumerate(plan.volumes, start=1):
        found += _of_volume(volume)
        progress(number, len(plan.volumes))
    return sorted(found, key=lambda each: each.line)


def _of_volume(volume: VolumeTask) -> list[Problem]:
    if volume.is_remote:
        return []
    path = Path(volume.location)
    if not path.exists():
        return [_problem(task, Status.MISSING_FILE, f"There is no {volume.volume}.") for task in volume.tasks]
    try:
        info = read_info(path, series=volume.series)
    except InputError as error:
        return [_problem(task, Status.BAD_INPUT, str(error)) for task in volume.tasks]
    found = []
    for task in volume.tasks:
        row = task.row
        if row.mask is not None and not (volume.base / row.mask).exists():
            found.append(_problem(task, Status.MISSING_FILE, f"There is no {row.mask}."))
        elif row.mask is None and info.geometry is not None:
            try:
                typed_request(row, info.geometry, _SETTINGS)
            except InputError as error:
                found.append(_problem(task, Status.BAD_INPUT, str(error)))
        if row.truth is not None and not (volume.base / row.truth).exists():
            found.append(_problem(task, Status.MISSING_FILE, f"There is no truth {row.truth}: no Dice."))
    return found


def _problem(task: RowTask, status: Status, message: str) -> Problem:
    return Problem(task.line, task.row.id, status, message)
