"""Which weights are trained, the optimizer, its learning rates and the running average."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from radsam.model.sam import Sam
from radsam.training.training_config import EncoderConfig, OptimConfig

#: The parts that are trained while the encoder is frozen. The prompt encoder's random
#: frequencies are a buffer, not a parameter, and stay as they are.
TRAINED_PREFIXES = ("prompt_encoder.", "mask_decoder.")

ENCODER_PREFIX = "image_encoder."

#: Names of the encoders' blocks: of SAM's one chain, and of TinyViT's stages.
_BLOCK = re.compile(r"image_encoder\.(?:layers\.(\d+)\.)?blocks\.(\d+)\.")
_STEP_BETWEEN_STAGES = re.compile(r"image_encoder\.layers\.(\d+)\.downsample\.")


def choose_parameters(
    model: Sam, encoder: EncoderConfig, lr_scale: Mapping[str, float] | None = None
) -> dict[str, nn.Parameter]:
    """Give gradients to the trained parameters only; return them by name.

    Means and variances of batch normalisation are buffers and stay as they are, so
    that a batch's episodes do not influence each other. A rate of 0 (`OptimConfig.lr_scale`) freezes
    parameters, so that no gradient is computed for them.
    """
    for name, parameter in model.named_parameters():
        trained = encoder.train or name.startswith(TRAINED_PREFIXES)
        parameter.requires_grad_(trained and _scale(name, lr_scale or {}) > 0)
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def encoder_scales(names: Iterable[str], encoder: EncoderConfig) -> dict[str, float]:
    """The factor on the learning rate of each parameter of the image encoder.

    Layers after the last block have `lr_scale`; from there each block has `lr_decay` times
    the rate of the next, and the layers before the first block have the smallest.

    Args:
        names: Names of trained parameters; those of other parts are passed over.
        encoder: Its factors.
    """
    names = [name for name in names if name.startswith(ENCODER_PREFIX)]
    blocks = sorted({block for name in names if (block := _block(name))})
    depth = len(blocks)
    scales = {}
    for name in names:
        block, between = _block(name), _STEP_BETWEEN_STAGES.match(name)
        if block:
            number = 1 + blocks.index(block)
        elif between:
            # The step to the next stage changes as its stage's last block does.
            number = sum(stage <= int(between[1]) for stage, _ in blocks)
        else:
            number = depth + 1 if name.startswith(f"{ENCODER_PREFIX}neck.") else 0
        scales[name] = encoder.lr_scale * encoder.lr_decay ** (depth + 1 - number)
    return scales


def make_optimizer(
    parameters: Mapping[str, nn.Parameter], config: OptimConfig, encoder: EncoderConfig | None = None
) -> torch.optim.AdamW:
    """AdamW with one group for each combination of decay and learning-rate factor.

    Args:
        parameters: The trained parameters by name.
        config: Rates and decay.
        encoder: Factors on the rates of an encoder that is trained; `config.lr_scale` comes on top.
    """
    by_layer = encoder_scales(parameters, encoder) if encoder else {}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        decay = config.weight_decay if _decays(name, parameter) else 0.0
        scale = _scale(name, config.lr_scale) * by_layer.get(name, 1.0)
        groups.setdefault((decay, scale), []).append(parameter)
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
        parameters: The parameters by name.
        decay: 0 keeps the newest values.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self.values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, parameters: Mapping[str, Tensor], step: int) -> None:
        """Take in the values after step 0, 1, 2 …; early values are forgotten faster."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, parameter in parameters.items():
            self.values[name].lerp_(parameter.detach(), 1 - decay)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take stored values."""
        for name, value in values.items():
            self.values[name].copy_(value)


def _decays(name: str, parameter: nn.Parameter) -> bool:
    # Tokens, embeddings and tables of positions are not weight matrices: weight decay has no meaning for them.
    return parameter.ndim >= 2 and not any(part in name for part in ("embed", "token", "rel_pos", "attention_biases"))


def _block(name: str) -> tuple[int, int] | None:
    """Stage and number of the block that a parameter belongs to."""
    found = _BLOCK.match(name)
    return (int(found[1] or 0), int(found[2])) if found else None


def _scale(name: str, scales: Mapping[str, float]) -> float:
    matching = [prefix for prefix in scales if name.startswith(prefix)]
    return scales[max(matching, key=len)] if matching else 1.0
