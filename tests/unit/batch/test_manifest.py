"""Is a row read as it is meant, and refused where it could mean two things?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archives import write_manifest
from radsam.batch.manifest import TEMPLATE, Manifest, parse_row, read_manifest
from radsam.errors import ManifestError

ROW = {"id": "a", "volume": "ct.nii.gz", "coordinates": "ijk", "slice": "4", "box": "1 2 30 40"}


def read(tmp_path: Path, *rows: dict[str, Any]) -> Manifest:
    return read_manifest(write_manifest(tmp_path / "m.csv", rows))


def test_the_template_holds_a_usable_row_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(TEMPLATE, "utf-8")
    manifest = read_manifest(tmp_path / "m.csv")
    assert not manifest.bad_rows
    assert not manifest.unused
    assert [each.row.kind for each in manifest.rows] == ["box", "box", "point", "recist", "mask"]
    assert manifest.rows[1].row.in_space


def test_csv_json_lines_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    pyarrow, parquet_files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        {"id": "a", "volume": "ct.nii.gz", "coordinates": "ijk", "slice": 4, "box": [1, 2, 30, 40], "truth_roi": None},
        {"id": "7", "volume": "x", "coordinates": "lps", "point": [1.5, 2.0, -3.25], "truth": "t", "truth_roi": 2},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    parquet_files.write_table(pyarrow.Table.from_pylist(rows, schema=_schema(pyarrow)), tmp_path / "m.parquet")
    text = [{**row, **{k: " ".join(map(str, v)) for k, v in row.items() if isinstance(v, list)}} for row in rows]
    csv = read(tmp_path, *text)
    lines, parquet = read_manifest(tmp_path / "m.jsonl"), read_manifest(tmp_path / "m.parquet")
    assert [each.row for each in csv.rows] == [each.row for each in lines.rows] == [each.row for each in parquet.rows]
    assert csv.rows[0].row.box == (1.0, 2.0, 30.0, 40.0)
    assert csv.rows[1].row.truth_roi == "2"


def _schema(pyarrow: Any) -> Any:
    number, numbers = pyarrow.float64(), pyarrow.list_(pyarrow.float64())
    types = {"slice": number, "box": numbers, "point": numbers, "truth_roi": number}
    names = ("id", "volume", "coordinates", "slice", "box", "point", "truth", "truth_roi")
    return pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in names])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coordinates": ""}, "coordinates but no unit"),
        ({"coordinates": "ras"}, "'ijk'"),
        ({"box": "1 2 30.5 40"}, "whole numbers"),
        ({"box": "1 2 30 nan"}, "finite"),
        ({"box": "1 2 30"}, "box has 3 numbers"),
        ({"slice": ""}, "This row has no slice"),
        ({"point": "3 4"}, "box and point"),
        ({"box": ""}, "none"),
        ({"box": "", "slice": "", "coordinates": "", "mask": "m.dcm", "bounds": "all"}, "the word 'mask'"),
        ({"bounds": "mask"}, "two slices"),
        ({"bounds": "3 4 5"}, "two numbers"),
        ({"plane": "oblique"}, "not a plane"),
        ({"window": "40 -160"}, "empty"),
        ({"truth_roi": "1"}, "truth"),
        ({"mask_roi": "1"}, "mask"),
        ({"id": "../a"}, "name a file"),
        ({"id": "a" * 200}, "too long"),
        ({"volume": ""}, "no volume"),
        ({"object": " x", "slice": "four"}, "slice must be a number"),
    ],
)
def test_a_row_that_cannot_be_used_has_a_reason(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    manifest = read(tmp_path, ROW | changes, ROW | {"id": "good"})
    assert [each.row.id for each in manifest.rows] == ["good"]
    (bad,) = manifest.bad_rows
    assert bad.line == 2
    assert message in bad.message


def test_all_rows_of_a_repeated_id_are_refused(tmp_path: Path) -> None:
    manifest = read(tmp_path, ROW, ROW | {"id": "b"}, ROW | {"id": "A"})
    assert [each.row.id for each in manifest.rows] == ["b"]
    assert [each.line for each in manifest.bad_rows] == [2, 4]
    assert "lines 2, 4" in manifest.bad_rows[0].message


def test_columns_that_mean_nothing_are_named_and_misspelt_ones_refused(tmp_path: Path) -> None:
    assert read(tmp_path, ROW | {"scanner": "x"}).unused == ("scanner",)
    with pytest.raises(ManifestError, match="Did you mean 'bounds'"):
        read(tmp_path, ROW | {"bound": "1 4"})
    with pytest.raises(ManifestError, match="no column volume"):
        read(tmp_path, {"id": "a"})


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01{", b"[1, 2]\n"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError):
        read_manifest(tmp_path / name)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.txt").touch()
    for path in (tmp_path / "m.txt", tmp_path / "missing.csv"):
        with pytest.raises(ManifestError, match=r"suffix|--template"):
            read_manifest(path)


def test_excel_writes_a_mark_first_and_people_write_commas_between_numbers(tmp_path: Path) -> None:
    text = 'id,volume,coordinates,slice,box\na,ct.nii,ijk,4,"1, 2; 30 40"\n'
    (tmp_path / "m.csv").write_text(text, "utf-8-sig")
    (good,) = read_manifest(tmp_path / "m.csv").rows
    assert good.row.box == (1, 2, 30, 40)


def test_the_fingerprint_follows_every_value_and_the_model() -> None:
    row = parse_row(ROW)
    assert row.fingerprint("m") == parse_row(dict(ROW)).fingerprint("m")
    others = [parse_row(ROW | change) for change in ({"box": "1 2 30 41"}, {"bounds": "2 5"}, {"object": "liver"})]
    assert len({row.fingerprint("m"), row.fingerprint("n"), *(each.fingerprint("m") for each in others)}) == 5


def from_text(tmp_path: Path, text: str, encoding: str = "utf-8") -> Manifest:
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    return read_manifest(tmp_path / "m.csv")


def test_a_spreadsheet_of_another_country_is_read(tmp_path: Path) -> None:
    rows = "\r\n".join(
        [
            "sep=;",
            "ID;Volume ;Object;coordinates;slice;point;bounds;;",
            "a;ct.nii.gz;Tumör;lps;-212,5;-61,0 34,5;-300,5 -100;;",
            ";;;;;;;;",
            ' ;;"";;;;;;',
            'b;ct.nii.gz;"two\nlines";ijk;4;120,88;3 9;;',
            "c;ct.nii.gz;x;lps;-1,5;1,5;;;",
            "d;ct.nii.gz;x;ijk;4;1 2;;note",
        ]
    )
    manifest = from_text(tmp_path, rows + "\r\n", "cp1252")
    assert [(each.line, each.row.id) for each in manifest.rows] == [(2, "a"), (5, "b"), (6, "c")]
    first, second, third = (each.row for each in manifest.rows)
    assert (first.object, first.slice, first.point, first.bounds) == ("Tumör", -212.5, (-61.0, 34.5), (-300.5, -100.0))
    assert (second.object, second.point) == ("two\nlines", (120.0, 88.0))
    assert third.point == (1.0, 5.0)
    (bad,) = manifest.bad_rows
    assert (bad.line, bad.message) == (7, "The row has values beyond the columns that have a name.")
    assert manifest.unused == ()
    assert manifest.note == (
        "m.csv was read as a table with the encoding Windows-1252 (ANSI) and semicolons between the columns."
    )


@pytest.mark.parametrize(
    ("cells", "read_as"),
    [
        ("slice;4;box;120,88 210,170", (120.0, 88.0, 210.0, 170.0)),  # commas between the numbers of a corner
        ("slice;4;box;120,5 88,5 210,5 170,5", (120.5, 88.5, 210.5, 170.5)),
        ("slice;4;recist;1,5 2 3 4", (1.5, 2.0, 3.0, 4.0)),
        ("slice;4;recist;1,2,3,4", (1.0, 2.0, 3.0, 4.0)),
        ("point;1,5 2,5 3,5", (1.5, 2.5, 3.5)),
        ("point;1,5 2", "point has 2 numbers"),  # the slice is missing, not an integer
    ],
)
def test_commas_in_numbers_are_read_by_what_the_column_needs(
    tmp_path: Path, cells: str, read_as: tuple[float, ...] | str
) -> None:
    parts = cells.split(";")
    names, values = ["id", "volume", "coordinates", *parts[::2]], ["a", "ct", "lps", *parts[1::2]]
    manifest = from_text(tmp_path, f"{';'.join(names)}\n{';'.join(values)}\n")
    if isinstance(read_as, str):
        assert read_as in manifest.bad_rows[0].message
    else:
        assert getattr(manifest.rows[0].row, parts[-2]) == read_as


def test_a_number_with_a_comma_between_commas_is_refused(tmp_path: Path) -> None:
    manifest = from_text(tmp_path, 'id,volume,coordinates,slice,point\na,ct,lps,"1,234",3 4\n')
    assert "slice must be a number, not '1,234'" in manifest.bad_rows[0].message


@pytest.mark.parametrize("name", ["m.xlsx", "m.ods", "m.csv"])
def test_a_workbook_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(ManifestError, match="Save it as CSV UTF-8 with commas"):
        read_manifest(tmp_path / name)


def test_rows_without_a_value_are_left_out_of_json_lines_and_parquet_too(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps(ROW) + '\n{"id": null, "volume": "", "box": []}\n', "utf-8")
    assert len(read_manifest(tmp_path / "m.jsonl").rows) == 1
    for text in ("id,volume\n", "id,volume\n,\n"):
        with pytest.raises(ManifestError, match="has no rows"):
            from_text(tmp_path, text)
