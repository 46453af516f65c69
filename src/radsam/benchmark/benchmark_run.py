"""A run: every model on every case; the rows of each object are written at once.

Only this process writes, so a run can be killed at any time, and the next one continues it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from operator import attrgetter

from radsam.benchmark.benchmark_config import BenchmarkConfig
from radsam.benchmark.benchmark_results import FAILED, PICTURES, ResultsFolder, ScoreRow, TaskKey
from radsam.benchmark.benchmark_unit import BenchmarkUnit, UnitResult, load_unit_work, retry_unit, run_unit
from radsam.benchmark.models import Model
from radsam.benchmark.models.model_names import Runtime
from radsam.benchmark.models.predictions_folder import PredictionsModel
from radsam.data.case import Case
from radsam.io.volume_read import read_info
from radsam.worker_pool import WorkerPool

Report = Callable[[UnitResult], None]


def run_units(units: Sequence[BenchmarkUnit], results: ResultsFolder, *, workers: int, report: Report) -> None:
    """Run units and write their results.

    Args:
        units: The units.
        results: Where rows go.
        workers: Processes; 1 stays in this one.
        report: Called after each result is written.
    """
    threads = max((unit.runtime.threads for unit in units), default=1)
    # One worker does all units of a case: two of them would encode the same slices twice.
    group = attrgetter("dataset", "case.case_id")
    stream = (
        (result for unit in units for result in run_unit(unit))
        if workers == 1
        else WorkerPool(workers, load_unit_work, retry=retry_unit, group=group, threads=threads).run(units)
    )
    with closing(stream):
        for result in stream:
            results.append_members(result.members)
            if result.rows:
                results.append_slices(result.slices)  # first: an object with rows is not measured again
                results.append(result.rows)
                _keep_worst_pictures(results, result)
            report(result)


def _keep_worst_pictures(results: ResultsFolder, result: UnitResult) -> None:
    """Keep the pictures of the worst first masks of each model and mode, as many as the configuration says."""
    first = result.rows[0]
    compared = [
        row
        for row in results.rows
        if row.edits == 0
        and (row.model, row.mode, row.modality) == (first.model, first.mode, first.modality)
        and row.status != FAILED
    ]
    worst = {picture_name(row) for row in worst_first(compared)[: results.config.pictures]}
    folder = results.folder / PICTURES
    folder.mkdir(exist_ok=True)
    for row in compared:
        if picture_name(row) not in worst:
            (folder / picture_name(row)).unlink(missing_ok=True)
    if result.picture and picture_name(first) in worst:
        (folder / picture_name(first)).write_bytes(result.picture)


def worst_first(rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Order the rows of first masks by Dice, the worst first, then by size, the largest first."""
    return sorted(rows, key=lambda row: (row.dice, -row.voxels, row.case, row.object))


def picture_name(row: ScoreRow) -> str:
    """Return the file name of the picture of a first mask, valid on every file system."""
    parts = (row.model, row.mode, row.dataset, row.case, row.object)
    return "--".join("".join(c if c.isalnum() else "-" for c in part) for part in parts) + ".png"


def plan_units(
    config: BenchmarkConfig,
    cases: Mapping[str, Sequence[Case]],
    names: Sequence[str],
    runtime: Runtime,
    done: frozenset[TaskKey],
) -> list[BenchmarkUnit]:
    """List the units of a run: case by case, so that all models segment a case while it is in memory."""
    return [
        BenchmarkUnit(dataset, case, name, config, runtime, done)
        for dataset, found in cases.items()
        for case in found
        for name in names
    ]


def check_predictions(
    models: Sequence[Model], cases: Mapping[str, Sequence[Case]], warn: Callable[[str], None]
) -> None:
    """Compare folders of predictions with the cases before anything is measured.

    Args:
        models: The models.
        cases: Dataset to its cases.
        warn: Called with a message about cases without a prediction and predictions without a case.

    Raises:
        GridMismatchError: A prediction lies on another grid than its image.
    """
    every = [case for found in cases.values() for case in found]
    for model in models:
        if not isinstance(model, PredictionsModel):
            continue
        differences = model.predictions.differences(case.case_id for case in every)
        for what, names in (
            ("no prediction, which scores zero,", differences.missing),
            ("predictions without a case", differences.extra),
        ):
            if names:
                warn(f"{model.card.label} has {what} for {len(names)}: {', '.join(names[:20])}.")
        for case in every:
            if case.case_id in model.predictions.cases and (geometry := read_info(case.image).geometry) is not None:
                model.predictions.check_grid(case.case_id, geometry)
