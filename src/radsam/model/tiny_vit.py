"""TinyViT: LiteMedSAM's image encoder, whose stem keeps the resolution, and a fast one, whose stem does not.

The first stage is convolutional, the others attend within windows. Module and parameter
names are those of the published checkpoint. Feature maps stay (b, c, h, w) between the
parts; attention turns them for itself.

LiteMedSAM's first stages work on every pixel. The fast one sees patches of 4 × 4 pixels, so
that every stage has a sixteenth of the work, and brings the features of the coarse stages back to
the grid of the first one along a path of lateral connections (feature pyramid networks, Lin et al., 2017).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.attention_windows import Windows
from radsam.model.layer_norm import LayerNorm2d, neck
from radsam.model.recompute import BlockChain
from radsam.model.sam_config import TinyViTConfig


class TinyViT(nn.Module):
    """From an image to its embedding with four stages, each on a coarser grid or a wider one.

    Args:
        config: Sizes of the stages.
        out_channels: Channels of the embedding.
    """

    def __init__(self, config: TinyViTConfig, out_channels: int) -> None:
        super().__init__()
        dims = config.embed_dims
        self.patch_embed = PatchEmbed(dims[0], config.patch_size)
        self.layers = nn.ModuleList()
        for index, (dim, depth, grid) in enumerate(zip(dims, config.depths, config.stage_grids, strict=True)):
            blocks: list[nn.Module]
            if index == 0:
                blocks = [MBConv(dim, config.expand_ratio) for _ in range(depth)]
            else:
                heads, window = config.num_heads[index - 1], config.window_sizes[index - 1]
                blocks = [TinyViTBlock(dim, grid, heads, window, config.mlp_ratio) for _ in range(depth)]
            last = index == len(dims) - 1
            downsample = None if last else PatchMerging(dim, dims[index + 1], dims[index + 1], config.strides[index])
            self.layers.append(Stage(blocks, downsample))
        if config.pyramid_dim:
            self.pyramid: Pyramid | None = Pyramid(config)
            self.neck = separable_neck(config.pyramid_dim, out_channels)
        else:
            self.pyramid = None
            self.neck = neck(dims[-1], out_channels)

    def forward(self, images: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b c g g"]:
        """Embed normalised images."""
        x = self.patch_embed(images)
        stages = []
        for layer in self.layers:
            x, seen = layer(x)
            stages.append(seen)
        embedding: Tensor = self.neck(x if self.pyramid is None else self.pyramid(stages))
        return embedding


class ConvNorm(nn.Sequential):
    """Convolution without a bias, then batch normalisation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Pixels along one side of the kernel; the input is padded by half of it.
        stride: Step of the convolution in pixels.
        groups: Number of channel groups that are convolved separately.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = kernel // 2
        self.add_module("c", nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(out_channels))


class PatchEmbed(nn.Module):
    """The stem: two convolutions, 1×1 at full resolution, or 3×3 that halve the grid twice.

    Args:
        dim: Channels of the output.
        patch_size: Pixels along one side of a patch: 1 or 4.
    """

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        kernel, stride = (1, 1) if patch_size == 1 else (3, 2)
        first, second = ConvNorm(3, dim // 2, kernel, stride), ConvNorm(dim // 2, dim, kernel, stride)
        self.seq = nn.Sequential(first, nn.GELU(), second)

    def forward(self, images: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b c g g"]:
        """Give every patch its first features."""
        features: Tensor = self.seq(images)
        return features


class Stage(BlockChain):
    """Blocks of one width on one grid, then the step to the next stage.

    Args:
        blocks: The blocks, in order.
        downsample: The step to the next stage; `None` after the last stage.
    """

    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Float[Tensor, "b c h h"]) -> tuple[Float[Tensor, "b c2 h2 h2"], Float[Tensor, "b c h h"]]:
        """Run the blocks and the step; return the step's output and its input."""
        seen = self.run_blocks(self.blocks, x)
        return (seen if self.downsample is None else self.downsample(seen)), seen


class Pyramid(nn.Module):
    """From the last stage back to the grid of the first: widen the grid, add the features of the finer stage, mix.

    Args:
        config: Sizes of the stages.
    """

    def __init__(self, config: TinyViTConfig) -> None:
        super().__init__()
        dim, dims, grids = config.pyramid_dim, config.embed_dims, config.stage_grids
        self.top = ConvNorm(dims[-1], dim)
        # Of the stages on one grid, the last has the deepest features.
        self.finer = [stage for stage in reversed(range(len(grids) - 1)) if grids[stage] > grids[stage + 1]]
        self.lateral = nn.ModuleList(ConvNorm(dims[stage], dim) for stage in self.finer)
        self.mix = nn.ModuleList(MBConv(dim, config.pyramid_expand_ratio) for _ in self.finer)

    def forward(self, stages: list[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c g g"]:
        """Bring the stages together on the finest grid."""
        x: Tensor = self.top(stages[-1])
        for stage, lateral, mix in zip(self.finer, self.lateral, self.mix, strict=True):
            x = mix(functional.interpolate(x, scale_factor=2.0, mode="nearest") + lateral(stages[stage]))
        return x


def separable_neck(in_channels: int, out_channels: int) -> nn.Sequential:
    """Build a neck like SAM's with its 3×3 convolution in two parts, at a ninth of the work."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        LayerNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, groups=out_channels, bias=False),
        nn.Conv2d(out_channels, out_channels, kernel_size=1, bias=False),
        LayerNorm2d(out_channels),
    )


class PatchMerging(nn.Module):
    """The step between two stages: widen, convolve each channel, mix the channels.

    Args:
        dim: Channels of the input.
        hidden: Channels inside.
        out_dim: Channels of the output.
        stride: 2 halves the grid, 1 keeps it.
    """

    def __init__(self, dim: int, hidden: int, out_dim: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNorm(dim, hidden)
        self.conv2 = ConvNorm(hidden, hidden, kernel=3, stride=stride, groups=hidden)
        self.conv3 = ConvNorm(hidden, out_dim)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Transform the features of every pixel and of its neighbours; with stride 2, halve the grid."""
        out: Tensor = self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))
        return out


class MBConv(PatchMerging):
    """Inverted bottleneck: widen, convolve each channel, narrow, add the input.

    Args:
        dim: Channels of the input and of the output.
        expand_ratio: Channels inside, in multiples of `dim`.
    """

    def __init__(self, dim: int, expand_ratio: float) -> None:
        super().__init__(dim, int(dim * expand_ratio), dim)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Transform the features of every pixel and of its neighbours."""
        return functional.gelu(x + super().forward(x))


class TinyViTBlock(nn.Module):
    """Attention in windows, a convolution of each channel, then a perceptron.

    Args:
        dim: Channels of a token.
        grid: Tokens along one side of the grid.
        num_heads: Number of attention heads.
        window: Tokens along one side of a window.
        mlp_ratio: Hidden channels of the perceptron, in multiples of `dim`.
    """

    def __init__(self, dim: int, grid: int, num_heads: int, window: int, mlp_ratio: float) -> None:
        super().__init__()
        self.attn = BiasedAttention(dim, num_heads, window)
        self.local_conv = ConvNorm(dim, dim, kernel=3, groups=dim)
        self.mlp = NormMlp(dim, int(dim * mlp_ratio))
        self.windows = Windows(grid, window, dim)

    def forward(self, x: Float[Tensor, "b c h h"]) -> Float[Tensor, "b c h h"]:
        """Let the tokens of a window attend to each other, mix neighbours, transform each token."""
        seen = self.windows.join(self.attn(self.windows.split(x.permute(0, 2, 3, 1))))
        x = self.local_conv(x + seen.permute(0, 3, 1, 2))
        transformed: Tensor = self.mlp(x.permute(0, 2, 3, 1))
        return x + transformed.permute(0, 3, 1, 2)


class BiasedAttention(nn.Module):
    """Multi-head attention over a square of tokens with one learnt bias per distance and head.

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
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        # Entry dy · size + dx belongs to tokens that are dy rows and dx columns apart.
        self.attention_biases = nn.Parameter(torch.zeros(num_heads, size * size))

    def forward(self, x: Float[Tensor, "b s s c"]) -> Float[Tensor, "b s s c"]:
        """Let every token of the square attend to all others."""
        tokens, heads, d = self.size**2, self.num_heads, self.head_dim
        # Unlike in SAM's transformer, the three parts lie next to each other within a head.
        qkv = self.qkv(self.norm(x)).reshape(-1, tokens, heads, 3 * d).transpose(1, 2)
        q, k, v = qkv[..., :d], qkv[..., d : 2 * d], qkv[..., 2 * d :]
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.position_bias())
        out: Tensor = self.proj(seen.transpose(1, 2).reshape(-1, self.size, self.size, heads * d))
        return out

    def position_bias(self) -> Float[Tensor, "1 heads q k"]:
        """Bias of every query on every key from their distance."""
        s = self.size
        at = torch.arange(s, device=self.attention_biases.device)
        apart = (at[:, None] - at[None, :]).abs()
        table = self.attention_biases.reshape(self.num_heads, s, s)
        # Two lookups with small indices; one lookup of all pairs would need a table of size⁴.
        pairs = table[:, apart][:, :, :, apart]
        return pairs.transpose(2, 3).reshape(1, self.num_heads, s * s, s * s)


class NormMlp(nn.Module):
    """Normalisation and two linear layers.

    Args:
        dim: Channels of the input and of the output.
        hidden: Channels between the two layers.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*n c"]) -> Float[Tensor, "*n c"]:
        """Transform each token on its own."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(x))))
        return out
