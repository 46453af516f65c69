"""A page that shows a result: the prompted slice large, and slices spread over the object.

Everything is shown in the radiological convention (`SliceGrid.to_display`) and in true
proportions: a millimetre is as wide as it is high, for all shapes of voxels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from radsam.errors import GridMismatchError
from radsam.render.page_text import DIM_COLOUR, PAGE_COLOUR, TEXT_COLOUR, write_text
from radsam.render.slice_drawing import (
    NEGATIVE_COLOUR,
    POSITIVE_COLOUR,
    PROMPT_COLOUR,
    Crop,
    Viewport,
    prompt_colour,
)
from radsam.render.slice_picture import Outlined, SlicePicture, crop_around, tile_corners
from radsam.volume import Bounds, Geometry, Plane, Prompt, SliceGrid, Volume
from radsam.volume.object_colours import OBJECT_COLOURS, Colour

PAGE_SIZE = (1680, 1050)
#: Left, top, width and height of each part of the page; the legend follows the mosaic.
_MAIN = (28, 96, 980, 900)
_MOSAIC = (1032, 96, 620, 640)
_LEGEND_BOTTOM, _LEGEND_ROW = 1004, 27
_TILE_GAP = 6
#: Most slices of the mosaic, and the fewest that show how an object changes.
_MOST_TILES, _FEWEST_TILES = 16, 9
#: Context around the object in the mosaic: this share of its size, and at least this many mm.
_MARGIN_SHARE, _MARGIN_MM = 0.15, 15.0
_SCALE_BARS_MM = (100, 50, 20, 10, 5, 2, 1)

#: Names of the prompts in the legend, by their colour.
_PROMPT_NAMES = {
    PROMPT_COLOUR: "prompt",
    POSITIVE_COLOUR: "belongs to the object",
    NEGATIVE_COLOUR: "does not belong to it",
}
#: World axis of each plane's normal, and the letters of its positive and negative side.
_NORMAL = {Plane.AXIAL: (2, "S", "I"), Plane.CORONAL: (1, "P", "A"), Plane.SAGITTAL: (0, "L", "R")}

Masks = Mapping[str, Bool[np.ndarray, "k j i"]]


def render_preview(
    volume: Volume,
    masks: Masks,
    *,
    plane: Plane,
    index: int,
    window: tuple[float, float],
    prompts: Sequence[Prompt] = (),
    title: str = "",
    bounds: Bounds | None = None,
    whole_voxels: Mapping[str, int] | None = None,
    footer: str = "",
) -> Image.Image:
    """Draw a page about one slice and the objects in the volume.

    Args:
        volume: The volume.
        masks: Name to mask (k, j, i) on the grid of the volume; a mask may be empty.
        plane: The plane to show.
        index: The slice to show large, usually the prompted one.
        window: The values that become black and white, the lower first.
        prompts: Drawn on the slices they lie on.
        title: Heading of the page.
        bounds: First and last slice of the mosaic; by default those of the masks.
        whole_voxels: Name to number of voxels of an object of which the mask is a part, as another object has the
            rest; None where the masks are whole.
        footer: A line below the slice, for example the model and its engine.

    Returns:
        An RGB picture of `PAGE_SIZE`.

    Raises:
        GridMismatchError: A mask has another shape than the volume.
        PromptError: The window is empty, or the slice does not exist.
    """
    for name, mask in masks.items():
        if mask.shape != volume.geometry.shape_kji:
            raise GridMismatchError(f"The mask {name!r} is {mask.shape}, the volume {volume.geometry.shape_kji}.")
    grid = SliceGrid.of(volume.geometry, plane)
    objects = [Outlined(mask, _colour(number)) for number, mask in enumerate(masks.values())]
    picture = SlicePicture(volume, grid, window, objects, prompts)
    page = Image.new("RGB", PAGE_SIZE, PAGE_COLOUR)
    _draw_main(page, picture, index)
    bottom = _draw_mosaic(page, picture, index, bounds or _extent(masks, grid))
    _draw_legend(page, bottom + 24, volume.geometry, masks, prompts, whole_voxels or {})
    write_text(page, (28, 46), title or "RadSAM preview", 27, anchor="ls", width=1624)
    write_text(page, (28, 78), _slice_line(volume, grid, index, window), 17, colour=DIM_COLOUR, anchor="ls")
    write_text(page, (28, 1030), footer, 15, colour=DIM_COLOUR, anchor="ls", width=1400)
    write_text(page, (1652, 1030), "Not for diagnostic use", 15, colour=DIM_COLOUR, anchor="rs")
    return page


def main_view(grid: SliceGrid) -> Viewport:
    """Return where the large slice is on the page."""
    return Viewport.fit(grid, _MAIN)


def _draw_main(page: Image.Image, picture: SlicePicture, index: int) -> None:
    left, top, width, height = _MAIN
    page.paste((0, 0, 0), (left, top, left + width, top + height))
    view = main_view(picture.grid)
    picture.draw(page, view, index, line_px=2.0, mark_px=9.0)
    # At the edges of the area, not of the picture: a thin slice has no room for letters.
    x_mid, y_mid = width // 2, height // 2
    places = ((8, y_mid, "lm"), (width - 8, y_mid, "rm"), (x_mid, 8, "mt"), (x_mid, height - 8, "mb"))
    for letter, (x, y, anchor) in zip(picture.grid.display_letters, places, strict=True):
        write_text(page, (left + x, top + y), letter, 24, anchor=anchor, halo=True)
    _draw_scale_bar(page, view, picture.grid)


def _draw_mosaic(page: Image.Image, picture: SlicePicture, index: int, extent: Bounds) -> int:
    """Draw the mosaic and return the page row below it."""
    grid = picture.grid
    pixels = picture.object_pixels(max(extent.low, 0), extent.high)
    crop = crop_around(pixels, grid.display_shape, grid.display_spacing_mm, share=_MARGIN_SHARE, margin=_MARGIN_MM)
    slices = _spread(extent, grid.count, index)
    views = _tiles(grid, crop, len(slices))
    for at, view in zip(slices, views, strict=True):
        picture.draw(page, view, at, line_px=1.5, mark_px=5.0, caption_size=14)
        if at == index:
            corners = (view.left - 1, view.top - 1, view.left + view.width, view.top + view.height)
            ImageDraw.Draw(page).rectangle(corners, outline=TEXT_COLOUR, width=1)
    return views[-1].top + views[-1].height


def _draw_scale_bar(page: Image.Image, view: Viewport, grid: SliceGrid) -> None:
    per_mm = view.px_per_mm(grid)
    length_mm = next((mm for mm in _SCALE_BARS_MM if mm * per_mm <= 240), None)
    if length_mm is None:
        return
    left, bottom = _MAIN[0] + 16, _MAIN[1] + _MAIN[3] - 16
    right = left + round(length_mm * per_mm)
    draw = ImageDraw.Draw(page)
    for colour, width in (((0, 0, 0), 5), (TEXT_COLOUR, 2)):
        draw.line((left, bottom, right, bottom), fill=colour, width=width)
        for x in (left, right):
            draw.line((x, bottom - 5, x, bottom + 5), fill=colour, width=width)
    write_text(page, (left, bottom - 9), f"{length_mm} mm", 16, anchor="lb", halo=True)


def _draw_legend(
    page: Image.Image,
    top: int,
    geometry: Geometry,
    masks: Masks,
    prompts: Sequence[Prompt],
    whole_voxels: Mapping[str, int],
) -> None:
    left, width = _MOSAIC[0], _MOSAIC[2]
    draw = ImageDraw.Draw(page)
    ml = geometry.voxel_volume_mm3 / 1000
    entries = [
        (name, _size(int(np.count_nonzero(mask)), whole_voxels.get(name), ml), _colour(number))
        for number, (name, mask) in enumerate(masks.items())
    ]
    drawn = {prompt_colour(prompt) for prompt in prompts}
    entries = [(name, "", colour) for colour, name in _PROMPT_NAMES.items() if colour in drawn] + entries
    rows = (_LEGEND_BOTTOM - top) // _LEGEND_ROW
    columns = 1 if len(entries) <= rows else 2
    more = len(entries) - rows * columns
    if more > 0:
        # The last row has the number of those left out.
        entries = [*entries[: rows * columns - 1], (f"and {more + 1} more", "", PAGE_COLOUR)]
    pitch = width // columns
    for number, (name, size, colour) in enumerate(entries):
        x, y = left + number // rows * pitch, top + number % rows * _LEGEND_ROW + _LEGEND_ROW // 2
        # A prompt is dashed on the picture, so it is here.
        dashes = (0, 9, 18) if colour == PROMPT_COLOUR else (0,)
        for start in dashes:
            draw.line((x + start, y, x + (start + 5 if len(dashes) > 1 else 22), y), fill=colour, width=3)
        # 9 pixels for each character of the size: digits are about that wide.
        write_text(page, (x + 34, y), name, 17, anchor="lm", width=pitch - 60 - max(70, 9 * len(size)))
        write_text(page, (x + pitch - 16, y), size, 17, anchor="rm", colour=DIM_COLOUR)


def _slice_line(volume: Volume, grid: SliceGrid, index: int, window: tuple[float, float]) -> str:
    axis, positive, negative = _NORMAL[grid.plane]
    middle = np.array(grid.join(index, (grid.shape_vu[1] - 1) // 2, (grid.shape_vu[0] - 1) // 2), dtype=np.float64)
    at_mm = float(volume.geometry.index_to_mm(middle)[axis])
    low, high = window
    row_mm, col_mm = grid.display_spacing_mm
    parts = (
        f"{grid.plane.capitalize()} slice {grid.axis_name} = {index} of 0 to {grid.count - 1}",
        f"{positive if at_mm >= 0 else negative} {abs(at_mm):.1f} mm",
        f"{volume.modality.value}, window {low:g} to {high:g} {volume.unit}".rstrip(),
        f"pixels {col_mm:.3g} x {row_mm:.3g} mm",
    )
    return "    ".join(parts)


def _extent(masks: Masks, grid: SliceGrid) -> Bounds:
    """Return the slices that hold any object; all slices when there is none."""
    others = tuple(2 - axis for axis in grid.uv_axes)
    held = np.zeros(grid.count, dtype=bool)
    for mask in masks.values():
        held |= mask.any(axis=others)
    found = np.flatnonzero(held)
    return Bounds(int(found[0]), int(found[-1])) if found.size else Bounds(0, grid.count - 1)


def _spread(extent: Bounds, count: int, index: int) -> list[int]:
    """Choose the slices of the mosaic: evenly spread, both ends and the prompted slice among them."""
    low, high = max(extent.low, 0), min(extent.high, count - 1)
    while high - low + 1 < min(_FEWEST_TILES, count):
        low, high = max(low - 1, 0), min(high + 1, count - 1)
    chosen = np.unique(np.round(np.linspace(low, high, min(_MOST_TILES, high - low + 1))).astype(int))
    if low <= index <= high and index not in chosen:
        inner = chosen[1:-1]
        inner[np.argmin(np.abs(inner - index))] = index
    return [int(each) for each in chosen]


def _tiles(grid: SliceGrid, crop: Crop | None, count: int) -> list[Viewport]:
    """Divide the mosaic's area into the rows and columns that show the slices largest."""
    left, top, width, height = _MOSAIC

    def tile(columns: int) -> tuple[int, int]:
        rows = -(-count // columns)
        return (width - (columns - 1) * _TILE_GAP) // columns, (height - (rows - 1) * _TILE_GAP) // rows

    def scale(columns: int) -> float:
        return Viewport.fit(grid, (0, 0, *tile(columns)), crop).px_per_mm(grid)

    columns = max(range(1, count + 1), key=scale)
    shown = Viewport.fit(grid, (0, 0, *tile(columns)), crop)
    pitch = shown.width + _TILE_GAP, shown.height + _TILE_GAP
    return [replace(shown, left=x, top=y) for x, y in tile_corners(count, columns, (left, top), pitch)]


def _colour(number: int) -> Colour:
    return OBJECT_COLOURS[number % len(OBJECT_COLOURS)]


def _size(voxels: int, whole: int | None, ml: float) -> str:
    """Write the volume of a mask, and of the whole object where the mask is a part of it."""
    if whole is None or whole == voxels:
        return _millilitres(voxels * ml)
    return f"{_millilitres(voxels * ml)} of {_millilitres(whole * ml)}"


def _millilitres(ml: float) -> str:
    """Format a volume with three figures at most."""
    if ml >= 100:
        return f"{ml:.0f} ml"
    return f"{ml:.1f} ml" if ml >= 10 else f"{ml:.2f} ml"
