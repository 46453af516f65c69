"""Scenes for an encoder that is trained: every episode sees the slices in a random view of its own (paper 3.4).

Nothing is stored on the disk, since the encoder changes with every step.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from radsam.data.training_store import Store
from radsam.runtime import BundleSpec
from radsam.training.scenes import OBJECT_ROW, Scenes, ids_seen, plan_scenes, random_crop, random_view
from radsam.training.training_config import EncoderConfig, TrainConfig

#: A crop holds the object on this many slices to either side, where masks of neighbours come from.
_CROPPED_SLICES = 3

#: Views that are drawn until one shows enough of the object; after that the whole slice is shown.
_TRIES = 4


@dataclass(eq=False)
class AugmentedScenes(Scenes):
    """Scenes that show images instead of embeddings; made by `plan_augmented_scenes`.

    Args:
        store: The labelled slices.
        spec: The model.
        scenes: Runs of labelled slices, seen as inference sees them.
        objects: Rows of `OBJECT_ROW`: owner is the scene's number, slice counts within the scene.
        identity: Hash of the training data.
        config: How episodes see it.
    """

    config: TrainConfig

    def for_episode(self, scene: int, index: int, object_id: int, rng: np.random.Generator) -> Scenes:
        """Return the scenes with a random view of `scene` that shows the object, or with the view of inference."""
        encoder, embeddings = self.config.encoder, self.config.embeddings
        kind = rng.random()
        if kind < encoder.as_is_share:
            return self
        as_is = self.scenes[scene]
        case = self.store.cases[as_is.case_number]
        crops = kind < encoder.as_is_share + encoder.crop_share
        reach = _CROPPED_SLICES if crops else 0
        first, last = as_is.first + max(0, index - reach), as_is.first + min(as_is.count - 1, index + reach)
        pixels = np.asarray((case.ids[first : last + 1] == object_id).any(axis=0))
        for _ in range(_TRIES):
            part = random_crop(case, pixels, embeddings, rng) if crops else zoomed(pixels, encoder, rng)
            view = random_view(case, part, embeddings, rng)
            seen = replace(as_is, view=view, seed=int(rng.integers(2**31)))
            if np.count_nonzero(ids_seen(self.store, seen, index) == object_id) >= self.config.data.min_pixels:
                scenes = (*self.scenes[:scene], seen, *self.scenes[scene + 1 :])
                return Scenes(self.store, self.spec, scenes, self.objects, self.identity)
        return self


def plan_augmented_scenes(store: Store, spec: BundleSpec, config: TrainConfig) -> AugmentedScenes:
    """List the training and validation data; no slice is read.

    Args:
        store: The labelled slices.
        spec: The model.
        config: The run; its encoder is trained.

    Raises:
        InputError: The store does not hold what the configuration names.
    """
    scenes = tuple(plan_scenes(store, config.data, config.embeddings))
    rows, digest = [np.zeros(0, OBJECT_ROW)], hashlib.sha256(str(config.data.min_pixels).encode())
    for number, scene in enumerate(scenes):
        case = store.cases[scene.case_number]
        records = case.objects
        inside = (records["slice"] >= scene.first) & (records["slice"] < scene.first + scene.count)
        records = records[inside & (records["area_px"] >= config.data.min_pixels)]
        found = np.zeros(len(records), OBJECT_ROW)
        found["owner"], found["slice"] = number, records["slice"] - scene.first
        found["object"], found["area"] = records["object_id"], records["area_px"]
        rows.append(found)
        digest.update(f"{case.case_id} {case.row_mm:.6g} {case.col_mm:.6g} {scene.identity}".encode() + found.tobytes())
    return AugmentedScenes(store, spec, scenes, np.concatenate(rows), digest.hexdigest(), config)


def zoomed(
    pixels: Bool[np.ndarray, "r c"], encoder: EncoderConfig, rng: np.random.Generator
) -> list[tuple[int, float]]:
    """Move and zoom the whole slice, no further than that it holds the object's pixels.

    Returns:
        Size in pixels and centre, for rows and for columns.
    """
    low, high = encoder.zoom
    zoom = math.exp(rng.uniform(math.log(low), math.log(high)))
    part = []
    for axis, side in enumerate(pixels.shape):
        size, held = max(2, round(side / zoom)), np.flatnonzero(pixels.any(axis=1 - axis))
        part.append((size, _centre(side, size, (int(held[0]), int(held[-1])), encoder.max_shift * side, rng)))
    return part


def _centre(side: int, size: int, held: tuple[int, int], shift: float, rng: np.random.Generator) -> float:
    """The centre of a view along one axis: random, with the object in the view if it fits."""
    reach = abs(side - size) / 2 + shift
    centre = (side - 1) / 2 + float(rng.uniform(-reach, reach))
    nearest, furthest = held[1] - (size - 1) / 2, held[0] + (size - 1) / 2
    return min(max(centre, nearest), furthest) if nearest <= furthest else (held[0] + held[1]) / 2
