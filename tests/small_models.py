"""Small models with random weights, and one prompt of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from radsam.model.prompt_tokens import DISTANCE_VALUES, NEGATIVE, POSITIVE, PROTOTYPES, arrange
from radsam.model.sam import Sam, build_sam
from radsam.model.sam_config import SamConfig, TinyViTConfig, ViTConfig

# A grid of 10 in windows of 4: the last row and column of windows are padded.
SMALL_VIT = SamConfig(
    ViTConfig(image_size=80, patch_size=8, embed_dim=32, depth=3, num_heads=2, global_attention=(1,), window_size=4),
    embedding_channels=32,
    mask_in_channels=8,
    decoder_heads=4,
    decoder_mlp_dim=64,
    iou_head_dim=24,
)

SMALL_TINY_VIT = SamConfig(
    TinyViTConfig(
        image_size=64,
        embed_dims=(16, 32, 48, 64),
        depths=(1, 1, 2, 1),
        num_heads=(2, 3, 4),
        window_sizes=(7, 4, 7),
        strides=(2, 2, 1),
    ),
    embedding_channels=32,
    decoder_heads=4,
    decoder_mlp_dim=64,
)

#: Reads where a mask comes from, too.
SMALL_WITH_SOURCE = replace(SMALL_TINY_VIT, source_channels=8)

#: Compares with the prompted slice, too.
SMALL_WITH_PROTOTYPES = replace(SMALL_WITH_SOURCE, prototype_channels=4)

#: Also says whether the object is on the slice.
SMALL_WITH_PRESENCE = replace(SMALL_WITH_PROTOTYPES, presence=True)

SMALL_CONFIGS = {
    "vit": SMALL_VIT,
    "tiny_vit": SMALL_TINY_VIT,
    "with source": SMALL_WITH_SOURCE,
    "with prototypes": SMALL_WITH_PROTOTYPES,
    "with presence": SMALL_WITH_PRESENCE,
}


def random_model(config: SamConfig, seed: int = 0) -> Sam:
    """Build a model whose output depends on every weight, including those that start at zero."""
    model = build_sam(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            scale = 1 / max(1, tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.2
            tensor.copy_(noise * max(scale, 0.1) + (1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0))
            if name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
    return model


#: The kinds of prompt: clicks with their labels, a box, whether there is a mask.
PROMPTS: dict[str, tuple[list[tuple[float, float, int]], list[float] | None, bool]] = {
    "nothing": ([], None, False),
    "box": ([], [10.0, 12.5, 40.0, 51.0], False),
    "point": ([(20.0, 31.0, POSITIVE)], None, False),
    "points": ([(20.0, 31.0, POSITIVE), (3.5, 60.0, NEGATIVE), (0.0, 0.0, POSITIVE)], None, False),
    "box and points": ([(20.0, 31.0, NEGATIVE), (33.0, 8.0, POSITIVE)], [10.0, 12.5, 40.0, 51.0], False),
    "mask": ([], None, True),
    "mask and point": ([(20.0, 31.0, NEGATIVE)], None, True),
    "mask and box": ([], [10.0, 12.5, 40.0, 51.0], True),
    "everything": ([(20.0, 31.0, NEGATIVE)], [10.0, 12.5, 40.0, 51.0], True),
}


def decoder_inputs(config: SamConfig, prompt: str) -> dict[str, Tensor]:
    """Build what the decoder takes for a named prompt, except the embedding."""
    clicks, box, has_mask = PROMPTS[prompt]
    points_xy, point_labels = arrange(
        np.array([click[:2] for click in clicks], dtype=np.float32).reshape(-1, 2),
        np.array([click[2] for click in clicks], dtype=np.int64),
        None if box is None else np.array(box, dtype=np.float32),
    )
    size = config.low_res_size
    mask = torch.zeros(1, 1, size, size)
    mask[..., size // 4 : size // 2, size // 3 : size // 2] = 1.0
    inputs = {
        "points_xy": torch.from_numpy(points_xy),
        "point_labels": torch.from_numpy(point_labels),
        "mask": mask,
        "has_mask": torch.tensor([float(has_mask)]),
    }
    if config.source_channels:
        generator = torch.Generator().manual_seed(7)
        # A mask with a point is one of the same slice, which was corrected.
        inputs["has_source"] = torch.tensor([float(has_mask and not clicks)])
        inputs["pictures"] = torch.rand(1, 2, size, size, generator=generator)
        inputs["distance"] = torch.rand(1, DISTANCE_VALUES, generator=generator)
        if config.prototype_channels:
            prototypes = torch.randn(1, PROTOTYPES, config.embedding_channels, generator=generator)
            inputs["prototypes"] = prototypes * inputs["has_source"].reshape(1, 1, 1)
    return inputs
