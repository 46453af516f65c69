"""The result of a row, and the files that hold results: one per volume, written completely or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

from radsam.batch.output_folder import OutputFolder
from radsam.disk.atomic_write import replacing
from radsam.disk.utf8_path import PRINTABLE

_VERSION = 1


class Status(StrEnum):
    """The status of a row."""

    DONE = "done"
    PENDING = "pending"
    BAD_ROW = "bad_row"
    MISSING_FILE = "missing_file"
    BAD_INPUT = "bad_input"
    NOT_WRITTEN = "not_written"
    UNREACHABLE = "unreachable"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"
    LOST = "lost"

    @property
    def is_tried_again(self) -> bool:
        """Whether the next run tries again without --retry-failed: the cause lies outside the row."""
        return self in (Status.PENDING, Status.MISSING_FILE, Status.NOT_WRITTEN, Status.UNREACHABLE)


#: The meaning of each status, for `--help`, the docs and the contact sheet.
MEANINGS: Mapping[Status, str] = {
    Status.DONE: "the mask is written",
    Status.PENDING: "not done yet",
    Status.BAD_ROW: "the row contradicts itself or repeats an id",
    Status.MISSING_FILE: "one of its files does not exist (tried again by the next run)",
    Status.BAD_INPUT: "the volume cannot be read, or the prompt does not fit it",
    Status.NOT_WRITTEN: "the mask could not be written, for instance on a full disk (tried again)",
    Status.UNREACHABLE: "the PACS failed (tried again)",
    Status.OUT_OF_MEMORY: "there was not enough memory",
    Status.FAILED: "an error while running; see quarantine/",
    Status.LOST: "the process died several times on this volume; see quarantine/",
}


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """One line of the results table.

    Args:
        id: The row's id.
        object: Name of the object.
        volume: As the manifest names it.
        status: Its status.
        message: The reason if it is not done; empty if it is.
        mask: The mask, relative to the output folder; empty if there is none.
        dice: Dice with the truth, 0 to 1; None without one.
        quality: Score (predicted IoU) averaged over the slices, 0 to 1.
        lowest_iou: The lowest score of a slice.
        voxels: Voxels of the object.
        volume_ml: Its size in millilitres.
        first_slice: First slice of the propagation.
        last_slice: Last slice of the propagation.
        low_end: The reason why the propagation ended at its first slice.
        high_end: The reason why it ended at its last slice.
        modality: What the volume was taken for.
        window: The window of the model's input, low and high, in the volume's unit.
        seconds: Time of the row, without reading its volume.
        seconds_model: Of these, the model: encoding slices, decoding prompts, composing the mask.
        seconds_encode: Of these, encoding slices.
        seconds_write: Of the row's, writing the mask.
        seconds_read: Time to read the volume, once for all of its rows.
        encoded: Slices encoded for the row, without those of earlier rows.
        notes: Warnings.
        model: Name of the model.
        backend: The engine that ran it, its device and its precision.
        fingerprint: Hash of the row, the model and the settings.
        worker: The process that did it: host and process id.
        finished: When, in UTC.
        line: Line of the manifest.
    """

    id: str
    object: str
    volume: str
    status: Status
    message: str = ""
    mask: str = ""
    dice: float | None = None
    quality: float | None = None
    lowest_iou: float | None = None
    voxels: int | None = None
    volume_ml: float | None = None
    first_slice: int | None = None
    last_slice: int | None = None
    low_end: str = ""
    high_end: str = ""
    modality: str = ""
    window: str = ""
    seconds: float | None = None
    seconds_model: float | None = None
    seconds_encode: float | None = None
    seconds_write: float | None = None
    seconds_read: float | None = None
    encoded: int | None = None
    notes: str = ""
    model: str = ""
    backend: str = ""
    fingerprint: str = ""
    worker: str = ""
    finished: str = ""
    line: int = 0


COLUMNS = tuple(each.name for each in fields(RowResult))


def read_volume_results(folder: OutputFolder, key: str) -> dict[str, RowResult]:
    """Return the results of one volume by row id; none if the volume's file cannot be read."""
    try:
        content = json.loads((folder.parts / f"{key}.json").read_text("utf-8"))
        if content["version"] != _VERSION:
            return {}
        return {each["id"]: RowResult(**{**each, "status": Status(each["status"])}) for each in content["results"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def write_volume_results(folder: OutputFolder, key: str, results: Iterable[RowResult]) -> None:
    """Write the results of one volume, completely or not at all.

    Raises:
        OutputError: The disk is full, or the file cannot be written.
    """
    content = {"version": _VERSION, "results": [asdict(each) for each in results]}
    with replacing(folder.parts / f"{key}.json") as partial:
        partial.write_text(json.dumps(content, indent=1), "utf-8")


def write_table(path: Path, results: Iterable[RowResult]) -> None:
    """Write the results table, completely or not at all.

    Raises:
        OutputError: The disk is full, or the file cannot be written.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8", errors=PRINTABLE, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(asdict(each) for each in results)
