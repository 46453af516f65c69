"""Bounds: the first and last slice of an object."""

from __future__ import annotations

from dataclasses import dataclass

from radsam.errors import PromptError
from radsam.volume.plane import SliceGrid


@dataclass(frozen=True)
class Bounds:
    """The first and last slice of an object; both belong to it.

    Args:
        low: First slice index.
        high: Last slice index.

    Raises:
        PromptError: The bounds are reversed.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.high < self.low:
            raise PromptError(f"The bounds {self.low} to {self.high} are reversed: give the smaller slice first.")

    def __contains__(self, index: int) -> bool:
        return self.low <= index <= self.high

    def check(self, grid: SliceGrid, index: int) -> None:
        """Refuse bounds outside the volume or without the prompted slice.

        Raises:
            PromptError: The bounds do not fit.
        """
        if self.low < 0 or self.high >= grid.count:
            raise PromptError(
                f"The bounds {self.low} to {self.high} leave the volume: its {grid.plane} slices "
                f"are numbered 0 to {grid.count - 1}."
            )
        if index not in self:
            raise PromptError(
                f"The bounds {self.low} to {self.high} exclude the prompted slice {index}. "
                "Prompt on a slice between the bounds, or widen them."
            )
