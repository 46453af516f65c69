"""Encoded slices, kept so that an edit never encodes again.

Memory first, bounded in bytes; behind it, where the user wants it, a folder that
outlives the process. A stored embedding is written whole or not at all, and one that
cannot be read is encoded again.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
import weakref
from collections import OrderedDict
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import platformdirs
from jaxtyping import Float16

from radsam.disk.atomic_write import replacing
from radsam.errors import OutputError
from radsam.preprocess import Crop
from radsam.volume import Plane

Embedding = Float16[np.ndarray, "c g g"]

#: Raised whenever `radsam.preprocess` makes another image of the same slice.
_KEY_VERSION = 1
_OWN_NAME = re.compile(r"[0-9a-f]{64}\.npy")


@dataclass(frozen=True)
class EmbeddingKey:
    """What an embedding was made from; a difference in any part makes it another one.

    Args:
        volume_hash: `Volume.content_hash`.
        plane: The anatomical plane.
        index: The slice.
        window_hu: The window.
        encoder_hash: `Bundle.encoder_hash`.
        engine: `Backend.name`, since precisions differ.
        crop: The part of the displayed slice that was seen; None for all of it.
    """

    volume_hash: str
    plane: Plane
    index: int
    window_hu: tuple[float, float]
    encoder_hash: str
    engine: str
    crop: Crop | None = None


def cache_folder() -> Path:
    """Where embeddings outlive a process: ``$RADSAM_CACHE``, or the platform's cache folder."""
    named = os.environ.get("RADSAM_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("radsam") / "embeddings"


class EmbeddingStore:
    """Embeddings in a folder that only its owner can read.

    File names are hashes: nothing in them tells whose CT it was.

    Args:
        folder: Where to keep them; made when the first one is written.
        max_bytes: The files used longest ago go when the folder grows beyond this.
    """

    def __init__(self, folder: Path, max_bytes: int = 4 << 30) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._bytes: int | None = None

    def get(self, key: EmbeddingKey) -> Embedding | None:
        """Read an embedding; None where there is none that can be read."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                embedding: Embedding = np.lib.format.read_array(file, allow_pickle=False)
            path.touch()
        except FileNotFoundError:
            return None
        except Exception:  # a damaged header fails in many ways, down to Python's own tokenizer
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return embedding if embedding.dtype == np.float16 and embedding.ndim == 3 else None

    def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Write an embedding, whole or not at all; a full disk only means it is not kept."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            with replacing(self._path(key)) as scratch, scratch.open("wb") as file:
                np.save(file, embedding, allow_pickle=False)
        except (OSError, OutputError):
            return
        self._bytes = (self.size_bytes() if self._bytes is None else self._bytes) + embedding.nbytes
        if self._bytes > self._max_bytes:
            self._prune()

    def size_bytes(self) -> int:
        """Total size of the files."""
        return sum(size for _, size, _ in self._files())

    def clear(self) -> int:
        """Remove every embedding, and nothing else; return how many bytes that freed."""
        freed = 0
        for _, size, path in self._files():
            path.unlink(missing_ok=True)
            freed += size
        with suppress(OSError):  # not empty, or not there
            self._folder.rmdir()
        return freed

    def _files(self) -> list[tuple[float, int, Path]]:
        """List our own files, longest unused first: time of last use, bytes, path."""
        found = []
        for path in self._folder.glob("*.npy"):
            with suppress(FileNotFoundError):  # another process may remove it meanwhile
                if _OWN_NAME.fullmatch(path.name):
                    stat = path.stat()
                    found.append((stat.st_mtime, stat.st_size, path))
        return sorted(found)

    def _path(self, key: EmbeddingKey) -> Path:
        name = repr((_KEY_VERSION, *astuple(key)))
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.npy"

    def _prune(self) -> None:
        # Down to nine tenths, so that not every further write prunes again.
        files = self._files()
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= 0.9 * self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._bytes = total


def temporary_store() -> EmbeddingStore:
    """Make a store that is gone when nothing uses it any more, at the latest with the process."""
    folder = Path(tempfile.gettempdir()) / f"radsam-{os.getpid()}-{secrets.token_hex(8)}"
    store = EmbeddingStore(folder)
    weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
    return store


class EmbeddingCache:
    """Embeddings in memory, the least recently used given up first.

    Args:
        max_bytes: Memory for embeddings; at least one is always kept. The default holds 190 slices
            of a 64×64×256 embedding and keeps a session on 400 slices of 512×512 below 1.5 GB.
        store: A folder that gets every embedding, or None.
        overflow: A folder that gets what the memory gives up, or None.
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
        self._kept: OrderedDict[EmbeddingKey, Embedding] = OrderedDict()
        self.bytes = 0

    def get(self, key: EmbeddingKey) -> Embedding | None:
        """Return an embedding from memory or from a folder, or None."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        for folder in (self._store, self._overflow):
            embedding = folder.get(key) if folder else None
            if embedding is not None:
                self._keep(key, embedding)
                return embedding
        return None

    def put(self, key: EmbeddingKey, embedding: Embedding) -> None:
        """Keep an embedding in memory and in the store."""
        self._keep(key, embedding)
        if self._store:
            self._store.put(key, embedding)

    def _keep(self, key: EmbeddingKey, embedding: Embedding) -> None:
        if key in self._kept:
            self.bytes -= self._kept.pop(key).nbytes
        self._kept[key] = embedding
        self.bytes += embedding.nbytes
        while self.bytes > self._max_bytes and len(self._kept) > 1:
            old, given_up = self._kept.popitem(last=False)
            self.bytes -= given_up.nbytes
            if self._overflow:
                self._overflow.put(old, given_up)
