from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radsam.errors import InputError
from radsam.model.published_checkpoint import SIGNATURES
from radsam.model.sam_presets import FACTS, PRESETS
from radsam.runtime import Bundle, read_bundle
from radsam.training.batch_picture import draw_batch
from radsam.training.bundle_export import export_checkpoint
from radsam.training.start_weights import encoder_bundle, read_start, start_model
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_run import LAST, Run, prepare_scenes
from small_models import SMALL_VIT, random_model
from tiny_training import tiny_config, write_small_bundle

Prepared = tuple[Bundle, EncodedScenes]


def test_published_weights_are_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "small_vit", SMALL_VIT)
    monkeypatch.setitem(FACTS, "small_vit", FACTS["sam_vit_b"])
    monkeypatch.setitem(SIGNATURES, "small_vit", ("image_encoder.pos_embed", (1, 10, 10, 32)))
    weights = random_model(SMALL_VIT).state_dict()
    torch.save(weights, tmp_path / "small.pth")
    start = read_start(str(tmp_path / "small.pth"))
    assert start.spec.architecture == "small_vit"
    assert start.spec.pixel_mean == FACTS["sam_vit_b"].pixel_mean
    found = start_model(start).state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_a_run_goes_on_from_a_checkpoint_with_the_encoder_that_was_kept(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    first = Run(tiny_config(tiny), tmp_path / "first", *tiny_scenes, report=lambda line: None)
    first.train_step()
    first.save(LAST)
    config = replace(tiny_config(tiny), start=str(tmp_path / "first" / LAST), seed=5)
    start, scenes = prepare_scenes(config)
    assert encoder_bundle(start).sha256 == tiny_scenes[0].sha256
    assert scenes.identity == tiny_scenes[1].identity, "nothing is encoded again"
    assert draw_batch(config).episodes, "and it can be drawn"
    second = Run(config, tmp_path / "second", start, scenes, report=lambda line: None)
    second.train_step()
    second.save(LAST)
    export_checkpoint(tmp_path / "second" / LAST, tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle").encoder == tiny_scenes[0].encoder


def test_the_mean_of_two_parts_is_exported(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    run = Run(tiny_config(tiny), tmp_path, *tiny_scenes, report=lambda line: None)
    run.save(LAST)
    content = torch.load(tmp_path / LAST, weights_only=False)
    name = "mask_decoder.iou_token.weight"
    before = content["average"][name].clone()
    content["average"][name] = before + 0.5
    torch.save(content, tmp_path / "other.pt")
    export_checkpoint(tmp_path / LAST, tmp_path / "mean", mean_with=tmp_path / "other.pt")
    bundle = read_bundle(tmp_path / "mean")
    torch.testing.assert_close(start_model(bundle).state_dict()[name], before + 0.25, rtol=1e-3, atol=1e-3)
    assert "the mean of these weights" in bundle.card
    assert "before the mean was taken): none was made on the way" in bundle.card

    export_checkpoint(tmp_path / LAST, tmp_path / "again", mean_with=tmp_path / "mean")
    again = start_model(read_bundle(tmp_path / "again")).state_dict()[name]
    torch.testing.assert_close(again, before + 0.125, rtol=1e-3, atol=1e-3)

    del content["average"][name]
    torch.save(content, tmp_path / "foreign.pt")
    with pytest.raises(InputError, match="has trained other weights"):
        export_checkpoint(tmp_path / LAST, tmp_path / "none", mean_with=tmp_path / "foreign.pt")
    assert not (tmp_path / "none").exists()


def test_a_frozen_encoder_does_not_start_from_a_checkpoint_that_trained_one(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    config = tiny_config(tiny, encoder={"train": True}, embeddings={"scenes": 0})
    Run(config, tmp_path, *prepare_scenes(config), report=lambda line: None).save(LAST)
    with pytest.raises(InputError, match=r"is a checkpoint: embeddings are made from a bundle.*encoder\.train = true"):
        encoder_bundle(read_start(str(tmp_path / LAST)))
    with pytest.raises(InputError, match="is a checkpoint"):
        prepare_scenes(replace(tiny_config(tiny), start=str(tmp_path / LAST)))


def test_a_checkpoint_without_the_weights_that_it_started_from_is_refused(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    write_small_bundle(tmp_path / "other")
    bundle, scenes = tiny_scenes
    config = replace(tiny_config(tiny), start=str(tmp_path / "other"))
    Run(config, tmp_path / "run", replace(bundle, sha256="another"), scenes, report=lambda line: None).save(LAST)
    with pytest.raises(InputError, match=r"holds only what was trained.*Install the same weights again"):
        read_start(str(tmp_path / "run" / LAST))


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training checkpoint"):
        read_start(str(tmp_path / "none.pt"))
