"""Run-length masks: small enough to keep every step of a history.

A mask is its flattened (row-major) runs of alternating background and foreground
lengths, background first. The encoding is unique, so equal masks have equal runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int64, UInt32

from radsam.errors import SessionError


@dataclass(frozen=True, eq=False)
class RunMask:
    """A two-dimensional boolean mask as run lengths.

    Args:
        shape: Rows and columns.
        runs: Run lengths, background first; their sum is rows × columns.

    Raises:
        SessionError: The runs do not fill the shape.
    """

    shape: tuple[int, int]
    runs: UInt32[np.ndarray, " n"]

    def __post_init__(self) -> None:
        if int(self.runs.sum(dtype=np.int64)) != self.shape[0] * self.shape[1]:
            raise SessionError(
                f"A stored mask is damaged: its runs do not fill {self.shape[0]}×{self.shape[1]} pixels."
            )

    @classmethod
    def encode(cls, mask: Bool[np.ndarray, "rows cols"]) -> RunMask:
        """Encode a boolean mask."""
        flat = np.ascontiguousarray(mask).ravel()
        ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        edges = np.concatenate([[0], ends, [flat.size]])
        runs = np.diff(edges)
        if flat.size and flat[0]:
            runs = np.concatenate([[0], runs])
        return cls((mask.shape[0], mask.shape[1]), runs.astype(np.uint32))

    @classmethod
    def encode_part(
        cls,
        part: Bool[np.ndarray, "part_rows part_cols"],
        rows: Int64[np.ndarray, " part_rows"],
        cols: Int64[np.ndarray, " part_cols"],
        shape: tuple[int, int],
    ) -> RunMask:
        """Encode a mask of which only some rows and columns are given; the others are background.

        Args:
            part: The pixels of those rows and columns.
            rows: Where each of its rows lies, ascending.
            cols: Where each of its columns lies, ascending; before a gap the part's column is background.
            shape: Rows and columns of the whole mask.
        """
        return next(iter(cls.encode_parts(part[None], rows, cols, shape)))

    @classmethod
    def encode_parts(
        cls,
        parts: Bool[np.ndarray, "count part_rows part_cols"],
        rows: Int64[np.ndarray, " part_rows"],
        cols: Int64[np.ndarray, " part_cols"],
        shape: tuple[int, int],
    ) -> Iterator[RunMask]:
        """Encode many masks of which the same rows and columns are given; see `encode_part`."""
        count = len(parts)
        framed = np.zeros((count, rows.size, cols.size + 2), dtype=bool)
        framed[:, :, 1:-1] = parts
        # On each row, runs begin and end in turn; a run ends after its last column.
        number, row, step = np.nonzero(framed[:, :, 1:] != framed[:, :, :-1])
        edges = rows[row] * shape[1]
        edges[::2] += cols[step[::2]]
        edges[1::2] += cols[step[1::2] - 1] + 1
        # Where a run reaches the end of a row and the next row begins with one, both edges go: they are one run.
        one_run = (edges[1:-1:2] == edges[2::2]) & (number[1:-1:2] == number[2::2])
        present = np.append(np.insert(np.repeat(~one_run, 2), 0, True), True)[: edges.size]
        edges, ends = edges[present], np.searchsorted(number[present], np.arange(count + 1))
        for start, stop in pairwise(ends):
            yield cls.of_edges(shape, edges[start:stop])

    @classmethod
    def of_edges(cls, shape: tuple[int, int], edges: Int64[np.ndarray, " n"]) -> RunMask:
        """Return the mask whose background and foreground change at `edges`; the inverse of `edges`.

        Args:
            shape: Rows and columns.
            edges: Indices into the flattened mask, ascending without repetition; the last one may be its end.
        """
        size = shape[0] * shape[1]
        inside = edges[:-1] if edges.size and edges[-1] == size else edges
        return cls(shape, np.diff(np.concatenate([[0], inside, [size]])).astype(np.uint32))

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> RunMask:
        """Return the mask without a foreground pixel."""
        return cls(shape, np.array([shape[0] * shape[1]], np.uint32))

    def decode(self) -> Bool[np.ndarray, "rows cols"]:
        """Return the boolean mask; the inverse of `encode`."""
        values = np.arange(self.runs.size) % 2 == 1
        return np.repeat(values, self.runs).reshape(self.shape)

    @property
    def edges(self) -> Int64[np.ndarray, " n"]:
        """Indices into the flattened mask where background and foreground change, ascending; foreground is first."""
        return np.cumsum(self.runs[:-1], dtype=np.int64)

    @cached_property
    def area(self) -> int:
        """Number of foreground pixels."""
        return int(self.runs[1::2].sum(dtype=np.int64))

    def __xor__(self, other: RunMask) -> RunMask:
        """Return the pixels that one of two masks of a shape has and the other has not, without decoding them."""
        return RunMask.of_edges(self.shape, np.setxor1d(self.edges, other.edges, assume_unique=True))

    def __or__(self, other: RunMask) -> RunMask:
        """Return the pixels that any of two masks of a shape has, without decoding them."""
        return self._combined(other, np.logical_or)

    def __sub__(self, other: RunMask) -> RunMask:
        """Return the pixels that the other mask of a shape has not, without decoding them."""
        return self._combined(other, np.greater)

    def _combined(self, other: RunMask, operation: np.ufunc) -> RunMask:
        edges = np.unique(np.concatenate([self.edges, other.edges]))
        one, two = (np.searchsorted(each.edges, edges, side="right") % 2 == 1 for each in (self, other))
        inside = operation(one, two)
        return RunMask.of_edges(self.shape, edges[np.diff(inside, prepend=False)])

    @property
    def enclosing_box(self) -> tuple[int, int, int, int] | None:
        """The inclusive box u0, v0, u1, v1 around the foreground; None where there is none."""
        edges = np.cumsum(self.runs, dtype=np.int64)
        stops = edges[1::2]
        starts = edges[::2][: stops.size]
        starts, stops = starts[starts < stops], stops[starts < stops]
        if starts.size == 0:
            return None
        cols = self.shape[1]
        top, bottom = int(starts[0]) // cols, int(stops[-1] - 1) // cols
        if (starts // cols != (stops - 1) // cols).any():  # a run over the end of a row holds its last and first pixel
            return 0, top, cols - 1, bottom
        return int((starts % cols).min()), top, int(((stops - 1) % cols).max()), bottom

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, RunMask) and self.shape == other.shape and np.array_equal(self.runs, other.runs)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.runs.tobytes()))
