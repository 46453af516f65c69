"""From an image embedding and prompt tokens to masks."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.attention import TwoWayTransformer
from radsam.model.layer_norm import LayerNorm2d
from radsam.model.prompt_tokens import MASKS


class MaskDecoder(nn.Module):
    """SAM's mask decoder; it returns all four masks in one pass.

    Args:
        dim: Channels of a token.
        depth: Blocks of the transformer.
        num_heads: Attention heads of the transformer.
        mlp_dim: Hidden channels of the transformer's perceptrons.
        iou_head_depth: Layers of the head that predicts the masks' quality.
        iou_head_dim: Hidden channels of that head.
        presence: Whether a head says how likely the object is on the slice.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        iou_head_depth: int,
        iou_head_dim: int,
        *,
        presence: bool = False,
    ) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(depth, dim, num_heads, mlp_dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(MASKS, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Perceptron(dim, dim, dim // 8, 3) for _ in range(MASKS))
        self.iou_prediction_head = Perceptron(dim, iou_head_dim, MASKS, iou_head_depth)
        self.presence_head = presence_head(dim) if presence else None

    def forward(
        self,
        embedding: Float[Tensor, "b c g g"],
        position: Float[Tensor, "1 cells c"],
        sparse: Float[Tensor, "b p c"],
        dense: Float[Tensor, "b c g g"],
        shift: Float[Tensor, "b t c"] | None = None,
    ) -> tuple[Float[Tensor, "b 4 m m"], Float[Tensor, "b s"]]:
        """Return the logits of four masks, four times finer than the grid, and `scores`.

        Args:
            embedding: The image embedding.
            position: Position encoding of the grid's cells, row by row.
            sparse: Tokens of points and box corners; there may be none.
            dense: Map of the mask prompt.
            shift: Added to the tokens that become the score and the masks; None adds nothing.
        """
        image = embedding + dense
        tokens, cells = self.transformer(self.tokens(sparse, shift), image.flatten(2).transpose(1, 2), position)

        upscaled = self.output_upscaling(cells.transpose(1, 2).reshape_as(image))
        side = upscaled.shape[-1]
        logits = (self.kernels(tokens) @ upscaled.flatten(2)).unflatten(2, (side, side))
        return logits, self.scores(tokens)

    def tokens(
        self, sparse: Float[Tensor, "b p c"], shift: Float[Tensor, "b o c"] | None = None
    ) -> Float[Tensor, "b t c"]:
        """Put the tokens that become the score and the masks before those of a prompt."""
        outputs = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        outputs = outputs.unsqueeze(0).expand(sparse.shape[0], -1, -1)
        return torch.cat([outputs if shift is None else outputs + shift, sparse], dim=1)

    def scores(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b s"]:
        """Return the predicted IoU of the four masks and, with a head of presence, the log-odds of the object."""
        iou: Tensor = self.iou_prediction_head(tokens[:, 0])
        return iou if self.presence_head is None else torch.cat([iou, self.presence_head(tokens[:, 0])], dim=1)

    def kernels(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b 4 d"]:
        """Return each mask's kernel: its product with the upscaled image is the mask's logits."""
        mlps = enumerate(self.output_hypernetworks_mlps)
        return torch.stack([mlp(tokens[:, 1 + index]) for index, mlp in mlps], dim=1)


def presence_head(dim: int) -> Perceptron:
    """Return a head that says how likely the object is on the slice, from the token of the score.

    Args:
        dim: Channels of a token.
    """
    return Perceptron(dim, dim, 1, 2)


class Perceptron(nn.Module):
    """Linear layers with ReLU between them.

    Args:
        in_dim: Channels of the input.
        hidden: Channels between the layers.
        out_dim: Channels of the output.
        depth: Number of layers.
    """

    def __init__(self, in_dim: int, hidden: int, out_dim: int, depth: int) -> None:
        super().__init__()
        widths = [in_dim] + [hidden] * (depth - 1) + [out_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        """Transform each row on its own."""
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out
