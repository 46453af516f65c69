"""The cache of compiled graphs on disk; without OpenVINO, which is slow to import."""

from __future__ import annotations

from radsam.disk.folder_cache import FolderCache, cache_folder

#: One of radsam-lite's two files takes 20 to 30 MB.
MAX_FILES = 8


def compiled_cache() -> FolderCache:
    """Return the cache: files of a SHA-256 and the compiled graph, in ``$RADSAM_CACHE/compiled``."""
    return FolderCache(cache_folder("compiled"), r"[0-9a-f]{64}\.blob", max_entries=MAX_FILES)
