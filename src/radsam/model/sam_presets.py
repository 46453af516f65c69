"""The published models that RadSAM can load: their sizes and how to find their weights. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from radsam.model.sam_config import SamConfig, TinyViTConfig, ViTConfig


def _vit(embed_dim: int, depth: int, num_heads: int, global_attention: tuple[int, ...]) -> SamConfig:
    """SAM's sizes; the three variants differ in the encoder only."""
    return SamConfig(ViTConfig(1024, 16, embed_dim, depth, num_heads, global_attention))


#: Sizes by the name of the published weights.
PRESETS: dict[str, SamConfig] = {
    "sam_vit_b": _vit(768, 12, 12, (2, 5, 8, 11)),
    "sam_vit_l": _vit(1024, 24, 16, (5, 11, 17, 23)),
    "sam_vit_h": _vit(1280, 32, 16, (7, 15, 23, 31)),
    "medsam_vit_b": _vit(768, 12, 12, (2, 5, 8, 11)),
    "lite_medsam": SamConfig(
        TinyViTConfig(
            image_size=256,
            embed_dims=(64, 128, 160, 320),
            depths=(2, 2, 6, 2),
            num_heads=(4, 5, 10),
            window_sizes=(7, 14, 7),
            strides=(2, 2, 1),
        )
    ),
}


@dataclass(frozen=True)
class WeightsFacts:
    """Facts about published weights besides their sizes.

    Args:
        pixel_mean: Subtracted from the three channels of an image in [0, 1].
        pixel_std: Divides them afterwards.
        prompts: Kinds of prompt the weights were trained with: "point", "box", "mask" (a
            mask alone) and "edit" (points together with the previous mask).
        origin: Where the weights come from, for the model card.
        sha256: Digests of the published files, where known.
        window: Window that turns HU into [0, 1]: the lowest and the highest value.
        licence: Licence of the weights.
    """

    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]
    prompts: tuple[str, ...]
    origin: str
    sha256: tuple[str, ...] = ()
    #: Soft tissue: MedSAM's training window, level 40 and width 400; the others were not trained on HU.
    window: tuple[float, float] = (-160.0, 240.0)
    licence: str = "Apache-2.0"


#: ImageNet's mean and deviation, which SAM states in grey levels from 0 to 255.
_IMAGENET_MEAN = (123.675 / 255, 116.28 / 255, 103.53 / 255)
_IMAGENET_STD = (58.395 / 255, 57.12 / 255, 57.375 / 255)


def _sam(variant: str, sha256: str) -> WeightsFacts:
    return WeightsFacts(
        pixel_mean=_IMAGENET_MEAN,
        pixel_std=_IMAGENET_STD,
        # SAM met masks only together with a point, while it was being corrected.
        prompts=("box", "point", "edit"),
        origin=f"Segment Anything ({variant}), Meta AI, 2023; trained on the natural images of SA-1B.",
        sha256=(sha256,),
    )


def _medsam(origin: str, sha256: tuple[str, ...] = ()) -> WeightsFacts:
    return WeightsFacts((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ("box",), origin, sha256)


#: Facts by the same names as `PRESETS`.
FACTS: dict[str, WeightsFacts] = {
    "sam_vit_b": _sam("ViT-B", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
    "sam_vit_l": _sam("ViT-L", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
    "sam_vit_h": _sam("ViT-H", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
    "medsam_vit_b": _medsam("MedSAM (ViT-B), Ma et al., 2024; SAM fine-tuned on medical images."),
    "lite_medsam": _medsam(
        "LiteMedSAM, Ma et al., 2024; a distilled TinyViT encoder with SAM's decoder, trained on medical images.",
        ("79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",),
    ),
}
