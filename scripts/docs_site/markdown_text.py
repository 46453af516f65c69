"""Text of the program as Markdown: what the reference pages are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Signs that Markdown, or one of its extensions, would take for its own.
_SIGNS = re.compile(r"([\\*_<>|{}\[\]])")


def text(plain: str) -> str:
    """Escape what is not between backticks, on one line; names of pages of the docs become links."""
    parts = re.split(r"(`[^`]*`)", " ".join(plain.split()))
    return "".join(
        part.replace("|", "\\|") if n % 2 else _linked(_SIGNS.sub(r"\\\1", part)) for n, part in enumerate(parts)
    )


def code(plain: str) -> str:
    """Inline code that may stand in a table."""
    return f"`{plain}`".replace("|", "\\|")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are Markdown already; nothing without rows."""
    lines = [" | ".join(cells) for cells in rows]
    if not lines:
        return ""
    names = tuple(header)
    return "\n".join(f"| {line} |" for line in (" | ".join(names), " | ".join("---" for _ in names), *lines)) + "\n"


def _linked(escaped: str) -> str:
    """Pages are named as in the repository: docs/batch.md. Reference pages lie two folders below."""
    return re.sub(r"docs/([\w/\\-]+)\.md", lambda found: f"[{found[0]}](../../{_bare(found[1])}.md)", escaped)


def _bare(escaped: str) -> str:
    return escaped.replace("\\", "")
