"""Is a table read whatever program wrote it, and is anything else refused in a sentence?"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radsam.disk.csv_table import read_csv_table
from radsam.errors import InputError

NAMES = {"id", "volume", "box"}
CELL = st.text(st.characters(codec="cp1252", exclude_characters="\r\n\0"), max_size=8).map(str.strip)
ENCODINGS = {
    "utf-8": "",
    "utf-8-sig": "",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
}


@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=4),
    encoding=st.sampled_from([*ENCODINGS]),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    says=st.booleans(),
)
@settings(max_examples=60)
def test_any_encoding_separator_and_line_end_gives_the_same_cells(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    encoding: str,
    separator: str,
    end: str,
    says: bool,
) -> None:
    rows = [["é", "x;y,z\tw", 'quo"ted\nline'], *rows]
    lines = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    head = [f"sep={separator}"] if says and end != "\r" else []
    text = end.join([*head, separator.join((" id", "VOLUME", "box ")), *lines, ""])
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_bytes(text.encode(encoding))
    table = read_csv_table(path, lambda name: name.lower() in NAMES)
    assert table.columns == ("id", "VOLUME", "box")
    assert [list(cells) for _, cells in table.rows] == rows
    assert [number for number, _ in table.rows] == list(range(2, 2 + len(rows)))
    assert ENCODINGS[encoding] in table.note
    assert {",": "", ";": "semicolons", "\t": "tabs"}[separator] in table.note
    assert bool(table.note) == (separator != "," or encoding not in ("utf-8", "utf-8-sig"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "file of a spreadsheet program, not CSV. Save it as CSV UTF-8 with commas"),
        (b"\xd0\xcf\x11\xe0rest", "file of a spreadsheet program"),
        (b"\xff\xfe\x00\x01{", "not text in UTF-16"),
        (b"\xef\xbb\xbf\xff", "not text in UTF-8"),
        (b"id,volume\n\x81\x00,b\n", "not text"),
        (b'id,volume\na,b\nc,"d', "row 3, cannot be read as CSV: unexpected end of data. Save it as"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_csv_table(tmp_path / "t.csv", NAMES.__contains__)


def test_a_file_without_a_row_has_no_columns(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\xef\xbb\xbf"):
        (tmp_path / "t.csv").write_bytes(content)
        table = read_csv_table(tmp_path / "t.csv", NAMES.__contains__)
        assert (table.columns, table.rows) == ((), ())
