"""Words and phrases that the project gave up stay away; `.codespell-given-up.txt` has those that codespell can find.

Each is a pattern and what to write instead. See docs/glossary.md for the project's terms.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("src", "web/src", "tests", "docs", "benchmarks", "scripts", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
SUFFIXES = {".py", ".ts", ".tsx", ".css", ".html", ".md", ".toml", ".sh"}
#: Built files, other people's texts, and this list.
SKIPPED = ("/static/", "/node_modules/", "/bad_sentences/", "tests/unit/test_plain_words.py")

GIVEN_UP = {
    # Sentences
    r"\bas often may\b": "say how often",
    r"\bgoes by\b": "follows, uses",
    # The model predicts; a client sends requests.
    r"\b(?i:ask)(s|ed|ing)? (the|a|its|this|that) (model|decoder|predictor|slice)s?\b": "predict",
    r"\bAsker\b|\basker\b": "object predictor",
    r"(?i:mask ?book)": "mask revisions",
    # Names
    r"\bcautions?\b|\bCautions?\b": "capability warning",
    r"\b[Dd]oors\b": "allowed origins",
    r"radsam\.server\.places\b|server/places\b": "route policy",
    r"\b_?bury\b|\bburies\b": "on death",
    # `os.walk` and the configuration's `walk_click_share` keep their names.
}


def texts() -> list[tuple[Path, str]]:
    """Every file that people write, by its path from the root."""
    found = []
    for place in PLACES:
        paths = [ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*"))
        for path in paths:
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in SUFFIXES and path.is_file() and not any(each in f"/{name}" for each in SKIPPED):
                found.append((path.relative_to(ROOT), path.read_text("utf-8")))
    return found


TEXTS = texts()


@pytest.mark.parametrize("pattern", GIVEN_UP)
def test_words_that_were_given_up_do_not_return(pattern: str) -> None:
    lines = [
        f"{path}:{number}: {line.strip()[:140]}"
        for path, text in TEXTS
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert not lines, f"write instead: {GIVEN_UP[pattern]}\n" + "\n".join(lines)


def test_all_places_are_searched() -> None:
    names = {path.parts[0] for path, _ in TEXTS}
    assert {"src", "web", "tests", "docs", "benchmarks", "scripts", "README.md"} <= names
