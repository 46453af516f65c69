"""A drawing in SVG: effort over the order of the cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from radsam.benchmark.report.report_svg import COLOURS, DIM, INK, LINE, open_drawing, text_at

_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND = 48.0, 14.0, 560.0, 260.0, 170.0


@dataclass(frozen=True)
class EffortCurve:
    """One curve.

    Args:
        name: Its name in the legend.
        points: The how manieth case to its effort.
    """

    name: str
    points: Mapping[int, float]


def draw_effort(curves: Sequence[EffortCurve], what: str, marks: Sequence[int]) -> str:
    """Draw curves over the order of the cases.

    Args:
        curves: The curves.
        what: What the vertical axis counts.
        marks: Cases before which a dotted line is drawn.
    """
    last = max((max(each.points, default=1) for each in curves), default=1)
    step, top_value = _scale(max((max(each.points.values(), default=0.0) for each in curves), default=0.0))
    size = _LEFT + _WIDTH + _LEGEND, _TOP + _HEIGHT + 44
    parts = [open_drawing(*size), f"<title>{escape(what)}</title>"]

    def x_of(order: int | float) -> float:
        return _LEFT + _WIDTH * (order - 1) / max(1, last - 1)

    def y_of(value: float) -> float:
        return _TOP + _HEIGHT * (1 - value / top_value)

    for tick in range(round(top_value / step) + 1):
        y = y_of(tick * step)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDTH}" y2="{y:.1f}" stroke="{LINE}"/>')
        parts.append(text_at(_LEFT - 8, y + 4, f"{tick * step:g}", "end", DIM))
    for order in range(1, last + 1, max(1, last // 10)):
        parts.append(text_at(x_of(order), _TOP + _HEIGHT + 18, str(order), "middle", DIM))
    parts.append(text_at(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 36, f"case ({what})", "middle", DIM))
    for mark in marks:
        x = x_of(mark - 0.5)
        parts.append(
            f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_TOP + _HEIGHT}" stroke="{DIM}" stroke-dasharray="2 4"/>'
        )
    for number, curve in enumerate(curves):
        style = f'stroke="{COLOURS[number]}" stroke-width="2" fill="none"'
        path = " ".join(f"{x_of(order):.1f},{y_of(value):.1f}" for order, value in sorted(curve.points.items()))
        y = _TOP + 10 + 20.0 * number
        parts.append(f'<polyline points="{path}" {style}/>')
        parts += [
            f'<circle cx="{x_of(order):.1f}" cy="{y_of(value):.1f}" r="3" fill="{COLOURS[number]}"/>'
            for order, value in curve.points.items()
        ]
        parts.append(f'<polyline points="{_LEFT + _WIDTH + 16},{y} {_LEFT + _WIDTH + 40},{y}" {style}/>')
        parts.append(text_at(_LEFT + _WIDTH + 46, y + 4, curve.name, "start", INK))
    return "".join([*parts, "</svg>"])


def _scale(most: float) -> tuple[float, float]:
    """Return a round step of about a fifth of `most`, and the multiple of it that holds `most`."""
    rough = max(most, 1.0) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough)
    return step, step * max(1, math.ceil(most / step))
