"""One volume's rows become masks and results: the unit of work of every engine.

The volume's results file is written after each row. After an interruption, the next run reads it and does the other
rows.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from radsam.batch import quarantine
from radsam.batch.attempts import MOST_ATTEMPTS, READING, Attempts, locked_attempts
from radsam.batch.batch_plan import RowTask, VolumeTask, is_settled
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.manifest_row import DEFAULT_OBJECT, ManifestRow
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_request import LabelFiles, row_request
from radsam.batch.row_results import RowResult, Status, read_volume_results, write_volume_results
from radsam.batch.thumbnail import draw_thumbnail
from radsam.batch.timed_model import TimedModel
from radsam.disk.atomic_write import replacing
from radsam.errors import InputError, OutputError, PacsError, RadsamError
from radsam.io.dicom.derived_object import Algorithm
from radsam.io.dicom.source_series import SourceSeries, read_source
from radsam.io.pacs.remote_series import series_folder
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import check_grid, write_labels
from radsam.metrics import dice
from radsam.session import Engine
from radsam.volume import Volume

#: Called after each row.
Report = Callable[[RowResult], None]

#: The messages of these are complete, so the quarantine gets no record.
_PLAIN = (Status.MISSING_FILE, Status.UNREACHABLE, Status.NOT_WRITTEN)


class _MissingFileError(InputError):
    """A file of a row does not exist."""


@dataclass(frozen=True, eq=False)
class _OpenVolume:
    """A volume in memory, with everything that its rows share; `notes` are the warnings about it.

    `masks` are those of its rows that are done: by id, the object's name, and its voxels as bits.
    """

    volume: Volume
    source: SourceSeries | None
    model: TimedModel
    engine: Engine
    files: LabelFiles
    seconds_read: float
    notes: tuple[str, ...] = ()
    masks: dict[str, tuple[str, UInt8[np.ndarray, " n"]]] = field(default_factory=dict)


def segment_volume(
    task: VolumeTask,
    model: TimedModel,
    settings: BatchSettings,
    folder: OutputFolder,
    *,
    retry_failed: bool = False,
    report: Report = lambda result: None,
    most_attempts: int = MOST_ATTEMPTS,
) -> list[RowResult]:
    """Do all rows of a volume that are not done yet.

    Errors of a volume or a row are not raised; they become the status of the rows.

    Args:
        task: The volume and its rows.
        model: The model.
        settings: The settings of the batch.
        folder: The output folder, which exists.
        retry_failed: Also do rows that failed.
        report: Called after each row.
        most_attempts: Number of processes that may die at a row before it gets the status "lost".

    Returns:
        Results of all rows of the task, including those that another process did in the meantime.

    Raises:
        OutputError: The folder's disk has no locks.
    """
    with locked_attempts(folder, task.key, most_attempts) as attempts:
        stored = read_volume_results(folder, task.key)
        results: dict[str, RowResult] = {}
        missing = []
        for each in task.tasks:
            known = stored.get(each.row.id)
            if known is not None and is_settled(known, each, retry_failed):
                results[each.row.id] = known
                report(known)
            else:
                missing.append(each)

        def record(each: RowTask, result: RowResult) -> None:
            """Write a result; without room on the disk it is only returned."""
            stale = stored.get(each.row.id)
            stored[each.row.id] = results[each.row.id] = result
            try:
                write_volume_results(folder, task.key, stored.values())
            except OutputError as error:
                stored.pop(each.row.id)
                result = replace(result, status=Status.NOT_WRITTEN, message=str(error))
                results[each.row.id] = result
            else:
                if stale is not None and stale.mask and stale.mask != result.mask:
                    (folder.path / stale.mask).unlink(missing_ok=True)
            report(result)

        if missing:
            new = {each.row.id for each in missing}
            done = [each for each in stored.values() if each.status is Status.DONE and each.id not in new]
            _do_missing(task, missing, done, attempts, model, settings, folder, record)
            quarantine.remove_done(folder, task.key, {i for i, each in results.items() if each.status is Status.DONE})
        return [results[each.row.id] for each in task.tasks]


def _do_missing(
    task: VolumeTask,
    missing: list[RowTask],
    done: list[RowResult],
    attempts: Attempts,
    model: TimedModel,
    settings: BatchSettings,
    folder: OutputFolder,
    record: Callable[[RowTask, RowResult], None],
) -> None:
    private = [task.location, task.volume, Path(task.volume).name, str(task.base)]
    recorded: set[str] = set()

    def put(each: RowTask, result: RowResult) -> None:
        recorded.add(each.row.id)
        record(each, result)

    def fail(
        tasks: list[RowTask], status: Status, message: str, error: BaseException | None, *, quarantined: bool
    ) -> None:
        if quarantined:
            described = quarantine.describe_error(error, private) if error else {"errors": [], "message": message}
            quarantine.record(folder, task.key, [each.row.id for each in tasks], status, described)
        for each in tasks:
            put(each, replace(_empty_result(each, model), status=status, message=message))

    try:
        if not attempts.begin(READING):
            fail(missing, Status.LOST, _lost("reading this volume", attempts), None, quarantined=True)
            return
        with _opened(task, model, settings) as opened:
            attempts.passed(READING)
            _read_masks(done, opened, folder)
            for each in missing:
                if not attempts.begin(each.row.id):
                    fail([each], Status.LOST, _lost("working on this row", attempts), None, quarantined=True)
                    continue
                try:
                    result = _segment_row(each, opened, settings, folder)
                except Exception as error:
                    status, message = _status_of(error, task.key)
                    fail([each], status, message, error, quarantined=status in (Status.FAILED, Status.OUT_OF_MEMORY))
                else:
                    put(each, result)
                attempts.passed(each.row.id)
    except Exception as error:  # an error of the volume itself
        status, message = _status_of(error, task.key)
        left = [each for each in missing if each.row.id not in recorded]
        fail(left, status, message, error, quarantined=status not in _PLAIN)


@contextmanager
def _opened(task: VolumeTask, model: TimedModel, settings: BatchSettings) -> Iterator[_OpenVolume]:
    """Read a volume; one in a PACS is fetched first."""
    started = time.perf_counter()
    if task.is_remote:
        with ExitStack() as held:
            with _recorded() as notes:
                fetched = held.enter_context(series_folder(task.location))
            opened = _read(task, fetched, model, settings, started)
            yield replace(opened, notes=(*notes, *opened.notes))
    else:
        path = Path(task.location)
        if not path.exists():
            raise _MissingFileError(f"There is no {task.volume}. Paths are relative to the manifest's folder.")
        yield _read(task, path, model, settings, started)


def _read(task: VolumeTask, path: Path, model: TimedModel, settings: BatchSettings, started: float) -> _OpenVolume:
    with _recorded() as notes:
        source = None
        try:
            if settings.file_format.is_dicom:
                source = read_source(path, series=task.series, resample=settings.resample)
            modality = task.modality or settings.modality
            volume = read_volume(path, series=task.series, resample=settings.resample, modality=modality)
            check_grid(volume.geometry, f"mask{settings.suffix}", settings.file_format)
        except OutputError as error:
            raise InputError(str(error)) from error  # the volume does not fit the format
    chosen = model.of_modality(volume.modality)
    volume.content_hash  # noqa: B018  # computed here, as part of reading: it identifies every encoded slice
    return _OpenVolume(
        volume,
        source,
        chosen,
        chosen.engine(),
        LabelFiles(volume, task.base),
        time.perf_counter() - started,
        tuple(notes),
    )


@contextmanager
def _recorded() -> Iterator[list[str]]:
    """Collect our warnings, and drop those of libraries; the list is filled after the ``with`` block."""
    ours: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield ours
    ours += [str(each.message) for each in caught if each.category.__module__.startswith("radsam.")]


def _segment_row(task: RowTask, opened: _OpenVolume, settings: BatchSettings, folder: OutputFolder) -> RowResult:
    """Segment, write and describe one object."""
    started, model = time.perf_counter(), opened.model
    folder.check_room()
    row = task.row
    with _recorded() as caught:
        if row.mask is not None and not (opened.files.base / row.mask).exists():
            raise _MissingFileError(f"There is no {row.mask}. Paths are relative to the manifest's folder.")
        request = row_request(row, opened.files, settings)
        encoded, encode_seconds = model.backend.encoded, model.backend.encode_seconds
        model_started = time.perf_counter()
        session = opened.engine.open(opened.volume, window=request.window)
        found = session.segment(request)
        labels = session.labels
        write_started = time.perf_counter()
        path = folder.masks / f"{row.id}{settings.suffix}"
        write_labels(
            labels,
            path,
            file_format=settings.file_format,
            source=opened.source,
            algorithm=Algorithm(model.bundle.spec.name, f"SHA-256 {model.bundle.sha256[:12]}"),
        )
        written = time.perf_counter()
        mask = np.asarray(labels.ids > 0)
        shared = _shared(row, mask, opened)
        truth, no_truth = _truth(row, opened.files)
        picture = draw_thumbnail(opened.volume, request, mask, found.window, truth)
        with replacing(folder.thumbnails / f"{row.id}.jpg") as partial:
            picture.save(partial, quality=82)
    scores = [slice_mask.score for slice_mask in found.slices.values()]
    voxels = int(np.count_nonzero(mask))
    notes = dict.fromkeys([no_truth, shared, *opened.notes, *caught])
    return replace(
        _empty_result(task, model),
        status=Status.DONE,
        mask=path.relative_to(folder.path).as_posix(),
        dice=None if truth is None else round(dice(mask, truth), 4),
        quality=round(float(np.mean(scores)), 4),
        lowest_iou=round(min(scores), 4),
        voxels=voxels,
        volume_ml=round(voxels * opened.volume.geometry.voxel_volume_mm3 / 1000, 3),
        first_slice=min(found.slices),
        last_slice=max(found.slices),
        low_end=found.low_end.value,
        high_end=found.high_end.value,
        modality=opened.volume.modality.value,
        window=f"{found.window[0]:g} {found.window[1]:g}",
        encoded=model.backend.encoded - encoded,
        seconds_read=round(opened.seconds_read, 4),
        seconds_model=round(write_started - model_started, 4),
        seconds_encode=round(model.backend.encode_seconds - encode_seconds, 4),
        seconds_write=round(written - write_started, 4),
        seconds=round(time.perf_counter() - started, 4),
        notes=" ".join(each for each in notes if each),
    )


def _shared(row: ManifestRow, mask: Bool[np.ndarray, "k j i"], opened: _OpenVolume) -> str:
    """Say how many voxels a row shares with those done before it on its volume; every mask stays whole.

    Rows that name the same object are prompts for it, and share its voxels on purpose.
    """
    bits = np.packbits(mask)
    found = []
    for other, (name, others) in opened.masks.items():
        voxels = int(np.bitwise_count(bits & others).sum(dtype=np.int64))
        if voxels and (name != row.object or name == DEFAULT_OBJECT):
            found.append(f"{voxels} with {other!r} ({name})")
    opened.masks[row.id] = row.object, bits
    return f"Shares voxels with other rows, whose masks are whole, too: {', '.join(found)}." if found else ""


def _read_masks(done: Iterable[RowResult], opened: _OpenVolume, folder: OutputFolder) -> None:
    """Read the masks of rows that an earlier run has done; one that cannot be read is left out."""
    for each in done:
        with suppress(InputError), warnings.catch_warnings(action="ignore"):
            labels = read_labels(folder.path / each.mask, on=opened.volume)
            if labels.geometry.same_grid(opened.volume.geometry):
                opened.masks[each.id] = each.object, np.packbits(labels.ids > 0)


def _truth(row: ManifestRow, files: LabelFiles) -> tuple[Bool[np.ndarray, "k j i"] | None, str]:
    """Read the truth of a row; if it cannot be read, the row has a mask and no Dice."""
    if row.truth is None:
        return None, ""
    try:
        return files.mask(row.truth, row.truth_roi, "truth_roi"), ""
    except InputError as error:
        return None, f"No Dice: {error}"


def _empty_result(task: RowTask, model: TimedModel) -> RowResult:
    return task.result(
        Status.PENDING,
        model=model.bundle.spec.name,
        backend=model.backend.name,
        fingerprint=task.fingerprint,
        worker=f"{platform.node()}:{os.getpid()}",
        finished=datetime.now(UTC).isoformat("T", "milliseconds"),
    )


def _status_of(error: Exception, key: str) -> tuple[Status, str]:
    """Return the status and message of rows with an error."""
    match error:
        case _MissingFileError():
            return Status.MISSING_FILE, str(error)
        case OutputError():
            return Status.NOT_WRITTEN, str(error)
        case PacsError():
            return Status.UNREACHABLE, str(error)
        case InputError():
            return Status.BAD_INPUT, str(error)
        case MemoryError():
            return Status.OUT_OF_MEMORY, (
                "There is not enough memory for this volume. Run it with fewer workers (--retry-failed), or crop it."
            )
        case RadsamError():
            return Status.FAILED, str(error)
    # A library's message can hold patient data: give the place in the code only.
    return Status.FAILED, f"{type(error).__name__} at {quarantine.innermost_frame(error)}; see quarantine/{key}.json."


def _lost(what: str, attempts: Attempts) -> str:
    return (
        f"The process died {attempts.most} times while {what}, by a crash or too little memory. --retry-failed tries "
        "again."
    )
