from __future__ import annotations

import pytest
import torch

from radsam.model.mask_decoder import presence_head
from radsam.model.sam_config import SamConfig
from radsam.runtime import Decoded
from small_models import PROMPTS, SMALL_WITH_PRESENCE, SMALL_WITH_PROTOTYPES, decoder_inputs, random_model


def embedding(config: SamConfig) -> torch.Tensor:
    shape = (1, config.embedding_channels, config.embedding_grid, config.embedding_grid)
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_new_head_changes_no_mask_and_no_score(prompt: str) -> None:
    before, after = random_model(SMALL_WITH_PROTOTYPES), random_model(SMALL_WITH_PROTOTYPES)
    after.mask_decoder.presence_head = presence_head(SMALL_WITH_PROTOTYPES.embedding_channels)
    given = decoder_inputs(SMALL_WITH_PROTOTYPES, prompt)
    with torch.no_grad():
        logits, scores = before.decode(embedding(before.config), **given)
        found, judged = after.decode(embedding(before.config), **given)
    assert torch.equal(found, logits)
    assert torch.equal(judged[:, :4], scores)
    assert judged.shape == (1, 5)


def test_presence_depends_on_the_slice_and_on_the_prompt() -> None:
    model, values = random_model(SMALL_WITH_PRESENCE), set()
    with torch.no_grad():
        for image in (embedding(model.config), -embedding(model.config)):
            for prompt in ("mask", "box"):
                _, scores = model.decode(image, **decoder_inputs(SMALL_WITH_PRESENCE, prompt))
                values.add(Decoded.of(torch.zeros(4, 2, 2).numpy(), scores[0].numpy()).presence)
    assert None not in values
    assert len(values) == 4


def test_a_decoder_without_the_head_judges_no_presence() -> None:
    decoded = Decoded.of(torch.zeros(4, 2, 2).numpy(), torch.arange(4.0).numpy())
    assert decoded.presence is None
    assert decoded.scores.tolist() == [0, 1, 2, 3]


def test_sizes_without_the_head_are_stored_as_before() -> None:
    assert "presence" not in SMALL_WITH_PROTOTYPES.to_dict()
    assert SamConfig.from_dict(SMALL_WITH_PRESENCE.to_dict()) == SMALL_WITH_PRESENCE
