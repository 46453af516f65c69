"""A model with known masks: it sees brightness only. No torch, no ONNX.

Its embedding is the image itself at low resolution. It predicts every bright pixel
that the prompt admits: inside the box, near the mask, or connected to a positive point;
a negative point removes the pixels around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32
from scipy import ndimage

from radsam.errors import BackendError
from radsam.model.prompt_tokens import BOX_END, BOX_START, NEGATIVE, POSITIVE
from radsam.predictor import EmbeddingCache, SlicePredictor
from radsam.preprocess import Window
from radsam.runtime import Bundle, BundleSpec, Capability, Decoded, FramePrompt, Precision
from radsam.session import Engine, Session
from radsam.volume import Modality, Volume

ALL_PROMPTS = (Capability.BOX, Capability.POINT, Capability.MASK, Capability.EDIT)
MODEL_HASH = "f" * 64

#: Halfway between the tissue and the surroundings of `phantoms`, in their window.
BRIGHT = 0.48
#: How far a mask lets its neighbour grow, in low-res pixels.
GROWTH = 3
#: Radius that a negative point removes, in low-res pixels.
NEGATIVE_RADIUS = 4.0
SCORES = np.array([0.9, 0.8, 0.7, 0.6], np.float32)


def fake_spec(**changes: Any) -> BundleSpec:
    """Describe the fake model: small, and trained on every prompt."""
    facts: dict[str, Any] = {
        "name": "fake",
        "architecture": "fake",
        "model": {},
        "input_size": 128,
        "low_res_size": 64,
        "windows": {Modality.CT: Window(-160.0, 240.0)},
        "pixel_mean": (0.0, 0.0, 0.0),
        "pixel_std": (1.0, 1.0, 1.0),
        "capabilities": ALL_PROMPTS,
        "licence": "none",
        "origin": "made for tests",
    }
    return BundleSpec(**{**facts, **changes})


@dataclass(eq=False)
class FakeBackend:
    """The model; it remembers its inputs.

    Args:
        spec: Sizes of the input and the masks.
        name: The engine's name.
        encoded: Every image that it encoded.
        prompts: Every prompt that it decoded.
        failing: Whether every prediction fails from now on.
        precision: What it says that it computes in.
        threads: The number of threads that it says it has.
    """

    spec: BundleSpec = field(default_factory=fake_spec)
    name: str = "fake"
    encoded: list[bytes] = field(default_factory=list)
    prompts: list[FramePrompt] = field(default_factory=list)
    failing: bool = False
    precision: Precision = "f32"
    threads: int = 1

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Shrink the first channel to the size of the masks."""
        self.encoded.extend(image.tobytes() for image in images)
        m, stride = self.spec.low_res_size, self.spec.input_size // self.spec.low_res_size
        blocks = images[:, 0].reshape(len(images), m, stride, m, stride)
        return np.asarray(blocks.mean(axis=(2, 4))[:, None].astype(np.float16))

    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict the bright pixels at the prompt; the alternatives are fewer pixels, more and none."""
        if self.failing:
            raise BackendError("The fake engine is set to fail.")
        self.prompts.append(prompt)
        primary = self._region(embedding[0] > BRIGHT, prompt)
        masks = primary, ndimage.binary_erosion(primary), ndimage.binary_dilation(primary), np.zeros_like(primary)
        logits = np.where(np.stack(masks), 8.0, -8.0).astype(np.float32)
        return Decoded(logits, SCORES if primary.any() else SCORES / 10)

    def _region(self, bright: np.ndarray, prompt: FramePrompt) -> np.ndarray:
        stride = self.spec.input_size / self.spec.low_res_size
        points_xy = (prompt.points_xy + 0.5) / stride - 0.5
        labels = prompt.point_labels
        pieces, _ = ndimage.label(bright)
        rows, cols = np.indices(bright.shape)
        region = np.zeros_like(bright)
        for x, y in points_xy[labels == POSITIVE]:
            piece = pieces[round(float(y)), round(float(x))]
            region |= (pieces == piece) & (piece > 0)
        if BOX_START in labels:
            (x0, y0), (x1, y1) = points_xy[labels == BOX_START][0], points_xy[labels == BOX_END][0]
            region |= bright & (cols >= x0) & (cols <= x1) & (rows >= y0) & (rows <= y1)
        if prompt.mask is not None:
            region |= bright & ndimage.binary_dilation(prompt.mask > 0, iterations=GROWTH)
        for x, y in points_xy[labels == NEGATIVE]:
            region &= np.hypot(cols - x, rows - y) > NEGATIVE_RADIUS
        return region


def fake_predictor(backend: FakeBackend | None = None, cache: EmbeddingCache | None = None) -> SlicePredictor:
    """A slice predictor on the fake model."""
    backend = backend or FakeBackend()
    return SlicePredictor(backend.spec, MODEL_HASH, backend, cache or EmbeddingCache())


def fake_engine(
    backend: FakeBackend | None = None,
    *,
    model_hash: str = MODEL_HASH,
    load_bundle: Callable[[Path], Engine] | None = None,
) -> Engine:
    """Load the fake model as `radsam.load` loads a bundle."""
    backend = backend or FakeBackend()
    bundle = Bundle(backend.spec, b"", b"", "", model_hash, Path("fake"))
    return Engine(bundle, backend, load_bundle=load_bundle)


def fake_session(volume: Volume, backend: FakeBackend | None = None, **settings: Any) -> Session:
    """A session of the fake model on a volume."""
    return fake_engine(backend).open(volume, **settings)
