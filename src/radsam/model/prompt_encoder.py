"""From prompts to tokens and to a dense map.

Points and box corners come as one list with labels; `radsam.model.prompt_tokens` holds
the labels and the order that SAM was trained with.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from radsam.model.layer_norm import LayerNorm2d
from radsam.model.prompt_tokens import PAD
from radsam.model.prototype_encoder import PrototypeEncoder
from radsam.model.source_encoder import SourceEncoder

#: SAM has one learnt embedding for each of the labels 0 to 3.
LABELS = 4


class PromptEncoder(nn.Module):
    """SAM's prompt encoder.

    Args:
        dim: Channels of a token.
        grid: Cells along one side of the image embedding.
        input_size: Pixels along one side of the model's input frame.
        mask_in_channels: Channels inside the convolutions that read a mask.
        source_channels: Channels inside the module that reads where a mask comes from; 0 for a model without it.
        prototype_channels: Channels inside the module that compares with the prompted slice; 0 for a model without it.
    """

    def __init__(
        self,
        dim: int,
        grid: int,
        input_size: int,
        mask_in_channels: int,
        source_channels: int = 0,
        prototype_channels: int = 0,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.input_size = input_size
        self.pe_layer = RandomPositionEncoding(dim // 2)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(LABELS))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, mask_in_channels // 4, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_channels // 4),
            nn.GELU(),
            nn.Conv2d(mask_in_channels // 4, mask_in_channels, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_channels),
            nn.GELU(),
            nn.Conv2d(mask_in_channels, dim, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, dim)
        self.source = SourceEncoder(dim, source_channels) if source_channels else None
        self.prototypes = PrototypeEncoder(dim, prototype_channels) if prototype_channels else None

    def embed_points(
        self, points_xy: Float[Tensor, "b p 2"], point_labels: Float[Tensor, "b p"]
    ) -> Float[Tensor, "b p c"]:
        """One token for each point or box corner.

        Args:
            points_xy: Pixel (column, row) in the model's input frame; whole numbers are
                pixel centres.
            point_labels: See `radsam.model.prompt_tokens`.
        """
        # Comparing and selecting, not assigning in place: the assignment exports to a graph
        # that fails when the number of points changes.
        encoded = self.pe_layer((points_xy + 0.5) / self.input_size)
        encoded = torch.where((point_labels == PAD).unsqueeze(-1), torch.zeros_like(encoded), encoded)
        weights = [self.not_a_point_embed.weight]
        weights += [embedding.get_parameter("weight") for embedding in self.point_embeddings]
        known = torch.arange(PAD, LABELS, device=point_labels.device, dtype=point_labels.dtype)
        one_hot = (point_labels.unsqueeze(-1) == known).to(encoded.dtype)
        return encoded + one_hot @ torch.cat(weights)

    def embed_mask(self, mask: Float[Tensor, "b 1 m m"], has_mask: Float[Tensor, " b"]) -> Float[Tensor, "b c g g"]:
        """The dense map of a mask prompt, or the learnt "no mask" where `has_mask` is 0."""
        given = (has_mask > 0.5).reshape(-1, 1, 1, 1)
        return torch.where(given, self.mask_downscaling(mask), self.no_mask_embed.weight.reshape(1, -1, 1, 1))

    def embed_mask_and_source(
        self,
        embedding: Float[Tensor, "b c g g"],
        mask: Float[Tensor, "b 1 m m"],
        has_mask: Float[Tensor, " b"],
        has_source: Float[Tensor, " b"] | None,
        pictures: Float[Tensor, "b 2 m m"] | None,
        distance: Float[Tensor, "b d"] | None,
        prototypes: Float[Tensor, "b k c"] | None,
    ) -> tuple[Float[Tensor, "b c g g"], Float[Tensor, "b t c"] | None]:
        """The dense map of a mask prompt and of its source, and what the source adds to the decoder's own tokens.

        The prompted slice, where its prototypes are given, is a part of the source.
        """
        dense = self.embed_mask(mask, has_mask)
        if self.source is None or has_source is None:
            return dense, None
        of_source, shift = self.source(mask, has_source, pictures, distance)
        if self.prototypes is None or prototypes is None:
            return dense + of_source, shift
        of_prompted, further = self.prototypes(embedding, mask, prototypes)
        return dense + of_source + of_prompted, shift + further

    def dense_position(self) -> Float[Tensor, "1 cells c"]:
        """Position encoding of every cell of the embedding, row by row."""
        device = self.no_mask_embed.weight.device
        at = (torch.arange(self.grid, device=device, dtype=torch.float32) + 0.5) / self.grid
        y, x = torch.meshgrid(at, at, indexing="ij")
        position: Tensor = self.pe_layer(torch.stack([x, y], dim=-1).reshape(1, -1, 2))
        return position


class RandomPositionEncoding(nn.Module):
    """Sines and cosines of random, fixed frequencies.

    Args:
        frequencies: Number of frequencies; the encoding has twice as many channels.
    """

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.positional_encoding_gaussian_matrix: Tensor
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, frequencies))

    def forward(self, xy: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n c"]:
        """Encode positions given as fractions (0 to 1) of the frame."""
        centred = 2 * xy - 1
        of_x, of_y = self.positional_encoding_gaussian_matrix[0], self.positional_encoding_gaussian_matrix[1]
        # Not a matrix product: autocast would round the coordinates to 8 bits, some pixels off.
        phase = 2 * math.pi * (centred[..., :1] * of_x + centred[..., 1:] * of_y)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)
