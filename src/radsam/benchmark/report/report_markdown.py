"""A report as Markdown: text and tables, for a README."""

from __future__ import annotations

from collections.abc import Iterable

from radsam.benchmark.report.report_blocks import Block, Grid, Heading, Paragraph


def to_markdown(blocks: Iterable[Block]) -> str:
    """Write blocks as Markdown, without drawings and pictures."""
    parts = []
    for block in blocks:
        match block:
            case Heading():
                parts.append(f"{'#' * block.level} {block.text}")
            case Paragraph():
                parts.append(block.text)
            case Grid():
                lines = [_line(block.head), "|" + "---|" * len(block.head)]
                for number, row in enumerate(block.rows):
                    bold = (f"**{cell}**" if cell and cell != "–" else cell for cell in row)
                    lines.append(_line(bold if number in block.strong else row))
                parts.append("\n".join(lines))
    return "\n\n".join(_without_empty_sections(parts)) + "\n"


def _without_empty_sections(parts: list[str]) -> list[str]:
    """Drop headings with nothing but pictures under them."""
    remaining = []
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else "#"
        is_heading, next_level = part.startswith("#"), len(following) - len(following.lstrip("#"))
        if is_heading and 0 < next_level <= len(part) - len(part.lstrip("#")):
            continue
        remaining.append(part)
    return remaining


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
