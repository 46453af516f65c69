"""Activation checkpointing: blocks are computed again in the backward pass, to save memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class BlockChain(nn.Module):
    """A module that runs blocks one after the other.

    With `recompute` it stores only the input of each block while a gradient is wanted, and
    computes the block again in the backward pass. Outputs and gradients stay the same.
    """

    recompute = False

    def run_blocks(self, blocks: nn.ModuleList, x: Tensor) -> Tensor:
        """Run blocks one after the other."""
        for block in blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.recompute and torch.is_grad_enabled() else block(x)
        return x


def recompute_activations(encoder: nn.Module) -> None:
    """Turn recomputation on in every chain of blocks of an image encoder."""
    for module in encoder.modules():
        if isinstance(module, BlockChain):
            module.recompute = True
