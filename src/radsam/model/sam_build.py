"""From numbers to modules."""

from __future__ import annotations

from torch import nn

from radsam.model.image_encoder import ImageEncoderViT
from radsam.model.mask_decoder import MaskDecoder
from radsam.model.prompt_encoder import PromptEncoder
from radsam.model.sam import Sam
from radsam.model.sam_config import SamConfig, ViTConfig
from radsam.model.tiny_vit import TinyViT


def build_sam(config: SamConfig) -> Sam:
    """Build a model with random weights, in training mode, on torch's current default device."""
    dim = config.embedding_channels
    encoder: nn.Module
    if isinstance(config.encoder, ViTConfig):
        encoder = ImageEncoderViT(config.encoder, dim)
    else:
        encoder = TinyViT(config.encoder, dim)
    return Sam(
        config,
        encoder,
        PromptEncoder(dim, config.embedding_grid, config.input_size, config.mask_in_channels),
        MaskDecoder(
            dim,
            config.decoder_depth,
            config.decoder_heads,
            config.decoder_mlp_dim,
            config.iou_head_depth,
            config.iou_head_dim,
        ),
    )
