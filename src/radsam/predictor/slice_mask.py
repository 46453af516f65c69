"""What is asked of one slice, and what is answered.

Coordinates are pixels (u, v) of the slice as stored; see `radsam.volume.plane`.
"""

from __future__ import annotations

from dataclasses import dataclass

from radsam.volume import RunMask


@dataclass(frozen=True)
class SlicePrompt:
    """Everything that is said about one slice; hashable, so that an answer can be remembered.

    Args:
        box_uvuv: An inclusive box u0, v0, u1, v1.
        points_uv: Points as (u, v, positive).
        mask: A mask of the slice.
    """

    box_uvuv: tuple[int, int, int, int] | None = None
    points_uv: tuple[tuple[int, int, bool], ...] = ()
    mask: RunMask | None = None

    def __bool__(self) -> bool:
        """Whether anything is said at all."""
        return self.box_uvuv is not None or bool(self.points_uv) or self.mask is not None


@dataclass(frozen=True)
class SliceMask:
    """The answer on one slice.

    Args:
        index: The slice.
        mask: The mask, on the slice as stored.
        score: The IoU that the model predicts for it; 1.0 where no model was asked.
    """

    index: int
    mask: RunMask
    score: float
