"""Where a propagation was stopped before its end: its edit holds it, so that a replay ends there, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import StrictInt

from radsam.volume import Bounds

#: The ends of an object by the name that JSON gives them.
End = Literal["low", "high"]
ENDS: tuple[End, End] = ("low", "high")
SIDE_OF: dict[End, int] = {"low": -1, "high": 1}


@dataclass(frozen=True)
class Stopped:
    """The slices up to which a stopped propagation came.

    Args:
        low: The first one.
        high: The last one.
        unfinished: The ends at which it would have continued; the other ones it had reached.

    Raises:
        PromptError: The slices are reversed or negative.
    """

    low: StrictInt
    high: StrictInt
    unfinished: tuple[End, ...]

    def __post_init__(self) -> None:
        Bounds(self.low, self.high)

    @property
    def bounds(self) -> Bounds:
        """The slices that are done."""
        return Bounds(self.low, self.high)

    @property
    def limits(self) -> dict[int, int]:
        """The last slice of each side (-1 or 1) that would have continued."""
        return {SIDE_OF[end]: self.low if end == "low" else self.high for end in self.unfinished}


@dataclass(frozen=True)
class StoppedEnd:
    """An end of an object at which its propagation was stopped.

    Args:
        at: The last slice that is done.
        requested: The slice up to which it was requested; None where the stop rule was to find the end.
    """

    at: int
    requested: int | None
