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
#: Built files, bundles (their model cards are hashed), and this list.
SKIPPED = ("/static/", "/node_modules/", "/weights/", "tests/unit/test_plain_words.py")

GIVEN_UP = {
    # Sentences
    r"(?<![Tt]here )\b(is|are|was|were) no (?!longer\b|more\b|less\b|\w+er than\b)": 'write "is not a …"',
    r"\bas often may\b": "say how often",
    r"\bwhoever\b": "name who",
    r"\bthe one of the\b": "name the thing again",
    r"\bgoes by\b": "follows, uses",
    r"\bstands for\b": "is, means",
    r"\bwhat is (trained|measured|asked|said|told) (on|for|of)?\b": "training data, prompt, request, …",
    r"\bfrom near\b": "close up, enlarged",
    # The model predicts; a client sends requests.
    r"\b(model|decoder|predictor|encoder|network|backend)s? (is|are|was|were) asked\b": "predicts",
    r"\b(model|decoder|predictor)s? ((may|can|must|will|would) )?(answer|look)(s|ed)?\b": "predicts",
    r"\b(?i:ask)(s|ed|ing)? (the|a|its|this|that) (model|decoder|predictor|slice)s?\b": "predict",
    r"\basked\b|\bAsked[A-Z]": "requested, predicted",
    r"\bAsker\b|\basker\b": "object predictor",
    r"(?i:mask ?book)": "mask revisions",
    r"\b[Qq]uestions?\b(?!:)": "request, prompt",
    # Names
    r"\bsaid\b|\bsaid_|_said\b|NOTHING_SAID": "user prompts, output",
    r"\b[Tt]old\b|\btold_|_told\b": "error answer, reported",
    r"\bstood\b": "previous",
    r"(?<![\w\-])[Ss]pots?\b": "painted click",
    r"\bcautions?\b|\bCautions?\b": "capability warning",
    r"\bLooking\b": "preview service",
    r"\bGates?\b|\bgates?\b": "security middleware",
    r"\b[Dd]oors\b": "allowed origins",
    r"radsam\.server\.places\b|server/places\b": "route policy",
    r"\b[Ll](end|ends|ending|ent)\b": "remote series",
    r"\bkept_(?!failures)\w+|\bkept\.py\b|\bKept[A-Z]\w*": "cache",
    r"\b[Pp]atience\b": "retry policy",
    r"\b_?[Cc]rews?\b": "worker pool",
    r"\b_?welcome\b": "on ready",
    r"\b_?bury\b|\bburies\b": "on death",
    r"\b[Nn]ews\b": "unit result, event",
    r"\b[Tt]alk(s|ing)?\b": "interaction, conversation",
    # `os.walk`, the configuration's `walk_click_share` and the training log's "walk" keep their names.
    r"(?<![.\w\"])[Ww]alk(s|ed|ing)?(?![\w(])": "propagation",
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
