"""Draw one slice on a page: where its pixels lie there, grey values, outlines and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64
from PIL import Image, ImageDraw

from radsam.errors import PromptError
from radsam.render.contour import mask_outlines
from radsam.volume import Box, Lasso, Mask, Point, Prompt, Scribble, SliceGrid, Volume
from radsam.volume.object_colours import Colour

#: Left, top, right and bottom edge of a part of a slice, in displayed pixels with centres on whole numbers:
#: the whole slice is (-0.5, -0.5, cols - 0.5, rows - 0.5).
Crop = tuple[float, float, float, float]
Polyline = Float64[np.ndarray, "_ 2"]

PROMPT_COLOUR: Colour = (240, 228, 66)
POSITIVE_COLOUR: Colour = (90, 230, 110)
NEGATIVE_COLOUR: Colour = (255, 85, 85)
#: Drawn this much larger and shrunk, which smooths every line.
_OVERSAMPLING = 3


@dataclass(frozen=True)
class Viewport:
    """A part of a displayed slice and its place on a page.

    Args:
        crop: The part.
        left: Page column of the picture's left edge.
        top: Page row of the picture's top edge.
        width: Columns of the picture on the page.
        height: Rows of the picture on the page.
    """

    crop: Crop
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def fit(cls, grid: SliceGrid, area: tuple[int, int, int, int], crop: Crop | None = None) -> Viewport:
        """Show `crop` (the whole slice by default) as large as an area allows, millimetres square, centred.

        Args:
            grid: The slices.
            area: Left, top, width and height on the page.
            crop: As for the class.
        """
        rows, cols = grid.display_shape
        x0, y0, x1, y1 = crop = crop or (-0.5, -0.5, cols - 0.5, rows - 0.5)
        row_mm, col_mm = grid.display_spacing_mm
        width_mm, height_mm = (x1 - x0) * col_mm, (y1 - y0) * row_mm
        left, top, width, height = area
        scale = min(width / width_mm, height / height_mm)
        shown_w, shown_h = max(1, round(width_mm * scale)), max(1, round(height_mm * scale))
        return cls(crop, left + (width - shown_w) // 2, top + (height - shown_h) // 2, shown_w, shown_h)

    def to_page(self, xy: Float[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Map displayed pixels (x, y) to page positions, where page pixel 0 covers 0 to 1."""
        x0, y0, x1, y1 = self.crop
        scale = np.array([self.width / (x1 - x0), self.height / (y1 - y0)])
        return np.asarray((np.asarray(xy, np.float64) - (x0, y0)) * scale + (self.left, self.top))

    def px_per_mm(self, grid: SliceGrid) -> float:
        """Page pixels per millimetre."""
        return self.width / ((self.crop[2] - self.crop[0]) * grid.display_spacing_mm[1])


def draw_slice(
    page: Image.Image,
    view: Viewport,
    volume: Volume,
    grid: SliceGrid,
    index: int,
    window: tuple[float, float],
) -> None:
    """Draw the grey values of one slice.

    Raises:
        PromptError: The window is empty, or the slice does not exist.
    """
    low, high = window
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise PromptError(f"The window {low:g} to {high:g} is empty: give the lower end first, for example -160 240.")
    values = np.ascontiguousarray(grid.to_display(grid.take(volume.values, index)), dtype=np.float32)
    draw_grey(page, view, values, window)


def draw_grey(
    page: Image.Image, view: Viewport, values: Float32[np.ndarray, "rows cols"], window: tuple[float, float]
) -> None:
    """Draw displayed values.

    They are interpolated before they are windowed, as viewers do, so that edges
    clipped by the window stay where they are.
    """
    x0, y0, x1, y1 = view.crop
    box = x0 + 0.5, y0 + 0.5, x1 + 0.5, y1 + 0.5
    shown = Image.fromarray(values).resize((view.width, view.height), Image.Resampling.BICUBIC, box=box)
    grey = np.clip((np.asarray(shown) - window[0]) * (255.0 / (window[1] - window[0])), 0, 255)
    page.paste(Image.fromarray(np.round(grey).astype(np.uint8)).convert("RGB"), (view.left, view.top))


def draw_lines(page: Image.Image, view: Viewport, lines: Sequence[Polyline], colour: Colour, width: float) -> None:
    """Draw smooth lines, clipped to the picture; they and their width are in page pixels (`Viewport.to_page`)."""
    if not lines:
        return
    ink = Image.new("L", (view.width * _OVERSAMPLING, view.height * _OVERSAMPLING))
    draw = ImageDraw.Draw(ink)
    thick = max(1, round(width * _OVERSAMPLING))
    for line in lines:
        # Pillow's coordinates are pixel centres, ours are edges.
        fine = (line - (view.left, view.top)) * _OVERSAMPLING - 0.5
        draw.line([(float(x), float(y)) for x, y in fine], fill=255, width=thick, joint="curve")
    page.paste(colour, (view.left, view.top), ink.reduce(_OVERSAMPLING))


def draw_outline(
    page: Image.Image, view: Viewport, mask_display: np.ndarray, colour: Colour, *, width: float, dotted: bool = False
) -> None:
    """Draw the outlines of a mask that is turned to the display."""
    lines = [view.to_page(each) for each in mask_outlines(mask_display)]
    if dotted:
        lines = [dot for each in lines for dot in _dashes(each, 3.0, 5.0)]
    draw_lines(page, view, lines, colour, width)


def draw_prompt(page: Image.Image, view: Viewport, grid: SliceGrid, index: int, prompt: Prompt, size: float) -> None:
    """Draw the part of a prompt that lies on slice `index`.

    A box is dashed, a mask and a lasso dotted, a scribble outlined, a point + or - of twice `size` pixels.
    """
    colour = prompt_colour(prompt)
    match prompt:
        case Point():
            at, u, v = grid.split(prompt.index_ijk)
            if at == index:
                centre = view.to_page(np.array(grid.uv_to_display_xy(float(u), float(v)), dtype=np.float64))
                draw_mark(page, view, centre, prompt.positive, size)
        case Scribble():
            stroke = np.zeros(grid.shape_vu, dtype=bool)
            u, v = prompt.pixels_by_slice(grid).get(index, np.empty((0, 2), np.int64)).T
            stroke[v, u] = True
            draw_outline(page, view, grid.to_display(stroke), colour, width=size / 3.5)
        case _ if prompt.axis != grid.axis or prompt.index != index:
            return
        case Mask():
            draw_outline(page, view, grid.to_display(prompt.pixels), colour, width=size / 3.5, dotted=True)
        case Lasso():
            corners = [grid.uv_to_display_xy(u, v) for u, v in (*prompt.polygon, prompt.polygon[0])]
            dots = _dashes(view.to_page(np.array(corners, dtype=np.float64)), 3.0, 5.0)
            draw_lines(page, view, dots, colour, size / 3.5)
        case Box(uvuv=(u0, v0, u1, v1)):
            # Both ends belong to the box, so it reaches half a pixel beyond their centres.
            corners = [grid.uv_to_display_xy(u0 - 0.5, v0 - 0.5), grid.uv_to_display_xy(u1 + 0.5, v1 + 0.5)]
            draw_box(page, view, view.to_page(np.array(corners, dtype=np.float64)), size, colour)


def prompt_colour(prompt: Prompt) -> Colour:
    """Return the colour that a prompt is drawn in."""
    if not prompt.positive:
        return NEGATIVE_COLOUR
    return POSITIVE_COLOUR if isinstance(prompt, Point | Scribble) else PROMPT_COLOUR


def prompt_pixels(grid: SliceGrid, prompt: Prompt) -> Float64[np.ndarray, "n 2"]:
    """Return displayed pixels (x, y) of a prompt: point, corners of box or lasso, points of a scribble, or mask."""
    match prompt:
        case Point():
            uv: Sequence[Sequence[float]] = [grid.split(prompt.index_ijk)[1:]]
        case Mask():
            uv = np.argwhere(prompt.pixels)[:, ::-1].tolist()
        case Scribble():
            uv = [grid.split(voxel)[1:] for voxel in prompt.voxels_ijk]
        case Lasso():
            uv = prompt.polygon
        case Box():
            uv = [prompt.uvuv[:2], prompt.uvuv[2:]]
    return np.array([grid.uv_to_display_xy(float(u), float(v)) for u, v in uv], dtype=np.float64)


def draw_box(
    page: Image.Image,
    view: Viewport,
    corners: Float64[np.ndarray, "2 2"],
    size: float,
    colour: Colour = PROMPT_COLOUR,
) -> None:
    """Draw a box prompt, dashed; two opposite corners (x, y) and `size` are in page pixels."""
    (x0, y0), (x1, y1) = corners
    outline = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    sides = _dashes(outline, 1.1 * size, 0.7 * size)
    draw_lines(page, view, sides, (0, 0, 0), size / 3.0 + 1)
    draw_lines(page, view, sides, colour, size / 4.0)


def draw_mark(page: Image.Image, view: Viewport, centre: Float64[np.ndarray, "2"], positive: bool, size: float) -> None:
    """Draw a point prompt as + or -; its centre and `size`, half of its length, are in page pixels."""
    arms = [(size, 0.0), (0.0, size)] if positive else [(size, 0.0)]
    strokes = [np.stack([centre - arm, centre + arm]) for arm in np.array(arms)]
    draw_lines(page, view, strokes, (0, 0, 0), size / 2.4 + 2)
    draw_lines(page, view, strokes, POSITIVE_COLOUR if positive else NEGATIVE_COLOUR, size / 2.4)


def _dashes(line: Polyline, on: float, off: float) -> list[Polyline]:
    """Cut a polyline into dashes of length `on`, `off` apart, corners kept."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    dashes = []
    for start in np.arange(0.0, along[-1], on + off):
        stops = np.array([start, min(start + on, along[-1])])
        inside = line[(along > stops[0]) & (along < stops[1])]
        ends = np.stack([np.interp(stops, along, line[:, axis]) for axis in (0, 1)], axis=1)
        dashes.append(np.concatenate([ends[:1], inside, ends[1:]]))
    return dashes
