"""How an image becomes a model's input values: named by the bundle, chosen once for an object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Shaped

from radsam.preprocess.window import Window


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
