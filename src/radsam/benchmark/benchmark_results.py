"""The results of a benchmark on disk: a folder with one table and its description.

::

    results.csv    one row per model, mode, object and number of edits; rows are only added
    slices.csv     one row per slice of first masks at volume level, of models that score their slices
    objects.csv    one row per class of every case: measured, or left out with the reason
    run.json       format and version, the configuration, the models, the program
    pictures/      pictures of the worst objects of each model and mode

An object's rows are written together. If a run was killed while writing, the next run drops the rows of the
incomplete object when it opens the folder.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from radsam.benchmark.benchmark_config import BenchmarkConfig
from radsam.benchmark.cohort import Member
from radsam.benchmark.models.model_interface import ModelCard
from radsam.benchmark.slice_rows import SliceRow
from radsam.disk.atomic_write import replacing
from radsam.disk.file_lock import LOCK_NAME
from radsam.disk.utf8_path import printable
from radsam.errors import InputError, OutputError
from radsam.settings import plain_values, settings_from_dict

FORMAT, VERSION = "radsam-benchmark", 1
TABLE, OBJECTS, RUN, PICTURES, SLICES = "results.csv", "objects.csv", "run.json", "pictures", "slices.csv"

OK, NOTHING, FAILED = "ok", "nothing found", "failed"

TaskKey = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class ScoreRow:
    """One mask and its scores.

    Args:
        model: Label of the model.
        sha256: Identity of its weights.
        dataset: Name of the dataset.
        case: The case.
        patient: Its patient.
        group: Its column in the report.
        label_origin: Where the labels come from.
        object: Its class.
        voxels: Its size.
        slices: Its slices.
        mode: Name of the mode.
        level: "volume" or "slice".
        start: Kind of the first prompt.
        seed: Seed of the user.
        edits: Corrections so far.
        most_edits: Corrections in all, as in the object's last row.
        dice: Dice, 0 to 1.
        nsd: Surface Dice; nan if not computed.
        hd95_mm: HD95; nan if not computed, infinite if one mask is empty.
        seconds: Time of this interaction.
        status: "ok", "nothing found" at the first prompt, or "failed", which scores 0.
        error: The error message of a failure.
        engine: The engine that ran the model, and its device; "" for one without, and in tables of the first releases.
        precision: What the engine computed in; "" like `engine`.
        threads: CPU threads of the engine; 0 like `engine`.
        modality: What made the volume; "CT" in tables of earlier versions, which measured CT.
    """

    model: str
    sha256: str
    dataset: str
    case: str
    patient: str
    group: str
    label_origin: str
    object: str
    voxels: int
    slices: int
    mode: str
    level: str
    start: str
    seed: int
    edits: int
    most_edits: int
    dice: float
    nsd: float
    hd95_mm: float
    seconds: float
    status: str
    error: str = ""
    engine: str = ""
    precision: str = ""
    threads: int = 0
    modality: str = "CT"

    @property
    def key(self) -> TaskKey:
        """The object, the mode and the model: rows with the same key are the steps of one interaction."""
        return self.model, self.sha256, self.mode, self.dataset, self.case, self.object


def _kinds_of(row: type[ScoreRow | SliceRow]) -> dict[str, type]:
    """The types of a row's columns."""
    return {each.name: {"int": int, "float": float}.get(str(each.type), str) for each in fields(row)}


#: A row of either table.
Row = TypeVar("Row", ScoreRow, SliceRow)

_KINDS, _SLICE_KINDS = _kinds_of(ScoreRow), _kinds_of(SliceRow)
#: With the version first, so that tables of several folders can be concatenated.
COLUMNS = ("version", *_KINDS)
#: The last columns: tables of earlier versions lack one, those of the first releases all of them.
_ADDED = ("engine", "precision", "threads", "modality")
_READ_COLUMNS = (COLUMNS, COLUMNS[:-1], COLUMNS[: -len(_ADDED)])


class ResultsFolder:
    """An open folder of results.

    Args:
        folder: The folder.
        config: The configuration.
        rows: Its rows.
        models: Label to the facts of the `ModelCard`.
    """

    def __init__(
        self, folder: Path, config: BenchmarkConfig, rows: list[ScoreRow], models: dict[str, dict[str, Any]]
    ) -> None:
        self.folder, self.config, self.rows, self.models = folder, config, rows, models
        self._members: set[tuple[str, str]] | None = None

    @classmethod
    def start(cls, folder: Path, config: BenchmarkConfig, measured: Iterable[ModelCard] = ()) -> ResultsFolder:
        """Open a folder to write to: a new one, or one of an earlier run.

        Args:
            folder: The folder.
            config: The configuration.
            measured: The models of the run.

        Raises:
            InputError: It holds results of another configuration, version, engine, precision or number of threads,
                or other files.
            OutputError: It cannot be written.
        """
        if (folder / RUN).is_file():
            found = cls.read(folder)
            if found.config.fingerprint != config.fingerprint:
                raise InputError(
                    f"{folder} holds results of another configuration ({found.config.name!r}: another seed, mode or "
                    "choice of objects). Give a new folder with -o, or the earlier configuration."
                )
            found.refuse_mixing(measured)
            _drop_incomplete(folder / TABLE, found.rows)
            _end_last_line(folder / SLICES)
            found.config = config
            return found
        if folder.is_dir() and any(each.name != LOCK_NAME for each in folder.iterdir()):
            raise InputError(f"{folder} is not empty and holds no results of a benchmark. Give a new folder with -o.")
        try:
            (folder / PICTURES).mkdir(parents=True, exist_ok=True)
            (folder / TABLE).write_text(_line(COLUMNS), "utf-8")
        except OSError as error:
            raise OutputError(f"The results cannot be written to {folder}: {error.strerror or error}.") from error
        return cls(folder, config, [], {})

    @classmethod
    def read(cls, folder: Path) -> ResultsFolder:
        """Read a folder of results.

        Raises:
            InputError: It holds no results, is damaged, or is of another version.
        """
        run = _read_run(folder)
        config = settings_from_dict(BenchmarkConfig, run["config"], str(folder / RUN))
        return cls(folder, config, _read_rows(folder / TABLE), dict(run["models"]))

    def refuse_mixing(self, measured: Iterable[ModelCard]) -> None:
        """Refuse models on another engine, in another precision or with other threads than those of the rows.

        Raises:
            InputError: They differ, or the rows do not say what they were computed with.
        """
        now = {_computed_with(each) for each in measured if each.engine}
        ran = {label for label, facts in self.models.items() if facts.get("kind", "model") == "model"}
        # Rows of the first releases have no engine; those of rules and of masks from outside have none either.
        before = {_computed_with(row) for row in self.rows if row.engine or row.model in ran}
        if not now or not before or now == before:
            return
        earlier = ", ".join(sorted(before))
        raise InputError(
            f"{self.folder} holds scores computed with {earlier}; this run computes with {', '.join(sorted(now))}. "
            "Their numbers may differ in the last digits, so they do not belong in one table. Give a new folder with "
            "-o, or the --backend, --precision and --threads of the earlier run."
        )

    def members(self) -> list[dict[str, str]]:
        """Read objects.csv: the measured objects and those left out."""
        path = self.folder / OBJECTS
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def describe(self, program: str, notes: dict[str, Any]) -> None:
        """Write run.json, completely or not at all.

        Args:
            program: Name and version of the program.
            notes: Further facts for the report.
        """
        content = {
            "format": FORMAT,
            "version": VERSION,
            "program": program,
            "config": plain_values(self.config),
            "models": self.models,
            **notes,
        }
        with replacing(self.folder / RUN) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    def notes(self) -> dict[str, Any]:
        """Read run.json as it is."""
        return _read_run(self.folder)

    def done(self, *, retry_failed: bool = False) -> set[TaskKey]:
        """Return the keys of objects that have scores already."""
        rows = last_attempts(self.rows)
        failed = {row.key for row in rows if row.status == FAILED} if retry_failed else set()
        return {row.key for row in rows} - failed

    def append(self, rows: Sequence[ScoreRow]) -> None:
        """Add the rows of one object, in one write."""
        _append(self.folder / TABLE, "".join(_line((VERSION, *_plain(row))) for row in rows))
        self.rows += rows

    def append_slices(self, rows: Sequence[SliceRow]) -> None:
        """Add the rows of the slices of one object, in one write."""
        path = self.folder / SLICES
        if not rows:
            return
        head = "" if path.is_file() else _line(("version", *_SLICE_KINDS))
        _append(path, head + "".join(_line((VERSION, *_plain(row))) for row in rows))

    def slices(self) -> list[SliceRow]:
        """Read slices.csv; of a slice that was measured twice the last row counts.

        Raises:
            InputError: It is a table of another version.
        """
        path = self.folder / SLICES
        if not path.is_file():
            return []
        found: dict[tuple[object, ...], SliceRow] = {}
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            columns = tuple(next(reader, ()))
            if columns != ("version", *_SLICE_KINDS):
                raise InputError(f"{path} is a table of another version. Run the benchmark again into a new folder.")
            for values in reader:
                row = _row(SliceRow, values, columns)
                if row is not None:  # else a line of a killed run
                    found[row.model, row.sha256, row.mode, row.dataset, row.case, row.object, row.slice] = row
        return list(found.values())

    def append_members(self, found: Iterable[Member]) -> None:
        """Add the classes of a case, once."""
        if self._members is None:
            self._members = {(each["dataset"], each["case"]) for each in self.members()}
        path = self.folder / OBJECTS
        fresh = [each for each in found if (each.dataset, each.case) not in self._members]
        if not fresh:
            return
        head = "" if path.is_file() else _line([each.name for each in fields(Member)])
        _append(path, head + "".join(_line(asdict(each).values()) for each in fresh))
        self._members |= {(each.dataset, each.case) for each in fresh}


def _computed_with(it: ModelCard | ScoreRow) -> str:
    if not it.engine:
        return "an engine that the table does not name (an earlier version of RadSAM)"
    return f"{it.engine}, {it.precision}, {it.threads} thread{'' if it.threads == 1 else 's'}"


def last_attempts(rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Keep only the last attempt of each object."""
    attempts: dict[TaskKey, dict[int, ScoreRow]] = {}
    for row in rows:
        if row.edits == 0:
            attempts[row.key] = {}
        attempts.setdefault(row.key, {})[row.edits] = row
    return [row for steps in attempts.values() for row in steps.values()]


def _read_run(folder: Path) -> dict[str, Any]:
    path = folder / RUN
    try:
        run = json.loads(path.read_text("utf-8"))
        known = run["format"] == FORMAT
    except OSError:
        raise InputError(
            f"{folder} holds no results of a benchmark: looked for {RUN}. Give the folder that `radsam benchmark run` "
            "wrote."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged; the table beside it can still be read by other programs.") from None
    if not known or run["version"] != VERSION:
        raise InputError(
            f"{path} is of version {run.get('version')} of {run.get('format')}; this program reads version {VERSION} "
            f"of {FORMAT}. Run the benchmark again, or use the program that wrote it."
        )
    return dict(run)


def _read_rows(path: Path) -> list[ScoreRow]:
    """Read the rows of every complete object."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        columns = tuple(next(reader, ()))
        if columns not in _READ_COLUMNS:
            raise InputError(
                f"{path} is a table of another version: its columns are not those of version {VERSION}. Run the "
                "benchmark again into a new folder."
            )
        pending: list[ScoreRow] = []
        rows: list[ScoreRow] = []
        for values in reader:
            row = _row(ScoreRow, values, columns)
            if row is None:
                break  # an incomplete line of a killed run
            pending = [*pending, row] if pending and pending[-1].key == row.key else [row]
            if row.edits == row.most_edits:
                rows += pending
                pending = []
    return rows


def _row(kind: type[Row], values: Sequence[str], columns: Sequence[str]) -> Row | None:
    if len(values) != len(columns) or values[0] != str(VERSION):
        return None
    try:
        kinds = _KINDS if kind is ScoreRow else _SLICE_KINDS
        return kind(**{name: kinds[name](value) for name, value in zip(columns[1:], values[1:], strict=True)})
    except ValueError:
        return None


def _drop_incomplete(path: Path, rows: Sequence[ScoreRow]) -> None:
    """Drop the rows of an object that a killed run left incomplete."""
    complete = _line(COLUMNS) + "".join(_line((VERSION, *_plain(row))) for row in rows)
    if path.read_text("utf-8") != complete:
        with replacing(path) as partial:
            partial.write_text(complete, "utf-8")


def _end_last_line(path: Path) -> None:
    """End a line that a killed run left incomplete, so that the next row has a line of its own."""
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        _append(path, "\n")


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error


def _plain(row: ScoreRow | SliceRow) -> list[object]:
    # repr keeps every digit of a float, so that equal runs have equal tables.
    return [repr(value) if isinstance(value, float) else value for value in asdict(row).values()]


def _line(values: Iterable[object]) -> str:
    text = io.StringIO(newline="")
    # One line for each row: an error message can hold line breaks.
    csv.writer(text, lineterminator="\n").writerow([" ".join(printable(value).split()) for value in values])
    return text.getvalue()
