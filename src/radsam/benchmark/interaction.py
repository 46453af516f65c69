"""One object: the user prompts and corrects, the model predicts, and each mask is scored."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from radsam.benchmark.benchmark_config import SurfaceConfig
from radsam.benchmark.models import Model, PaintedSlice, Voxels
from radsam.benchmark.models.model_interface import SliceScore
from radsam.benchmark.simulated_user import SimulatedUser
from radsam.benchmark.surface_metrics import SurfaceScore, surface_score
from radsam.metrics import dice
from radsam.volume import Geometry, Prompt, RunMask


@dataclass(frozen=True, eq=False)
class Prediction:
    """The model's mask after a number of edits.

    Args:
        edits: Corrections so far; at slice level, of each slice.
        mask: The mask; at slice level, it is empty on slices without a prompt.
        seconds: Time of this interaction; at slice level, the mean over slices.
        prompt: The first prompt, of the first mask only; at slice level, that of the largest slice.
        scores: The model's scores of slices, of the first mask after a prompt at volume level only.
    """

    edits: int
    mask: Voxels
    seconds: float
    prompt: Prompt | None = None
    scores: Mapping[int, SliceScore] = field(default_factory=dict)


def interact(model: Model, user: SimulatedUser, name: str) -> Iterator[Prediction]:
    """Let the user segment one object with the model.

    Yields:
        The first mask, and one after every edit of the mode if the model takes edits.
    """
    if user.mode.level == "slice":
        yield from _slice_by_slice(model, user, name)
        return
    started = time.perf_counter()
    if user.mode.start == "object":
        mask = model.segment_from(user.noisy_object(), user.bounds)
        yield Prediction(0, mask, time.perf_counter() - started)
    else:
        first = user.first()
        mask = model.segment(first.prompt, first.bounds, name)
        seconds = time.perf_counter() - started
        yield Prediction(0, mask, seconds, first.prompt, model.slice_scores())
    for number in range(1, 1 + (user.mode.edits if model.card.edits else 0)):
        correction = user.correction(mask)
        started = time.perf_counter()
        if isinstance(correction, PaintedSlice):
            mask = model.paint(correction)
        elif correction:
            mask = model.correct(correction)
        yield Prediction(number, mask, time.perf_counter() - started)


def _slice_by_slice(model: Model, user: SimulatedUser, name: str) -> Iterator[Prediction]:
    """Prompt and correct each slice alone, then combine the masks of each step."""
    edits = user.mode.edits if model.card.edits else 0
    steps: list[dict[int, RunMask]] = [{} for _ in range(edits + 1)]
    seconds = [0.0] * (edits + 1)
    chosen = user.slices()
    largest = max(chosen, key=lambda index: int(np.count_nonzero(user.grid.take(user.truth, index))))
    shown: Prompt | None = None
    for index in chosen:
        first = user.first_on(index)
        shown = first.prompt if index == largest else shown
        started = time.perf_counter()
        mask = model.segment(first.prompt, first.bounds, name)
        seconds[0] += time.perf_counter() - started
        if user.mode.oracle:
            mask = user.best(index, (mask, *model.alternatives()))
        steps[0][index] = RunMask.encode(user.grid.take(mask, index))
        for number in range(1, edits + 1):
            points = user.correction_on(index, mask)
            started = time.perf_counter()
            mask = model.correct(points) if points else mask
            seconds[number] += time.perf_counter() - started
            steps[number][index] = RunMask.encode(user.grid.take(mask, index))
    for number, slices in enumerate(steps):
        together = np.zeros_like(user.truth)
        for index, runs in slices.items():
            user.grid.put(together, index, runs.decode())
        yield Prediction(number, together, seconds[number] / len(chosen), None if number else shown)


def score_prediction(
    prediction: Prediction, user: SimulatedUser, geometry: Geometry, settings: SurfaceConfig
) -> tuple[float, SurfaceScore]:
    """Score one mask over the whole object, or over the prompted slices where not all of them were prompted.

    Returns:
        Dice, and the surface metrics; those are nan where the configuration leaves them out.
    """
    predicted, truth, whole = _compared_voxels(prediction.mask, user)
    last = prediction.edits == user.mode.edits
    computed = settings.enabled and whole and (last or prediction.edits % settings.every == 0)
    if not computed:
        return dice(predicted, truth), SurfaceScore(math.nan, math.nan)
    return dice(predicted, truth), surface_score(predicted, truth, geometry.spacing_mm_ijk, settings.tolerance_mm)


def _compared_voxels(
    mask: Voxels, user: SimulatedUser
) -> tuple[Bool[np.ndarray, "a b c"], Bool[np.ndarray, "a b c"], bool]:
    """Return the voxels to compare, and whether they are all of the object."""
    if user.mode.level == "volume":
        return mask, user.truth, True
    chosen = user.slices()
    if len(chosen) == sum(user.grid.take(user.truth, index).any() for index in range(user.grid.count)):
        return mask, user.truth, True
    predicted = np.stack([user.grid.take(mask, index) for index in chosen])
    return predicted, np.stack([user.grid.take(user.truth, index) for index in chosen]), False
