"""What the decoder knows of the slice that a mask prompt comes from: its picture, and the way between the two.

A mask alone leaves the decoder two choices: to copy it, or to find the object anew. Here it also sees the
picture of the mask's own slice beside that of the slice to predict, and how far both are on the way from the
prompt to the object's bound. All of it is added to what the decoder has anyway (the dense map, the tokens of its
outputs), through layers that start at zero: a model that gets this module predicts as before, until it is trained.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.layer_norm import LayerNorm2d
from radsam.model.prompt_tokens import DISTANCE_VALUES, MASKS

#: Two pictures and a mask.
_MAPS = 3


class SourceEncoder(nn.Module):
    """Reads a mask with the pictures of its own slice and of the slice to predict.

    Args:
        dim: Channels of a token.
        channels: Channels inside; even.
    """

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.embed_distance = nn.Sequential(
            nn.Linear(DISTANCE_VALUES, channels), nn.GELU(), nn.Linear(channels, channels), nn.GELU()
        )
        self.first = nn.Sequential(
            nn.Conv2d(_MAPS, channels // 2, kernel_size=3, stride=2, padding=1),
            LayerNorm2d(channels // 2),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, kernel_size=3, stride=2, padding=1),
            LayerNorm2d(channels),
        )
        # Dilated: it sees 31 pixels of the mask's grid, more than an object moves from one slice to the next.
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=2, dilation=2)
        self.last = nn.Conv2d(channels, dim, kernel_size=1)
        self.to_tokens = nn.Linear(channels, (1 + MASKS) * dim)
        for parameter in (*self.last.parameters(), *self.to_tokens.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        mask: Float[Tensor, "b 1 m m"],
        has_source: Float[Tensor, " b"],
        pictures: Float[Tensor, "b 2 m m"],
        distance: Float[Tensor, "b d"],
    ) -> tuple[Float[Tensor, "b c g g"], Float[Tensor, "b t c"]]:
        """Return what is added to the dense map, and to the tokens of the decoder's score and masks.

        Args:
            mask: The mask prompt.
            has_source: 1 where the mask comes from another slice; where it is 0, nothing is added.
            pictures: The mask's slice and the slice to predict, as the image encoder sees them, on the mask's grid.
            distance: See `radsam.model.prompt_tokens.DISTANCE_VALUES`.
        """
        way = self.embed_distance(distance)
        local = functional.gelu(self.first(torch.cat([mask, pictures], dim=1)) + way[:, :, None, None])
        local = functional.gelu(local + self.second(local))
        counts = (has_source > 0.5).to(mask.dtype)
        dense = self.last(local) * counts.reshape(-1, 1, 1, 1)
        tokens = self.to_tokens(way).unflatten(1, (1 + MASKS, -1)) * counts.reshape(-1, 1, 1)
        return dense, tokens
