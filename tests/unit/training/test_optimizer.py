from __future__ import annotations

import pytest
import torch
from torch import nn

from radsam.model.sam import build_sam
from radsam.training.optimizer import Average, choose_parameters, encoder_scales, make_optimizer, rate_factor, set_rate
from radsam.training.training_config import EncoderConfig, OptimConfig
from small_models import SMALL_TINY_VIT, SMALL_VIT


def test_only_the_prompt_encoder_and_the_decoder_are_trained() -> None:
    model = build_sam(SMALL_TINY_VIT)
    trained = choose_parameters(model, EncoderConfig())
    assert {name.split(".")[0] for name in trained} == {"prompt_encoder", "mask_decoder"}
    assert not any(parameter.requires_grad for parameter in model.image_encoder.parameters())
    assert not any("gaussian" in name for name in trained), "the random frequencies stay as they are"


def test_a_rate_of_zero_freezes() -> None:
    model, encoder = build_sam(SMALL_TINY_VIT), EncoderConfig(train=True)
    scales = {"image_encoder.layers.": 0.0, "image_encoder.layers.1.": 0.5}
    trained = choose_parameters(model, encoder, scales)
    assert {name.split(".")[2] for name in trained if name.startswith("image_encoder.layers.")} == {"1"}
    assert all(value.requires_grad == (name in trained) for name, value in model.named_parameters())


def test_the_rate_rises_then_falls_to_its_last_value() -> None:
    config = OptimConfig(steps=100, warmup=0.1, final_lr=0.01)
    factors = [rate_factor(config, step) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == pytest.approx(1.0)
    assert factors[55] == pytest.approx(0.505)
    assert factors[100] == pytest.approx(0.01)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    constant = OptimConfig(steps=100, warmup=0.1, schedule="constant")
    assert rate_factor(constant, 99) == 1.0


def test_tokens_biases_and_norms_do_not_decay_and_rates_follow_the_longest_prefix() -> None:
    parameters = choose_parameters(build_sam(SMALL_TINY_VIT), EncoderConfig())
    config = OptimConfig(steps=1, lr_scale={"mask_decoder": 0.5, "mask_decoder.iou_prediction_head": 2.0})
    optimizer = make_optimizer(parameters, config)
    found = {
        id(p): (group["weight_decay"], group["scale"]) for group in optimizer.param_groups for p in group["params"]
    }
    assert len(found) == len(parameters)
    expected = {
        "prompt_encoder.no_mask_embed.weight": (0.0, 1.0),
        "prompt_encoder.mask_downscaling.0.weight": (0.01, 1.0),
        "mask_decoder.iou_token.weight": (0.0, 0.5),
        "mask_decoder.iou_prediction_head.layers.0.weight": (0.01, 2.0),
        "mask_decoder.iou_prediction_head.layers.0.bias": (0.0, 2.0),
    }
    assert {name: found[id(parameters[name])] for name in expected} == expected


def test_each_block_of_the_encoder_learns_slower_than_the_next() -> None:
    encoder = EncoderConfig(train=True, lr_scale=0.5, lr_decay=0.1)
    found = encoder_scales(choose_parameters(build_sam(SMALL_VIT), encoder), encoder)
    expected = {
        "pos_embed": 0.5e-4,
        "patch_embed.proj.weight": 0.5e-4,
        "blocks.0.attn.qkv.weight": 0.5e-3,
        "blocks.2.mlp.lin1.bias": 0.5e-1,
        "neck.0.weight": 0.5,
    }
    assert {name: found[f"image_encoder.{name}"] for name in expected} == pytest.approx(expected)
    assert all(name.startswith("image_encoder.") for name in found)


def test_a_step_to_the_next_stage_learns_as_its_last_block_does() -> None:
    """SMALL_TINY_VIT has stages of 1, 1, 2 and 1 blocks."""
    encoder = EncoderConfig(train=True, lr_decay=0.1)
    found = encoder_scales(choose_parameters(build_sam(SMALL_TINY_VIT), encoder), encoder)

    def scales(part: str) -> set[float]:
        return {round(scale, 9) for name, scale in found.items() if name.startswith(f"image_encoder.{part}")}

    assert scales("patch_embed.") == {1e-6}
    assert scales("layers.0.blocks.0.") == scales("layers.0.downsample.") == {1e-5}
    assert scales("layers.2.blocks.0.") == {1e-3}
    assert scales("layers.2.blocks.1.") == scales("layers.2.downsample.") == {1e-2}
    assert scales("layers.3.blocks.0.") == {1e-1}
    assert scales("neck.") == {1.0}


def test_the_rates_of_layers_come_on_top_of_the_schedule_and_tables_of_positions_do_not_decay() -> None:
    encoder = EncoderConfig(train=True, lr_decay=0.1)
    config = OptimConfig(steps=10, warmup=0.0, lr=1e-3, lr_scale={"image_encoder.neck": 2.0})
    parameters = choose_parameters(build_sam(SMALL_VIT), encoder)
    optimizer = make_optimizer(parameters, config, encoder)
    set_rate(optimizer, config, 0)
    found = {id(p): (group["weight_decay"], group["lr"]) for group in optimizer.param_groups for p in group["params"]}
    expected = {
        "image_encoder.neck.0.weight": (0.01, 2e-3),
        "image_encoder.blocks.2.attn.qkv.weight": (0.01, 1e-4),
        "image_encoder.blocks.2.attn.rel_pos_h": (0.0, 1e-4),
        "image_encoder.pos_embed": (0.0, 1e-7),
        "mask_decoder.iou_prediction_head.layers.0.weight": (0.01, 1e-3),
    }
    assert {name: found[id(parameters[name])] for name in expected} == {
        name: (decay, pytest.approx(rate)) for name, (decay, rate) in expected.items()
    }


def test_the_average_forgets_early_values_faster() -> None:
    parameters = {"w": nn.Parameter(torch.zeros(1))}
    average = Average(parameters, 0.99)
    with torch.no_grad():
        parameters["w"].fill_(1.0)
    average.update(parameters, 0)
    assert average.values["w"].item() == pytest.approx(0.9)  # decay (1 + 0) / (10 + 0)
    average.update(parameters, 10**6)
    assert average.values["w"].item() == pytest.approx(0.9 + 0.1 * 0.01)
