"""How an image becomes a model's input values: named by the bundle, chosen once for an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Shaped

from radsam.errors import PromptError

#: Voxels from which percentiles are computed; more take longer and change nothing that is seen.
_MOST_SAMPLES = 4_000_000


@dataclass(frozen=True)
class Window:
    """A range of values, mapped linearly to [0, 1] and clipped (paper 3.2).

    Args:
        low: The value that becomes 0.
        high: The value that becomes 1.

    Raises:
        PromptError: The range is empty or not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise PromptError(
                f"The window {self.low:g} to {self.high:g} is empty. Give the lower end first, "
                "for example -160 240 (soft tissue), -1350 150 (lung) or -500 1300 (bone) in a CT."
            )

    def apply(self, values: Shaped[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
        """Map values to [0, 1]."""
        scaled: Float[np.ndarray, "*shape"] = (values.astype(np.float32) - np.float32(self.low)) * np.float32(
            1.0 / (self.high - self.low)
        )
        return np.clip(scaled, 0.0, 1.0, out=scaled)


@dataclass(frozen=True)
class Percentiles:
    """The rule for values without a unit: a window between two percentiles of the volume (MedSAM 2024, preprocessing).

    The lower one is of all voxels above the least value; the upper one of the foreground, the voxels above the mean,
    so that neither the share of air nor a few bright voxels move it. Values that are scaled or shifted give the window
    that is scaled and shifted likewise, so the model's input stays as it is.

    Args:
        low: The lower percentile, 0 to 100.
        high: The upper percentile.

    Raises:
        PromptError: They are out of range or not in order.
    """

    low: float = 0.5
    high: float = 99.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if not 0 <= self.low < self.high <= 100:
            raise PromptError(f"Percentiles go from 0 to 100, the lower first, not {self.low:g} to {self.high:g}.")

    def window(self, values: Shaped[np.ndarray, "k j i"]) -> Window:
        """Return the window of a whole volume.

        Args:
            values: Its values, finite and not constant.
        """
        step = max(1, round((values.size / _MOST_SAMPLES) ** (1 / 3)))
        sample = values[::step, ::step, ::step].astype(np.float64).ravel()
        if sample.min() == sample.max():  # all that differs is between the samples
            sample = values.astype(np.float64).ravel()
        low = float(np.percentile(sample[sample > sample.min()], self.low))
        high = float(np.percentile(sample[sample > sample.mean()], self.high))
        # A volume of few values can have both at one of them.
        return Window(low, high) if low < high else Window(float(sample.min()), float(sample.max()))


#: How a volume's values become a window: of their unit, or of the volume.
WindowRule = Window | Percentiles


@dataclass(frozen=True)
class Normalisation:
    """Values to [0, 1] by a window, then to each channel by its mean and standard deviation.

    Args:
        window: The window, in the volume's unit.
        pixel_mean: Subtracted from the windowed image, per channel.
        pixel_std: Divides it afterwards, per channel.
    """

    window: Window
    pixel_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def to_unit(self, values: Shaped[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "rows cols"]:
        """Map an image's values to [0, 1]; the image is resized after this."""
        return self.window.apply(values)

    def to_channels(self, unit: Float32[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "3 rows cols"]:
        """Normalise a resized image in [0, 1] for each channel."""
        channels = zip(self.pixel_mean, self.pixel_std, strict=True)
        return np.stack([(unit - np.float32(mean)) / np.float32(std) for mean, std in channels])
