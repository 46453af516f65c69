"""Voxels of one slice that were set by hand."""

from __future__ import annotations

from dataclasses import dataclass

from radsam.volume.run_mask import RunMask


@dataclass(frozen=True)
class HandVoxels:
    """The voxels of one slice that were set by hand.

    Args:
        inside: Voxels of the object.
        outside: Voxels that do not belong to it.
    """

    inside: RunMask
    outside: RunMask

    @classmethod
    def none(cls, shape_vu: tuple[int, int]) -> HandVoxels:
        """Return those of a slice that no hand has touched."""
        empty = RunMask.empty(shape_vu)
        return cls(empty, empty)

    def painted(self, pixels: RunMask, *, positive: bool) -> HandVoxels:
        """Return them after a further stroke, which wins over earlier ones."""
        if positive:
            return HandVoxels(self.inside | pixels, self.outside - pixels)
        return HandVoxels(self.inside - pixels, self.outside | pixels)

    def apply(self, mask: RunMask) -> RunMask:
        """Return a mask of the slice with these voxels as they were set."""
        return (mask - self.outside) | self.inside
