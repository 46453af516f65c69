"""Do the pages that the site gets from the program name all that it has, and does the site refuse what is elsewhere?"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from radsam.cli.commands import app
from radsam.server import web_app

pytest.importorskip("mkdocs", reason="no MkDocs here (pip install 'radsam[docs]')")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hooks() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "scripts" / "docs_site"))
    import hooks

    yield hooks
    sys.path.remove(str(ROOT / "scripts" / "docs_site"))


@pytest.fixture(scope="module")
def pages(hooks: Any) -> dict[str, str]:
    return hooks.generated_pages()


def test_every_option_of_every_command_is_there(pages: dict[str, str]) -> None:
    def options(command: Any) -> set[str]:
        below = [options(each) for each in getattr(command, "commands", {}).values() if not each.hidden]
        own = {name for each in command.params if not getattr(each, "hidden", False) for name in each.opts}
        return {name for name in own if name.startswith("-")}.union(*below)

    for name, command in get_command(app).commands.items():
        if not command.hidden:
            page = pages[f"reference/command-line/{name}.md"]
            assert options(command) - {*re.findall(r"`(-[\w-]+)`", page)} == set(), name
            assert f"[{name}]({name}.md)" in pages["reference/command-line/index.md"]


def test_every_route_is_there(pages: dict[str, str]) -> None:
    routes = {
        f"## {method} {re.sub(':path', '', route.path)}"
        for router in vars(web_app).values()
        for route in getattr(getattr(router, "router", None), "routes", ())
        for method in route.methods
        if getattr(route, "include_in_schema", True)
    }
    text = "".join(page.replace("\\", "") for name, page in pages.items() if name.startswith("reference/http/"))
    assert len(routes) > 50
    assert [each for each in routes if f"{each}\n" not in text] == []


@pytest.mark.parametrize(
    ("page", "folder"), [("training", ""), ("benchmark", "benchmark"), ("distillation", "distill")]
)
def test_every_key_of_the_shipped_configurations_is_there(pages: dict[str, str], page: str, folder: str) -> None:
    def keys(table: dict[str, Any]) -> set[str]:
        below = [each for value in table.values() for each in (value if isinstance(value, list) else [value])]
        return {*table}.union(*(keys(each) for each in below if isinstance(each, dict)))

    text = pages["reference/settings/training.md"] + pages[f"reference/settings/{page}.md"]
    named = {*re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)}
    for path in (ROOT / "configs" / folder).glob("*.toml"):
        used = keys(tomllib.loads(path.read_text("utf-8")))
        own = {each for each in used if re.fullmatch(r"[a-z_]+", each)}
        # Below these, the keys are names of cases, datasets, layers.
        free = {"weights", "datasets", "lr_scale", "whole_share", "case_groups", "class_groups"}
        content = tomllib.loads(path.read_text("utf-8"))
        names = {name for each in _tables(content, free) for name in each}
        assert own - names - named <= {"extends"}, path.name


def _tables(table: dict[str, Any], names: set[str]) -> Iterator[dict[str, Any]]:
    for name, value in table.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                if name in names:
                    yield each
                yield from _tables(each, names)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<script src="https://unpkg.com/x.js"></script>', True),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', True),
        ('<img alt="" src=http://example.org/a.png>', True),
        ('<a href="https://example.org">read</a> <img src="a.png"> <script src="../b.js"></script>', False),
    ],
)
def test_what_is_loaded_from_other_hosts_is_found(hooks: Any, tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "a.html").write_text(text)
    (tmp_path / "a.css").write_text("a { background: url(b.png) }")
    assert bool(hooks.foreign_loads(tmp_path)) == found


def test_fonts_of_other_hosts_are_found_in_styles(hooks: Any, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "https://fonts.example.org/css";')
    assert len(hooks.foreign_loads(tmp_path)) == 1
