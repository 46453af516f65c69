"""Normalisation over the channels of an image-shaped tensor."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class LayerNorm2d(nn.Module):
    """Layer normalisation of every pixel over its channels.

    Args:
        channels: Number of channels of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        # SAM was trained with 1e-6 here, not with torch's default of 1e-5.
        self.eps = 1e-6

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise each pixel to zero mean and unit variance, then scale and shift."""
        if not torch.onnx.is_in_onnx_export():  # one pass over channels_last memory, where the steps below take seven
            pixels = functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps)
            return pixels.permute(0, 3, 1, 2)
        # In an exported graph in these steps, as engines really carry out two permutations.
        if x.dtype in (torch.float16, torch.bfloat16):
            x = x.float()  # squares overflow; torch's own layer_norm does the same under autocast
        centred = x - x.mean(1, keepdim=True)
        deviation = centred * torch.rsqrt((centred * centred).mean(1, keepdim=True) + self.eps)
        return deviation * self.weight.reshape(1, -1, 1, 1) + self.bias.reshape(1, -1, 1, 1)


def neck(in_channels: int, out_channels: int) -> nn.Sequential:
    """Build the last part of every image encoder: from its own width to the decoder's."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        LayerNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
        LayerNorm2d(out_channels),
    )
