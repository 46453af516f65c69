"""Do the files around the code say the same as each other, and as the code?"""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_notice_lists_what_the_built_page_contains():
    """After a new build of the page: python scripts/third_party_notices.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "third_party_notices.py"))
    notice, licences = script["NOTICE"].read_text(), script["LICENCES"].read_text()
    assert script["with_page_notices"](notice, licences) == notice
    lines = [line.split() for line in script["page_notices"](licences).splitlines()]
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    assert {name: version for name, version, *_ in lines} == {
        name: lock[f"node_modules/{name}"]["version"] for name, *_ in lines
    }
    assert {name: licence for name, _, licence, *_ in lines} == {
        name: lock[f"node_modules/{name}"]["license"] for name, *_ in lines
    }


def test_the_version_is_in_one_place():
    """Everything else asks the installed package, so nothing in the code repeats the number."""
    version = re.compile(rf"(?<![\d.]){re.escape(PROJECT['version'])}(?![\d.])")
    sources = [*(ROOT / "src" / "radsam").rglob("*.py"), *(ROOT / "scripts").iterdir(), ROOT / "web" / "package.json"]
    assert [path.name for path in sources if path.is_file() and version.search(path.read_text())] == []


def test_the_metadata_names_every_python_that_is_supported():
    lowest = int(PROJECT["requires-python"].removeprefix(">=3."))
    named = {each.rpartition(":: ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each}
    assert named == {f"3.{minor}" for minor in range(lowest, 15)}
