"""Do sizes survive JSON, and are sizes that can't be built refused?"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from radsam.errors import BundleError
from radsam.model.sam_config import SamConfig
from radsam.model.sam_presets import FACTS, PRESETS
from small_models import SMALL_TINY_VIT, SMALL_VIT


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_back_from_json_unchanged(name: str) -> None:
    assert SamConfig.from_dict(json.loads(json.dumps(PRESETS[name].to_dict()))) == PRESETS[name]


@pytest.mark.parametrize(
    ("name", "input_size", "grid", "low_res"),
    [("sam_vit_b", 1024, 64, 256), ("sam_vit_h", 1024, 64, 256), ("lite_medsam", 256, 64, 256)],
)
def test_low_resolution_masks_are_four_times_the_grid(name: str, input_size: int, grid: int, low_res: int) -> None:
    config = PRESETS[name]
    assert (config.input_size, config.embedding_grid, config.low_res_size) == (input_size, grid, low_res)


def test_sizes_load_without_torch() -> None:
    modules = "radsam.model.sam_config, radsam.model.sam_presets, radsam.model.prompt_tokens"
    code = f"import {modules}, sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_every_preset_has_its_facts() -> None:
    assert FACTS.keys() == PRESETS.keys()
    for name, facts in FACTS.items():
        assert min(facts.pixel_std) > 0, name
        assert facts.window[0] < facts.window[1], name
        assert set(facts.prompts) <= {"box", "point", "mask", "edit"}, name
        assert all(len(digest) == 64 for digest in facts.sha256), name


def test_sam_normalises_as_imagenet_and_medsam_does_not() -> None:
    assert FACTS["sam_vit_b"].pixel_mean == pytest.approx((0.485, 0.456, 0.406), abs=1e-3)
    assert FACTS["sam_vit_b"].pixel_std == pytest.approx((0.229, 0.224, 0.225), abs=1e-3)
    assert FACTS["medsam_vit_b"].pixel_mean == (0, 0, 0)
    assert FACTS["medsam_vit_b"].pixel_std == (1, 1, 1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("decoder_width",), 3, "decoder_width"),
        (("encoder", "stem"), 3, "stem"),
        (("decoder_depth",), "2", "a whole number"),
        (("decoder_depth",), True, "a whole number"),
        (("decoder_depth",), 0, "positive"),
        (("encoder", "global_attention"), [1.5], "a whole number"),
        (("encoder", "mlp_ratio"), None, "a number"),
        (("encoder", "kind"), "resnet", "resnet"),
        (("encoder",), "vit", "encoder"),
    ],
)
def test_an_entry_that_cannot_be_read_is_refused_by_name(path: tuple[str, ...], value: object, message: str) -> None:
    stored = SMALL_VIT.to_dict()
    entry = stored
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    with pytest.raises(BundleError, match=message):
        SamConfig.from_dict(stored)


def test_a_missing_entry_is_named() -> None:
    stored = SMALL_VIT.to_dict()
    del stored["encoder"]["depth"]
    with pytest.raises(BundleError, match="depth is missing"):
        SamConfig.from_dict(stored)


def test_entries_with_a_default_may_be_left_out() -> None:
    stored = PRESETS["sam_vit_b"].to_dict()
    assert SamConfig.from_dict({"encoder": stored["encoder"]}) == PRESETS["sam_vit_b"]


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 81},
        {"num_heads": 5},
        {"global_attention": (3,)},
        {"global_attention": (-1,)},
        {"patch_size": 0},
        {"mlp_ratio": -1.0},
    ],
)
def test_transformer_sizes_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=next(iter(change))):
        dataclasses.replace(SMALL_VIT.encoder, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"depths": (1, 1, 2)},
        {"num_heads": (2, 2, 3, 4)},
        {"window_sizes": (7, 4)},
        {"num_heads": (2, 5, 4)},
        {"strides": (2, 3, 1)},
        {"image_size": 66},
        {"embed_dims": (16, 0, 48, 64)},
    ],
)
def test_tiny_vit_sizes_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=next(iter(change))):
        dataclasses.replace(SMALL_TINY_VIT.encoder, **change)


@pytest.mark.parametrize("change", [{"mask_in_channels": 6}, {"embedding_channels": 36}, {"decoder_heads": 5}])
def test_decoder_sizes_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(BundleError, match=next(iter(change))):
        dataclasses.replace(SMALL_VIT, **change)
