"""The paper's own figures, quoted beside our measurements on other data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from radsam.errors import InputError


@dataclass(frozen=True)
class Setting:
    """The setting that a figure was measured in.

    Args:
        level: "volume" or "slice".
        start: First prompt.
        edits: Corrections; at slice level, of each slice.
        group: Part of the objects; "" for all.
    """

    level: str
    start: str
    edits: int
    group: str


@dataclass(frozen=True)
class PaperFigure:
    """One figure of the paper.

    Args:
        model: The paper's model.
        setting: Its setting.
        value: As printed: Dice in percent, with its interval where there is one.
    """

    model: str
    setting: Setting
    value: str


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper.

    Args:
        title: "Table 2" and so on.
        data: The paper's data.
        figures: Its figures, row by row.
    """

    title: str
    data: str
    figures: tuple[PaperFigure, ...]

    @property
    def settings(self) -> list[Setting]:
        """Its columns, in order."""
        return list(dict.fromkeys(figure.setting for figure in self.figures))


@cache
def paper_tables() -> dict[str, PaperTable]:
    """Read all tables that are quoted, by name: "table2" and so on."""
    content = tomllib.loads(files("radsam.benchmark").joinpath("paper_tables.toml").read_text("utf-8"))
    return {
        name: PaperTable(
            table["title"],
            table["data"],
            tuple(
                PaperFigure(model, Setting(level, start, edits, group), value)
                for model, level, start, edits, group, value in table["rows"]
            ),
        )
        for name, table in content.items()
    }


def paper_table(name: str) -> PaperTable:
    """Find a table by name.

    Raises:
        InputError: The table does not exist.
    """
    if name not in paper_tables():
        raise InputError(f"The paper's table {name!r} is not quoted here; choose one of {', '.join(paper_tables())}.")
    return paper_tables()[name]
