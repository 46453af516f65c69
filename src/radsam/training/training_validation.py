"""The quick score during training: whole objects, propagated as at inference.

Everything but the encoder runs as a session does: one prompt on the object's largest
slice, both bounds, masks passed on (paper 4.1), then correction points uniform in the
error (4.2). Embeddings come from the disk, or from the model where its encoder is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32

from radsam.errors import BackendError, PromptError
from radsam.metrics import dice
from radsam.model.sam import Sam
from radsam.predictor import EmbeddingCache, EncodedSlice, ObjectView, SlicePredictor
from radsam.predictor.embedding_cache import Embedding, EmbeddingKey
from radsam.predictor.slice_predictor import picture_of
from radsam.propagate import StopRule
from radsam.runtime import BundleSpec
from radsam.runtime.torch_backend import ModelBackend
from radsam.session.edit_request import CorrectionRequest, PolicyName, RequestContext, SegmentRequest
from radsam.session.replay import ObjectResult, Replayer
from radsam.session.user_state import ObjectEdits
from radsam.simulate import random_box, random_point, random_voxel
from radsam.training.bundle_export import trained_capabilities
from radsam.training.scenes import Scenes
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_config import TrainConfig
from radsam.volume import Bounds, Box, Geometry, Plane, Point, Prompt, SliceGrid, Volume

Voxels = Bool[np.ndarray, "k j i"]
#: Slices of a case whose embeddings are cached for its next object; 2 MB each in ViT-B.
_CACHED_SLICES = 256
#: Pictures of slices that are cached for the next step of a propagation.
_CACHED_PICTURES = 8


@dataclass(frozen=True)
class ObjectScore:
    """Dice of one object.

    Args:
        case: The case.
        object_id: The object.
        start: Kind of the first prompt.
        voxels: Size of the object.
        first_dice: Dice on the prompted slice.
        walk_dice: Dice of the whole object after the propagation.
        edited_dice: Dice after each correction point; empty where the object was not corrected.
    """

    case: str
    object_id: int
    start: str
    voxels: int
    first_dice: float
    walk_dice: float
    edited_dice: tuple[float, ...]


def validate(
    model: Sam, scenes: Scenes, config: TrainConfig, progress: Callable[[ObjectScore], None] = lambda score: None
) -> list[ObjectScore]:
    """Score a model on the validation split.

    Args:
        model: With float32 weights; its encoder is used where the scenes are not encoded.
        scenes: The scenes.
        config: The run; its section [validation] chooses the objects.
        progress: Called after each object.
    """
    scores: list[ObjectScore] = []
    # The capabilities are those of this training, not of the start weights.
    spec = replace(scenes.spec, capabilities=trained_capabilities(config.prompts), taper=config.prompts.taper)
    for number, scene in enumerate(scenes.scenes):
        if scenes.split(number) != config.data.val_split:
            continue
        scorer = _SceneScorer(model, scenes, number, spec)
        chosen = _choose(scorer.ids, config.validation.min_voxels, config.validation.objects_per_case)
        for number_chosen, object_id in enumerate(chosen):
            edits = config.validation.edits if number_chosen < config.validation.edited_objects else 0
            for start in config.validation.starts:
                rng = np.random.default_rng([config.validation.seed, scene.case_number, object_id])
                scores.append(scorer.score(object_id, start, edits, rng))
                progress(scores[-1])
    return scores


def summary(scores: Iterable[ObjectScore]) -> dict[str, float]:
    """Mean Dice over all objects and by kind of case (the first word of its name).

    The entry "score" is the mean over cases of their objects' mean, so that a case with
    many objects does not decide alone.
    """
    scores = list(scores)
    columns: dict[str, list[float]] = {}
    by_case: dict[str, list[float]] = {}
    for score in scores:
        by_case.setdefault(score.case, []).append(score.walk_dice)
        columns.setdefault(f"{score.start}_first", []).append(score.first_dice)
        columns.setdefault(f"{score.start}_walk", []).append(score.walk_dice)
        columns.setdefault(f"{score.start}_walk_{score.case.split('_')[0]}", []).append(score.walk_dice)
        for number, value in enumerate((score.walk_dice, *score.edited_dice) if score.edited_dice else ()):
            columns.setdefault(f"{score.start}_edit_{number}", []).append(value)
    mean = {name: float(np.mean(values)) for name, values in sorted(columns.items())}
    score_of_cases = float(np.mean([np.mean(values) for values in by_case.values()])) if by_case else 0.0
    return {"score": score_of_cases, "objects": float(len(scores)), **mean}


class _SceneScorer:
    """Scores the objects of one case."""

    def __init__(self, model: Sam, scenes: Scenes, number: int, spec: BundleSpec) -> None:
        scene = scenes.scenes[number]
        case = scenes.store.cases[scene.case_number]
        slices = slice(scene.first, scene.first + scene.count)
        self.ids = np.asarray(case.ids[slices])
        geometry = Geometry.from_parts(
            self.ids.shape, (0.0, 0.0, 0.0), (case.col_mm, case.row_mm, case.slice_mm), np.eye(3)
        )
        self._case, self._unit_px = case.case_id, scene.view.unit_px
        self._context = RequestContext(geometry, scene.view.window, spec)
        self._grid = SliceGrid.of(geometry, Plane.AXIAL)
        volume = Volume(np.asarray(case.values[slices]), geometry, case.modality)
        self._replayer = Replayer(volume, _ScenePredictor(model, scenes, number, spec), StopRule())

    def score(self, object_id: int, start: str, edits: int, rng: np.random.Generator) -> ObjectScore:
        truth: Voxels = np.asarray(self.ids == object_id)
        areas = truth.sum(axis=(1, 2))
        where, index = np.flatnonzero(areas), int(areas.argmax())
        request = SegmentRequest(
            prompt=self._prompt(truth[index], index, start, rng),
            bounds=Bounds(int(where[0]), int(where[-1])),
            policy=PolicyName.MASK,
            zoom=False,
        )
        steps: ObjectEdits = (request.to_edit(self._context),)
        try:
            found = self._found(self._replayer.result(steps))
        except PromptError:
            # Nothing at the prompt: scored as nothing found.
            found = np.zeros_like(truth)
            edits = 0
        propagated, first_dice, edited = dice(found, truth), dice(found[index], truth[index]), []
        for _ in range(edits):
            click = random_voxel(found, truth, rng)
            if click is None:
                break
            steps = (*steps, CorrectionRequest(points=(click,)).to_edit(replace(self._context, edits=steps)))
            found = self._found(self._replayer.result(steps))
            edited.append(dice(found, truth))
        return ObjectScore(
            case=self._case,
            object_id=object_id,
            start=start,
            voxels=int(areas.sum()),
            first_dice=first_dice,
            walk_dice=propagated,
            edited_dice=tuple(edited),
        )

    def _prompt(self, truth: Bool[np.ndarray, "j i"], index: int, start: str, rng: np.random.Generator) -> Prompt:
        if start == "box":
            return Box.on(self._grid, index, *random_box(truth, rng, unit=self._unit_px))
        x, y = random_point(truth, rng)
        return Point(i=x, j=y, k=index)

    def _found(self, result: ObjectResult) -> Voxels:
        found = np.zeros(self.ids.shape, bool)
        for index, slice_mask in result.slice_masks.items():
            found[index] = slice_mask.mask.decode()
        return found


class _ScenePredictor(SlicePredictor):
    """A predictor on the slices of one scene."""

    def __init__(self, model: Sam, scenes: Scenes, number: int, spec: BundleSpec) -> None:
        super().__init__(spec, "", _DecoderBackend(model, spec), EmbeddingCache())
        self._frame, self._embedding = scenes.frame(number), _embeddings(model, scenes, number)
        # For the source of a mask: both sides of a propagation need the slice before and their own.
        self._picture = lru_cache(_CACHED_PICTURES)(
            lambda index: picture_of(scenes.image(number, index), spec.low_res_size)
        )

    def encode(self, volume: Volume, view: ObjectView, index: int) -> EncodedSlice:
        window = view.normalisation.window
        key = EmbeddingKey("", view.grid.plane, index, (window.low, window.high), "", self.backend.name)
        return EncodedSlice(key, self._frame, self._embedding(index), self._picture)


def _embeddings(model: Sam, scenes: Scenes, number: int) -> Callable[[int], Embedding]:
    """The embeddings of a scene's slices: those from before training, or the model's own."""
    if isinstance(scenes, EncodedScenes):
        return lambda index: scenes.embedding(number, index)

    @lru_cache(_CACHED_SLICES)
    @torch.inference_mode()
    def encode(index: int) -> Embedding:
        device = model.prompt_encoder.no_mask_embed.weight.device
        image = torch.from_numpy(scenes.image(number, index)[None]).to(device)
        embedding: Embedding = model.encode(image)[0].cpu().numpy().astype(np.float16)
        return embedding

    return encode


class _DecoderBackend(ModelBackend):
    """The decoder that is trained, without an encoder."""

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        raise BackendError("Slices that were not encoded before training cannot be scored during it.")


def _choose(ids: np.ndarray, min_voxels: int, most: int) -> list[int]:
    """Objects that are large enough, spread evenly over their sizes, the largest first."""
    sizes = np.bincount(ids.ravel())
    sizes[0] = 0
    large = [int(each) for each in np.argsort(-sizes, kind="stable") if sizes[each] >= min_voxels]
    chosen = np.unique(np.linspace(0, len(large) - 1, min(most, len(large))).round().astype(int))
    return [large[index] for index in chosen]
