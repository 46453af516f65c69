"""The protocol of every inference engine: encode a slice, decode a prompt.

All arrays live in the model's input frame: pixel coordinates are (x, y) with integers
at pixel centres, images are normalised and padded by `radsam.preprocess`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float16, Float32

from radsam.model.prompt_tokens import DISTANCE_VALUES, MASKS, PROTOTYPES
from radsam.runtime.bundle import BundleSpec

#: What an engine computes in: 32-bit floats, or bfloat16 where the hardware has it.
Precision = Literal["f32", "bf16"]
#: End of a refusal of bf16.
OTHER_PRECISIONS = (
    "Take --precision f32 or auto; torch:cpu computes in bf16 on every processor, but slowly on one without it."
)


@dataclass(frozen=True, eq=False)
class FrameSource:
    """The slice that a mask comes from, as the decoder takes it.

    Args:
        pictures: That slice and the slice to predict, in the model's frame at the size of the mask.
        distance: The way between them; see `radsam.model.prompt_tokens.DISTANCE_VALUES`.
        prototypes: Mean embedding of the object and of its surroundings on the prompted slice, for a model that takes
            them; None where they are not known.
    """

    pictures: Float32[np.ndarray, "2 m m"]
    distance: Float32[np.ndarray, " d"]
    prototypes: Float32[np.ndarray, "k c"] | None = None


@dataclass(frozen=True, eq=False)
class FramePrompt:
    """Prompts for one slice, as the prompt encoder takes them.

    Args:
        points_xy: Points, then the two corners of a box, in frame pixels.
        point_labels: The kind of each point; see `radsam.model.prompt_tokens`.
        mask: Binary low-res mask (0 or 1), or None.
        source: Where the mask comes from, for a model that takes it and a mask from another slice; else None.
    """

    points_xy: Float32[np.ndarray, "p 2"]
    point_labels: Float32[np.ndarray, " p"]
    mask: Float32[np.ndarray, "m m"] | None = None
    source: FrameSource | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """The decoder's four masks; the first is the primary one (paper 3.1).

    Args:
        logits: Low-res logits; above 0 is inside.
        scores: Predicted IoU of each mask.
        presence: Log-odds that the object is on the slice; None for a model that does not judge it.
    """

    logits: Float32[np.ndarray, "4 m m"]
    scores: Float32[np.ndarray, "4"]
    presence: float | None = None

    @classmethod
    def of(cls, logits: Float32[np.ndarray, "4 m m"], scores: Float32[np.ndarray, " s"]) -> Decoded:
        """Take what the decoder returns, see `radsam.model.sam.Sam.decode`."""
        return cls(logits, scores[:MASKS], float(scores[MASKS]) if len(scores) > MASKS else None)


@runtime_checkable  # so that the tests can check signatures that name it
class Backend(Protocol):
    """A loaded model on one inference engine."""

    @property
    def name(self) -> str:
        """The engine, its device and its precision, for example "openvino cpu bf16"."""

    @property
    def precision(self) -> Precision:
        """What it computes in."""

    @property
    def threads(self) -> int:
        """Number of its CPU threads: sums in another order may differ in their last digit."""

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


class ForwardingBackend:
    """A backend that hands everything on to another one: a base for those that do something beside it.

    Args:
        backend: The other one.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def name(self) -> str:
        """As of the other one."""
        return self._backend.name

    @property
    def precision(self) -> Precision:
        """As of the other one."""
        return self._backend.precision

    @property
    def threads(self) -> int:
        """As of the other one."""
        return self._backend.threads

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images; see `Backend.encode`."""
        return self._backend.encode(images)

    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt; see `Backend.decode`."""
        return self._backend.decode(embedding, prompt)


def usable_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoder_inputs(prompt: FramePrompt, spec: BundleSpec) -> dict[str, Float32[np.ndarray, "..."]]:
    """Name the decoder graph's prompt inputs, each with a batch of one, in the order of `Sam.decode`.

    Args:
        prompt: The prompt.
        spec: The model. An absent mask is all zeros, with `has_mask` 0; likewise an absent source, where the model
            takes one.
    """
    no_mask = np.zeros((spec.low_res_size, spec.low_res_size), np.float32)
    inputs = {
        "points_xy": prompt.points_xy[None],
        "point_labels": prompt.point_labels[None],
        "mask": (no_mask if prompt.mask is None else prompt.mask)[None, None],
        "has_mask": np.array([prompt.mask is not None], np.float32),
    }
    if spec.takes_source:
        source = prompt.source or FrameSource(np.stack([no_mask] * 2), np.zeros(DISTANCE_VALUES, np.float32))
        inputs["has_source"] = np.array([prompt.source is not None], np.float32)
        inputs |= {"pictures": source.pictures[None], "distance": source.distance[None]}
        if channels := spec.prototype_channels:
            unknown = np.zeros((PROTOTYPES, channels), np.float32)
            inputs["prototypes"] = (unknown if source.prototypes is None else source.prototypes)[None]
    return inputs
