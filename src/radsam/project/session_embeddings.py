"""The embeddings that annotators' sessions have made, for a process with another number of threads."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from radsam.predictor import EmbeddingStore
from radsam.predictor.embedding_cache import Embedding, EmbeddingKey

_THREADS = re.compile(r"\d+ threads$")


class SessionEmbeddings(EmbeddingStore):
    """The store of the sessions' embeddings, as a learning process reads it.

    Sums in another order change the last digits of an embedding: a session keeps to its own, so that its masks can be
    computed again; to learn from them, or to compare weights on them, those digits do not matter.

    Attributes:
        found: How many embeddings were there.
        missing: How many were not, and had to be computed.
    """

    found = 0
    missing = 0

    def get(self, key: EmbeddingKey) -> Embedding | None:
        """Read an embedding that an engine with any number of threads has made; None if there is none."""
        for each in self._keys(key):
            embedding = super().get(each)
            if embedding is not None:
                self.found += 1
                return embedding
        self.missing += 1
        return None

    @staticmethod
    def _keys(key: EmbeddingKey) -> list[EmbeddingKey]:
        """Return the key, then those of engines with more and fewer threads; most sessions use all cores."""
        cores = os.cpu_count() or 1
        engines = dict.fromkeys(_THREADS.sub(f"{threads} threads", key.engine) for threads in range(cores, 0, -1))
        return [replace(key, engine=each) for each in dict.fromkeys([key.engine, *engines])]
