"""A unit of work: one case with one model, object by object.

A model that fails on an object scores zero there, and the unit continues.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from radsam.benchmark.benchmark_config import BenchmarkConfig, ModeConfig
from radsam.benchmark.benchmark_results import FAILED, NOTHING, OK, ScoreRow, TaskKey
from radsam.benchmark.cohort import SCORED, UNREADABLE, Member, members
from radsam.benchmark.interaction import interact, score_prediction
from radsam.benchmark.models import Model, find_models
from radsam.benchmark.models.model_names import Runtime
from radsam.benchmark.object_picture import draw_object
from radsam.benchmark.simulated_user import SimulatedUser
from radsam.benchmark.slice_rows import SliceRow, slice_rows
from radsam.data.case import Case
from radsam.data.case_load import load_case
from radsam.errors import ExecutionError, RadsamError
from radsam.volume import LabelVolume, Volume, slice_index

#: Columns of a row that are those of its object.
_OF_MEMBER = ("dataset", "case", "patient", "group", "label_origin", "voxels", "slices", "modality")
#: Columns of a slice's row that are those of its object's.
_OF_SLICES = ("model", "sha256", "mode", "dataset", "case", "object", "modality")


@dataclass(frozen=True)
class BenchmarkUnit:
    """One case with one model.

    Args:
        dataset: Name of the dataset.
        case: The case.
        model: The model, as `--models` names it.
        config: The configuration.
        runtime: How bundles run.
        done: Objects that have scores already.
        crashed: Whether its process died twice: then the other objects count as failed.
    """

    dataset: str
    case: Case
    model: str
    config: BenchmarkConfig
    runtime: Runtime
    done: frozenset[TaskKey]
    crashed: bool = False


@dataclass(frozen=True)
class UnitResult:
    """A result of a unit: the classes of its case, the rows of one object, or a problem.

    Args:
        members: Classes of the case.
        rows: Rows of an object.
        picture: A PNG of its first mask; empty where there is none.
        slices: Rows of the slices of its first mask, where the model gives scores.
        problem: The reason why the case cannot be measured.
    """

    members: tuple[Member, ...] = ()
    rows: tuple[ScoreRow, ...] = ()
    picture: bytes = b""
    slices: tuple[SliceRow, ...] = ()
    problem: str = ""


def run_unit(unit: BenchmarkUnit) -> Iterator[UnitResult]:
    """Run a unit, object by object.

    Yields:
        The classes of the case, then the rows of each object; or the reason why the case cannot be read.
    """
    model = _model(unit.model, unit.runtime)
    try:
        volume, labels = _load_case(unit.case)
    except RadsamError as error:
        case = unit.case
        member = Member(unit.dataset, case.case_id, case.patient, case.label_origin, 0, "", "", 0, 0, UNREADABLE)
        yield UnitResult(members=(member,), problem=f"{case.case_id} cannot be read: {error}")
        return
    cohort = members(unit.dataset, unit.config.datasets[unit.dataset], unit.case, labels, volume.modality)
    yield UnitResult(members=tuple(cohort))
    to_do = [
        (member, mode)
        for member in cohort
        if member.status == SCORED
        for mode in unit.config.modes
        if mode.model_start in model.card.starts and _empty_row(model, mode, member, 0).key not in unit.done
    ]
    if not to_do:
        return
    try:
        if unit.crashed:
            raise ExecutionError("The process of the model died.")
        model.prepare(volume, unit.case.case_id)
    except Exception as error:  # a model's failure is a result
        for member, mode in to_do:
            yield UnitResult(rows=tuple(_failed_rows(model, mode, member, unit.config.seed, error)))
        return
    for member, mode in to_do:
        yield _measure_object(model, volume, labels, member, mode, unit.config)


def _measure_object(
    model: Model, volume: Volume, labels: LabelVolume, member: Member, mode: ModeConfig, config: BenchmarkConfig
) -> UnitResult:
    truth = np.asarray(labels.ids == member.object_id)
    rng = np.random.default_rng([config.seed, member.object_id])
    dataset = config.datasets[member.dataset]
    user = SimulatedUser(truth, volume.geometry, mode, rng, min_pixels=dataset.min_pixels)
    rows: list[ScoreRow] = []
    picture, slices = b"", list[SliceRow]()
    row = _empty_row(model, mode, member, config.seed)
    try:
        for prediction in interact(model, user, member.name):
            if prediction.mask.shape != truth.shape:
                raise ValueError(f"The mask is {prediction.mask.shape}, the volume {truth.shape}.")
            dice, surface = score_prediction(prediction, user, volume.geometry, config.surface)
            status = OK if prediction.mask.any() else NOTHING
            row = replace(row, edits=prediction.edits, status=status, seconds=prediction.seconds)
            rows.append(replace(row, dice=dice, nsd=surface.nsd, hd95_mm=surface.hd95_mm))
            if prediction.prompt is not None and config.pictures:
                index = slice_index(prediction.prompt, user.grid)
                picture = draw_object(volume, truth, prediction.mask, prediction.prompt, index)
            if prediction.scores and prediction.prompt is not None:
                of_object = {name: str(getattr(row, name)) for name in _OF_SLICES}
                prompted = slice_index(prediction.prompt, user.grid)
                slices += slice_rows(of_object, prediction.mask, truth, user.grid, prompted, prediction.scores)
    except Exception as error:  # a model's failure is a result
        # The masks before the failure keep their scores; the edits after it score zero.
        rows += _failed_rows(model, mode, member, config.seed, error)[len(rows) :]
    return UnitResult(rows=tuple(rows), picture=picture, slices=tuple(slices))


def _empty_row(model: Model, mode: ModeConfig, member: Member, seed: int) -> ScoreRow:
    return ScoreRow(
        model=model.card.label,
        sha256=model.card.sha256,
        object=member.name,
        **{name: getattr(member, name) for name in _OF_MEMBER},
        mode=mode.name,
        level=mode.level,
        start=mode.start,
        seed=seed,
        edits=0,
        most_edits=mode.edits if model.card.edits else 0,
        dice=0.0,
        nsd=0.0,
        hd95_mm=math.inf,
        seconds=0.0,
        status=FAILED,
        engine=model.card.engine,
        precision=model.card.precision,
        threads=model.card.threads,
    )


def _failed_rows(model: Model, mode: ModeConfig, member: Member, seed: int, error: Exception) -> list[ScoreRow]:
    message = str(error) if isinstance(error, RadsamError) else f"{type(error).__name__}: {error}"
    row = replace(_empty_row(model, mode, member, seed), error=message)
    return [replace(row, edits=edits) for edits in range(row.most_edits + 1)]


def load_unit_work() -> Callable[[BenchmarkUnit, Callable[[UnitResult], None]], None]:
    """Return the function that runs a unit in a worker process; models and cases are loaded when a unit needs them."""

    def work(unit: BenchmarkUnit, report: Callable[[UnitResult], None]) -> None:
        for result in run_unit(unit):
            report(result)

    return work


def retry_unit(unit: BenchmarkUnit, results: Sequence[UnitResult], deaths: int) -> BenchmarkUnit | None:
    """Return the rest of a unit whose process died: it is tried once more, then its objects count as failed."""
    if deaths > 2:
        return None  # the model did not run any more: the case is too large to read
    finished = {row.key for result in results for row in result.rows}
    return replace(unit, done=unit.done | finished, crashed=deaths > 1)


@lru_cache(32)
def _model(name: str, runtime: Runtime) -> Model:
    """Return a model; several are kept, since loading a bundle takes a second."""
    return find_models([name], runtime)[0]


_last_case: list[tuple[Case, Volume, LabelVolume]] = []


def _load_case(case: Case) -> tuple[Volume, LabelVolume]:
    """Return a case; the last one is kept, since several models segment it."""
    # The whole case is compared, not its name: a run over other classes has other labels.
    if not _last_case or _last_case[0][0] != case:
        _last_case.clear()
        _last_case.append((case, *load_case(case)))
    _, volume, labels = _last_case[0]
    return volume, labels
