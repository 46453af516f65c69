"""How the weights move: which of them, how fast, and their running average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from radsam.model.sam import Sam
from radsam.training.config import OptimConfig

#: The parts that are trained while the encoder is frozen. The prompt encoder's random
#: frequencies are a buffer, not a parameter, and stay as they are.
TRAINED_PREFIXES = ("prompt_encoder.", "mask_decoder.")


def freeze_encoder(model: Sam) -> dict[str, nn.Parameter]:
    """Leave only the prompt encoder and the mask decoder to be trained; return their parameters by name."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED_PREFIXES))
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> torch.optim.AdamW:
    """AdamW with one group for each combination of decay and learning-rate factor."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        decay = config.weight_decay if _decays(name, parameter) else 0.0
        groups.setdefault((decay, _scale(name, config.lr_scale)), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": group, "weight_decay": decay, "scale": scale} for (decay, scale), group in groups.items()],
        lr=config.lr,
        betas=config.betas,
    )


def set_rate(optimizer: torch.optim.Optimizer, config: OptimConfig, step: int) -> float:
    """Set the learning rates of a step; return the rate of an unscaled parameter."""
    rate = config.lr * rate_factor(config, step)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


def rate_factor(config: OptimConfig, step: int) -> float:
    """The learning rate of step 0, 1, 2 … as a fraction of the largest."""
    warmup = config.warmup * config.steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.schedule == "constant":
        return 1.0
    done = (step - warmup) / max(1.0, config.steps - warmup)
    return config.final_lr + (1 - config.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Average:
    """An exponential running average of parameters.

    Args:
        parameters: What is averaged, by name.
        decay: 0 keeps the newest values.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, parameters: Mapping[str, nn.Parameter], step: int) -> None:
        """Take in the values after step 0, 1, 2 …; early values are forgotten faster."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, parameter in parameters.items():
            self.values[name].lerp_(parameter.detach(), 1 - decay)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take stored values."""
        for name, value in values.items():
            self.values[name].copy_(value)


def gradient_norm(parameters: Iterable[nn.Parameter], largest: float) -> float:
    """Clip the gradient and return the norm that it had."""
    return float(torch.nn.utils.clip_grad_norm_(parameters, largest))


def _decays(name: str, parameter: nn.Parameter) -> bool:
    # Tokens and embeddings are no weight matrices: pulling them to zero has no meaning.
    return parameter.ndim >= 2 and "embed" not in name and "token" not in name


def _scale(name: str, scales: Mapping[str, float]) -> float:
    matching = [prefix for prefix in scales if name.startswith(prefix)]
    return scales[max(matching, key=len)] if matching else 1.0
