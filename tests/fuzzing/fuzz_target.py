"""What every format's fuzz has: a way to make a faulty input, and a reading whose result is compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import numpy as np
from jaxtyping import Float

from radsam.volume import Geometry

#: A voxel of a read grid may lie this far from where the header puts it, in voxels: headers keep float32.
_SAME_PLACE_VOXELS = 0.02


class WrongValueError(Exception):
    """A value differs from what the input states, and no warning says so."""


class Target(ABC):
    """A format, and how RadSAM reads it.

    Args:
        folder: Where its valid inputs are kept.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def make(self, rng: Random, case: Path) -> str:
        """Write a faulty input into the folder `case` and describe its faults."""

    @abstractmethod
    def read(self, case: Path, warned: Sequence[str]) -> str:
        """Read the input as the program does, and compare the result.

        Args:
            case: The folder of the input.
            warned: The warnings so far; it grows while RadSAM reads.

        Returns:
            "compared", or "not compared" where the input has no independent reading.

        Raises:
            RadsamError: It is refused, which is right for every faulty input.
            WrongValueError: The result is wrong.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was started."""


def number_of_faults(rng: Random) -> int:
    """Mostly one: a second fault hides what the first one does."""
    return rng.choice([1, 1, 1, 2, 3])


def require(holds: bool, message: str) -> None:
    """Raise `WrongValueError` unless it holds."""
    if not holds:
        raise WrongValueError(message)


def require_values(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Compare voxels: float32 keeps seven digits."""
    require(found.shape == expected.shape, f"{what}: the shape is {found.shape}, not {expected.shape}")
    require(bool(np.isfinite(found).all()), f"{what}: there are values that are not finite")
    with np.errstate(all="ignore"):
        same = np.isclose(found.astype(np.float64), expected.astype(np.float64), rtol=3e-6, atol=1e-6)
    if not same.all():
        at = tuple(int(each) for each in np.argwhere(~same)[0])
        raise WrongValueError(f"{what}: {int((~same).sum())} values differ, at {at} {found[at]} is not {expected[at]}")


def on_grid(geometry: Geometry, affine_lps: Float[np.ndarray, "4 4"]) -> bool:
    """Whether every corner of a grid lies where an affine puts it."""
    if not np.isfinite(affine_lps).all():
        return False
    corners = np.array(np.meshgrid(*((0, n - 1) for n in geometry.shape_ijk))).reshape(3, -1)
    moved_mm = np.abs((geometry.affine_lps - affine_lps)[:3, :3] @ corners + (geometry.affine_lps - affine_lps)[:3, 3:])
    # float32 of a position far away is coarser than a voxel.
    tolerance_mm = _SAME_PLACE_VOXELS * min(geometry.spacing_mm_ijk) + 1e-5 * float(np.abs(affine_lps[:3]).max())
    return bool(moved_mm.max() <= tolerance_mm)


def require_grid(geometry: Geometry, affines_lps: Iterable[np.ndarray], warned: Sequence[str], what: str) -> None:
    """Require that a grid is one of those that its header can mean, or that a warning was given."""
    affines = [*affines_lps]
    if not warned and not any(on_grid(geometry, each) for each in affines):
        raise WrongValueError(
            f"{what}: without a warning, the grid is {geometry.affine_lps[:3].tolist()}, not {affines[0][:3].tolist()}"
        )
