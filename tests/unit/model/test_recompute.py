from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from radsam.model.recompute import recompute_activations
from small_models import SMALL_CONFIGS, random_model


@pytest.mark.parametrize("name", SMALL_CONFIGS)
def test_blocks_are_computed_again_on_the_way_back_with_the_same_embedding_and_gradient(name: str) -> None:
    config = SMALL_CONFIGS[name]
    images = torch.rand(2, 3, config.input_size, config.input_size, generator=torch.Generator().manual_seed(0))
    calls: Counter[str] = Counter()

    def run(recompute: bool) -> tuple[Tensor, dict[str, Tensor]]:
        encoder = random_model(config).image_encoder
        if recompute:
            recompute_activations(encoder)
        for part, module in encoder.named_modules():
            if part.split(".")[-2:-1] == ["blocks"]:
                module.register_forward_pre_hook(lambda *_, part=part: calls.update([part]))
        embedding = encoder(images)
        embedding.square().mean().backward()
        return embedding.detach(), {
            part: each.grad for part, each in encoder.named_parameters() if each.grad is not None
        }

    expected, gradients = run(recompute=False)
    assert set(calls.values()) == {1}
    calls.clear()
    found, again = run(recompute=True)
    assert set(calls.values()) == {2}
    assert torch.equal(found, expected)
    assert again.keys() == gradients.keys()
    assert all(torch.equal(again[part], gradient) for part, gradient in gradients.items())
