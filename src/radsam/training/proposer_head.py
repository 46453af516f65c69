"""The head that answers without a prompt: whole slices in few channels to one logit per label and pixel.

A small U-Net over neighbouring slices: on the embedding's cells, on half and on a quarter of them; then once to twice
as fine, with the slice's picture beside. At the end every label is a learned query, whose product with a pixel's
features is the label's logit.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from radsam.model.onnx_export import OPSET, exporting
from radsam.proposer.reduced_slices import DETAIL, PLACE_VALUES

#: Names of the graph's input and output.
INPUT, OUTPUT = "slices", "logits"
#: Channels of a pixel's features, and so of a query.
_FEATURES = 16
#: At the beginning nearly no pixel belongs to a label.
_RARE = -4.0
_PICTURE = DETAIL * DETAIL


class _Block(nn.Module):
    """Two convolutions with a shortcut: within slices and then across them, or both at once."""

    def __init__(self, channels: int, *, cubes: bool) -> None:
        super().__init__()
        first, second = ((3, 3, 3), (3, 3, 3)) if cubes else ((1, 3, 3), (3, 1, 1))
        self.first = nn.Conv3d(channels, channels, first, padding="same", bias=False)
        self.second = nn.Conv3d(channels, channels, second, padding="same", bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm3d(channels), nn.BatchNorm3d(channels)

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b c d h w"]:
        inner: Tensor = self.first_norm(self.first(functional.relu(x)))
        changed: Tensor = self.second_norm(self.second(functional.relu(inner)))
        return x + changed


class ProposerHead(nn.Module):
    """The head.

    Args:
        channels: Channels of the reduced embedding.
        labels: Number of labels.
        width: Channels at the size of the embedding; twice and three times as many at half and a quarter.
    """

    def __init__(self, channels: int, labels: int, width: int = 24) -> None:
        super().__init__()
        self.channels, self.labels, self.width = channels, labels, width
        self.enter = nn.Conv3d(channels + PLACE_VALUES + _PICTURE, width, 1)
        self.near = _Block(width, cubes=False)
        self.halve = nn.Conv3d(width, 2 * width, 2, stride=2)
        self.far = _Block(2 * width, cubes=True)
        self.quarter = nn.Conv3d(2 * width, 3 * width, 2, stride=2)
        self.widest = nn.Sequential(_Block(3 * width, cubes=True), _Block(3 * width, cubes=True))
        self.to_half = nn.Conv3d(3 * width, 2 * width, 1)
        self.far_again = _Block(2 * width, cubes=True)
        self.to_whole = nn.Conv3d(2 * width, width, 1)
        self.near_again = _Block(width, cubes=False)
        self.finer = nn.ConvTranspose3d(width, _FEATURES, (1, DETAIL, DETAIL), stride=(1, DETAIL, DETAIL))
        self.picture = nn.Conv3d(1, _FEATURES, (1, 3, 3), padding=(0, 1, 1))
        self.fine = nn.Conv3d(_FEATURES, _FEATURES, (1, 3, 3), padding=(0, 1, 1))
        self.queries = nn.Conv3d(_FEATURES, labels, 1)
        nn.init.constant_(_bias(self.queries), _RARE)

    def forward(self, slices: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b l d h2 w2"]:
        """Answer.

        Args:
            slices: `ReducedSlices.stack` of each item; depth, rows and columns are whole multiples of 4.

        Returns:
            Logits: above 0 the pixel belongs to the label.
        """
        whole = self.near(self.enter(slices))
        half = self.far(self.halve(whole))
        half = self.far_again(half + _twice(self.to_half(self.widest(self.quarter(half)))))
        whole = self.near_again(whole + _twice(self.to_whole(half)))
        pixels = functional.relu(self.finer(whole) + self.picture(_unfolded(slices[:, -_PICTURE:])))
        logits: Tensor = self.queries(pixels + functional.relu(self.fine(pixels)))
        return logits


def _bias(layer: nn.Conv3d) -> Tensor:
    if layer.bias is None:
        raise TypeError("The layer has no bias.")
    return layer.bias


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0)


def _unfolded(fine: Float[Tensor, "b f d h w"]) -> Float[Tensor, "b 1 d h2 w2"]:
    """Turn the channels of the picture into its pixels."""
    b, _, d, h, w = fine.shape
    parts = fine.reshape(b, DETAIL, DETAIL, d, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(b, 1, d, DETAIL * h, DETAIL * w)


def export_head(head: ProposerHead, path: Path) -> None:
    """Write a head as an ONNX graph: slices (1, c, d, h, w) → logits (1, l, d, 2h, 2w), float32; d, h, w are free."""
    head.eval()
    example = torch.zeros(1, head.channels + PLACE_VALUES + _PICTURE, 8, 8, 12)
    axes = {2: "depth", 3: "rows", 4: "cols"}
    with torch.no_grad(), exporting():
        torch.onnx.export(
            head,
            (example,),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: dict(axes)},
            opset_version=OPSET,
            dynamo=False,  # as the model's own graphs
        )
