"""Does the decoder that is exported and trained say what SAM's own form says, and learn the same?"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from radsam.model.fast_decoder import FastDecoder
from radsam.model.sam import Sam, build_sam
from radsam.model.sam_presets import PRESETS
from small_models import PROMPTS, SMALL_CONFIGS, decoder_inputs, random_model


@pytest.fixture(scope="module", params=SMALL_CONFIGS)
def model(request: pytest.FixtureRequest) -> Sam:
    return random_model(SMALL_CONFIGS[request.param])


def embeddings(model: Sam, count: int) -> Tensor:
    side = model.config.embedding_grid
    shape = (count, model.config.embedding_channels, side, side)
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_it_answers_every_prompt_as_sam_does(model: Sam, prompt: str) -> None:
    given = (embeddings(model, 1), *decoder_inputs(model.config, prompt).values())
    with torch.no_grad():
        for got, wanted in zip(FastDecoder(model)(*given), model.decode(*given), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_box_takes_less_than_six_tenths_of_the_work() -> None:
    model = build_sam(PRESETS["lite_medsam"]).eval()
    given = (embeddings(model, 1), *decoder_inputs(model.config, "box").values())
    work = []
    for decode in (model.decode, FastDecoder(model)):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            decode(*given)
        work.append(counter.get_total_flops())
    assert 0 < work[1] < 0.6 * work[0]


def test_a_batch_gets_the_same_gradients(model: Sam) -> None:
    model = copy.deepcopy(model).double()
    prompts = [decoder_inputs(model.config, name) for name in ("mask and box", "box")]
    given = [torch.cat([each[name] for each in prompts]).double() for name in prompts[0]]
    given[0] = given[0] + torch.tensor([0.0, 7.0]).reshape(2, 1, 1)
    found = []
    for decode in (model.decode, FastDecoder(model)):
        embedding = embeddings(model, 2).double().requires_grad_()
        logits, scores = decode(embedding, *given)
        weights = dict(model.named_parameters())
        learns = [name for name in weights if not name.startswith("image_encoder.")]
        loss = logits.tanh().square().mean() + scores.square().mean()
        gradients = torch.autograd.grad(loss, [embedding, *(weights[name] for name in learns)], allow_unused=True)
        found.append(dict(zip(["embedding", *learns], gradients, strict=True)))
    official, fast = found
    assert sum(each is not None for each in official.values()) > 100
    for name, gradient in official.items():
        assert (gradient is None) == (fast[name] is None), name
        if gradient is not None:
            # A key's bias moves all scores of a query alike: its gradient is zero but for rounding.
            torch.testing.assert_close(fast[name], gradient, rtol=1e-5, atol=1e-10)
