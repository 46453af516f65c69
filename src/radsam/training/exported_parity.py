"""Compare exported graphs with the weights that they were made of.

This is checked in float32 on every machine: there an export is right or wrong. Where the machine prefers
bfloat16, its masks are compared with those in float32, and the outcome is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float32

from radsam.errors import BackendError, ExecutionError
from radsam.metrics import dice
from radsam.model.onnx_export import export_graphs
from radsam.model.prompt_tokens import POSITIVE, PROTOTYPES, arrange
from radsam.model.sam import Sam
from radsam.predictor.slice_predictor import picture_of
from radsam.runtime import Backend, Bundle, BundleSpec, Decoded, FramePrompt, FrameSource, open_backend
from radsam.runtime.bundle import write_bundle
from radsam.runtime.torch_backend import ModelBackend

#: Weights are stored rounded to float16, which moves masks at their very edge.
MOST_DIFFERING_PIXELS = 0.005
MOST_DIFFERING_SCORE = 0.02
MOST_DIFFERING_EMBEDDING = 0.02
#: Dice of masks in bf16 with those in f32: below it, an export says that its bundle is better run in f32.
LEAST_BF16_DICE = 0.95


@dataclass(frozen=True)
class Parity:
    """How far exported graphs differ from a reference, at worst over every kind of prompt.

    Args:
        engine: The engine that ran the graphs.
        reference: What they were compared with: the trained weights, or the same graphs in f32.
        pixels: Share of the low-res pixels of the four masks that changed sides.
        score: Difference of a predicted IoU.
        embedding: Difference of the embedding, as a share of its size (root mean square).
        dice: Dice of the primary masks.
    """

    engine: str
    reference: str
    pixels: float
    score: float
    embedding: float
    dice: float

    @property
    def is_bf16(self) -> bool:
        """Whether the engine computed in bf16."""
        return self.engine.endswith(" bf16")


def write_checked_bundle(
    target: Path,
    model: Sam,
    spec: BundleSpec,
    card: str,
    checkpoint: Path,
    *,
    frozen_encoder: bytes | None = None,
    backend: str = "auto",
    checked: Callable[[Parity], None] = lambda parity: None,
) -> Path:
    """Export a model, compare the graphs with it, and write them as a bundle.

    Graphs that fail the comparison are written, too, beside `target` under a name that says so: what was trained
    is not lost.

    Args:
        target: The bundle's folder or ``.zip``; must not exist.
        model: The model.
        spec: Its spec.
        card: Its model card.
        checkpoint: Where the weights come from, for messages.
        frozen_encoder: The encoder's graph where it was not trained: the bundle gets this very file, so that it shares
            encoded slices with the bundle that it is from.
        backend: The engine that runs the graphs.
        checked: Called with the outcome in f32 where it is good enough, and in bf16 where the machine prefers that.

    Raises:
        BundleError: `target` exists or cannot be written.
        BackendError: The graphs predict otherwise than the model, or do not run.
    """
    with TemporaryDirectory() as scratch:
        graphs = export_graphs(model, Path(scratch))
        encoder = frozen_encoder or graphs.encoder.read_bytes()
        trial = Bundle(spec, encoder, graphs.decoder.read_bytes(), card, "", target)
    try:
        in_f32 = open_backend(trial, backend, precision="f32")
        checked(_require_parity(ModelBackend(model, spec), in_f32, spec))
        as_used = open_backend(trial, backend)
        if as_used.precision == "bf16":
            checked(_compare(in_f32, as_used, spec, "the same graphs in f32"))
    except ExecutionError as error:
        kept = _keep(trial, str(error))
        raise BackendError(
            f"{error} {target} was not written. The bundle is kept as {kept}, to be looked at, not used; the weights "
            f"are in {checkpoint}. Export them again with another release of torch or of the engine."
        ) from error
    write_bundle(target, spec, trial.encoder, trial.decoder, card)
    return target


def _keep(trial: Bundle, why: str) -> Path:
    """Write a bundle that failed its check, under a free name that says so."""
    stem, suffix = trial.path.name.removesuffix(".zip"), ".zip" if trial.path.suffix == ".zip" else ""
    names = (f"{stem}.failed-check{'' if number < 2 else f'-{number}'}{suffix}" for number in range(1, 1000))
    kept = next(path for path in map(trial.path.with_name, names) if not path.exists())
    spec = replace(trial.spec, name=f"{trial.spec.name}-failed-check")
    write_bundle(kept, spec, trial.encoder, trial.decoder, f"**This bundle failed its check.** {why}\n\n{trial.card}")
    return kept


def _require_parity(weights: Backend, engine: Backend, spec: BundleSpec) -> Parity:
    found = _compare(weights, engine, spec, "the trained weights")
    if not (
        found.pixels <= MOST_DIFFERING_PIXELS
        and found.score <= MOST_DIFFERING_SCORE
        and found.embedding <= MOST_DIFFERING_EMBEDDING
    ):
        raise BackendError(
            f"The exported graphs on {engine.name} predict otherwise than the trained weights: "
            f"{100 * found.pixels:.2f} % of the pixels, {found.score:.3f} of the score and "
            f"{100 * found.embedding:.1f} % of the embedding differ."
        )
    return found


def _compare(reference: Backend, engine: Backend, spec: BundleSpec, name: str) -> Parity:
    """Compare two engines on one image and every kind of prompt.

    In f32 both decode the reference's embedding, so that encoder and decoder are judged alone. In bf16 each decodes
    its own: what a user gets.
    """
    image = _image(spec)
    wanted, found = (each.encode(image)[0].astype(np.float32) for each in (reference, engine))
    given = found if engine.precision == "bf16" else wanted
    pixels, score, least = 0.0, 0.0, 1.0
    for prompt in _prompts(spec, image[0]):
        one = reference.decode(wanted.astype(np.float16), prompt)
        other = engine.decode(given.astype(np.float16), prompt)
        pixels = max(pixels, float(((one.logits > 0) != (other.logits > 0)).mean()))
        # NumPy's keeps what is not a number, which is worse than all.
        score = float(np.maximum(score, np.abs(_judged(one) - _judged(other)).max()))
        least = min(least, dice(other.logits[0] > 0, one.logits[0] > 0))
    size = float(np.sqrt(np.square(wanted).mean()))
    embedding = float(np.sqrt(np.square(found - wanted).mean())) / max(size, 1e-6)
    return Parity(engine.name, name, pixels, score, embedding, least)


def _judged(decoded: Decoded) -> Float32[np.ndarray, " s"]:
    """The predicted IoUs and, from a model that judges it, the probability that the object is on the slice."""
    likely = [] if decoded.presence is None else [1 / (1 + np.exp(-decoded.presence))]
    return np.concatenate([decoded.scores, np.array(likely, np.float32)])


def _image(spec: BundleSpec) -> Float32[np.ndarray, "1 3 n n"]:
    """An image that is smooth, so that the masks have an inside and an outside rather than noise."""
    coarse = torch.from_numpy(np.random.default_rng(0).random((1, 3, 8, 8), np.float32))
    size = (spec.input_size, spec.input_size)
    return np.asarray(torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1).numpy())


def _prompts(spec: BundleSpec, image: Float32[np.ndarray, "3 n n"]) -> Iterator[FramePrompt]:
    """A prompt of every kind; for a model that takes the source of a mask, also a mask of another slice."""
    n, m = spec.input_size, spec.low_res_size
    box = np.array([0.3 * n, 0.3 * n, 0.6 * n, 0.7 * n])
    click, label = np.array([[0.45 * n, 0.5 * n]]), np.array([POSITIVE])
    none, no_label = np.zeros((0, 2)), np.zeros(0, np.int64)
    mask = np.zeros((m, m), np.float32)
    mask[m // 3 : 2 * m // 3, m // 3 : 2 * m // 3] = 1.0
    prompts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, FrameSource | None]] = [
        (none, no_label, box, None, None),
        (click, label, None, None, None),
        (none, no_label, None, mask, None),
        (click, label, None, mask, None),
    ]
    if spec.takes_source:
        picture = picture_of(image, m)
        way = np.array([1, 0.3, 0.4, 0.5, 0.1], np.float32)
        channels = spec.prototype_channels
        known = (
            np.random.default_rng(1).standard_normal((PROTOTYPES, channels)).astype(np.float32) if channels else None
        )
        source = FrameSource(np.stack([np.roll(picture, 3, 1), picture]), way, known)
        prompts.append((none, no_label, None, mask, source))
    for points, labels, corners, given, origin in prompts:
        xy, kinds = arrange(points, labels, corners)
        yield FramePrompt(xy[0], kinds[0], given, origin)
