"""Where compiled graphs are kept, and how they are removed; without OpenVINO, which is slow to import."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

SUFFIX = ".blob"


def kept_graphs_folder() -> Path:
    """Where compiled graphs are kept: ``$RADSAM_CACHE/compiled``, or in the platform's cache folder."""
    named = os.environ.get("RADSAM_CACHE")
    return (Path(named) if named else platformdirs.user_cache_path("radsam")) / "compiled"


def kept_graphs_bytes() -> int:
    """How much room the kept graphs take."""
    return sum(path.stat().st_size for path in kept_graphs_folder().glob(f"*{SUFFIX}"))


def clear_kept_graphs() -> int:
    """Remove the kept graphs; return how much room they took."""
    freed = kept_graphs_bytes()
    for path in kept_graphs_folder().glob(f"*{SUFFIX}"):
        path.unlink(missing_ok=True)
    return freed
