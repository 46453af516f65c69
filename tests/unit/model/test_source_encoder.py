from __future__ import annotations

import pytest
import torch
from torch import Tensor

from radsam.model.sam import Sam
from radsam.model.sam_config import SamConfig
from radsam.model.source_encoder import SourceEncoder
from small_models import PROMPTS, SMALL_TINY_VIT, SMALL_WITH_SOURCE, decoder_inputs, random_model


def embedding(config: SamConfig) -> Tensor:
    shape = (1, config.embedding_channels, config.embedding_grid, config.embedding_grid)
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


def with_new_module(model: Sam) -> Sam:
    model.config = SMALL_WITH_SOURCE
    model.prompt_encoder.source = SourceEncoder(SMALL_WITH_SOURCE.embedding_channels, SMALL_WITH_SOURCE.source_channels)
    return model


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_new_module_changes_no_prediction_by_a_single_bit(prompt: str) -> None:
    before, given = random_model(SMALL_TINY_VIT), decoder_inputs(SMALL_TINY_VIT, prompt)
    after = with_new_module(random_model(SMALL_TINY_VIT))
    given_source = {**decoder_inputs(SMALL_WITH_SOURCE, prompt), "has_source": torch.ones(1)}
    with torch.no_grad():
        expected = before.decode(embedding(SMALL_TINY_VIT), **given)
        found = after.decode(embedding(SMALL_TINY_VIT), **given_source)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("changed", ["pictures", "distance", "has_source"])
def test_a_trained_module_looks_at_everything_it_gets(changed: str) -> None:
    model, given = random_model(SMALL_WITH_SOURCE), decoder_inputs(SMALL_WITH_SOURCE, "mask")
    with torch.no_grad():
        logits, scores = model.decode(embedding(model.config), **given)
        other, other_scores = model.decode(embedding(model.config), **{**given, changed: 1 - given[changed]})
    assert (logits - other).abs().max() > 1e-4
    assert not torch.equal(scores, other_scores)


def test_without_a_source_a_trained_module_adds_nothing() -> None:
    model, given = random_model(SMALL_WITH_SOURCE), decoder_inputs(SMALL_WITH_SOURCE, "mask and point")
    bare = {name: value for name, value in given.items() if name not in ("has_source", "pictures", "distance")}
    with torch.no_grad():
        found = model.decode(embedding(model.config), **given)
        expected = model.decode(embedding(model.config), **bare)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_sizes_without_the_module_are_stored_as_before() -> None:
    assert "source_channels" not in SMALL_TINY_VIT.to_dict()
    assert SMALL_WITH_SOURCE.to_dict()["source_channels"] == 8
    for config in (SMALL_TINY_VIT, SMALL_WITH_SOURCE):
        assert SamConfig.from_dict(config.to_dict()) == config
