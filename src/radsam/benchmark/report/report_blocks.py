"""The blocks of a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading.

    Args:
        text: The text.
        level: 1 is the title.
    """

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Args:
        text: The text.
    """

    text: str


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        head: Column titles.
        rows: Cells, row by row.
        strong: Rows in bold.
        quoted: Rows quoted from the paper.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    quoted: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Drawing:
    """A drawing in SVG; left out in Markdown.

    Args:
        svg: The drawing.
        caption: The caption.
    """

    svg: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        png: The picture.
        caption: The caption.
    """

    png: bytes
    caption: str


Block = Heading | Paragraph | Grid | Drawing | Picture
