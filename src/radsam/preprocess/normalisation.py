"""How an image becomes a model's input values: named by the bundle, chosen once for an object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Shaped

from radsam.errors import PromptError


@dataclass(frozen=True)
class Window:
    """A range of Hounsfield units, mapped linearly to [0, 1] and clipped (paper 3.2).

    Args:
        low_hu: The value that becomes 0.
        high_hu: The value that becomes 1.

    Raises:
        PromptError: The range is empty or not finite.
    """

    low_hu: float
    high_hu: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low_hu", float(self.low_hu))
        object.__setattr__(self, "high_hu", float(self.high_hu))
        if not (np.isfinite(self.low_hu) and np.isfinite(self.high_hu) and self.low_hu < self.high_hu):
            raise PromptError(
                f"The window {self.low_hu:g} to {self.high_hu:g} is empty. Give the lower end first, "
                "for example -160 240 (soft tissue), -1350 150 (lung) or -500 1300 (bone)."
            )

    def apply(self, hu: Shaped[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
        """Map Hounsfield units to [0, 1]."""
        scaled: Float[np.ndarray, "*shape"] = (hu.astype(np.float32) - np.float32(self.low_hu)) * np.float32(
            1.0 / (self.high_hu - self.low_hu)
        )
        return np.clip(scaled, 0.0, 1.0, out=scaled)


@dataclass(frozen=True)
class Normalisation:
    """Values to [0, 1] by a window, then to each channel by its mean and standard deviation.

    Args:
        window: The window, in Hounsfield units for CT.
        pixel_mean: Subtracted from the windowed image, per channel.
        pixel_std: Divides it afterwards, per channel.
    """

    window: Window
    pixel_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def with_window(self, window: Window) -> Normalisation:
        """Return the same normalisation with the window that a user chose."""
        return replace(self, window=window)

    def to_unit(self, values: Shaped[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "rows cols"]:
        """Map an image's values to [0, 1]; the image is resized after this."""
        return self.window.apply(values)

    def to_channels(self, unit: Float32[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "3 rows cols"]:
        """Normalise a resized image in [0, 1] for each channel."""
        channels = zip(self.pixel_mean, self.pixel_std, strict=True)
        return np.stack([(unit - np.float32(mean)) / np.float32(std) for mean, std in channels])
