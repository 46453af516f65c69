"""A run: every model on every case, each object's rows written as soon as they are there.

A unit of work is one case with one model; the parent is the only writer. A model that fails
on an object scores zero there and the run goes on. With several workers that holds even for
a model that takes its process down.
"""

from __future__ import annotations

import math
import multiprocessing
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from radsam.benchmark.cohort import SCORED, Member, members
from radsam.benchmark.models import Model, find_models
from radsam.benchmark.models.choose import Runtime
from radsam.benchmark.picture import draw_answer
from radsam.benchmark.protocol import BenchmarkConfig, ModeConfig
from radsam.benchmark.results import FAILED, NOTHING, OK, PICTURES, ResultsFolder, Row, TaskKey
from radsam.benchmark.score import score_answer, talk
from radsam.benchmark.user import SimulatedUser
from radsam.data.case import Case
from radsam.data.load import load_case
from radsam.errors import RadsamError
from radsam.volume import LabelVolume, Volume

#: How long the parent waits for news before it looks after its workers.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Unit:
    """One case with one model.

    Args:
        dataset: Name of the dataset.
        case: The case.
        model: The word of `--models`.
        config: What is measured.
        runtime: How bundles run.
        done: Objects that need no second run.
    """

    dataset: str
    case: Case
    model: str
    config: BenchmarkConfig
    runtime: Runtime
    done: frozenset[TaskKey]


@dataclass(frozen=True)
class News:
    """What came out of a unit: the classes of its case, or the rows of one object.

    Args:
        members: Classes of the case.
        rows: Rows of an object.
        picture: A PNG of its first answer; empty where there is none to draw.
    """

    members: tuple[Member, ...] = ()
    rows: tuple[Row, ...] = ()
    picture: bytes = b""


Tell = Callable[[News], None]


def run_units(units: Sequence[Unit], results: ResultsFolder, *, workers: int, tell: Tell) -> None:
    """Run units and write what comes out.

    Args:
        units: The units.
        results: Where rows go.
        workers: Processes; 1 stays in this one.
        tell: Called after each piece of news is written.
    """
    for news in _news(units) if workers == 1 else _news_of_workers(units, workers):
        results.append_members(news.members)
        if news.rows:
            results.append(news.rows)
            _keep_worst(results, news)
        tell(news)


def _news(units: Iterable[Unit]) -> Iterator[News]:
    for unit in units:
        yield from _work(unit)


def _work(unit: Unit) -> Iterator[News]:
    """Run a unit, object by object."""
    model = _model(unit.model, unit.runtime)
    volume, labels = _loaded(unit.dataset, unit.case)
    cohort = members(unit.dataset, unit.config.datasets[unit.dataset], unit.case, labels)
    yield News(members=tuple(cohort))
    waiting = [
        (member, mode)
        for member in cohort
        if member.status == SCORED
        for mode in unit.config.modes
        if mode.model_start in model.card.starts and _key(model, mode, member) not in unit.done
    ]
    if not waiting:
        return
    try:
        model.prepare(volume, unit.case.case_id)
    except Exception as error:  # what a model does wrong is a result
        for member, mode in waiting:
            yield News(rows=tuple(_failed(model, mode, member, unit.config.seed, error)))
        return
    for member, mode in waiting:
        yield _scored(model, volume, labels, member, mode, unit.config)


def _scored(
    model: Model, volume: Volume, labels: LabelVolume, member: Member, mode: ModeConfig, config: BenchmarkConfig
) -> News:
    truth = np.asarray(labels.ids == member.object_id)
    rng = np.random.default_rng([config.seed, member.object_id])
    dataset = config.datasets[member.dataset]
    user = SimulatedUser(truth, volume.geometry, mode, rng, min_pixels=dataset.min_pixels)
    rows: list[Row] = []
    picture = b""
    blank = _blank(model, mode, member, config.seed)
    try:
        for answer in talk(model, user, member.name):
            if answer.mask.shape != truth.shape:
                raise ValueError(f"The mask is {answer.mask.shape}, the volume {truth.shape}.")
            score = score_answer(answer, user, volume.geometry, config.surface)
            nsd, hd95_mm = (score.surface.nsd, score.surface.hd95_mm) if score.surface else (math.nan, math.nan)
            rows.append(
                replace(
                    blank,
                    edits=score.edits,
                    dice=score.dice,
                    nsd=nsd,
                    hd95_mm=hd95_mm,
                    seconds=score.seconds,
                    status=OK if answer.mask.any() else NOTHING,
                )
            )
            if answer.prompt is not None and config.pictures:
                index = int(user.first_index(answer.prompt))
                picture = draw_answer(volume, truth, answer.mask, answer.prompt, index)
    except Exception as error:  # what a model does wrong is a result
        # What it answered before stands; every edit that was still to come scores zero.
        rows += _failed(model, mode, member, config.seed, error)[len(rows) :]
    return News(rows=tuple(rows), picture=picture)


def _blank(model: Model, mode: ModeConfig, member: Member, seed: int) -> Row:
    return Row(
        model=model.card.label,
        sha256=model.card.sha256,
        dataset=member.dataset,
        case=member.case,
        patient=member.patient,
        group=member.group,
        label_origin=member.label_origin,
        object=member.name,
        voxels=member.voxels,
        slices=member.slices,
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
    )


def _failed(model: Model, mode: ModeConfig, member: Member, seed: int, error: Exception) -> list[Row]:
    why = str(error) if isinstance(error, RadsamError) else f"{type(error).__name__}: {error}"
    blank = replace(_blank(model, mode, member, seed), error=why)
    return [replace(blank, edits=edits) for edits in range(blank.most_edits + 1)]


def _key(model: Model, mode: ModeConfig, member: Member) -> TaskKey:
    return _blank(model, mode, member, 0).key


def _keep_worst(results: ResultsFolder, news: News) -> None:
    """Keep the pictures of the worst first answers of each model and mode, as many as are wanted."""
    first = news.rows[0]
    rivals = [
        row
        for row in results.rows
        if row.edits == 0 and (row.model, row.mode) == (first.model, first.mode) and row.status != FAILED
    ]
    worst = {picture_name(row) for row in worst_first(rivals)[: results.config.pictures]}
    folder = results.folder / PICTURES
    folder.mkdir(exist_ok=True)
    for row in rivals:
        if picture_name(row) not in worst:
            (folder / picture_name(row)).unlink(missing_ok=True)
    if news.picture and picture_name(first) in worst:
        (folder / picture_name(first)).write_bytes(news.picture)


def worst_first(rows: Iterable[Row]) -> list[Row]:
    """Order first answers by Dice, the worst first; of equals the larger object."""
    return sorted(rows, key=lambda row: (row.dice, -row.voxels, row.case, row.object))


def picture_name(row: Row) -> str:
    """Name the picture of an answer, fit for every file system."""
    words = (row.model, row.mode, row.dataset, row.case, row.object)
    return "--".join("".join(c if c.isalnum() else "-" for c in word) for word in words) + ".png"


@lru_cache(32)
def _model(word: str, runtime: Runtime) -> Model:
    """The model of the last units: loading a bundle takes a second."""
    return find_models([word], runtime)[0]


_last_case: dict[tuple[str, str], tuple[Volume, LabelVolume]] = {}


def _loaded(dataset: str, case: Case) -> tuple[Volume, LabelVolume]:
    """The case of the last unit: several models look at the same one."""
    key = dataset, case.case_id
    if key not in _last_case:
        _last_case.clear()
        _last_case[key] = load_case(case)
    return _last_case[key]


# Several processes

_to_parent: Any = None


def _take_queue(channel: Any) -> None:
    global _to_parent
    _to_parent = channel


def _work_and_tell(number: int, unit: Unit) -> None:
    for news in _work(unit):
        _to_parent.put((number, news))


def _news_of_workers(units: Sequence[Unit], workers: int) -> Iterator[News]:
    """Run units on several processes; a unit whose process died is tried once more alone."""
    context = multiprocessing.get_context("spawn")
    left = dict(enumerate(units))
    finished: dict[int, set[TaskKey]] = {}
    yield from _pool_of(workers, context, left, finished)
    for number, unit in [*left.items()]:
        # Alone, so that only what this unit does can end it.
        alone = {number: replace(unit, done=unit.done | frozenset(finished.get(number, ())))}
        yield from _pool_of(1, context, alone, finished)
        if alone:
            yield from _died(alone[number], frozenset(finished.get(number, ())))


def _pool_of(workers: int, context: Any, left: dict[int, Unit], finished: dict[int, set[TaskKey]]) -> Iterator[News]:
    """Run units and take out of `left` what was finished; a process that dies ends the pool."""
    # With a manager the channel outlives a worker that dies while it holds the lock.
    with context.Manager() as manager:
        channel = manager.Queue()
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_take_queue, initargs=(channel,)) as pool:
            waiting = [*left.items()]
            running: dict[Future[None], int] = {}
            try:
                while waiting or running:
                    while waiting and len(running) < workers:
                        number, unit = waiting.pop(0)
                        running[pool.submit(_work_and_tell, number, unit)] = number
                    yield from _taken(channel, finished, wait=True)
                    for future in [each for each in running if each.done()]:
                        number = running.pop(future)
                        future.result()
                        del left[number]
            except BrokenProcessPool:
                pass
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        yield from _taken(channel, finished, wait=False)


def _taken(channel: Any, finished: dict[int, set[TaskKey]], *, wait: bool) -> Iterator[News]:
    while True:
        try:
            number, news = channel.get(timeout=_LOOK_SECONDS) if wait else channel.get_nowait()
        except queue.Empty:
            return
        wait = False
        if news.rows:
            finished.setdefault(number, set()).add(news.rows[0].key)
        yield news


def _died(unit: Unit, finished: frozenset[TaskKey]) -> Iterator[News]:
    """Write down the objects of a unit whose process died."""
    model = _model(unit.model, unit.runtime)
    _, labels = _loaded(unit.dataset, unit.case)
    error = RuntimeError("the process of the model died")
    for member in members(unit.dataset, unit.config.datasets[unit.dataset], unit.case, labels):
        for mode in unit.config.modes:
            key = _key(model, mode, member)
            if member.status == SCORED and mode.model_start in model.card.starts and key not in unit.done | finished:
                yield News(rows=tuple(_failed(model, mode, member, unit.config.seed, error)))


def plan(
    config: BenchmarkConfig,
    cases: Mapping[str, Sequence[Case]],
    words: Sequence[str],
    runtime: Runtime,
    done: frozenset[TaskKey],
) -> list[Unit]:
    """List the units of a run: case by case, so that all models look at a case while it is in memory."""
    return [
        Unit(dataset, case, word, config, runtime, done)
        for dataset, found in cases.items()
        for case in found
        for word in words
    ]


def check_predictions(models: Sequence[Model], cases: Mapping[str, Sequence[Case]], say: Callable[[str], None]) -> None:
    """Compare folders of predictions with the cases before anything is measured.

    Args:
        models: The models.
        cases: Dataset to its cases.
        say: Told of cases without a prediction and of predictions without a case.

    Raises:
        GridMismatchError: A prediction lies on another grid than its image.
    """
    from radsam.benchmark.models.predictions import PredictionsModel
    from radsam.io.read import read_info

    every = [case for found in cases.values() for case in found]
    for model in models:
        if not isinstance(model, PredictionsModel):
            continue
        apart = model.predictions.differences(case.case_id for case in every)
        for what, names in (
            ("no prediction, which scores zero,", apart.missing),
            ("predictions of no case", apart.extra),
        ):
            if names:
                say(f"{model.card.label} has {what} for {len(names)}: {', '.join(names[:20])}.")
        for case in every:
            if case.case_id in model.predictions.cases and (geometry := read_info(case.image).geometry) is not None:
                model.predictions.check_grid(case.case_id, geometry)
