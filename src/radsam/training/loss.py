"""The loss (paper 3.4).

Everything is computed in float32 over the part of the frame that the slice fills: the
padding beyond it has no truth and inference ignores it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from radsam.model.prompt_tokens import MASKS
from radsam.training.training_config import LossConfig

#: Pixels added above and below the fraction of the dice loss, so that an empty mask on an
#: empty truth is right and every pixel of a wrong one counts.
SMOOTH_PX = 1.0


@dataclass(frozen=True)
class PromptLoss:
    """The loss of each prompt of a batch, and its parts for the log.

    Args:
        total: The loss to minimise.
        dice: Dice loss of the primary mask.
        bce: Binary cross-entropy of the primary mask.
        iou: Squared error of the predicted IoU.
        presence: Cross-entropy of whether the object is on the slice; 0 for a model that does not say so.
    """

    total: Float[Tensor, " b"]
    dice: Float[Tensor, " b"]
    bce: Float[Tensor, " b"]
    iou: Float[Tensor, " b"]
    presence: Float[Tensor, " b"]


def prompt_loss(
    logits: Float[Tensor, "b 4 m m"],
    scores: Float[Tensor, "b s"],
    truth: Float[Tensor, "b m m"],
    content: Float[Tensor, "b m m"],
    clicked: Float[Tensor, "b m m"],
    weights: LossConfig,
) -> PromptLoss:
    """Compute the loss of the decoder's four masks for each prompt.

    The primary mask and the best of the other three count (paper 3.4); all four predicted
    IoUs are compared with the true ones.

    Args:
        logits: Low-res logits, the primary mask first.
        scores: Predicted IoU of each mask; after them, for a model that judges it, the log-odds of presence.
        truth: Binary low-res truth.
        content: 1 where the slice is, 0 in the padding.
        clicked: How much each pixel counts for a click on it, adding up to 1, or all 0.
        weights: Weights of the parts.
    """
    logits, scores = logits.float(), scores.float()
    target, inside = truth[:, None].expand_as(logits), content[:, None].expand_as(logits)
    dice, bce = dice_loss(logits, target, inside), cross_entropy(logits, target, inside)
    per_mask = weights.dice * dice + weights.bce * bce
    if weights.focal:
        per_mask = per_mask + weights.focal * focal_loss(logits, target, inside)
    if weights.clicks:
        per_pixel = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        per_mask = per_mask + weights.clicks * (per_pixel * clicked[:, None]).sum(dim=(-2, -1))
    expected, judged = scores[:, :MASKS], scores[:, MASKS:]
    iou = (expected - true_iou(logits > 0, target > 0.5, inside > 0.5)).square().mean(dim=1)
    there = ((truth * content) > 0.5).flatten(1).any(dim=1, keepdim=True).float().expand_as(judged)
    presence = functional.binary_cross_entropy_with_logits(judged, there, reduction="none").sum(dim=1)
    total = per_mask[:, 0] + weights.secondary * per_mask[:, 1:].amin(dim=1)
    total = total + weights.iou * iou + weights.presence * presence
    return PromptLoss(total, dice[:, 0], bce[:, 0], iou, presence)


def dice_loss(
    logits: Float[Tensor, "b k m m"], truth: Float[Tensor, "b k m m"], content: Float[Tensor, "b k m m"]
) -> Float[Tensor, "b k"]:
    """Return 1 - 2 Σ m g / (Σ m² + Σ g²) for each mask (paper 3.4)."""
    masks, truth = logits.sigmoid() * content, truth * content
    shared = (masks * truth).sum(dim=(-2, -1))
    squares = masks.square().sum(dim=(-2, -1)) + truth.square().sum(dim=(-2, -1))
    return 1 - (2 * shared + SMOOTH_PX) / (squares + SMOOTH_PX)


def cross_entropy(
    logits: Float[Tensor, "b k m m"], truth: Float[Tensor, "b k m m"], content: Float[Tensor, "b k m m"]
) -> Float[Tensor, "b k"]:
    """Return the mean binary cross-entropy of each mask."""
    per_pixel = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (per_pixel * content).sum(dim=(-2, -1)) / content.sum(dim=(-2, -1))


def focal_loss(
    logits: Float[Tensor, "b k m m"], truth: Float[Tensor, "b k m m"], content: Float[Tensor, "b k m m"]
) -> Float[Tensor, "b k"]:
    """Return the mean focal loss (γ = 2, unbalanced) of each mask: sure pixels hardly count."""
    per_pixel = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wrong = (logits.sigmoid() - truth).abs()
    return (wrong.square() * per_pixel * content).sum(dim=(-2, -1)) / content.sum(dim=(-2, -1))


def true_iou(
    masks: Bool[Tensor, "b k m m"], truth: Bool[Tensor, "b k m m"], content: Bool[Tensor, "b k m m"]
) -> Float[Tensor, "b k"]:
    """Return the IoU of each mask; two empty masks agree."""
    shared = (masks & truth & content).sum(dim=(-2, -1)).float()
    either = ((masks | truth) & content).sum(dim=(-2, -1)).float()
    return torch.where(either > 0, shared / either.clamp(min=1), torch.ones_like(shared))
