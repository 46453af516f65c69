"""Does the page hold every object, by itself, and the one to review first in front?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from radsam.batch.contact_sheet import write_contact_sheet
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult, Status


def results(count: int) -> list[RowResult]:
    done = [
        RowResult(id=f"r{n}", object="</script><b>x", volume="v", status=Status.DONE, quality=1 - n / 100, line=n + 2)
        for n in range(count)
    ]
    return [*done, RowResult(id="bad", object="", volume="v", status=Status.BAD_INPUT, message="Why.", line=1)]


def data(page: Path) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.S)
    parsed: dict[str, Any] = json.loads(found)
    return parsed


def test_a_page_needs_nothing_from_outside_and_begins_with_the_least_trusted(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    folder.make()
    (folder.thumbnails / "r4.jpg").write_bytes(b"picture")
    (page,) = write_contact_sheet(folder, results(5))
    assert not re.search(r"https?://|<link|<script src|@import", page.read_text("utf-8"))
    rows = data(page)["rows"]
    assert [each["id"] for each in rows] == ["r4", "r3", "r2", "r1", "r0", "bad"]
    assert rows[0]["thumbnail"]
    assert rows[0]["object"] == "</script><b>x"
    assert rows[-1]["message"] == "Why."
    assert data(page)["summary"] == "6 objects: 5 done, 1 bad input"


def test_a_long_sheet_has_pages_and_a_shorter_one_removes_them(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    folder.make()
    pages = write_contact_sheet(folder, results(5), per_page=2)
    assert [each.name for each in pages] == ["contact_sheet.html", "contact_sheet_2.html", "contact_sheet_3.html"]
    assert [len(data(each)["rows"]) for each in pages] == [2, 2, 2]
    assert data(pages[1])["pages"] == [[f"Page {n + 1}", each.name] for n, each in enumerate(pages)]
    write_contact_sheet(folder, results(5))
    assert [each.name for each in tmp_path.glob("*.html")] == ["contact_sheet.html"]
