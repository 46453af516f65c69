"""Caches of embeddings, so that an edit never encodes a slice again.

Memory first, bounded in bytes; behind it, where the user wants it, a folder that
outlives the process.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import weakref
from collections import OrderedDict
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16

from radsam.disk.folder_cache import FolderCache, cache_folder
from radsam.errors import OutputError
from radsam.preprocess import Crop
from radsam.volume import Plane

Embedding = Float16[np.ndarray, "c g g"]

#: Raised whenever `radsam.preprocess` makes another image of the same slice.
_KEY_VERSION = 1


@dataclass(frozen=True)
class EmbeddingKey:
    """The inputs of an embedding; a difference in any of them makes another embedding.

    Args:
        volume_hash: `Volume.content_hash`.
        plane: The anatomical plane.
        index: The slice.
        window: The window.
        encoder_hash: `Bundle.encoder_hash`.
        engine: `Backend.name` and its number of threads, since precisions differ, and sums in another order.
        crop: The part of the displayed slice that was encoded; None for all of it.
    """

    volume_hash: str
    plane: Plane
    index: int
    window: tuple[float, float]
    encoder_hash: str
    engine: str
    crop: Crop | None = None


def embeddings_folder() -> Path:
    """Return the folder of embeddings that outlive a process: ``$RADSAM_CACHE``, or in the platform's cache folder."""
    return cache_folder("embeddings", in_root=True)


class EmbeddingStore(FolderCache):
    """Embeddings in a folder that only its owner can read.

    Args:
        folder: The folder; made when the first embedding is written.
        max_bytes: Largest total size of the files.
    """

    def __init__(self, folder: Path, max_bytes: int = 4 << 30) -> None:
        super().__init__(folder, r"[0-9a-f]{64}\.npy", max_bytes=max_bytes)

    def get(self, key: EmbeddingKey) -> Embedding | None:
        """Read an embedding; None where there is none that can be read."""
        embedding = self.read(_file_name(key), lambda file: np.lib.format.read_array(file, allow_pickle=False))
        return embedding if embedding is not None and embedding.dtype == np.float16 and embedding.ndim == 3 else None

    def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Write an embedding; where there is no room, it is left out."""
        with suppress(OutputError):
            self.write(_file_name(key), lambda file: np.save(file, embedding, allow_pickle=False))


def _file_name(key: EmbeddingKey) -> str:
    parts = repr((_KEY_VERSION, *astuple(key)))
    return f"{hashlib.sha256(parts.encode()).hexdigest()}.npy"


def temporary_store() -> EmbeddingStore:
    """Make a store that is removed when nothing refers to it any more, at the latest with the process."""
    folder = Path(tempfile.gettempdir()) / f"radsam-{os.getpid()}-{secrets.token_hex(8)}"
    store = EmbeddingStore(folder)
    weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
    return store


class EmbeddingCache:
    """Embeddings in memory; the least recently used is evicted first.

    Args:
        max_bytes: Memory for embeddings; at least one always stays. The default holds 190 slices
            of a 64×64×256 embedding and keeps a session on 400 slices of 512×512 below 1.5 GB.
        store: A folder that gets every embedding, or None.
        overflow: A folder that gets the embeddings evicted from memory, or None.
    """

    def __init__(
        self,
        max_bytes: int = 384 << 20,
        store: EmbeddingStore | None = None,
        overflow: EmbeddingStore | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._store = store
        self._overflow = overflow
        self._in_memory: OrderedDict[EmbeddingKey, Embedding] = OrderedDict()
        self.bytes = 0

    def get(self, key: EmbeddingKey) -> Embedding | None:
        """Return an embedding from memory or from a folder, or None."""
        if key in self._in_memory:
            self._in_memory.move_to_end(key)
            return self._in_memory[key]
        for folder in (self._store, self._overflow):
            embedding = folder.get(key) if folder else None
            if embedding is not None:
                self._put_into_cache(key, embedding)
                return embedding
        return None

    def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Put an embedding into memory and into the store."""
        self._put_into_cache(key, embedding)
        if self._store:
            self._store.put(key, embedding)

    def _put_into_cache(self, key: EmbeddingKey, embedding: Embedding) -> None:
        if key in self._in_memory:
            self.bytes -= self._in_memory.pop(key).nbytes
        self._in_memory[key] = embedding
        self.bytes += embedding.nbytes
        while self.bytes > self._max_bytes and len(self._in_memory) > 1:
            old, evicted = self._in_memory.popitem(last=False)
            self.bytes -= evicted.nbytes
            if self._overflow:
                self._overflow.put(old, evicted)
