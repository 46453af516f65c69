"""SAM's image encoder: a plain vision transformer, mostly with local attention.

Module and parameter names are those of the official checkpoints, which therefore load
unchanged. Tokens are laid out as a square grid, row by row.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.attention_windows import Windows
from radsam.model.layer_norm import neck
from radsam.model.recompute import BlockChain
from radsam.model.sam_config import ViTConfig

#: SAM was trained with this value in the transformer blocks; torch's default is 1e-5.
NORM_EPS = 1e-6


class ImageEncoderViT(BlockChain):
    """From an image to its embedding with a vision transformer.

    Args:
        config: Sizes of the transformer.
        out_channels: Channels of the embedding.
    """

    def __init__(self, config: ViTConfig, out_channels: int) -> None:
        super().__init__()
        dim, grid = config.embed_dim, config.grid
        self.patch_embed = PatchEmbed(config.patch_size, dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, dim))
        self.blocks = nn.ModuleList(
            Block(
                dim,
                config.num_heads,
                config.mlp_ratio,
                grid,
                grid if index in config.global_attention else config.window_size,
            )
            for index in range(config.depth)
        )
        self.neck = neck(dim, out_channels)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, images: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b c g g"]:
        """Embed normalised images."""
        x = self.run_blocks(self.blocks, self.patch_embed(images) + self.pos_embed)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding


class PatchEmbed(nn.Module):
    """One token for every patch of the image.

    Args:
        patch_size: Pixels along one side of a patch.
        dim: Channels of a token.
    """

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b g g c"]:
        """Project every patch to a token."""
        tokens: Tensor = self.proj(images)
        return tokens.permute(0, 2, 3, 1)


class Block(nn.Module):
    """Attention, then a two-layer perceptron, each added to its input.

    Args:
        dim: Channels of a token.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden channels of the perceptron, in multiples of `dim`.
        grid: Tokens along one side of the grid.
        window: Tokens along one side of the attention's window; `grid` for global attention.
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, grid: int, window: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, num_heads, window)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = MLPBlock(dim, int(dim * mlp_ratio))
        self.windows = None if window == grid else Windows(grid, window, dim)

    def forward(self, x: Float[Tensor, "b g g c"]) -> Float[Tensor, "b g g c"]:
        """Let the tokens of a window attend to each other, then transform each of them."""
        normed = self.norm1(x)
        if self.windows is None:
            x = x + self.attn(normed)
        else:
            # The padding is added after the normalisation: SAM attends to zero tokens there.
            x = x + self.windows.join(self.attn(self.windows.split(normed)))
        transformed: Tensor = self.mlp(self.norm2(x))
        return x + transformed


class Attention(nn.Module):
    """Multi-head attention over a square of tokens with a learnt bias for relative positions.

    The bias of a query on a key is the sum of one term for their distance along the
    rows and one for their distance along the columns, each a product with the query.

    Args:
        dim: Channels of a token.
        num_heads: Number of attention heads.
        size: Tokens along one side of the square.
    """

    def __init__(self, dim: int, num_heads: int, size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.size = size
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * size - 1, self.head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * size - 1, self.head_dim))

    def forward(self, x: Float[Tensor, "b s s c"]) -> Float[Tensor, "b s s c"]:
        """Let every token of the square attend to all others."""
        tokens, heads, d = self.size**2, self.num_heads, self.head_dim
        qkv = self.qkv(x).reshape(-1, tokens, 3, heads, d).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.position_bias(q))
        out: Tensor = self.proj(seen.transpose(1, 2).reshape(-1, self.size, self.size, heads * d))
        return out

    def position_bias(self, q: Float[Tensor, "b heads q d"]) -> Float[Tensor, "b heads q k"]:
        """Bias of every query on every key from their relative position."""
        s = self.size
        q_grid = q.reshape(-1, self.num_heads, s, s, self.head_dim)
        along_rows = q_grid @ self._per_pair(self.rel_pos_h).transpose(1, 2)
        along_columns = (q_grid.transpose(2, 3) @ self._per_pair(self.rel_pos_w).transpose(1, 2)).transpose(2, 3)
        bias = along_rows.unsqueeze(-1) + along_columns.unsqueeze(-2)
        return bias.reshape(-1, self.num_heads, s * s, s * s)

    def _per_pair(self, table: Float[Tensor, "distances d"]) -> Float[Tensor, "s s d"]:
        """Entry of the table for each pair of a query's and a key's coordinate on one axis."""
        # Not a buffer: it would be stored in every exported graph, or lost on the meta device.
        at = torch.arange(self.size, device=table.device)
        return table[at[:, None] - at[None, :] + self.size - 1]


class MLPBlock(nn.Module):
    """Two linear layers.

    Args:
        dim: Channels of the input and of the output.
        hidden: Channels between the two layers.
        activation: The function between the layers.
    """

    def __init__(self, dim: int, hidden: int, activation: type[nn.Module] = nn.GELU) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)
        self.act = activation()

    def forward(self, x: Float[Tensor, "*n c"]) -> Float[Tensor, "*n c"]:
        """Transform each token on its own."""
        out: Tensor = self.lin2(self.act(self.lin1(x)))
        return out
