"""The decoder as it is exported and trained: the numbers of `Sam.decode` with half of its work.

An image has thousands of cells and a prompt a handful of tokens, yet SAM's two-way attention
projects every cell, five times. A product of matrices may be taken in any order: here the
projections go to the tokens' side, and the cells are only ever multiplied with tokens. Cells
stay rows of one matrix up to the masks, where a transposed convolution whose kernel is as wide
as its stride is a product, too. A softmax that cells take part in goes along the columns of its
matrix: a row would hold a handful of values, or be fused by OpenVINO into something slower. The
results differ in rounding alone.

`Sam.decode` keeps the official form, which the tests compare this one with.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.attention import CrossAttention, TwoWayBlock
from radsam.model.layer_norm import LayerNorm2d
from radsam.model.mask_decoder import MaskDecoder
from radsam.model.sam import Sam


class FastDecoder(nn.Module):
    """The prompt encoder and the mask decoder of a model, under the names of its state dict.

    Args:
        model: Whose modules are taken, not copied.
    """

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.prompt_encoder = model.prompt_encoder
        self.mask_decoder = model.mask_decoder

    def forward(
        self,
        embedding: Float[Tensor, "b c g g"],
        points_xy: Float[Tensor, "b p 2"],
        point_labels: Float[Tensor, "b p"],
        mask: Float[Tensor, "b 1 m m"],
        has_mask: Float[Tensor, " b"],
        has_source: Float[Tensor, " b"] | None = None,
        pictures: Float[Tensor, "b 2 m m"] | None = None,
        distance: Float[Tensor, "b d"] | None = None,
        prototypes: Float[Tensor, "b k c"] | None = None,
    ) -> tuple[Float[Tensor, "b 4 m m"], Float[Tensor, "b s"]]:
        """Predict masks for one prompt of each embedding; see `Sam.decode`."""
        prompts, decoder = self.prompt_encoder, self.mask_decoder
        sparse = prompts.embed_points(points_xy, point_labels)
        source = has_source, pictures, distance, prototypes
        dense, shift = prompts.embed_mask_and_source(embedding, mask, has_mask, *source)
        cells = (embedding + dense).permute(0, 2, 3, 1).flatten(1, 2)
        tokens, cells = _attend(decoder, decoder.tokens(sparse, shift), cells, prompts.dense_position())
        upscaled = _upscale(decoder, cells)
        logits = _arrange_pixels(upscaled @ decoder.kernels(tokens).transpose(1, 2), prompts.grid)
        return logits, decoder.scores(tokens)


def _attend(
    decoder: MaskDecoder,
    tokens: Float[Tensor, "b t c"],
    cells: Float[Tensor, "b n c"],
    position: Float[Tensor, "1 n c"],
) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b n c"]]:
    """`TwoWayTransformer.forward`."""
    transformer, queries = decoder.transformer, tokens
    for layer in transformer.layers:
        assert isinstance(layer, TwoWayBlock)
        queries = layer.attend_to_tokens(queries, tokens)
        positioned = cells + position
        seen = _tokens_see_cells(layer.cross_attn_token_to_image, queries + tokens, positioned, cells)
        queries = layer.norm2(queries + seen)
        queries = layer.norm3(queries + layer.mlp(queries))
        seen = _cells_see_tokens(layer.cross_attn_image_to_token, positioned, queries + tokens, queries)
        cells = layer.norm4(cells + seen)
    seen = _tokens_see_cells(transformer.final_attn_token_to_image, queries + tokens, cells + position, cells)
    return transformer.norm_final_attn(queries + seen), cells


def _tokens_see_cells(
    attention: CrossAttention,
    tokens: Float[Tensor, "b t c"],
    positioned: Float[Tensor, "b n c"],
    cells: Float[Tensor, "b n c"],
) -> Float[Tensor, "b t c"]:
    """Attention of tokens (queries) on cells, with the keys' and values' projections on the tokens."""
    of_keys, of_values = (_by_head(attention, each.weight) for each in (attention.k_proj, attention.v_proj))
    queries = attention.heads(attention.q_proj(tokens)) * attention.head_dim**-0.5
    keys_of_tokens, bias = _rows(queries @ of_keys), _rows(queries @ _bias(attention, attention.k_proj))
    scores = positioned @ keys_of_tokens.transpose(1, 2) + bias.transpose(1, 2)
    seen = scores.softmax(1).transpose(1, 2) @ cells
    # The weights of a query sum to one, so the values' bias comes out as it went in.
    values = torch.unflatten(seen, 1, (attention.num_heads, -1)) @ of_values.transpose(1, 2)
    out: Tensor = attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)
    return out


def _cells_see_tokens(
    attention: CrossAttention,
    positioned: Float[Tensor, "b n c"],
    keys: Float[Tensor, "b t c"],
    values: Float[Tensor, "b t c"],
) -> Float[Tensor, "b n c"]:
    """Attention of cells (queries) on tokens, with the queries' and the last projection on the tokens."""
    heads = attention.num_heads
    projected = attention.heads(attention.k_proj(keys)) * attention.head_dim**-0.5
    keys_of_cells = _rows(projected @ _by_head(attention, attention.q_proj.weight))
    bias = _rows(projected @ _bias(attention, attention.q_proj))
    scores = keys_of_cells @ positioned.transpose(1, 2) + bias
    weights = torch.unflatten(scores, 1, (heads, -1)).softmax(2).flatten(1, 2)
    last = torch.unflatten(attention.out_proj.weight, 1, (heads, attention.head_dim)).permute(1, 2, 0)
    return weights.transpose(1, 2) @ _rows(attention.heads(attention.v_proj(values)) @ last) + attention.out_proj.bias


def _by_head(attention: CrossAttention, weight: Float[Tensor, "inner c"]) -> Float[Tensor, "heads d c"]:
    return torch.unflatten(weight, 0, (attention.num_heads, attention.head_dim))


def _bias(attention: CrossAttention, projection: nn.Linear) -> Float[Tensor, "heads d 1"]:
    return projection.bias.reshape(attention.num_heads, attention.head_dim, 1)


def _rows(x: Float[Tensor, "b heads t c"]) -> Float[Tensor, "b rows c"]:
    return x.flatten(1, 2)


def _upscale(decoder: MaskDecoder, cells: Float[Tensor, "b n c"]) -> Float[Tensor, "b pixels d"]:
    """`MaskDecoder.output_upscaling`; the 16 pixels of a cell follow each other (2 × 2 of 2 × 2)."""
    first, norm, activation, second, _ = decoder.output_upscaling
    assert isinstance(first, nn.ConvTranspose2d)
    assert isinstance(second, nn.ConvTranspose2d)
    assert isinstance(norm, LayerNorm2d)
    wide = _split(first, cells)
    wide = activation(functional.layer_norm(wide, (first.out_channels,), norm.weight, norm.bias, norm.eps))
    out: Tensor = activation(_split(second, wide))
    return out


def _split(layer: nn.ConvTranspose2d, pixels: Float[Tensor, "b n c"]) -> Float[Tensor, "b four_n d"]:
    """A transposed convolution of 2 × 2 pixels with stride 2: each pixel becomes four, by row and column."""
    kernel = layer.weight.permute(0, 2, 3, 1).reshape(layer.in_channels, -1)
    assert layer.bias is not None
    fine = pixels @ kernel + torch.cat([layer.bias] * 4)
    return torch.unflatten(fine, 2, (4, layer.out_channels)).flatten(1, 2)


def _arrange_pixels(logits: Float[Tensor, "b pixels 4"], grid: int) -> Float[Tensor, "b 4 m m"]:
    """Put the pixels of `_upscale` where they belong."""
    parts = torch.unflatten(logits.transpose(1, 2), 2, (grid, grid, 2, 2, 2, 2))
    return parts.permute(0, 1, 2, 4, 6, 3, 5, 7).flatten(5, 7).flatten(2, 4)
