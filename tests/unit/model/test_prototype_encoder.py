from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from radsam.errors import BundleError
from radsam.model.prototype_encoder import PrototypeEncoder, pooled_prototypes
from radsam.model.sam_config import SamConfig
from radsam.predictor import prototypes
from small_models import PROMPTS, SMALL_TINY_VIT, SMALL_WITH_PROTOTYPES, SMALL_WITH_SOURCE, decoder_inputs, random_model


def embedding(config: SamConfig) -> Tensor:
    shape = (1, config.embedding_channels, config.embedding_grid, config.embedding_grid)
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_new_module_changes_no_prediction_by_a_single_bit(prompt: str) -> None:
    before, after = random_model(SMALL_WITH_SOURCE), random_model(SMALL_WITH_SOURCE)
    after.config = SMALL_WITH_PROTOTYPES
    after.prompt_encoder.prototypes = PrototypeEncoder(SMALL_WITH_PROTOTYPES.embedding_channels, 4)
    given = decoder_inputs(SMALL_WITH_SOURCE, prompt)
    known = torch.randn(1, 2, SMALL_WITH_PROTOTYPES.embedding_channels)
    with torch.no_grad():
        expected = before.decode(embedding(SMALL_WITH_SOURCE), **given)
        found = after.decode(embedding(SMALL_WITH_SOURCE), **given, prototypes=known)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_trained_module_looks_at_the_object_and_at_its_surroundings() -> None:
    model, given = random_model(SMALL_WITH_PROTOTYPES), decoder_inputs(SMALL_WITH_PROTOTYPES, "mask")
    with torch.no_grad():
        logits, scores = model.decode(embedding(model.config), **given)
        for which in range(2):
            changed = given["prototypes"].clone()
            changed[:, which] *= -1
            other, other_scores = model.decode(embedding(model.config), **{**given, "prototypes": changed})
            assert (logits - other).abs().max() > 1e-4
            assert not torch.equal(scores, other_scores)


def test_without_prototypes_a_trained_module_adds_nothing() -> None:
    model, given = random_model(SMALL_WITH_PROTOTYPES), decoder_inputs(SMALL_WITH_PROTOTYPES, "mask")
    bare = {name: value for name, value in given.items() if name != "prototypes"}
    with torch.no_grad():
        found = model.decode(embedding(model.config), **bare, prototypes=torch.zeros_like(given["prototypes"]))
        expected = model.decode(embedding(model.config), **bare)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_prototypes_are_the_means_of_the_object_and_of_the_cells_around_it() -> None:
    values = torch.arange(20.0 * 20).reshape(1, 1, 20, 20)
    mask = torch.zeros(1, 80, 80)
    mask[:, 40:48, 24:28] = 1.0  # rows 10 and 11, column 6
    (object_mean, around), *_ = pooled_prototypes(values, mask)
    assert object_mean.item() == pytest.approx(10.5 * 20 + 6)
    # Rows 6 to 15, columns 2 to 10, which lie evenly around the object.
    assert around.item() == pytest.approx(10.5 * 20 + 6)
    values[0, 0, 2, 6] = 1e6  # row 2 is too far away
    assert pooled_prototypes(values, mask)[0, 1].item() == pytest.approx(10.5 * 20 + 6)
    values[0, 0, 6, 6] += 89.0
    assert pooled_prototypes(values, mask)[0, 1].item() == pytest.approx(10.5 * 20 + 6 + 89.0 / (10 * 9 - 2))


@pytest.mark.parametrize("seed", range(3))
def test_inference_and_training_have_the_same_prototypes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.standard_normal((8, 16, 16)).astype(np.float16)
    mask = np.zeros((64, 64), np.float32)
    row, col = rng.integers(0, 50, 2)
    mask[row : row + rng.integers(1, 14), col : col + rng.integers(1, 14)] = 1.0
    expected = pooled_prototypes(torch.from_numpy(one).float()[None], torch.from_numpy(mask)[None])[0]
    np.testing.assert_allclose(prototypes.pooled_prototypes(one, mask), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_a_slice_without_the_object_has_no_prototypes() -> None:
    assert not pooled_prototypes(torch.ones(1, 3, 16, 16), torch.zeros(1, 64, 64)).any()
    assert prototypes.pooled_prototypes(np.ones((3, 16, 16), np.float16), np.zeros((64, 64), np.float32)) is None


def test_sizes_without_the_module_are_stored_as_before() -> None:
    assert "prototype_channels" not in SMALL_WITH_SOURCE.to_dict()
    assert SMALL_WITH_PROTOTYPES.to_dict()["prototype_channels"] == 4
    assert SamConfig.from_dict(SMALL_WITH_PROTOTYPES.to_dict()) == SMALL_WITH_PROTOTYPES
    with pytest.raises(BundleError, match="needs source_channels"):
        SamConfig.from_dict({**SMALL_TINY_VIT.to_dict(), "prototype_channels": 4})
