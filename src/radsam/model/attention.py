"""The two-way transformer of the mask decoder: prompts attend to the image and the image to them."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.image_encoder import MLPBlock

#: Attention between prompts and image works on this fraction of the channels.
CROSS_ATTENTION_DOWNSAMPLE = 2


class TwoWayTransformer(nn.Module):
    """Updates the prompt tokens and the image tokens in turn.

    Args:
        depth: Number of blocks.
        dim: Channels of a token.
        num_heads: Number of attention heads.
        mlp_dim: Hidden channels of the perceptrons.
    """

    def __init__(self, depth: int, dim: int, num_heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, num_heads, mlp_dim, first=index == 0) for index in range(depth))
        self.final_attn_token_to_image = CrossAttention(dim, num_heads, CROSS_ATTENTION_DOWNSAMPLE)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(
        self,
        tokens: Float[Tensor, "b t c"],
        image: Float[Tensor, "b n c"],
        image_position: Float[Tensor, "1 n c"],
    ) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b n c"]]:
        """Return the updated prompt tokens and image tokens."""
        queries, keys = tokens, image
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, image_position)
        seen = self.final_attn_token_to_image(queries + tokens, keys + image_position, keys)
        return self.norm_final_attn(queries + seen), keys


class TwoWayBlock(nn.Module):
    """Tokens to tokens, tokens to image, a perceptron, image to tokens.

    Args:
        dim: Channels of a token.
        num_heads: Number of attention heads.
        mlp_dim: Hidden channels of the perceptron.
        first: Whether this is the first block. Its queries still are their own positions,
            so these are not added again and the self-attention replaces the tokens.
    """

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, *, first: bool) -> None:
        super().__init__()
        self.self_attn = CrossAttention(dim, num_heads, 1)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = CrossAttention(dim, num_heads, CROSS_ATTENTION_DOWNSAMPLE)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLPBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = CrossAttention(dim, num_heads, CROSS_ATTENTION_DOWNSAMPLE)
        self.first = first

    def forward(
        self,
        queries: Float[Tensor, "b t c"],
        keys: Float[Tensor, "b n c"],
        query_position: Float[Tensor, "b t c"],
        key_position: Float[Tensor, "1 n c"],
    ) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b n c"]]:
        """Return the updated prompt tokens (queries) and image tokens (keys)."""
        queries = self.attend_to_tokens(queries, query_position)
        positioned_keys = keys + key_position
        queries = self.norm2(queries + self.cross_attn_token_to_image(queries + query_position, positioned_keys, keys))
        queries = self.norm3(queries + self.mlp(queries))
        keys = self.norm4(keys + self.cross_attn_image_to_token(positioned_keys, queries + query_position, queries))
        return queries, keys

    def attend_to_tokens(
        self, queries: Float[Tensor, "b t c"], query_position: Float[Tensor, "b t c"]
    ) -> Float[Tensor, "b t c"]:
        """Return the prompt tokens after they attended to each other: the block's first step."""
        if self.first:
            queries = self.self_attn(queries, queries, queries)
        else:
            positioned = queries + query_position
            queries = queries + self.self_attn(positioned, positioned, queries)
        out: Tensor = self.norm1(queries)
        return out


class CrossAttention(nn.Module):
    """Multi-head attention of one set of tokens on another.

    Args:
        dim: Channels of a token.
        num_heads: Number of attention heads.
        downsample: The attention works on ``dim / downsample`` channels.
    """

    def __init__(self, dim: int, num_heads: int, downsample: int) -> None:
        super().__init__()
        inner = dim // downsample
        self.num_heads = num_heads
        self.head_dim = inner // num_heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(
        self, q: Float[Tensor, "b t c"], k: Float[Tensor, "b n c"], v: Float[Tensor, "b n c"]
    ) -> Float[Tensor, "b t c"]:
        """Return the attended value of every query."""
        heads = (self.heads(self.q_proj(q)), self.heads(self.k_proj(k)), self.heads(self.v_proj(v)))
        seen = functional.scaled_dot_product_attention(*heads)
        out: Tensor = self.out_proj(seen.transpose(1, 2).flatten(2))
        return out

    def heads(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b heads t d"]:
        """Split projected tokens by head."""
        return x.reshape(x.shape[0], -1, self.num_heads, self.head_dim).transpose(1, 2)
