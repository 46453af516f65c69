"""Reading a manifest: CSV, Parquet or JSON lines, a row per object.

Only a file that is not a table is refused. A row that cannot be used becomes a `BadRow` with the
reason, and the others are used.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from radsam.batch.manifest_row import NUMBERS, ManifestRow, Numbers
from radsam.disk.csv_table import SAVE_AS, read_csv_table
from radsam.errors import InputError, ManifestError, MissingExtraError

COLUMNS = tuple(each.name for each in fields(ManifestRow))
SUFFIXES = (".csv", ".parquet", ".jsonl", ".ndjson")
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_SEVERAL, _ONE = ("box", "point", "recist", "bounds", "window"), ("slice",)
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+)")

#: The output of `radsam batch --template`: a row of every kind.
TEMPLATE = """\
id,volume,object,coordinates,plane,slice,box,point,recist,mask,mask_roi,bounds,truth
case1_liver,ct/case1.nii.gz,liver,ijk,axial,41,120 88 210 170,,,,,30 70,truth/case1_liver.nii.gz
case1_kidney,ct/case1.nii.gz,kidney,ijk,axial,,88 140 35 131 190 52,,,,,,
case2_nodule,dicom/case2,nodule,lps,axial,-212.5,,-61.0 34.5,,,,,
case2_node,dicom/case2,node,lps,axial,,,,-61.0 34.5 -212.5 -48.2 40.1 -212.5,,,,
case3_lesion,dicomweb://pacs.example.org/dicom-web/studies/1.2.3/series/1.2.3.4,lesion,,axial,,,,,rough/case3.dcm,lesion,mask,
"""


@dataclass(frozen=True)
class GoodRow:
    """A row that can be used.

    Args:
        line: Its row as a spreadsheet numbers it: the columns' names are row 1 (in JSON lines: its line; in Parquet:
            its row, from 1).
        row: The row.
    """

    line: int
    row: ManifestRow


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    Args:
        line: As of a good row.
        id: Its id; empty without one.
        volume: Its volume; empty without one.
        message: The reason.
    """

    line: int
    id: str
    volume: str
    message: str


@dataclass(frozen=True)
class Manifest:
    """A manifest.

    Args:
        path: The file.
        rows: Rows that can be used, in their order.
        bad_rows: The others.
        unused: Unknown columns.
        note: How a CSV file was read, if not as UTF-8 with commas; else empty.
    """

    path: Path
    rows: tuple[GoodRow, ...]
    bad_rows: tuple[BadRow, ...]
    unused: tuple[str, ...]
    note: str = ""

    @property
    def base(self) -> Path:
        """The folder that relative paths are relative to."""
        return self.path.resolve().parent


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Args:
        path: A .csv, .parquet or .jsonl file. Rows without any value are left out.

    Raises:
        ManifestError: The file does not exist, is not a table, has no column `id` or `volume`, or the name
            of a column looks misspelt.
        MissingExtraError: It is Parquet, and pyarrow is not installed.
    """
    if not path.is_file():
        raise ManifestError(f"There is no manifest {path}. `radsam batch --template` prints one to start from.")
    suffix = path.suffix.lower()
    if suffix in _WORKBOOKS:
        raise ManifestError(f"{path} is the file of a spreadsheet program, not CSV. {SAVE_AS}.")
    if suffix not in SUFFIXES:
        raise ManifestError(f"The manifest {path} has an unknown suffix; use one of {', '.join(SUFFIXES)}.")
    note = ""
    try:
        if suffix == ".csv":
            raw, note = _read_csv(path)
        elif suffix == ".parquet":
            raw = _read_parquet(path)
        else:
            raw = _read_json_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as {suffix.lstrip('.')}: {error}.") from error
    raw = [(line, values) for line, values in raw if not all(map(_empty, values.values()))]
    unused = _check_columns(path, raw)
    good: list[GoodRow] = []
    bad: list[BadRow] = []
    for line, values in raw:
        try:
            good.append(GoodRow(line, parse_row(values)))
        except ManifestError as error:
            bad.append(BadRow(line, _text(values.get("id")) or "", _text(values.get("volume")) or "", str(error)))
    return Manifest(path, *_without_duplicates(good, bad), unused, note)


def parse_row(values: Mapping[str, Any]) -> ManifestRow:
    """Make a row from the text of CSV, or from the numbers and lists of JSON and Parquet.

    Raises:
        ManifestError: A value cannot be used; the message names it.
    """
    if None in values:
        raise ManifestError("The row has values beyond the columns that have a name.")
    row: dict[str, Any] = {}
    for name in COLUMNS:
        value = values.get(name)
        if _empty(value):
            continue
        if name in _ONE:
            row[name] = _number(value, name)
        elif name in _SEVERAL and not (name == "bounds" and isinstance(value, str) and value.strip().isalpha()):
            row[name] = _numbers(value, name)
        else:
            row[name] = _text(value)
    missing = [name for name in ("id", "volume") if name not in row]
    if missing:
        raise ManifestError(f"The row has no {' and no '.join(missing)}.")
    return ManifestRow(**row)


def _without_duplicates(good: list[GoodRow], bad: list[BadRow]) -> tuple[tuple[GoodRow, ...], tuple[BadRow, ...]]:
    """Refuse all rows with the same id, since any of them could be the right one."""
    # Ignoring case, as some file systems do: the id names files.
    lines: dict[str, list[int]] = {}
    for each in good:
        lines.setdefault(each.row.id.casefold(), []).append(each.line)
    unique = [each for each in good if len(lines[each.row.id.casefold()]) == 1]
    repeated = [
        BadRow(
            each.line,
            each.row.id,
            each.row.volume,
            f"The id {each.row.id!r} is on lines {', '.join(map(str, lines[each.row.id.casefold()]))}; give each row "
            "its own id (upper and lower case count as the same).",
        )
        for each in good
        if len(lines[each.row.id.casefold()]) > 1
    ]
    return tuple(unique), tuple(sorted([*bad, *repeated], key=lambda each: each.line))


def _read_csv(path: Path) -> tuple[list[tuple[int, dict[str, Any]]], str]:
    """Read the rows of a CSV file, and how it was read."""
    try:
        table = read_csv_table(path, lambda name: _known(name) in COLUMNS)
    except InputError as error:
        raise ManifestError(str(error)) from error
    names = [_known(name) for name in table.columns]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise ManifestError(f"{path} has the column {', '.join(twice)} twice.")
    raw = []
    for line, cells in table.rows:
        values: dict[Any, Any] = dict.fromkeys(filter(None, names), "")
        values |= {name: cell for name, cell in zip(names, cells, strict=False) if name}
        # Cells below no name count only where they hold something: many programs end each row with separators.
        beyond = [cell for name, cell in zip([*names, *[""] * len(cells)], cells, strict=False) if not name]
        if any(cell.strip() for cell in beyond):
            values[None] = beyond
        if table.separator != ",":
            values |= {name: _decimal_points(values, name) for name in (*_ONE, *_SEVERAL) if name in values}
        raw.append((line, values))
    return raw, table.note


def _known(name: str) -> str:
    """Return the column that a name means, whatever its case and spaces; an unknown name as it is."""
    plain = name.strip().lower().replace(" ", "_")
    return plain if plain in COLUMNS else name.strip()


def _decimal_points(values: Mapping[Any, str], name: str) -> str:
    """Write decimal commas as points, which a table separated by semicolons or tabs can have.

    Several numbers may also have commas between them, as in 88,140 131,190. If every number of a cell has one comma,
    the reading that has as many numbers as the column needs is the one that is meant.
    """
    text = values[name]
    parts = text.replace(";", " ").split()
    with_comma = [part for part in parts if _DECIMAL_COMMA.fullmatch(part)]
    if not with_comma or any("," in part for part in parts if part not in with_comma):
        return text
    if name in _SEVERAL and len(with_comma) == len(parts):
        on_slice = bool((values.get("slice") or "").strip())
        needed = NUMBERS[name][0 if on_slice else 1] if name in NUMBERS else 2
        if 2 * len(parts) == needed:
            return text
    return " ".join(_DECIMAL_COMMA.sub(r"\1.\2", part) for part in parts)


def _read_json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    rows: list[tuple[int, dict[str, Any]]] = []
    for line, text in enumerate(path.read_text("utf-8-sig").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ManifestError(f"{path}, line {line}, is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise ManifestError(f'{path}, line {line}, is not a JSON object. Write a row as {{"id": ...}}.')
        rows.append((line, values))
    return rows


def _read_parquet(path: Path) -> list[tuple[int, dict[str, Any]]]:
    if find_spec("pyarrow") is None:
        raise MissingExtraError("Reading a Parquet manifest", "batch")
    import pyarrow.lib
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.lib.ArrowException as error:
        raise ManifestError(f"{path} is not a readable Parquet file: {error}.") from error
    return list(enumerate(table.to_pylist(), start=1))


def _check_columns(path: Path, raw: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[str, ...]:
    """Refuse a table without rows or required columns, or with a misspelt column, which would be ignored."""
    names = dict.fromkeys(name for _, values in raw for name in values if name is not None)
    if not names:
        raise ManifestError(f"{path} has no rows. `radsam batch --template` prints an example.")
    unused = [name for name in names if name not in COLUMNS]
    for name in unused:
        near = get_close_matches(
            name.lower().replace(" ", "_"), [each for each in COLUMNS if each not in names], 1, 0.8
        )
        if near:
            raise ManifestError(f"{path} has an unknown column {name!r}. Did you mean {near[0]!r}?")
    missing = [name for name in ("id", "volume") if name not in names]
    if missing:
        raise ManifestError(
            f"{path} has no column {' and no column '.join(missing)}. Its columns: {', '.join(names)}. "
            "`radsam batch --template` prints an example."
        )
    return tuple(unused)


def _empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, float):
        return math.isnan(value)  # pandas writes an empty field so
    return value is None or value == []


def _text(value: Any) -> str | None:
    if _empty(value):
        return None
    # Parquet stores a column of whole numbers with gaps as floats: 7.0 is the value 7.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool):
        raise ManifestError(f"{name} must be a number, not {value}.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ManifestError(f"{name} must be a number, not {value!r}.") from None


def _numbers(value: Any, name: str) -> Numbers:
    parts = value.replace(",", " ").replace(";", " ").split() if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ManifestError(f"{name} must be numbers separated by spaces, or a list of numbers; given: {value!r}.")
    return tuple(_number(each, f"Each of {name}") for each in parts)
