"""Do the pages of the docs say what the program does, and lead where they say?"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from radsam import errors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_the_page_about_errors_has_each_with_its_exit_code():
    rows = re.findall(
        r"^\| [│├└ ]*`(\w+)` \| (\d?) ?\|", (DOCS / "reference" / "errors.md").read_text("utf-8"), re.MULTILINE
    )
    named = {name: each for name, each in vars(errors).items() if inspect.isclass(each)}
    assert {name for name, _ in rows} == {*named}
    assert [name for name, code in rows if code and int(code) != named[name].exit_code] == []
