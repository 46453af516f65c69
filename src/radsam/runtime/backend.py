"""The protocol of every inference engine: encode a slice, decode a prompt.

All arrays live in the model's input frame: pixel coordinates are (x, y) with integers
at pixel centres, images are normalised and padded by `radsam.preprocess`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float16, Float32


@dataclass(frozen=True, eq=False)
class FramePrompt:
    """Prompts for one slice, as the prompt encoder takes them.

    Args:
        points_xy: Points, then the two corners of a box, in frame pixels.
        point_labels: The kind of each point; see `radsam.model.prompt_tokens`.
        mask: Binary low-res mask (0 or 1), or None.
    """

    points_xy: Float32[np.ndarray, "p 2"]
    point_labels: Float32[np.ndarray, " p"]
    mask: Float32[np.ndarray, "m m"] | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """The decoder's four masks; the first is the primary one (paper 3.1).

    Args:
        logits: Low-res logits; above 0 is inside.
        scores: Predicted IoU of each mask.
    """

    logits: Float32[np.ndarray, "4 m m"]
    scores: Float32[np.ndarray, "4"]


@runtime_checkable  # so that the tests can check signatures that name it
class Backend(Protocol):
    """A loaded model on one inference engine."""

    @property
    def name(self) -> str:
        """The engine, its device and its precision, for example "openvino cpu bf16"."""

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images: the expensive half.

        Embeddings are float16 on every engine, whether they come from a cache or not.

        Raises:
            BackendError: The engine failed.
        """

    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt on one encoded image: the cheap half.

        Raises:
            BackendError: The engine failed.
        """


def decoder_inputs(prompt: FramePrompt, low_res_size: int) -> dict[str, Float32[np.ndarray, "..."]]:
    """Name the decoder graph's prompt inputs, each with a batch of one.

    Args:
        prompt: The prompt.
        low_res_size: Side of the low-res mask; an absent mask is all zeros, with `has_mask` 0.
    """
    no_mask = np.zeros((low_res_size, low_res_size), np.float32)
    return {
        "points_xy": prompt.points_xy[None],
        "point_labels": prompt.point_labels[None],
        "mask": (no_mask if prompt.mask is None else prompt.mask)[None, None],
        "has_mask": np.array([prompt.mask is not None], np.float32),
    }
