"""A report as Markdown: its words and tables, for a README."""

from __future__ import annotations

from collections.abc import Iterable

from radsam.benchmark.report.report_blocks import Block, Grid, Heading, Words


def to_markdown(blocks: Iterable[Block]) -> str:
    """Write blocks as Markdown; drawings and pictures are for the page only."""
    parts = []
    for block in blocks:
        match block:
            case Heading():
                parts.append(f"{'#' * block.level} {block.text}")
            case Words():
                parts.append(block.text)
            case Grid():
                lines = [_line(block.head), "|" + "---|" * len(block.head)]
                for number, row in enumerate(block.rows):
                    lines.append(_line(_strong(row) if number in block.strong else row))
                parts.append("\n".join(lines))
    return "\n\n".join(_without_empty_sections(parts)) + "\n"


def _without_empty_sections(parts: list[str]) -> list[str]:
    """Drop headings under which only pictures stood."""
    kept = []
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else "#"
        is_heading, next_level = part.startswith("#"), len(following) - len(following.lstrip("#"))
        if is_heading and 0 < next_level <= len(part) - len(part.lstrip("#")):
            continue
        kept.append(part)
    return kept


def _strong(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"**{cell}**" if cell and cell != "–" else cell for cell in row)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
