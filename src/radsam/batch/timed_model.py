"""A loaded model that measures its time; each worker holds one."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32

from radsam.batch.batch_settings import BatchSettings
from radsam.predictor import EmbeddingCache, temporary_store
from radsam.runtime import Backend, Bundle, ForwardingBackend, find_bundle, open_backend, read_bundle
from radsam.session import Engine
from radsam.volume import Modality


class TimedBackend(ForwardingBackend):
    """A backend that counts and times its encoder.

    Args:
        backend: The backend that it calls.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.encoded = 0
        self.encode_seconds = 0.0

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images; see `Backend.encode`."""
        started = time.perf_counter()
        embedding = super().encode(images)
        self.encode_seconds += time.perf_counter() - started
        self.encoded += len(images)
        return embedding


@dataclass(frozen=True, eq=False)
class TimedModel:
    """A model and its backend.

    Args:
        bundle: The model.
        backend: Its backend.
        settings: Loads the model of volumes that are not CT with these, once it is needed; None where this one
            is for all.
    """

    bundle: Bundle
    backend: TimedBackend
    settings: BatchSettings | None = None

    @classmethod
    def load(cls, settings: BatchSettings) -> TimedModel:
        """Load the model of a run's settings.

        Raises:
            BundleError: The bundle does not exist, or is damaged.
            BackendError: The engine cannot run it here.
            MissingExtraError: The engine is not installed.
        """
        loaded = cls._opened(find_bundle(settings.model), settings)
        return loaded if settings.model is not None else replace(loaded, settings=settings)

    @classmethod
    def _opened(cls, path: Path, settings: BatchSettings) -> TimedModel:
        bundle = read_bundle(path)
        backend = open_backend(bundle, settings.backend, precision=settings.precision, threads=settings.threads)
        return cls(bundle, TimedBackend(backend))

    @cached_property
    def _other(self) -> TimedModel:
        return self if self.settings is None else self._opened(find_bundle(modality=Modality.MR), self.settings)

    def of_modality(self, modality: Modality) -> TimedModel:
        """Return the model for volumes of a modality; that of volumes that are not CT is loaded when it is needed."""
        return self if modality is Modality.CT else self._other

    def engine(self) -> Engine:
        """Return an engine with an empty embedding cache: embeddings of one volume are of no use to the next."""
        return Engine(self.bundle, self.backend, EmbeddingCache(overflow=temporary_store()))
