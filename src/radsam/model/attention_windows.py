"""Cutting a square grid of tokens into windows for local attention, and back."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Windows:
    """How a grid is cut: its sizes are plain numbers, so that an exported graph keeps them fixed.

    Args:
        grid: Tokens along one side of the grid.
        window: Tokens along one side of a window. The grid is padded with zeros on its
            right and lower side to a whole number of windows.
        channels: Channels of a token.
    """

    grid: int
    window: int
    channels: int

    @property
    def count(self) -> int:
        """Number of windows along one side of the padded grid."""
        return -(-self.grid // self.window)

    @property
    def padding(self) -> int:
        """Number of tokens that are added to each row and column."""
        return self.count * self.window - self.grid

    def split(self, x: Float[Tensor, "b g g c"]) -> Float[Tensor, "n w w c"]:
        """Cut into windows; all windows of one image follow each other, row by row."""
        if self.padding:
            x = functional.pad(x, (0, 0, 0, self.padding, 0, self.padding))
        n, w, c = self.count, self.window, self.channels
        return x.reshape(-1, n, w, n, w, c).transpose(2, 3).reshape(-1, w, w, c)

    def join(self, x: Float[Tensor, "n w w c"]) -> Float[Tensor, "b g g c"]:
        """Undo `split`: put the windows back and drop the padding."""
        n, w, c = self.count, self.window, self.channels
        grid = x.reshape(-1, n, n, w, w, c).transpose(2, 3).reshape(-1, n * w, n * w, c)
        return grid[:, : self.grid, : self.grid] if self.padding else grid
