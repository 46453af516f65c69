"""Run-length masks: small enough to keep every step of a history.

A mask is its flattened (row-major) runs of alternating background and foreground
lengths, background first. The encoding is unique, so equal masks have equal runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt32

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

    def decode(self) -> Bool[np.ndarray, "rows cols"]:
        """Return the boolean mask; the inverse of `encode`."""
        values = np.arange(self.runs.size) % 2 == 1
        return np.repeat(values, self.runs).reshape(self.shape)

    @property
    def area(self) -> int:
        """Number of foreground pixels."""
        return int(self.runs[1::2].sum(dtype=np.int64))

    @property
    def enclosing_box(self) -> tuple[int, int, int, int] | None:
        """The inclusive box u0, v0, u1, v1 around the foreground; None where there is none."""
        pixels = self.decode()
        rows, cols = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        if rows.size == 0:
            return None
        return int(cols[0]), int(rows[0]), int(cols[-1]), int(rows[-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunMask) and self.shape == other.shape and np.array_equal(self.runs, other.runs)

    def __hash__(self) -> int:
        return hash((self.shape, self.runs.tobytes()))
