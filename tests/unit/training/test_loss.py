from __future__ import annotations

import math

import pytest
import torch

from radsam.training.loss import cross_entropy, dice_loss, focal_loss, prompt_loss, true_iou
from radsam.training.training_config import LossConfig

#: Logit of a probability of 3/4.
LOGIT = math.log(3)


def square(values: list[float]) -> torch.Tensor:
    """A 2 × 2 mask as a batch of one."""
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 2, 2)


def test_dice_is_that_of_the_paper() -> None:
    # m = (3/4, 3/4, 1/4, 1/4), g = (1, 0, 0, 0): Σ m g = 3/4, Σ m² = 5/4, Σ g² = 1; and one smoothing pixel.
    loss = dice_loss(square([LOGIT, LOGIT, -LOGIT, -LOGIT]), square([1, 0, 0, 0]), square([1, 1, 1, 1]))
    assert loss.item() == pytest.approx(1 - (2 * 0.75 + 1) / (1.25 + 1 + 1))


def test_cross_entropy_is_the_mean_over_the_content() -> None:
    loss = cross_entropy(square([LOGIT, LOGIT, -LOGIT, 50.0]), square([1, 0, 0, 0]), square([1, 1, 1, 0]))
    assert loss.item() == pytest.approx((-math.log(0.75) - math.log(0.25) - math.log(0.75)) / 3)


def test_focal_loss_weighs_by_the_squared_error() -> None:
    loss = focal_loss(square([LOGIT, LOGIT, 0.0, 0.0]), square([1, 0, 0, 0]), square([1, 1, 0, 0]))
    assert loss.item() == pytest.approx((-math.log(0.75) / 16 - 9 * math.log(0.25) / 16) / 2)


NO_CLICK = torch.zeros(1, 2, 2)


def test_a_click_weighs_the_pixels_around_it() -> None:
    logits = torch.tensor([[LOGIT, -LOGIT], [-9.0, -9.0]]).expand(1, 4, 2, 2)
    truth, content = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]]), torch.ones(1, 2, 2)
    clicked = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]])
    with_clicks, without = (
        prompt_loss(logits, torch.zeros(1, 4), truth, content, clicked, LossConfig(clicks=weight)).total.item()
        for weight in (2.0, 0.0)
    )
    # The primary mask and the best of the others: -(log 0.75 + log 0.25) / 2, twice each.
    assert with_clicks - without == pytest.approx(-2 * (math.log(0.75) + math.log(0.25)))


def test_the_padding_has_no_say() -> None:
    logits = torch.randn(2, 4, 2, 2)
    truth = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    content = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).expand(2, 2, 2)
    other = torch.where(content[:, None] > 0, logits, torch.full_like(logits, 9.0))
    scores = torch.rand(2, 4)
    one, two = (
        prompt_loss(each, scores, truth, content, NO_CLICK.expand(2, 2, 2), LossConfig(focal=0.1)).total
        for each in (logits, other)
    )
    assert torch.equal(one, two)


def test_only_the_best_of_the_secondary_masks_counts() -> None:
    right, wrong = torch.tensor([[9.0, -9.0], [-9.0, -9.0]]), torch.tensor([[-9.0, 9.0], [9.0, 9.0]])
    truth, content = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.ones(1, 2, 2)
    logits = torch.stack([right, wrong, right, wrong])[None].requires_grad_()
    prompt_loss(logits, torch.zeros(1, 4), truth, content, NO_CLICK, LossConfig()).total.sum().backward()
    moved = logits.grad[0].abs().sum(dim=(1, 2)) > 0
    assert moved.tolist() == [True, False, True, False]


def test_the_predicted_iou_is_compared_with_the_true_one() -> None:
    logits = torch.tensor([[9.0, 9.0], [-9.0, -9.0]]).expand(1, 4, 2, 2)
    truth, content = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.ones(1, 2, 2)
    loss = prompt_loss(logits, torch.tensor([[0.5, 0.5, 0.5, 1.0]]), truth, content, NO_CLICK, LossConfig())
    assert loss.iou.item() == pytest.approx(0.25 / 4)


def test_nothing_found_where_nothing_is_agrees() -> None:
    empty, content = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert true_iou(empty > 0.5, empty > 0.5, content > 0.5).item() == 1.0
    sure = dice_loss(torch.full((1, 1, 2, 2), -30.0), empty, content)
    unsure = dice_loss(torch.zeros(1, 1, 2, 2), empty, content)
    assert sure.item() == pytest.approx(0.0, abs=1e-6)
    assert unsure.item() == pytest.approx(0.5)


def test_presence_counts_by_its_weight_and_only_what_lies_in_the_content() -> None:
    logits, content = torch.zeros(3, 4, 2, 2), torch.ones(3, 2, 2)
    content[2, 0, 0] = 0.0
    truth = torch.zeros(3, 2, 2)
    truth[0, 1, 1] = truth[2, 0, 0] = 1.0  # on the slice; not on it; in the padding alone
    scores = torch.cat([torch.zeros(3, 4), torch.full((3, 1), LOGIT)], dim=1)
    weights = LossConfig(presence=2.0)
    judged = prompt_loss(logits, scores, truth, content, NO_CLICK.expand(3, 2, 2), weights)
    silent = prompt_loss(logits, scores[:, :4], truth, content, NO_CLICK.expand(3, 2, 2), weights)
    assert judged.presence.tolist() == pytest.approx([-math.log(0.75), -math.log(0.25), -math.log(0.25)])
    assert silent.presence.tolist() == [0, 0, 0]
    assert (judged.total - silent.total).tolist() == pytest.approx((2 * judged.presence).tolist())
