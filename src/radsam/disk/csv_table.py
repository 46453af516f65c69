"""Reading a CSV table as spreadsheet programs write it: the encoding and the separator are found out and named.

Excel writes UTF-8 with a mark ("CSV UTF-8"), UTF-16 with tabs ("Unicode text"), or the system's old encoding ("CSV"),
and semicolons where the decimal sign is a comma. A row's number is that of the spreadsheet: the columns' names are row
1, an empty row counts, and a cell with line breaks does not.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radsam.errors import InputError

#: Separators by what people call them.
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
#: The mark at the beginning of a file and its encoding, the longest first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
#: Beginnings of Excel's and LibreOffice's own files.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
#: What to do where a table cannot be read.
SAVE_AS = "Save it as CSV UTF-8 with commas between the columns"


@dataclass(frozen=True)
class CsvTable:
    """A table.

    Args:
        columns: Names of the columns, without spaces around them; of a column without a name, "".
        rows: Number of the row in the spreadsheet, and its cells. A row can have fewer or more cells than there are
            columns.
        separator: "," or ";" or a tab.
        note: How it was read, if not as UTF-8 with commas; else empty.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    separator: str
    note: str


def read_csv_table(path: Path, is_name: Callable[[str], bool]) -> CsvTable:
    """Read a table.

    Args:
        path: The file.
        is_name: Whether a text is the name of a column that the reader knows.

    Raises:
        InputError: It cannot be read, is a spreadsheet program's own file, or is not a table.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if content.startswith(_WORKBOOKS):
        raise InputError(f"{path} is the file of a spreadsheet program, not CSV. {SAVE_AS}.")
    text, encoding = _decoded(path, content)
    text, separator = _separator(text, is_name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, tuple[str, ...]]] = []
    try:
        rows.extend((number, tuple(cells)) for number, cells in enumerate(reader, start=1))
    except csv.Error as error:
        raise InputError(f"{path}, row {len(rows) + 1}, cannot be read as CSV: {error}. {SAVE_AS}.") from error
    first = next((place for place, (_, cells) in enumerate(rows) if any(map(str.strip, cells))), len(rows))
    columns = tuple(cell.strip() for cell in rows[first][1]) if rows[first:] else ()
    between = "" if separator == "," else f"{_SEPARATORS[separator]} between the columns"
    unusual = " and ".join(filter(None, (encoding, between)))
    note = f"{path.name} was read as a table with {unusual}." if unusual else ""
    return CsvTable(columns, tuple(rows[first + 1 :]), separator, note)


def _decoded(path: Path, content: bytes) -> tuple[str, str]:
    """Return the text, and the encoding if it is not UTF-8."""
    for mark, encoding, name in _MARKS:
        if content.startswith(mark):
            return _strict(path, content, encoding, name), "" if name == "UTF-8" else f"the encoding {name}"
    # Columns' names are ASCII: in UTF-16 without a mark, every second byte of them is 0.
    start = content[:64]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[0::2])):
        if zeros and not any(zeros):
            return _strict(path, content, encoding, "UTF-16"), "the encoding UTF-16"
    try:
        return _without_zeros(path, content.decode("utf-8")), ""
    except UnicodeDecodeError:
        return _strict(path, content, "cp1252", "Windows-1252"), "the encoding Windows-1252 (ANSI)"


def _strict(path: Path, content: bytes, encoding: str, name: str) -> str:
    try:
        return _without_zeros(path, content.decode(encoding))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in {name}, as its beginning suggests. {SAVE_AS}.") from error


def _without_zeros(path: Path, text: str) -> str:
    if "\0" in text:
        raise InputError(f"{path} is not text. {SAVE_AS}.")
    return text


def _separator(text: str, is_name: Callable[[str], bool]) -> tuple[str, str]:
    """Return the text without Excel's line ``sep=;``, and the separator."""
    text = text.lstrip("\ufeff")
    first = text.partition("\n")[0].rstrip("\r")
    if first.lower().startswith("sep=") and first[4:] in _SEPARATORS:
        return text.partition("\n")[2], first[4:]
    head = next((line for line in text.splitlines() if line.strip(" \t,;")), "")
    # The one that gives the most names that are known, then the most columns.
    cells = {each: [cell.strip().strip('"') for cell in head.split(each)] for each in _SEPARATORS}
    return text, max(cells, key=lambda each: (sum(map(is_name, cells[each])), len(cells[each])))
