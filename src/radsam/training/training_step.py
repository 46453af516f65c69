"""One forward pass: predict every episode turn by turn, and compute the loss of each prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from radsam.runtime import BundleSpec, FramePrompt
from radsam.runtime.backend import decoder_inputs
from radsam.training.episode import Episode
from radsam.training.episode_embeddings import Embedder
from radsam.training.loss import PromptLoss, prompt_loss
from radsam.training.training_config import LossConfig

#: `Sam.decode`, as it is or wrapped for mixed precision and several processes.
Decode = Callable[..., tuple[Tensor, Tensor]]


#: The sums of a step, beside the number of its prompts.
_SUMS = ("total", "dice", "bce", "iou", "presence")


@dataclass
class StepLosses:
    """Sums over the prompts of a step, for the log.

    Args:
        prompts: Number of prompts.
        total: Sum of the loss.
        dice: Sum of the primary masks' dice loss.
        bce: Sum of their binary cross-entropy.
        iou: Sum of the squared errors of the predicted IoU.
        presence: Sum of the cross-entropy of whether the object is on the slice.
        by_kind: For each kind of turn: number of prompts and sum of the dice loss.
    """

    prompts: int = 0
    total: float = 0.0
    dice: float = 0.0
    bce: float = 0.0
    iou: float = 0.0
    presence: float = 0.0
    by_kind: dict[str, tuple[int, float]] = field(default_factory=dict)

    def mean(self, name: str) -> float:
        """The mean over prompts of one of the sums."""
        return float(getattr(self, name)) / max(1, self.prompts)

    def note(self, kinds: Sequence[str], loss: PromptLoss) -> None:
        """Count the prompts of one group."""
        self.prompts += len(kinds)
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + float(getattr(loss, name).detach().sum()))
        for kind, value in zip(kinds, loss.dice.detach().tolist(), strict=True):
            self._count(kind, 1, value)

    def add(self, other: StepLosses) -> None:
        """Add the sums of another step."""
        for name in ("prompts", *_SUMS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, (count, dice) in other.by_kind.items():
            self._count(kind, count, dice)

    def _count(self, kind: str, count: int, dice: float) -> None:
        before = self.by_kind.get(kind, (0, 0.0))
        self.by_kind[kind] = before[0] + count, before[1] + dice


def run_episodes(
    embedder: Embedder,
    decode: Decode,
    device: torch.device,
    episodes: Sequence[Episode],
    turns: int,
    weights: LossConfig,
    backward: Callable[[Tensor], None],
    share: float = 1.0,
) -> StepLosses:
    """Predict every episode, turn by turn, and pass each turn's loss to `backward`.

    The loss is averaged over turns and episodes (paper 3.4). Masks are passed on as
    binary, so no gradient flows between turns and each can be propagated back at once.

    Args:
        embedder: Gives the embeddings of the episodes' slices.
        decode: Works as `Sam.decode` does.
        device: Where it wants its inputs.
        episodes: The episodes; they are used up.
        turns: Most prompts of each.
        weights: Weights of the loss's parts.
        backward: Called with a part of the loss.
        share: The part of a step that this pass is.
    """
    losses = StepLosses()
    for turn in range(turns):
        groups = by_point_count(episodes)
        embedder.prepare([episode for group, _ in groups for episode in group])
        for group, frame_prompts in groups:
            prompts = [part.to(device) for part in prompt_batch(frame_prompts, group[0].scenes.spec)]
            logits, scores = decode(embedder.embeddings(group), *prompts)
            truth, content, clicked = (
                torch.from_numpy(np.stack([getattr(episode, name) for episode in group])).to(device)
                for name in ("truth", "content", "clicked")
            )
            loss = prompt_loss(logits, scores, truth, content, clicked, weights)
            backward(loss.total.sum() * (share / (len(episodes) * turns)))
            losses.note([episode.kind for episode in group], loss)
            if turn + 1 < turns:
                for episode, predicted in zip(group, logits[:, 0].detach().float().cpu().numpy(), strict=True):
                    episode.take_prediction(predicted)
    embedder.finish()
    return losses


def by_point_count(episodes: Sequence[Episode]) -> list[tuple[list[Episode], list[FramePrompt]]]:
    """Group episodes whose prompts have equally many points.

    Points are not padded to a common number: a padding point is a token of its own and
    changes the prediction, and inference has exactly one, or none.
    """
    groups: dict[int, tuple[list[Episode], list[FramePrompt]]] = {}
    for episode in episodes:
        prompt = episode.frame_prompt
        if prompt is not None:
            group = groups.setdefault(len(prompt.point_labels), ([], []))
            group[0].append(episode)
            group[1].append(prompt)
    return [groups[points] for points in sorted(groups)]


def prompt_batch(prompts: Sequence[FramePrompt], spec: BundleSpec) -> tuple[Tensor, ...]:
    """Stack the inputs of `Sam.decode` besides the embeddings, in its order.

    Args:
        prompts: All with equally many points.
        spec: The model.
    """
    inputs = [decoder_inputs(prompt, spec) for prompt in prompts]
    return tuple(torch.from_numpy(np.concatenate([each[name] for each in inputs])) for name in inputs[0])
