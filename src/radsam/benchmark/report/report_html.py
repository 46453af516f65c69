"""A report as one self-contained HTML page: no script, font or picture from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from radsam.benchmark.report.report_blocks import Block, Drawing, Grid, Heading, Paragraph, Picture

_STYLE = """
:root { color-scheme: light; --ink: #1c2126; --dim: #5d6770; --line: #d9dee3; --quoted: #f4f1e8; --link: #0b5a8a; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem;
  padding-top: .8rem; border-top: 1px solid var(--line); } h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
p { max-width: 62rem; margin: .5rem 0; }
nav { color: var(--dim); margin: 1rem 0 0; } nav a { color: var(--link); margin-right: 1rem; white-space: nowrap; }
.wide { overflow-x: auto; margin: .7rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 600; vertical-align: bottom; }
td:first-child { min-width: 9rem; } tr.strong td { font-weight: 650; } tr.quoted td { background: var(--quoted); }
figure { margin: 1rem 0; } figcaption { color: var(--dim); font-size: .88rem; max-width: 60rem; }
figure.picture { display: inline-block; margin: .5rem 1.2rem .8rem 0; vertical-align: top; width: 34rem;
  max-width: 100%; }
img { width: 100%; border-radius: 4px; display: block; } svg { max-width: 100%; height: auto; }
"""


def to_html(blocks: Iterable[Block], title: str) -> str:
    """Write blocks as a page."""
    blocks = list(blocks)
    sections = [block for block in blocks if isinstance(block, Heading) and block.level == 2]
    links = "".join(f'<a href="#{_anchor(each.text)}">{escape(each.text)}</a> ' for each in sections)
    parts: list[str] = []
    for block in blocks:
        parts.append(_block(block))
        if isinstance(block, Heading) and block.level == 1:
            parts.append(f"<nav>{links}</nav>")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f'<h{block.level} id="{_anchor(block.text)}">{escape(block.text)}</h{block.level}>'
        case Paragraph():
            return f"<p>{escape(block.text)}</p>"
        case Grid():
            return _table(block)
        case Drawing():
            return f"<figure>{block.svg}<figcaption>{escape(block.caption)}</figcaption></figure>"
        case Picture():
            source = f"data:image/png;base64,{base64.b64encode(block.png).decode()}"
            caption = escape(block.caption)
            return (
                f'<figure class="picture"><img src="{source}" alt="{caption}" loading="lazy">'
                f"<figcaption>{caption}</figcaption></figure>"
            )


def _table(grid: Grid) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in grid.head)
    lines = []
    for number, row in enumerate(grid.rows):
        names = [name for name, which in (("strong", grid.strong), ("quoted", grid.quoted)) if number in which]
        mark = f' class="{" ".join(names)}"' if names else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _anchor(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())
