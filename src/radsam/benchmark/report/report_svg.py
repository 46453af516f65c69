"""Drawings: Dice over the number of edits, Dice over what was expected, and bars by class with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

#: Okabe and Ito's palette for colour-blind readers (2008), its yellow darkened for a white page.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A7A00", "#7F7F7F")
_DASHES = ("", "6 3", "2 2")

INK, DIM, LINE = "#1c2126", "#5d6770", "#d9dee3"
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: Its name in the legend.
        points: Number of edits to Dice.
    """

    name: str
    points: Mapping[int, float]


def draw_curves(lines: Sequence[Line]) -> str:
    """Draw Dice against the number of edits; a model without edits is a level dotted line."""
    left, top, width, height, legend = 48.0, 14.0, 560.0, 320.0, 260.0
    most = max(max(line.points) for line in lines)
    parts = [open_drawing(left + width + legend, top + height + 44)]

    def x_of(edits: float) -> float:
        return left + width * edits / max(1, most)

    def y_of(dice: float) -> float:
        return top + height * (1 - dice)

    for tick in range(0, 11, 2):
        y = y_of(tick / 10)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="{LINE}"/>')
        parts.append(text_at(left - 8, y + 4, f"{tick / 10:.1f}", "end", DIM))
    step = max(1, most // 10)
    for edits in range(0, most + 1, step):
        parts.append(text_at(x_of(float(edits)), top + height + 18, str(edits), "middle", DIM))
    parts.append(text_at(left + width / 2, top + height + 36, "edits", "middle", DIM))
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        dash = _DASHES[number // len(COLOURS) % len(_DASHES)]
        points = sorted(line.points.items())
        if len(points) == 1:
            points, dash = [(0, points[0][1]), (most, points[0][1])], "2 4"
        path = " ".join(f"{x_of(float(edits)):.1f},{y_of(dice):.1f}" for edits, dice in points)
        style = f'stroke="{colour}" stroke-width="2" fill="none"' + (f' stroke-dasharray="{dash}"' if dash else "")
        parts.append(f'<polyline points="{path}" {style}/>')
        y = top + 10 + 20.0 * number
        parts.append(f'<polyline points="{left + width + 16},{y} {left + width + 40},{y}" {style}/>')
        parts.append(text_at(left + width + 46, y + 4, f"{line.name}  {points[-1][1]:.3f}", "start", INK))
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True)
class Dots:
    """What slices of some expected Dice have.

    Args:
        name: Its name in the legend.
        points: Expected Dice, Dice and number of slices.
    """

    name: str
    points: Sequence[tuple[float, float, int]]


def draw_reliability(models: Sequence[Dots]) -> str:
    """Draw Dice against expected Dice; on the dotted line both are the same, and larger dots are more slices."""
    left, top, side, legend = 48.0, 14.0, 320.0, 260.0
    parts = [open_drawing(left + side + legend, top + side + 44)]
    for tick in range(0, 11, 2):
        along, down = left + side * tick / 10, top + side * (1 - tick / 10)
        parts.append(f'<line x1="{left}" y1="{down:.1f}" x2="{left + side}" y2="{down:.1f}" stroke="{LINE}"/>')
        parts.append(text_at(left - 8, down + 4, f"{tick / 10:.1f}", "end", DIM))
        parts.append(text_at(along, top + side + 18, f"{tick / 10:.1f}", "middle", DIM))
    parts.append(text_at(left + side / 2, top + side + 36, "expected Dice", "middle", DIM))
    same = f'x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}"'
    parts.append(f'<line {same} stroke="{DIM}" stroke-dasharray="2 4"/>')
    for number, model in enumerate(models):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(left + side * x, top + side * (1 - y), count) for x, y, count in model.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed)
        parts.append(f'<polyline points="{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        most = max(count for _, _, count in placed)
        for x, y, count in placed:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 5 * (count / most) ** 0.5:.1f}" fill="{colour}"/>')
        base = top + 10 + 20.0 * number
        parts.append(f'<circle cx="{left + side + 24}" cy="{base}" r="5" fill="{colour}"/>')
        parts.append(text_at(left + side + 36, base + 4, model.name, "start", INK))
    return "".join([*parts, "</svg>"])


def draw_bars(classes: Mapping[str, Mapping[str, Sequence[float]]], models: Sequence[str]) -> str:
    """Draw classes below each other: for each model a bar to the mean, a line from least to most, a dot per object.

    Args:
        classes: Class to model to the Dice of every object.
        models: The models, in order.
    """
    left, top, width = 190.0, 26.0 + 18 * ((len(models) + 2) // 3), 600
    bar, gap = 9.0, 9.0
    height = sum(bar * len(found) + gap for found in classes.values())
    parts = [open_drawing(left + width + 40, top + height + 26)]
    for number, model in enumerate(models):
        x, base = left + 205 * (number % 3), 12.0 + 18 * (number // 3)
        parts.append(f'<rect x="{x}" y="{base - 8}" width="12" height="9" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(text_at(x + 18.0, base, model, "start", INK))

    def x_of(dice: float) -> float:
        return left + width * dice

    for tick in range(0, 11, 2):
        x = x_of(tick / 10)
        parts.append(f'<line x1="{x}" y1="{top - 6}" x2="{x}" y2="{top + height}" stroke="{LINE}"/>')
        parts.append(text_at(x, top + height + 16, f"{tick / 10:.1f}", "middle", DIM))
    y = top
    for name, found in classes.items():
        count = max(map(len, found.values()))
        label = f"{name} ({count})"
        parts.append(text_at(left - 10, y + bar * len(found) / 2 + 4, label, "end", INK))
        for model, values in found.items():
            mean = fmean(values)
            colour = COLOURS[models.index(model) % len(COLOURS)]
            middle = y + bar / 2
            parts.append(
                f'<rect x="{left}" y="{y + 1:.1f}" width="{max(0.5, width * mean):.1f}" height="{bar - 2}" '
                f'fill="{colour}" fill-opacity="0.75"><title>{escape(model)}: {mean:.3f}</title></rect>'
            )
            if len(values) > 1:
                low, high = x_of(min(values)), x_of(max(values))
                parts.append(f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="{INK}"/>')
                dots = "".join(f'<circle cx="{x_of(v):.1f}" cy="{middle}" r="1.8"/>' for v in values)
                parts.append(f'<g fill="{INK}">{dots}</g>')
            y += bar
        y += gap
    return "".join([*parts, "</svg>"])


def open_drawing(width: float, height: float) -> str:
    """Return the first tag of a drawing of this size, in pixels."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {_FONT} role="img">'


def text_at(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    """Return a line of text; `anchor` is "start", "middle" or "end"."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
