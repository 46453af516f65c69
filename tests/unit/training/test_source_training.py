"""Is a model that takes the source of a mask, and prototypes, trained, validated and exported as it is used?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radsam.errors import InputError
from radsam.predictor.prototypes import pooled_prototypes
from radsam.predictor.slice_predictor import picture_of
from radsam.runtime import Bundle, read_bundle
from radsam.training.bundle_export import export_checkpoint
from radsam.training.episode import Episode
from radsam.training.start_weights import read_start, start_model
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_checkpoint import read_checkpoint
from radsam.training.training_config import DecoderConfig, PromptsConfig
from radsam.training.training_run import LAST, Run, prepare_scenes
from small_models import SMALL_TINY_VIT, SMALL_WITH_PRESENCE, SMALL_WITH_SOURCE, decoder_inputs
from tiny_training import tiny_config

Prepared = tuple[Bundle, EncodedScenes]
SHARES = {"box": 0.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "repair": 0.0}
DECODER = {"source_channels": 8}
WITH_PROTOTYPES = {**DECODER, "prototype_channels": 4}
WITH_PRESENCE = {**WITH_PROTOTYPES, "presence": True}
TUBE = 1
FIRST, LAST_SLICE, SLICE_MM, SIDE_MM = 1, 7, 3.0, 50.0


@pytest.fixture(scope="module")
def scenes(tiny: Path, tiny_scenes: Prepared) -> EncodedScenes:
    """The scenes for a model with the module."""
    _, scenes = prepare_scenes(tiny_config(tiny, decoder=DECODER), backend="torch:cpu")
    assert isinstance(scenes, EncodedScenes)
    assert scenes.spec.takes_source
    return scenes


def episode(scenes: EncodedScenes, kind: str, index: int = 4, seed: int = 0, **changes: float) -> Episode:
    config = PromptsConfig(**{**SHARES, kind: 1.0, "bounded": 1.0, **changes})
    return Episode(scenes, 0, index, TUBE, config, np.random.default_rng(seed))


def picture(scenes: EncodedScenes, index: int) -> np.ndarray:
    return picture_of(scenes.image(0, index), scenes.spec.low_res_size)


@pytest.mark.parametrize("seed", range(6))
def test_a_neighbours_mask_comes_with_its_picture_and_the_way(scenes: EncodedScenes, seed: int) -> None:
    one = episode(scenes, "neighbour", seed=seed, gap=3, ended_share=0.0)
    assert one.prompt is not None
    assert one.frame_prompt is not None
    source, given = one.prompt.source, one.frame_prompt.source
    assert source is not None
    assert given is not None
    assert 1 <= abs(source.index - one.index) <= 3
    np.testing.assert_array_equal(given.pictures, [picture(scenes, source.index), picture(scenes, one.index)])
    side = 1 if one.index > source.index else -1
    bound = LAST_SLICE if side > 0 else FIRST
    known, before, here, left, gap = given.distance
    assert known == 1
    assert 0 <= before < here < 1
    assert left == pytest.approx(abs(bound - one.index) * SLICE_MM / SIDE_MM)
    assert gap == pytest.approx(abs(source.index - one.index) * SLICE_MM / SIDE_MM)
    # Between the start and one slice past the bound the way grows evenly.
    assert (here - before) / (1 - here) == pytest.approx(
        abs(source.index - one.index) / (abs(bound - one.index) + 1), rel=1e-4
    )


def test_unknown_bounds_are_left_out(scenes: EncodedScenes) -> None:
    one = episode(scenes, "neighbour", bounded=0.0)
    assert one.frame_prompt is not None
    assert one.frame_prompt.source is not None
    assert one.frame_prompt.source.distance[:4].tolist() == [0, 0, 0, 0]


def test_the_end_of_the_volume_is_no_bound(scenes: EncodedScenes, monkeypatch: pytest.MonkeyPatch) -> None:
    case = scenes.store.cases[scenes.scenes[0].case_number]
    monkeypatch.setitem(case._extents, TUBE, (0, case.grid.count - 1, 4))
    one = episode(scenes, "neighbour")
    assert one.prompt is not None
    assert one.prompt.source is not None
    assert one.prompt.source.way is None


def test_a_walk_states_the_slice_that_its_mask_is_of(scenes: EncodedScenes) -> None:
    one = episode(scenes, "box", edit_share=0.0, walk_click_share=0.0, ended_share=0.0)
    assert one.frame_prompt is not None
    assert one.frame_prompt.source is None
    visited, found = [one.index], np.full((64, 64), -8.0, np.float32)
    truth = scenes.frame(0).mask_to_frame(scenes.mask(0, 4, TUBE))
    one.take_prediction(np.where(truth > 0.5, 8.0, -8.0).astype(np.float32))
    assert one.prompt is not None
    assert one.prompt.source is not None
    assert one.prompt.source.index == 4
    visited.append(one.index)
    # Nothing is found here, and it is not lost: the next slice gets the older mask with the slice that it is of.
    one._truth = np.zeros_like(one._truth)
    one.take_prediction(found)
    assert one.prompt is not None
    assert one.prompt.source is not None
    assert one.prompt.source.index == 4
    assert abs(one.index - 4) == 2


def test_a_mask_of_the_same_slice_has_no_source(scenes: EncodedScenes) -> None:
    for kind in ("mask", "repair"):
        one = episode(scenes, kind)
        assert one.prompt is not None
        assert one.prompt.source is None
    edited = episode(scenes, "neighbour", edit_share=1.0)
    edited.take_prediction(np.full((64, 64), -8.0, np.float32))
    assert edited.kind == "edit"
    assert edited.prompt is not None
    assert edited.prompt.source is None


def test_a_mask_past_the_end_comes_from_the_objects_last_slice(scenes: EncodedScenes) -> None:
    ended = [episode(scenes, "neighbour", index=7, seed=seed, ended_share=1.0) for seed in range(8)]
    ended = [one for one in ended if not one.truth.any()]
    assert ended
    for one in ended:
        assert one.prompt is not None
        assert one.prompt.source is not None
        assert (one.prompt.source.index, one.index) == (7, 8)
        assert one.prompt.source.way is not None
        assert one.prompt.source.way[1:] == (1.0, 0.0)


def test_start_weights_get_the_module_and_predict_as_before(tiny_scenes: Prepared) -> None:
    bundle, _ = tiny_scenes
    before, after, again = (start_model(bundle, DecoderConfig(**each)) for each in ({}, DECODER, DECODER))
    assert after.config == SMALL_WITH_SOURCE
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in after.state_dict().items())
    given = decoder_inputs(SMALL_WITH_SOURCE, "mask")
    embedding = torch.randn(1, 32, 16, 16, generator=torch.Generator().manual_seed(1))
    bare = {name: given[name] for name in decoder_inputs(SMALL_TINY_VIT, "mask")}
    with torch.no_grad():
        found, expected = after.decode(embedding, **given), before.decode(embedding, **bare)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_run_trains_the_module_resumes_and_is_exported_with_it(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    bundle, _ = tiny_scenes
    config = tiny_config(tiny, decoder=WITH_PRESENCE, prompts={"box": 0.2, "neighbour": 0.8, "turns": [0.5, 0.5]})
    _, scenes = prepare_scenes(config, backend="torch:cpu")
    assert isinstance(scenes, EncodedScenes)

    def open_run(name: str) -> Run:
        return Run(config, tmp_path / name, bundle, scenes, report=lambda line: None)

    whole, stopped = open_run("whole"), open_run("stopped")
    expected = [whole.train_step()[0].total for _ in range(4)]
    found = [stopped.train_step()[0].total for _ in range(2)]
    stopped.save(LAST)
    resumed = open_run("stopped")
    assert found + [resumed.train_step()[0].total for _ in range(2)] == expected
    new = start_model(bundle, config.decoder)
    for part in ("prompt_encoder.source", "prompt_encoder.prototypes", "mask_decoder.presence_head"):
        for name, value in new.get_submodule(part).named_parameters():
            assert not torch.equal(resumed.model.get_parameter(f"{part}.{name}"), value), name
    assert 0 <= resumed.validate() <= 1
    resumed.save(LAST)

    checkpoint = tmp_path / "stopped" / LAST
    exported = read_bundle(export_checkpoint(checkpoint, tmp_path / "bundle", backend="openvino"))
    assert exported.spec.takes_source
    assert "Takes in propagation: a mask with its picture and the way to the bound" in exported.card
    model = start_model(exported)
    assert model.config == SMALL_WITH_PRESENCE
    name = "prompt_encoder.source.last.weight"
    torch.testing.assert_close(
        model.state_dict()[name], read_checkpoint(checkpoint).average[name], rtol=2e-3, atol=1e-6
    )
    # The mean with weights that lack the module has it whole; the taper may be another one than in training.
    mixed = read_bundle(
        export_checkpoint(checkpoint, tmp_path / "mixed", mean_with=bundle.path, taper=1.0, backend="openvino")
    )
    assert (exported.spec.taper, mixed.spec.taper) == (0.0, 1.0)
    ours, other, mean = (start_model(each).state_dict() for each in (exported, bundle, mixed))
    for each in (name, "mask_decoder.presence_head.layers.0.weight"):
        torch.testing.assert_close(mean[each], ours[each], rtol=2e-3, atol=1e-6)
    kernel = "mask_decoder.output_upscaling.0.weight"
    torch.testing.assert_close(mean[kernel], (ours[kernel] + other[kernel]) / 2, rtol=2e-3, atol=1e-5)
    # A run may start from either of them, and has the module.
    for start in (str(checkpoint), str(tmp_path / "bundle")):
        assert read_start(start).spec.takes_source
        assert start_model(read_start(start)).config == SMALL_WITH_PRESENCE


def test_a_module_of_another_size_is_refused(tiny_scenes: Prepared) -> None:
    bundle, _ = tiny_scenes
    spec = DecoderConfig(**DECODER).spec_of(bundle.spec)
    assert DecoderConfig().spec_of(spec) == spec
    assert DecoderConfig(**DECODER).spec_of(spec) == spec
    with pytest.raises(InputError, match=r"source_channels is 16.*has 8\. Leave"):
        DecoderConfig(source_channels=16).spec_of(spec)
    with pytest.raises(InputError, match=r"prototype_channels needs decoder\.source_channels"):
        DecoderConfig(prototype_channels=4).spec_of(bundle.spec)


def test_runs_without_the_module_keep_their_identity(tiny: Path) -> None:
    config = tiny_config(tiny)
    assert config.identity != tiny_config(tiny, decoder=DECODER).identity
    assert config.identity == replace(config, decoder=DecoderConfig()).identity
    assert "decoder" in config.to_dict()


def test_an_episode_is_compared_with_the_slice_that_it_started_from(tiny: Path) -> None:
    _, scenes = prepare_scenes(tiny_config(tiny, decoder=WITH_PROTOTYPES), backend="torch:cpu")
    assert isinstance(scenes, EncodedScenes)
    for seed in range(6):
        one = episode(scenes, "neighbour", seed=seed, gap=3, ended_share=0.0)
        assert one.prompt is not None
        assert one.prompt.source is not None
        assert one.frame_prompt is not None
        assert one.frame_prompt.source is not None
        came_from = one.prompt.source.index
        start = min(one._taper.start, came_from) if one.index > came_from else max(one._taper.start, came_from)
        mask = scenes.frame(0).mask_to_frame(scenes.mask(0, start, TUBE))
        expected = pooled_prototypes(scenes.embedding(0, start), mask)
        np.testing.assert_array_equal(one.frame_prompt.source.prototypes, expected)
    without = episode(scenes, "box")
    assert without.frame_prompt is not None
    assert without.frame_prompt.source is None
