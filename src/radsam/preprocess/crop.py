"""A crop: the part of a slice that the model sees, so that a small object gets more of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from radsam.errors import PromptError
from radsam.volume import SliceGrid

#: A crop that covers this share of the slice shows no more than the slice does.
_NEARLY_WHOLE = 0.8
#: An object this close to the edge of a crop, as a share of its side, may extend beyond the crop.
_EDGE_SHARE = 0.04


@dataclass(frozen=True)
class Crop:
    """A rectangle of a slice in the radiological display.

    Args:
        row: First row.
        col: First column.
        rows: Number of rows.
        cols: Number of columns.

    Raises:
        PromptError: It is empty or starts outside the slice.
    """

    row: int
    col: int
    rows: int
    cols: int

    def __post_init__(self) -> None:
        if min(self.row, self.col) < 0 or min(self.rows, self.cols) < 1:
            raise PromptError(
                f"A crop of {self.rows}×{self.cols} pixels at row {self.row}, column {self.col} is not inside a slice: "
                "its corner must be 0 or larger and its sides at least 1."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols

    def take(self, display: Shaped[np.ndarray, "rows cols"]) -> Shaped[np.ndarray, "r c"]:
        """Cut the crop out of a displayed slice; a view."""
        return display[self.row : self.row + self.rows, self.col : self.col + self.cols]

    @classmethod
    def around(
        cls, grid: SliceGrid, box_uvuv: tuple[int, int, int, int], *, ratio: float | int, max_zoom: float | int
    ) -> Crop | None:
        """Choose the crop for an object: a square in millimetres, with the object in its middle.

        Args:
            grid: The slices.
            box_uvuv: Inclusive box around the object, in stored pixels.
            ratio: Side of the square, as a multiple of the box's longer side.
            max_zoom: The square is no smaller than the slice's longer side divided by this.

        Returns:
            The crop, moved to lie inside the slice; None where it would be nearly the whole slice.
        """
        (top, left), (bottom, right) = _display_box(grid, box_uvuv)
        spacing_mm = grid.display_spacing_mm
        lengths_mm = [n * mm for n, mm in zip(grid.display_shape, spacing_mm, strict=True)]
        box_mm = max((bottom - top + 1) * spacing_mm[0], (right - left + 1) * spacing_mm[1])
        side_mm = max(ratio * box_mm, max(lengths_mm) / max_zoom)
        if side_mm >= _NEARLY_WHOLE * max(lengths_mm):
            return None
        spans = [
            _span(low, high, side_mm / mm, n)
            for low, high, mm, n in zip((top, left), (bottom, right), spacing_mm, grid.display_shape, strict=True)
        ]
        (row, rows), (col, cols) = spans
        return cls(row, col, rows, cols)

    def holds(self, grid: SliceGrid, box_uvuv: tuple[int, int, int, int]) -> bool:
        """Whether a box lies inside and away from the edges, except where those are the slice's own."""
        corners = _display_box(grid, box_uvuv)
        spans = ((self.row, self.rows), (self.col, self.cols))
        return all(
            (low >= first + _EDGE_SHARE * length or (first == 0 and low >= 0))
            and (high < first + length - _EDGE_SHARE * length or (first + length == n and high < n))
            for low, high, (first, length), n in zip(*corners, spans, grid.display_shape, strict=True)
        )


def _display_box(grid: SliceGrid, box_uvuv: tuple[int, int, int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (top, left) and (bottom, right) of an inclusive box of stored pixels."""
    u0, v0, u1, v1 = box_uvuv
    corners = [grid.uv_to_display_xy(float(u), float(v)) for u, v in ((u0, v0), (u1, v1))]
    xs, ys = ([round(each) for each in axis] for axis in zip(*corners, strict=True))
    return (min(ys), min(xs)), (max(ys), max(xs))


def _span(low: int, high: int, length: float, whole: int) -> tuple[int, int]:
    """First pixel and number of pixels of a span of `length` about the middle of low to high, inside `whole`."""
    # Rounded twice, as in `SliceFrame`: the last digits of a spacing must not decide.
    count = min(whole, max(1, round(round(length, 3))))
    first = round(round((low + high + 1 - count) / 2, 3))
    return max(0, min(first, whole - count)), count
