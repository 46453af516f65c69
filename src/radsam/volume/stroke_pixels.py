"""The pixels under a brush stroke: those whose centre is near the line that the brush follows.

The stroke is a union of capsules: two disks and the rectangle between them. A capsule is convex, so its part on a row
of pixels is one interval, which has a formula: no distance of any pixel is computed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64

#: A centre at the radius belongs to the stroke, whatever the last digits of both.
_TOLERANCE_MM = 1e-6
#: Segments at once: a stroke of thousands of points takes no more memory than one of this many.
_SEGMENTS = 1000


def stroke_pixels(
    path_uv: Int64[np.ndarray, "points 2"] | Float64[np.ndarray, "points 2"],
    radius_mm: float,
    spacing_mm_vu: tuple[float, float],
    shape_vu: tuple[int, int],
) -> tuple[Bool[np.ndarray, "part_rows part_cols"], Int64[np.ndarray, " part_rows"], Int64[np.ndarray, " part_cols"]]:
    """Find the pixels whose centre is within a radius of the line through some points, on one slice.

    Args:
        path_uv: The points (u, v), one or more.
        radius_mm: The radius; 0 takes the centres on the line.
        spacing_mm_vu: Millimetres between rows and between columns.
        shape_vu: Rows and columns of the slice; what lies outside is cut off.

    Returns:
        The pixels of the part of the slice around the stroke, and which rows and columns these are.
    """
    spacing_mm_uv = np.array(spacing_mm_vu[::-1])
    radius_mm += _TOLERANCE_MM
    margin = radius_mm / spacing_mm_uv
    (left, top), (right, bottom) = np.ceil(path_uv.min(axis=0) - margin), np.floor(path_uv.max(axis=0) + margin)
    rows = np.arange(max(top, 0), min(bottom, shape_vu[0] - 1) + 1, dtype=np.int64)
    cols = np.arange(max(left, 0), min(right, shape_vu[1] - 1) + 1, dtype=np.int64)
    if not rows.size or not cols.size:
        return np.zeros((rows.size, cols.size), dtype=bool), rows, cols
    # How many capsules begin and end at a column, counted from the part's left edge.
    changes = np.zeros((rows.size, cols.size + 1), dtype=np.int32)
    path_mm = (path_uv if len(path_uv) > 1 else np.repeat(path_uv, 2, axis=0)) * spacing_mm_uv
    for start in range(0, len(path_mm) - 1, _SEGMENTS):
        some_mm = path_mm[start : start + _SEGMENTS + 1]
        row, low_mm, high_mm = _intervals(some_mm, radius_mm, rows * spacing_mm_uv[1])
        first = np.ceil(low_mm / spacing_mm_uv[0]).clip(cols[0], cols[-1] + 1).astype(np.int64) - cols[0]
        after = np.floor(high_mm / spacing_mm_uv[0]).clip(cols[0] - 1, cols[-1]).astype(np.int64) + 1 - cols[0]
        some = first < after
        row *= changes.shape[1]
        np.add.at(changes.reshape(-1), (row + first)[some], 1)
        np.add.at(changes.reshape(-1), (row + after)[some], -1)
    return np.cumsum(changes[:, :-1], axis=1, dtype=np.int32) > 0, rows, cols


def _intervals(
    path_mm: Float64[np.ndarray, "points 2"], radius_mm: float, rows_mm: Float64[np.ndarray, " rows"]
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Cut the capsule around each segment of a path into rows.

    Returns:
        For each row of each capsule: which of `rows_mm` it is, and where on it the capsule begins and ends.
    """
    first = np.searchsorted(rows_mm, np.minimum(path_mm[:-1, 1], path_mm[1:, 1]) - radius_mm, side="left")
    last = np.searchsorted(rows_mm, np.maximum(path_mm[:-1, 1], path_mm[1:, 1]) + radius_mm, side="right")
    counts = last - first
    each = np.repeat(np.arange(counts.size), counts)
    row = first[each] + np.arange(each.size) - np.repeat(np.cumsum(counts) - counts, counts)
    low, high = _rectangle_interval(path_mm[each], path_mm[each + 1], radius_mm, rows_mm[row])
    for end_mm in (path_mm[each], path_mm[each + 1]):
        square = radius_mm**2 - (rows_mm[row] - end_mm[:, 1]) ** 2
        half = np.sqrt(np.maximum(square, 0))
        low = np.minimum(low, np.where(square >= 0, end_mm[:, 0] - half, np.inf))
        high = np.maximum(high, np.where(square >= 0, end_mm[:, 0] + half, -np.inf))
    return row, low, high


def _rectangle_interval(
    start_mm: Float64[np.ndarray, "n 2"],
    stop_mm: Float64[np.ndarray, "n 2"],
    radius_mm: float,
    row_mm: Float64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return where on a row the rectangle around a segment begins and ends: infinity and minus infinity if nowhere."""
    dx, dy = (stop_mm - start_mm).T
    square, down = dx**2 + dy**2, row_mm - start_mm[:, 1]
    # A direction of exactly 0 has no crossing; a tiny one has its crossings far away.
    slope_x, slope_y = (np.where(way == 0, 1e-12, way) for way in (dx, dy))
    reach = radius_mm * np.sqrt(square)
    # Between the ends: 0 <= (x·dx + down·dy) <= length². Beside the line: |x·dy - down·dx| <= radius·length.
    between = np.stack([-down * dy, square - down * dy]) / slope_x
    beside = np.stack([down * dx - reach, down * dx + reach]) / slope_y
    low, high = np.maximum(between.min(axis=0), beside.min(axis=0)), np.minimum(between.max(axis=0), beside.max(axis=0))
    nowhere = low > high
    return np.where(nowhere, np.inf, low + start_mm[:, 0]), np.where(nowhere, -np.inf, high + start_mm[:, 0])
