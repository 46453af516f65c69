"""What the decoder knows of the prompted slice: how the object and its surroundings look there.

A mask that has come over many slices has errors that add up, and may have left the object for a neighbour. The prompted
slice is the one whose mask is known to be good. Its embedding, averaged over the object and over what lies around it,
gives two prototypes (masked average pooling, Wang et al. 2019, "PANet: few-shot image semantic segmentation with
prototype alignment"). Each cell of the slice to predict is compared with both. What comes of it is added to what the
decoder has anyway, through layers that start at zero, as in `radsam.model.source_encoder`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.prompt_tokens import MASKS, PROTOTYPES, SURROUNDING_CELLS

#: Two comparisons with each prototype, and the mask.
_MAPS = 2 * PROTOTYPES + 1


class PrototypeEncoder(nn.Module):
    """Compares a slice with the prototypes of an object and its surroundings.

    Args:
        dim: Channels of the embedding and of a token.
        channels: Channels inside.
    """

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, channels, bias=False)
        self.first = nn.Conv2d(_MAPS, channels, kernel_size=3, padding=1)
        self.last = nn.Conv2d(channels, dim, kernel_size=1)
        self.read = nn.Linear(PROTOTYPES * dim, channels)
        self.to_tokens = nn.Linear(channels, (1 + MASKS) * dim)
        for parameter in (*self.last.parameters(), *self.to_tokens.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self, embedding: Float[Tensor, "b c g g"], mask: Float[Tensor, "b 1 m m"], prototypes: Float[Tensor, "b k c"]
    ) -> tuple[Float[Tensor, "b c g g"], Float[Tensor, "b t c"]]:
        """Return what is added to the dense map, and to the tokens of the decoder's score and masks.

        Args:
            embedding: The slice to predict.
            mask: The mask prompt.
            prototypes: Mean embedding of the object and of its surroundings on the prompted slice; zeros where they
                are not known, to which nothing is added.
        """
        grid = embedding.shape[-1]
        given = (prototypes.abs().sum(dim=(1, 2)) > 0).to(embedding.dtype)
        cells = embedding.flatten(2).transpose(1, 2)
        unit = functional.normalize(prototypes, dim=2)
        plain = cells @ unit.transpose(1, 2) * cells.shape[2] ** -0.5
        learnt = functional.normalize(self.project(cells), dim=2)
        learnt = learnt @ functional.normalize(self.project(prototypes), dim=2).transpose(1, 2)
        maps = torch.cat([plain, learnt], dim=2).transpose(1, 2).reshape(-1, _MAPS - 1, grid, grid)
        covered = functional.avg_pool2d(mask, mask.shape[-1] // grid)
        local = functional.gelu(self.first(torch.cat([maps, covered], dim=1)))
        dense = self.last(local) * given.reshape(-1, 1, 1, 1)
        tokens = self.to_tokens(functional.gelu(self.read(unit.flatten(1))))
        return dense, torch.unflatten(tokens, 1, (1 + MASKS, -1)) * given.reshape(-1, 1, 1)


def pooled_prototypes(embedding: Float[Tensor, "b c g g"], masks: Float[Tensor, "b m m"]) -> Float[Tensor, "b k c"]:
    """Mean embedding of objects and of the cells around them; zeros where there is no object.

    Args:
        embedding: The slices.
        masks: The objects, 1 inside.
    """
    grid, reach = embedding.shape[-1], 2 * SURROUNDING_CELLS + 1
    inside = functional.avg_pool2d(masks[:, None], masks.shape[-1] // grid)
    near = functional.max_pool2d((inside > 0).to(inside.dtype), reach, stride=1, padding=SURROUNDING_CELLS)
    weights = torch.cat([inside, near * (1 - inside)], dim=1).flatten(2)
    totals = weights.sum(dim=2, keepdim=True)
    means = weights @ embedding.flatten(2).transpose(1, 2) / totals.clamp(min=1e-6)
    return means * (totals[:, :1] > 0)
