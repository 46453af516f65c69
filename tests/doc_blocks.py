"""The blocks of code in the docs: found, and run or checked.

A comment right above a block changes what is done with it:

- ``<!-- not run: REASON -->``: nothing;
- ``<!-- file: NAME -->``: the block is the content of this file, for the blocks after it on the page;
- ``<!-- before: CODE -->``: Python that runs first, for names and files that a reader has already;
- ``<!-- run -->``, for the shell: its commands are run whole and must end with 0. Else they are parsed only.

Python runs as the page is read: one folder and one set of names for each page, the fake model, and in the folder
`ct.nii.gz`, `masks.nii.gz` (1 the liver, 2 a tumour, 3 a vessel), `more.nii.gz` and `tumour.nii.gz` (the tumour alone),
and a few slices as DICOM in `series/` and `ct_folder/`, with `RTSTRUCT.dcm`.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # of pre-commit
from typer.main import get_command

import radsam
from dicom_files import write_series
from radsam.cli.commands import app
from radsam.cli.point_arguments import join_points
from radsam.io.volume_write import write_labels, write_volume
from radsam.volume import Geometry, LabelVolume, Volume

ROOT = Path(__file__).resolve().parents[1]
#: Comments, then a fence, its language, its lines and the same fence.
_BLOCK = re.compile(
    r"(?P<comments>(?:^[ ]*<!--(?:(?!-->).)*-->\s*\n)*)"
    r"^(?P<indent>[ ]*)(?P<fence>`{3,})(?P<language>[\w-]*)[^\n`]*\n(?P<code>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"<!--\s*(not run|file|before|run)\b:?\s*(.*?)\s*-->", re.DOTALL)
#: The volume that the examples are about: (i, j, k) sizes, and spacing in mm.
_SHAPE_KJI, _SPACING_MM = (80, 192, 224), (0.8, 0.8, 2.5)
#: Centre and radii of the objects in voxels (i, j, k).
_OBJECTS = {
    "liver": ((165, 129, 50), (42, 38, 18)),
    "tumour": ((90, 77, 50), (12, 10, 5)),
    "vessel": ((60, 130, 40), (9, 9, 30)),
}


@dataclass(frozen=True)
class Block:
    """One block of code of a page."""

    page: str
    line: int
    language: str
    code: str
    notes: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page with examples for users."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for each in _BLOCK.finditer(text):
        code = re.sub(f"^{each['indent']}", "", each["code"], flags=re.MULTILINE)
        notes = dict(_COMMENT.findall(each["comments"]))
        line = text.count("\n", 0, each.start("fence")) + 1
        found.append(Block(page.relative_to(ROOT).as_posix(), line, each["language"], code, notes))
    return found


def write_examples(folder: Path) -> None:
    """Write the files that the examples read."""
    at = np.indices(_SHAPE_KJI)[::-1]
    ids = np.zeros(_SHAPE_KJI, np.uint8)
    for value, (centre, radii) in enumerate(_OBJECTS.values(), start=1):
        inside = sum(((at[n] - centre[n]) / radii[n]) ** 2 for n in range(3)) <= 1
        ids[inside] = value
    hu = np.where(ids > 0, 110, -100).astype(np.int16)
    volume = Volume(hu, Geometry(_SHAPE_KJI, np.diag([*_SPACING_MM, 1.0])))
    write_volume(volume, folder / "ct.nii.gz")
    write_labels(LabelVolume(ids, volume.geometry), folder / "masks.nii.gz")
    for name in ("more", "tumour"):
        write_labels(LabelVolume((ids == 2).astype(np.uint8), volume.geometry), folder / f"{name}.nii.gz")
    for name in ("series", "ct_folder"):
        write_series(folder / name, hu[46:54], spacing_mm_ijk=_SPACING_MM, origin_lps=(0, 0, 0))
    few = radsam.read_volume(folder / "ct_folder")
    contours = LabelVolume(ids[46:54], few.geometry, {1: "liver", 2: "GTV", 3: "vessel"})
    write_labels(
        contours, folder / "RTSTRUCT.dcm", file_format="rtstruct", source=radsam.read_source(folder / "ct_folder")
    )


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block with the names of those before it; a fault names its line of the page."""
    exec(compile(block.notes.get("before", ""), f"{block} (before)", "exec"), names)
    exec(compile("\n" * block.line + block.code, block.page, "exec"), names)


def check_data(block: Block) -> None:
    """A block of data is of its language."""
    match block.language:
        case "toml":
            tomllib.loads(block.code)
        case "yaml":
            yaml.safe_load(block.code)
        case "json":
            json.loads(block.code)
        case other:
            raise AssertionError(f"{block}: nothing checks {other!r}: write '<!-- not run: REASON -->' above it")


def commands_of(block: Block) -> list[list[str]]:
    """The commands of a block for the shell, as words."""
    lines = block.code.replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=";&|")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in (";", "&&", "|", "||", "&"):
                found += [words] * bool(words)
                words = []
            else:
                words.append(word)
    return [_bare(words) for words in found]


def _bare(words: list[str]) -> list[str]:
    """Without the variables that it sets, and where its output goes."""
    first = next((n for n, word in enumerate(words) if not re.match(r"\w+=", word)), len(words))
    last = next((n for n, word in enumerate(words) if word in (">", ">>", "<")), len(words))
    return words[first:last]


def check_command(words: list[str]) -> None:
    """Whether what a command names exists: options of `radsam`, extras, scripts.

    Raises:
        AssertionError: It does not, or nothing here knows the command.
    """
    match words:
        case [] | ["cd" | "source" | "mkdir" | "ls" | "unzip" | "cp" | "git" | "export", *_]:
            return
        case ["radsam", *rest]:
            parse(rest)
        case ["python" | "python3", "-m", "venv" | "pip", *_] | ["pip" | "pipx" | "uv" | "uvx", *_]:
            _check_extras(words)
        case ["python" | "python3" | "bash" | "pytest", file, *rest] if not file.startswith("-"):
            path = ROOT / file
            assert path.exists(), f"{file} does not exist"
            if path.suffix == ".py" and words[0] != "pytest":
                source = path.read_text("utf-8")
                assert [each for each in rest if each.startswith("--") and f'"{each}"' not in source] == [], words
        case _:
            raise AssertionError(f"nothing checks {words[0]!r}: write '<!-- not run: REASON -->' above the block")


def parse(arguments: list[str]) -> None:
    """Parse arguments of `radsam` with the program itself; words like "..." are anything."""
    command: Any = _program()
    name, rest = "radsam", join_points(arguments)
    if {"--help", "--version", "--template", "--install-completion"} & {*arguments}:
        return
    context = None
    while getattr(command, "commands", None):
        name = rest.pop(0)
        assert name in command.commands, f"radsam has no command {name!r}"
        context, command = command.context_class(command, info_name=name, parent=context), command.commands[name]
    if "..." in rest or "…" in rest:
        given = [each.partition("=")[0] for each in rest if each.startswith("-") and not each[1:2].isdigit()]
        known = {each for param in command.get_params(context) for each in (*param.opts, *param.secondary_opts)}
        assert {*given} <= known, f"radsam {name} has no { ({*given} - known) }"
        return
    command.make_context(name, rest, parent=context)


@cache
def _program() -> Any:
    return get_command(app)


@cache
def _parts() -> set[str]:
    """The optional parts that can be installed."""
    return {*tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]}


def _check_extras(words: list[str]) -> None:
    for word in words:
        for extras in re.findall(r"^radsam\[([\w,-]+)\]", word):
            assert {*extras.split(",")} <= _parts(), word
