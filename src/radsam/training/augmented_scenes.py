"""Scenes for an encoder that is trained: every episode sees the slices in a random view of its own (paper 3.4).

Nothing is stored on the disk, since the encoder changes with every step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from radsam.data.stored_case import StoredCase
from radsam.data.training_store import Store
from radsam.runtime import BundleSpec
from radsam.training.scenes import OBJECT_ROW, Scene, Scenes, ids_seen, plan_scenes
from radsam.training.slice_view import View
from radsam.training.training_config import EmbeddingsConfig, EncoderConfig, TrainConfig

#: Views that are drawn until one shows enough of the object; after that the whole slice is shown.
_TRIES = 4


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

    def __init__(
        self,
        store: Store,
        spec: BundleSpec,
        scenes: Sequence[Scene],
        objects: np.ndarray,
        identity: str,
        config: TrainConfig,
    ) -> None:
        super().__init__(store, spec, scenes, objects, identity)
        self._config = config

    def for_episode(self, scene: int, index: int, object_id: int, rng: np.random.Generator) -> Scenes:
        """The scenes, of which `scene` has a random view that shows the object, or the view of inference."""
        encoder = self._config.encoder
        if rng.random() < encoder.as_is_share:
            return self
        as_is = self.scenes[scene]
        pixels = ids_seen(self.store, as_is, index) == object_id
        held = [np.flatnonzero(pixels.any(axis=1 - axis)) for axis in range(2)]
        rows, cols = ((int(where[0]), int(where[-1])) for where in held)
        case = self.store.cases[as_is.case_number]
        for _ in range(_TRIES):
            view = random_view(case, rows, cols, encoder, self._config.embeddings, rng)
            seen = replace(as_is, view=view, seed=int(rng.integers(2**31)))
            if np.count_nonzero(ids_seen(self.store, seen, index) == object_id) >= self._config.data.min_pixels:
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
    scenes = plan_scenes(store, config.data, config.embeddings)
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
        digest.update(f"{case.case_id} {case.row_mm:.6g} {case.col_mm:.6g} {scene}".encode() + found.tobytes())
    return AugmentedScenes(store, spec, scenes, np.concatenate(rows), digest.hexdigest(), config)


def random_view(
    case: StoredCase,
    rows: tuple[int, int],
    cols: tuple[int, int],
    encoder: EncoderConfig,
    embeddings: EmbeddingsConfig,
    rng: np.random.Generator,
) -> View:
    """Draw a view of a slice: moved, turned, sheared, zoomed, windowed and with noise (paper 3.4).

    Args:
        case: The slice's case.
        rows: First and last row of the object; the view is moved no further than that it holds them.
        cols: First and last column of the object, likewise.
        encoder: Zoom and shift.
        embeddings: Turn, shear, window and noise.
        rng: Random generator.
    """
    low, high = encoder.zoom
    zoom = math.exp(rng.uniform(math.log(low), math.log(high)))
    sizes, centres = [], []
    for side, held in zip(case.grid.display_shape, (rows, cols), strict=True):
        size = max(2, round(side / zoom))
        sizes.append(size)
        centres.append(_centre(side, size, held, encoder.max_shift * side, rng))
    (low_hu, high_hu), jitter = embeddings.window_hu, embeddings.window_jitter_hu
    return View(
        rows=sizes[0],
        cols=sizes[1],
        row_mm=case.row_mm,
        col_mm=case.col_mm,
        centre_row=centres[0],
        centre_col=centres[1],
        angle_deg=float(rng.uniform(-1, 1) * embeddings.max_angle_deg),
        shear=float(rng.uniform(-1, 1) * embeddings.max_shear),
        window_hu=(low_hu + float(rng.uniform(-jitter, jitter)), high_hu + float(rng.uniform(-jitter, jitter))),
        noise_hu=float(rng.uniform(0, embeddings.max_noise_hu)),
    )


def _centre(side: int, size: int, held: tuple[int, int], shift: float, rng: np.random.Generator) -> float:
    """The centre of a view along one axis: random, with the object in the view if it fits."""
    reach = abs(side - size) / 2 + shift
    centre = (side - 1) / 2 + float(rng.uniform(-reach, reach))
    nearest, furthest = held[1] - (size - 1) / 2, held[0] + (size - 1) / 2
    return min(max(centre, nearest), furthest) if nearest <= furthest else (held[0] + held[1]) / 2
