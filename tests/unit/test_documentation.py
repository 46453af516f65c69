"""Do the pages of the docs say what the program does, and lead where they say?"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

import radsam
from command_line import CommandLine
from doc_blocks import Block, blocks_of, check_command, check_data, commands_of, pages, run_python, write_examples
from fakes import fake_engine
from radsam import errors
from servers import served

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_the_page_about_errors_has_each_with_its_exit_code():
    rows = re.findall(
        r"^\| [│├└ ]*`(\w+)` \| (\d?) ?\|", (DOCS / "reference" / "errors.md").read_text("utf-8"), re.MULTILINE
    )
    named = {name: each for name, each in vars(errors).items() if inspect.isclass(each)}
    assert {name for name, _ in rows} == {*named}
    assert [name for name, code in rows if code and int(code) != named[name].exit_code] == []


BLOCKS = {page.relative_to(ROOT).as_posix(): blocks_of(page) for page in pages()}
SHELL = ("sh", "bash", "console")


def of(*languages: str) -> list[str]:
    return [page for page, blocks in BLOCKS.items() if any(each.language in languages for each in blocks)]


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder)
    return folder


@pytest.fixture
def place(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a page, with the files of the examples and the fake model."""
    shutil.copytree(examples, tmp_path, dirs_exist_ok=True, copy_function=os.link)
    monkeypatch.setattr("radsam.session.load", lambda *given, **more: fake_engine())
    monkeypatch.setattr("httpx.Client", lambda **given: reached(tmp_path))
    # As users have it.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with chdir(tmp_path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield tmp_path


@contextmanager
def reached(folder: Path) -> Iterator[Any]:
    """The client of a server on the volume of the examples."""
    with served(folder, session=False) as web:
        yield web.client


def running(page: str) -> list[Block]:
    return [each for each in BLOCKS[page] if "not run" not in each.notes]


@pytest.mark.parametrize("page", of("python"))
def test_the_python_of_a_page_runs(page: str, place: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in running(page):
        if "file" in block.notes:
            (place / block.notes["file"]).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            run_python(block, names)


@pytest.mark.parametrize("page", of(*SHELL))
def test_the_commands_of_a_page_exist(page: str, place: Path, run_radsam: CommandLine) -> None:
    for block in running(page):
        if "file" in block.notes:
            (place / block.notes["file"]).write_text(block.code, encoding="utf-8")
        elif block.language in SHELL:
            exec(block.notes.get("before", ""), {"radsam": radsam})
            for words in commands_of(block):
                try:
                    check_command(words)
                except Exception as error:
                    raise AssertionError(f"{block}: {' '.join(words)}\n{error}") from error
                if "run" in block.notes and words[0] == "radsam":
                    run_radsam.here(*words[1:], cwd=place).done()


def test_every_other_block_is_data_or_says_why_it_is_not_run() -> None:
    for page in BLOCKS:
        for block in running(page):
            if block.language not in ("python", "text", *SHELL) and "file" not in block.notes:
                check_data(block)


def test_a_reason_is_given() -> None:
    assert [str(each) for blocks in BLOCKS.values() for each in blocks if each.notes.get("not run") == ""] == []


#: Pages beside the site, which checks its own links when it is built.
OUTSIDE = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
    ROOT / "packaging" / "radsam-lite-weights" / "README.md",
]


def test_no_page_is_longer_than_300_lines() -> None:
    long = {
        path.name: text.count("\n") for path in [*OUTSIDE, *DOCS.rglob("*.md")] if (text := path.read_text("utf-8"))
    }
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", each.strip().lower())) for each in headings}


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.name)
def test_the_links_of_pages_outside_the_site_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors_of(target), f"{page.name}: {link}"


def test_every_page_that_a_file_names_exists() -> None:
    """In help texts, comments, messages and other pages."""
    places = ("src", "web/src", "scripts", "configs", "benchmarks", "tests", ".github", "packaging", "changes", "docs")
    files = [path for place in places for path in (ROOT / place).rglob("*") if path.suffix in SUFFIXES]
    gone = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in [*files, *ROOT.glob("*.md"), ROOT / "Containerfile", ROOT / "pyproject.toml"]
        if not {"static", "node_modules"} & {*path.parts}
        for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md\b", path.read_text("utf-8"))
        if not (ROOT / name).is_file()
    ]
    assert gone == []


SUFFIXES = {".py", ".ts", ".tsx", ".md", ".toml", ".sh", ".yml", ".html"}


def test_every_variable_of_the_environment_is_on_the_page_of_settings() -> None:
    page = (DOCS / "reference" / "settings" / "index.md").read_text("utf-8")
    read = r'"(RADSAM_[A-Z_]+|[A-Z]+_CA_BUNDLE)"'
    files = [path.read_text("utf-8") for path in (ROOT / "src" / "radsam").rglob("*.py")]
    used = {name for text in files for name in re.findall(read, text)}
    assert len(used) > 5
    assert used - {*re.findall(r"`([A-Z_]+)`", page)} == set()


def test_every_public_name_is_described_and_has_an_example() -> None:
    pages = [path.relative_to(ROOT).as_posix() for path in sorted((DOCS / "reference" / "python").glob("*.md"))]
    described = [name for page in pages for name in re.findall(r"^::: radsam\.(\w+)$", (ROOT / page).read_text(), re.M)]
    assert sorted(described) == radsam.__all__
    code = "".join(block.code for page in pages for block in running(page))
    assert {*radsam.__all__} - {*re.findall(r"\bradsam\.(\w+)", code)} == set()
