"""The model: one costly call per slice, one cheap call per prompt."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from radsam.model.image_encoder import ImageEncoderViT
from radsam.model.mask_decoder import MaskDecoder
from radsam.model.prompt_encoder import PromptEncoder
from radsam.model.sam_config import SamConfig, ViTConfig
from radsam.model.tiny_vit import TinyViT


class Sam(nn.Module):
    """A model of the SAM family.

    The method keeps SAM's architecture unchanged (section 3.1).

    Args:
        config: The sizes it was built from.
        image_encoder: From images to embeddings.
        prompt_encoder: From prompts to tokens.
        mask_decoder: From both to masks.
    """

    def __init__(
        self, config: SamConfig, image_encoder: nn.Module, prompt_encoder: PromptEncoder, mask_decoder: MaskDecoder
    ) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder

    def encode(self, images: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b c g g"]:
        """Embed images.

        Args:
            images: Normalised with the weights' own mean and deviation, ``n`` pixels
                (`SamConfig.input_size`) along each side.
        """
        embedding: Tensor = self.image_encoder(images)
        return embedding

    def decode(
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
        """Predict masks for one prompt of each embedding.

        Args:
            embedding: From `encode`.
            points_xy: Points and box corners as pixel (column, row) of the input frame;
                whole numbers are pixel centres. There may be none.
            point_labels: Kind of each of them. `radsam.model.prompt_tokens.arrange` puts
                points, corners and padding in the order that SAM was trained with.
            mask: Mask prompt, ``m`` pixels (`SamConfig.low_res_size`) along each side.
                Ignored where `has_mask` is 0, but always given.
            has_mask: 1 where the mask counts, 0 where there is none.
            has_source: 1 where the mask comes from another slice, 0 elsewhere. This and the next two are for a model
                that takes the source of a mask (`SamConfig.source_channels`), and all or none of them are given.
            pictures: The mask's slice and this slice, ``m`` pixels along each side.
            distance: The way between them; see `radsam.model.prompt_tokens.DISTANCE_VALUES`.
            prototypes: Mean embedding of the object and of its surroundings on the prompted slice, for a model that
                takes them (`SamConfig.prototype_channels`); zeros where they are not known, or no source is given.

        Returns:
            Logits of four masks (the primary one first; positive means inside) and the IoU that the model expects of
            each; with `SamConfig.presence`, a fifth value: the log-odds that the object is on the slice.
        """
        sparse = self.prompt_encoder.embed_points(points_xy, point_labels)
        source = has_source, pictures, distance, prototypes
        dense, shift = self.prompt_encoder.embed_mask_and_source(embedding, mask, has_mask, *source)
        logits, scores = self.mask_decoder(embedding, self.prompt_encoder.dense_position(), sparse, dense, shift)
        return logits, scores


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
        PromptEncoder(
            dim,
            config.embedding_grid,
            config.input_size,
            config.mask_in_channels,
            config.source_channels,
            config.prototype_channels,
        ),
        MaskDecoder(
            dim,
            config.decoder_depth,
            config.decoder_heads,
            config.decoder_mlp_dim,
            config.iou_head_depth,
            config.iou_head_dim,
            presence=config.presence,
        ),
    )
