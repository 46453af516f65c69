"""The pages of the command line, from the program itself: one for each command, and one for each group of commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from markdown_text import code, table, text
from rich.text import Text
from typer.main import get_command

from radsam.cli.commands import app

FOLDER = "reference/command-line"


def command_pages() -> dict[str, str]:
    """Every page by its path below docs/."""
    program = get_command(app)
    commands = {name: each for name, each in program.commands.items() if not each.hidden}
    pages = {f"{FOLDER}/index.md": _overview(program, commands)}
    for name, command in commands.items():
        pages[f"{FOLDER}/{name}.md"] = _described(f"radsam {name}", command, "#")
    return pages


def _overview(program: Any, commands: dict[str, Any]) -> str:
    rows = ((f"[{name}]({name}.md)", text(_first_line(each))) for name, each in commands.items())
    return "\n".join(
        (
            "# Command line\n",
            f"{_paragraphs(program.help)}\n",
            table(("`radsam …`", "does"), rows),
            f"{_paragraphs(program.epilog)}\n",
            "Options of `radsam` itself:\n",
            _options(program),
        )
    )


def _described(called: str, command: Any, marks: str) -> str:
    """A command, or a group with all of its commands."""
    parts = [f"{marks} {called}\n", _paragraphs(command.help), ""]
    below = {name: each for name, each in getattr(command, "commands", {}).items() if not each.hidden}
    if below:
        rows = ((f"[{name}](#{_anchor(f'{called} {name}')})", text(_first_line(each))) for name, each in below.items())
        parts += [table((f"`{called} …`", "does"), rows)]
        parts += [_described(f"{called} {name}", each, marks + "#") for name, each in below.items()]
        return "\n".join(parts)
    records = _records(command)
    arguments = [each for each in records if each.kind == "argument"]
    usage = " ".join((called, *(each.usage for each in arguments), "[options]"))
    parts += [f"```text\n{usage}\n```\n"]
    parts += [table(("argument", "meaning"), ((code(each.usage), each.meaning) for each in arguments))]
    parts += [_options(command)]
    return "\n".join(parts)


def _options(command: Any) -> str:
    options = [each for each in _records(command) if each.kind == "option" and "--help" not in each.names]
    rows = (
        (", ".join(map(code, each.names)), code(each.value) if each.value else "", each.meaning) for each in options
    )
    return table(("option", "value", "meaning"), rows)


@dataclass(frozen=True)
class _Record:
    """A line of the program's own help about an argument or option, taken apart."""

    kind: str
    names: tuple[str, ...]
    value: str
    meaning: str

    @property
    def usage(self) -> str:
        return self.names[0]


#: Names of types, as typer has them, that a reader types something for.
_TYPES = {"<str>": "TEXT", "<path>": "PATH", "<int>": "N", "<int range>": "N", "<float>": "X", "<float range>": "X"}


def _records(command: Any) -> list[_Record]:
    context = command.context_class(command, info_name=command.name)
    return [
        _record(each.param_type_name, *found)
        for each in command.get_params(context)
        if (found := each.get_help_record(context)) is not None
    ]


def _record(kind: str, left: str, right: str) -> _Record:
    """From what typer writes left and right, such as "-o, --out <path>" and "The mask.  [required]"."""
    typed = re.match(r"((?:-[\w-]+(?:, | / )?)*)\s*(.*)", left)
    assert typed is not None
    names, value = tuple(re.findall(r"-[\w-]+", typed[1])), typed[2]
    if kind == "argument":
        names, value = (re.sub(r" <[^>]*>$", "", value),), ""
    meaning, _, notes = Text.from_markup(right.replace("[", "\\[")).plain.partition("  [")
    parts = [text(meaning)]
    for note in filter(None, notes.removesuffix("]").split("; ")):
        parts.append("**Needed.**" if note == "required" else f"({code(note)})")
    return _Record(kind, tuple(sorted(names, key=len, reverse=True)), _TYPES.get(value, value), " ".join(parts))


def _first_line(command: Any) -> str:
    return Text.from_markup((command.short_help or command.help or "").partition("\n\n")[0]).plain


def _paragraphs(markup: str | None) -> str:
    """Help text as Markdown; lines that call the program become blocks of code."""
    blocks: list[str] = []
    for paragraph in re.split(r"\n\s*\n", Text.from_markup(markup or "").plain):
        word, found, call = paragraph.strip().partition("radsam ")
        if found and word.strip() in ("", "Example:"):
            if blocks and blocks[-1].startswith("```") and not word.strip():
                blocks[-1] = blocks[-1].removesuffix("```") + f"radsam {call}\n```"
            else:
                blocks += [word.strip()] * bool(word.strip()) + [f"```sh\nradsam {call}\n```"]
        else:
            blocks.append(text(paragraph))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w]+", "-", heading.lower()).strip("-")
