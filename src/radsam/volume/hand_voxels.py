"""Voxels of one slice that were set by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        empty = RunMask.encode(np.zeros(shape_vu, bool))
        return cls(empty, empty)

    def painted(self, pixels: RunMask, *, positive: bool) -> HandVoxels:
        """Return them after a further stroke, which wins over earlier ones."""
        added = pixels.decode()
        on, off = (self.inside, self.outside) if positive else (self.outside, self.inside)
        on, off = RunMask.encode(on.decode() | added), RunMask.encode(off.decode() & ~added)
        return HandVoxels(on, off) if positive else HandVoxels(off, on)

    def apply(self, mask: RunMask) -> RunMask:
        """Return a mask of the slice with these voxels as they were set."""
        return RunMask.encode(mask.decode() & ~self.outside.decode() | self.inside.decode())
