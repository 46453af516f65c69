"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading.

    Args:
        text: The words.
        level: 1 is the title.
    """

    text: str
    level: int = 2


@dataclass(frozen=True)
class Words:
    """A paragraph.

    Args:
        text: The words.
    """

    text: str


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        head: Column titles.
        rows: Cells, row by row.
        strong: Rows that are set bold.
        quoted: Rows that are quoted from the paper.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    quoted: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Drawing:
    """A drawing in SVG; a text without pictures gives its words only.

    Args:
        svg: The drawing.
        words: What it shows.
    """

    svg: str
    words: str


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        png: The picture.
        words: What it shows.
    """

    png: bytes
    words: str


Block = Heading | Words | Grid | Drawing | Picture
