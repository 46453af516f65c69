"""The sizes of a model, as numbers that are stored beside its weights. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from radsam.errors import BundleError, InputError
from radsam.settings import STRICT, settings_from_dict

Sizes = TypeVar("Sizes")

#: The decoder's masks are this many times finer than the embedding's grid. The paper names
#: 224 and 256 pixels in two modules; 4 × the grid is SAM's own rule (section 3.1).
LOW_RES_PER_CELL = 4


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of SAM's image encoder, a plain vision transformer.

    Args:
        image_size: Pixels along one side of the input frame.
        patch_size: Pixels along one side of a patch.
        embed_dim: Channels of a token.
        depth: Number of blocks.
        num_heads: Attention heads of a block.
        global_attention: Indices of the blocks that attend over the whole grid.
        window_size: Tokens along one side of the other blocks' windows.
        mlp_ratio: Hidden channels of the perceptrons, in multiples of `embed_dim`.

    Raises:
        BundleError: The sizes don't fit each other.
    """

    __pydantic_config__ = STRICT

    image_size: int
    patch_size: int
    embed_dim: int
    depth: int
    num_heads: int
    global_attention: tuple[int, ...]
    window_size: int = 14
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        _require_positive(self)
        _require(self.image_size % self.patch_size == 0, "image_size must be a multiple of patch_size", self)
        _require(self.embed_dim % self.num_heads == 0, "embed_dim must be a multiple of num_heads", self)
        _require(
            all(0 <= index < self.depth for index in self.global_attention),
            "global_attention must name blocks from 0 to depth - 1",
            self,
        )

    @property
    def grid(self) -> int:
        """Cells along one side of the embedding."""
        return self.image_size // self.patch_size


@dataclass(frozen=True)
class TinyViTConfig:
    """Sizes of a TinyViT, LiteMedSAM's image encoder: one convolutional stage, then stages with attention.

    Args:
        image_size: Pixels along one side of the input frame.
        embed_dims: Channels of each stage.
        depths: Number of blocks of each stage.
        num_heads: Attention heads, for each stage but the first.
        window_sizes: Tokens along one side of a window, for each stage but the first.
        strides: 2 where the grid is halved after a stage, 1 where it stays; one for each
            stage but the last.
        mlp_ratio: Hidden channels of the perceptrons, in multiples of the stage's width.
        expand_ratio: Hidden channels of the convolutional blocks, likewise.
        patch_size: Pixels along one side of the patch of a first-stage cell: 1 as in LiteMedSAM, or 4.
        pyramid_dim: Channels of the path from the last stage back to the grid of the first; 0 has none.
        pyramid_expand_ratio: Hidden channels of that path's blocks, in multiples of `pyramid_dim`.

    Raises:
        BundleError: The sizes don't fit each other.
    """

    __pydantic_config__ = STRICT

    image_size: int
    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_sizes: tuple[int, ...]
    strides: tuple[int, ...]
    mlp_ratio: float = 4.0
    expand_ratio: float = 4.0
    patch_size: int = 1
    pyramid_dim: int = 0
    pyramid_expand_ratio: float = 2.0

    def __post_init__(self) -> None:
        _require(self.pyramid_dim >= 0, "pyramid_dim must not be negative", self)
        _require_positive(self)
        _require(self.patch_size in (1, 4), "patch_size must be 1 or 4", self)
        stages = len(self.embed_dims)
        _require(stages >= 2 and len(self.depths) == stages, "embed_dims and depths must name the same stages", self)
        _require(
            len(self.num_heads) == len(self.window_sizes) == len(self.strides) == stages - 1,
            "num_heads, window_sizes and strides need one entry less than embed_dims",
            self,
        )
        _require(
            all(dim % heads == 0 for dim, heads in zip(self.embed_dims[1:], self.num_heads, strict=True)),
            "embed_dims must be multiples of num_heads",
            self,
        )
        _require(set(self.strides) <= {1, 2}, "strides must be 1 or 2", self)
        _require(
            self.image_size % (self.patch_size * math.prod(self.strides)) == 0,
            "image_size must be a multiple of patch_size and all strides together",
            self,
        )

    @property
    def stage_grids(self) -> tuple[int, ...]:
        """Cells along one side of each stage's grid."""
        first = self.image_size // self.patch_size
        return tuple(first // math.prod(self.strides[:stage]) for stage in range(len(self.embed_dims)))

    @property
    def grid(self) -> int:
        """Cells along one side of the embedding."""
        return self.stage_grids[0 if self.pyramid_dim else -1]


@dataclass(frozen=True)
class SamConfig:
    """Sizes of a whole model.

    Args:
        encoder: Sizes of the image encoder.
        embedding_channels: Channels of the image embedding and of the prompt tokens.
        mask_in_channels: Channels inside the convolutions that read a mask prompt.
        decoder_depth: Blocks of the decoder's transformer.
        decoder_heads: Attention heads of the decoder's transformer.
        decoder_mlp_dim: Hidden channels of its perceptrons.
        iou_head_depth: Layers of the head that predicts the masks' quality.
        iou_head_dim: Hidden channels of that head.
        source_channels: Channels inside the module that reads where a mask prompt comes from; 0 for a model, such as
            SAM, that gets the mask alone.
        prototype_channels: Channels inside the module that compares a slice with the prompted one, only with
            `source_channels`; 0 for a model without it.
        presence: Whether the decoder also says how likely the object is on the slice at all.

    Raises:
        BundleError: The sizes don't fit each other.
    """

    __pydantic_config__ = STRICT

    encoder: ViTConfig | TinyViTConfig
    embedding_channels: int = 256
    mask_in_channels: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    iou_head_depth: int = 3
    iou_head_dim: int = 256
    source_channels: int = 0
    prototype_channels: int = 0
    presence: bool = False

    def __post_init__(self) -> None:
        _require_positive(self)
        _require(self.mask_in_channels % 4 == 0, "mask_in_channels must be a multiple of 4", self)
        _require(
            self.source_channels >= 0 and self.source_channels % 2 == 0,
            "source_channels must be even and not negative",
            self,
        )
        _require(
            self.prototype_channels == 0 or (self.prototype_channels > 0 and self.source_channels > 0),
            "prototype_channels must not be negative, and needs source_channels",
            self,
        )
        _require(
            self.embedding_channels % 8 == 0 and self.embedding_channels % (2 * self.decoder_heads) == 0,
            "embedding_channels must be a multiple of 8 and of twice decoder_heads",
            self,
        )

    @property
    def input_size(self) -> int:
        """Pixels along one side of the input frame."""
        return self.encoder.image_size

    @property
    def embedding_grid(self) -> int:
        """Cells along one side of the embedding."""
        return self.encoder.grid

    @property
    def low_res_size(self) -> int:
        """Pixels along one side of mask prompts and of the decoder's masks."""
        return LOW_RES_PER_CELL * self.embedding_grid

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` reads them back."""
        kind = next(name for name, encoder in ENCODERS.items() if type(self.encoder) is encoder)
        encoder = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self.encoder).items()}
        sizes = {**vars(self), "encoder": {"kind": kind, **encoder}}
        for name in _ADDED:  # as earlier versions wrote it, so that the same weights make the same bundle
            if not sizes[name]:
                del sizes[name]
        return sizes

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SamConfig:
        """Read what `to_dict` wrote.

        Raises:
            BundleError: A key is unknown or missing, or a value has the wrong type.
        """
        encoder = values.get("encoder")
        kind = encoder.get("kind") if isinstance(encoder, Mapping) else None
        if not isinstance(encoder, Mapping) or kind not in ENCODERS:
            raise BundleError(
                f"The model configuration needs an 'encoder' whose 'kind' is one of {', '.join(ENCODERS)}; "
                f"it has {kind!r}. It may come from a newer version of RadSAM."
            )
        sizes = {name: value for name, value in encoder.items() if name != "kind"}
        _read(ENCODERS[kind], sizes)  # by its own kind first, whose errors name the entry
        return _read(cls, {**values, "encoder": sizes})


#: Sizes of parts that a model may lack.
_ADDED = ("source_channels", "prototype_channels", "presence")

#: The image encoders by the name under which a configuration is stored.
ENCODERS: dict[str, type[ViTConfig] | type[TinyViTConfig]] = {"vit": ViTConfig, "tiny_vit": TinyViTConfig}


def _read(kind: type[Sizes], values: Mapping[str, Any]) -> Sizes:
    try:
        return settings_from_dict(kind, values, "The model configuration")
    except BundleError:  # the sizes' own rules
        raise
    except InputError as error:
        raise BundleError(f"{error}\nA newer version of RadSAM may have written it.") from None


def _require_positive(config: Any) -> None:
    for name, value in vars(config).items():
        numbers = value if isinstance(value, tuple) else (value,)
        # These may be zero; their own checks cover them.
        if name not in ("global_attention", "pyramid_dim", *_ADDED) and any(
            isinstance(n, int | float) and n <= 0 for n in numbers
        ):
            raise BundleError(f"The model configuration needs positive sizes; {name} is {value}.")


def _require(fits: bool, rule: str, config: Any) -> None:
    if not fits:
        raise BundleError(f"The model configuration does not fit together: {rule}, in {config}.")
