"""Encode a slice once, predict masks from any number of prompts on it.

The two halves are separate calls with one frozen value between them::

    encoded = predictor.encode(volume, view, index)     # costly, cached
    slice_mask = predictor.decode(encoded, prompt)      # cheap, cached
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from radsam.errors import PromptError
from radsam.model.prompt_tokens import NEGATIVE, POSITIVE, arrange
from radsam.predictor.embedding_cache import Embedding, EmbeddingCache, EmbeddingKey
from radsam.predictor.prototypes import pooled_prototypes
from radsam.predictor.slice_mask import SliceMask, SlicePrompt
from radsam.preprocess import Crop, Normalisation, SliceFrame, Window
from radsam.runtime import Backend, BundleSpec, Decoded, FramePrompt, FrameSource
from radsam.volume import RunMask, SliceGrid, Volume

#: Cached predictions; one is a few hundred bytes to a few kilobytes.
_MAX_CACHED = 20_000
#: Cached pictures of 256 KB: the slices that both sides of a propagation need again at once.
_MAX_PICTURES = 16

#: Cached prototypes of 2 KB.
_MAX_PROTOTYPES = 64

#: The first channel of a slice as the image encoder sees it, at the size of the low-res masks.
Picture = Float32[np.ndarray, "m m"]
#: Mean embedding of an object and of its surroundings.
Prototypes = Float32[np.ndarray, "2 c"]


@dataclass(frozen=True)
class ObjectView:
    """How a model sees the slices of one object.

    Args:
        grid: The slices.
        normalisation: How their values become the model's input.
        crop: The part of the displayed slice that the model sees; None for all of it.
        first: The mask on the prompted slice, where it was found on another crop.
        first_crop: The crop on which `first` was found.
    """

    grid: SliceGrid
    normalisation: Normalisation
    crop: Crop | None = None
    first: SliceMask | None = None
    first_crop: Crop | None = None

    def with_crop(self, crop: Crop | None) -> ObjectView:
        """Return the same view on another part of the slice."""
        return replace(self, crop=crop)


@dataclass(frozen=True, eq=False)
class EncodedSlice:
    """One encoded slice: all that a prediction on it needs.

    Args:
        key: The volume, slice, view and model that it was made from.
        frame: The map between the slice and the model's input.
        embedding: The image embedding.
        picture: Shows a slice of the same volume in the same view, for masks that come from another slice.
        prototypes: Encodes a slice of the same volume in the same view, and averages its embedding over a mask and over
            its surroundings, for a model that takes them; None where the view does not show the mask.
    """

    key: EmbeddingKey
    frame: SliceFrame
    embedding: Embedding
    picture: Callable[[int], Picture] | None = None
    prototypes: Callable[[SliceMask], Prototypes | None] | None = None


class SlicePredictor:
    """Predicts masks on single slices.

    Args:
        spec: The model's description.
        model_hash: The model's identity, `Bundle.sha256`.
        backend: The engine that runs it.
        cache: Encoded slices in memory and on disk.
        model_path: The bundle's path, for session files.
        encoder_hash: `Bundle.encoder_hash`: models with an equal one share encoded slices; "" shares
            them with the same bundle only.
    """

    def __init__(
        self,
        spec: BundleSpec,
        model_hash: str,
        backend: Backend,
        cache: EmbeddingCache,
        model_path: str = "",
        encoder_hash: str = "",
    ) -> None:
        self.spec = spec
        self.model_hash = model_hash
        self.model_path = model_path
        self.encoder_hash = encoder_hash or model_hash
        self.backend = backend
        self._cache = cache
        self._predictions: OrderedDict[tuple[EmbeddingKey, SlicePrompt], SliceMask] = OrderedDict()
        self._pictures: OrderedDict[EmbeddingKey, Picture] = OrderedDict()
        self._prototypes: OrderedDict[tuple[EmbeddingKey, RunMask], Prototypes | None] = OrderedDict()

    def view(self, grid: SliceGrid, window: Window) -> ObjectView:
        """Return how the model sees whole slices in a window."""
        return ObjectView(grid, self.spec.normalisation(window))

    def encode(self, volume: Volume, view: ObjectView, index: int) -> EncodedSlice:
        """Encode slice `index` as `view` shows it, or take it from the cache.

        Raises:
            PromptError: The slice does not exist.
            BackendError: The engine failed.
        """
        grid, window = view.grid, view.normalisation.window
        frame = SliceFrame(grid, self.spec.input_size, self.spec.low_res_size, view.crop)
        key = EmbeddingKey(
            volume_hash=volume.content_hash,
            plane=grid.plane,
            index=index,
            window=(window.low, window.high),
            encoder_hash=self.encoder_hash,
            engine=f"{self.backend.name}, {self.backend.threads} threads",
            crop=view.crop,
        )
        embedding = self._cache.get(key)
        if embedding is None:
            image = frame.image(grid.take(volume.values, index), view.normalisation)
            embedding = self.backend.encode(image[None])[0]
            self._cache.put(key, embedding)

        def picture(of: int) -> Picture:
            shown = replace(key, index=of)
            if shown not in self._pictures:
                self._pictures[shown] = picture_of(
                    frame.image(grid.take(volume.values, of), view.normalisation), frame.low_res_size
                )
                if len(self._pictures) > _MAX_PICTURES:
                    self._pictures.popitem(last=False)
            return self._pictures[shown]

        def prototypes(of: SliceMask) -> Prototypes | None:
            shown = replace(key, index=of.index), of.mask
            if shown not in self._prototypes:
                other = self.encode(volume, view, of.index).embedding
                self._prototypes[shown] = pooled_prototypes(other, frame.mask_to_frame(of.mask.decode()))
                if len(self._prototypes) > _MAX_PROTOTYPES:
                    self._prototypes.popitem(last=False)
            return self._prototypes[shown]

        return EncodedSlice(key, frame, embedding, picture, prototypes)

    def decode(self, encoded: EncodedSlice, prompt: SlicePrompt) -> SliceMask:
        """Predict the primary mask (paper 3.1); a repeated prompt takes the cached mask.

        Raises:
            PromptError: The prompt is empty.
            BackendError: The engine failed.
        """
        request = encoded.key, prompt
        if request in self._predictions:
            self._predictions.move_to_end(request)
            return self._predictions[request]
        return self._cached(request, self._to_slice(encoded, self._decoded(encoded, prompt), 0))

    def alternatives(self, encoded: EncodedSlice, prompt: SlicePrompt) -> tuple[SliceMask, ...]:
        """Predict all four masks (paper 3.1): the one of `decode`, then the three others."""
        decoded = self._decoded(encoded, prompt)
        primary, *others = (self._to_slice(encoded, decoded, which) for which in range(len(decoded.scores)))
        request = encoded.key, prompt
        return (self._predictions.get(request) or self._cached(request, primary), *others)

    def _cached(self, request: tuple[EmbeddingKey, SlicePrompt], predicted: SliceMask) -> SliceMask:
        self._predictions[request] = predicted
        if len(self._predictions) > _MAX_CACHED:
            self._predictions.popitem(last=False)
        return predicted

    def _decoded(self, encoded: EncodedSlice, prompt: SlicePrompt) -> Decoded:
        if not prompt:
            raise PromptError("There is no prompt on this slice: give a box, a point or a mask.")
        given = frame_prompt(encoded.frame, prompt)
        if prompt.source and encoded.picture:
            pictures = np.stack([encoded.picture(prompt.source.index), encoded.picture(encoded.key.index)])
            distance, start = prompt.source.distance(encoded.frame.side_mm), prompt.source.start
            known = encoded.prototypes(start) if start and encoded.prototypes else None
            given = replace(given, source=FrameSource(pictures, distance, known))
        return self.backend.decode(encoded.embedding, given)

    @staticmethod
    def _to_slice(encoded: EncodedSlice, decoded: Decoded, which: int) -> SliceMask:
        logits = encoded.frame.logits_to_slice(decoded.logits[which])
        score = float(decoded.scores[which])
        return SliceMask(encoded.key.index, RunMask.encode(logits > 0), score, decoded.presence)


def picture_of(image: Float32[np.ndarray, "3 n n"], low_res_size: int) -> Picture:
    """Return the picture of the model's input for a slice."""
    stride = image.shape[1] // low_res_size
    return np.asarray(image[0].reshape(low_res_size, stride, low_res_size, stride).mean(axis=(1, 3), dtype=np.float32))


def frame_prompt(frame: SliceFrame, prompt: SlicePrompt) -> FramePrompt:
    """Bring a slice's prompt to the model's frame; without the source of its mask, which needs pictures."""
    points = frame.points_to_frame(np.array([(u, v) for u, v, _ in prompt.points_uv], np.float64).reshape(-1, 2))
    labels = np.array([POSITIVE if positive else NEGATIVE for _, _, positive in prompt.points_uv], np.int64)
    box = None if prompt.box_uvuv is None else frame.box_to_frame(prompt.box_uvuv).ravel()
    points_xy, point_labels = arrange(points, labels, box)
    mask = None if prompt.mask is None else frame.mask_to_frame(prompt.mask.decode())
    return FramePrompt(points_xy[0], point_labels[0], mask)
