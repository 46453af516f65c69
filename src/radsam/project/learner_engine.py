"""The engine of the learning process: it pauses between predictions and takes the embeddings of the sessions."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float16, Float32

from radsam.predictor import EmbeddingCache
from radsam.project.pause import Pause
from radsam.project.session_embeddings import SessionEmbeddings
from radsam.runtime import Backend, Bundle, Decoded, ForwardingBackend, FramePrompt, open_backend
from radsam.session import Engine

#: Most memory for embeddings, as a share of the limit.
_CACHE_SHARE = 0.15


class PausingBackend(ForwardingBackend):
    """A backend that pauses before each image and each prompt, so that whatever uses it does.

    Args:
        backend: Computes.
        pause: The pauses.
    """

    def __init__(self, backend: Backend, pause: Pause) -> None:
        super().__init__(backend)
        self._pause = pause

    def encode(self, images: Float32[np.ndarray, "b 3 n n"]) -> Float16[np.ndarray, "b c g g"]:
        """Encode images, one after the other; see `Backend.encode`."""
        encoded = []
        for image in images:
            self._pause.wait()
            encoded.append(super().encode(image[None]))
        return np.concatenate(encoded)

    def decode(self, embedding: Float16[np.ndarray, "c g g"], prompt: FramePrompt) -> Decoded:
        """Predict masks for one prompt; see `Backend.decode`."""
        self._pause.wait()
        return super().decode(embedding, prompt)


class LearnerEngines:
    """Opens engines that share the embeddings of the sessions.

    Args:
        embeddings: The sessions' embeddings.
        pause: Called before each prediction.
        threads: CPU threads of each engine.
        memory_gb: Limit of the process; a part of it is for embeddings.

    Attributes:
        embeddings: As given.
        threads: As given.
        memory_gb: As given.
    """

    def __init__(self, embeddings: SessionEmbeddings, pause: Pause, threads: int, memory_gb: float) -> None:
        self.embeddings, self._pause = embeddings, pause
        self.threads, self.memory_gb = threads, memory_gb
        self._cache = EmbeddingCache(int(_CACHE_SHARE * memory_gb * 1e9), store=embeddings)

    def open(self, bundle: Bundle) -> Engine:
        """Load a bundle; bundles with one encoder share what is in memory, too."""
        backend = PausingBackend(open_backend(bundle, threads=self.threads), self._pause)
        return Engine(bundle, backend, self._cache)
