from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radsam.errors import InputError
from radsam.model.checkpoint import SIGNATURES
from radsam.model.presets import FACTS, PRESETS
from radsam.runtime import Bundle
from radsam.training.embeddings import EncodedScenes
from radsam.training.engine import LAST, Run, prepare_scenes
from radsam.training.start import read_start, require_bundle, start_model
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


def test_a_frozen_encoder_does_not_start_from_a_checkpoint(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    Run(tiny_config(tiny), tmp_path, *tiny_scenes, report=lambda line: None).save(LAST)
    with pytest.raises(InputError, match=r"is a checkpoint: embeddings are made from a bundle.*encoder\.train = true"):
        require_bundle(read_start(str(tmp_path / LAST)))
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
