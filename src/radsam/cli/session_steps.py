"""Steps that commands which work on a session share: load the engine, apply corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from radsam.cli.terminal import progress_bar

if TYPE_CHECKING:
    from radsam.session import Engine, Session
    from radsam.session.edit_request import CorrectionRequest
    from radsam.volume.coordinates import Coordinates


def load_engine(model: str | None, backend: str, *, keep: bool) -> Engine:
    """Load the model; with `keep`, encoded slices stay on disk for `radsam edit`."""
    from radsam.predictor.embedding_cache import EmbeddingStore, embeddings_folder
    from radsam.session import load

    return load(model, backend=backend, store=EmbeddingStore(embeddings_folder()) if keep else None)


def correction_requests(
    name: str, points: Sequence[tuple[tuple[float, float, float], bool]], typed: Coordinates
) -> list[CorrectionRequest]:
    """Make one correction of the points of each slice, in the order of each slice's first point."""
    from radsam.session.edit_request import CorrectionRequest
    from radsam.volume.coordinates import group_by_slice

    groups = group_by_slice([typed.point(position, positive) for position, positive in points], typed.grid)
    return [CorrectionRequest(name=name, points=group) for group in groups]


def correct(session: Session, corrections: Sequence[CorrectionRequest], *, quiet: bool) -> None:
    """Apply corrections one after the other."""
    for number, each in enumerate(corrections, start=1):
        with progress_bar(f"Correction {number} of {len(corrections)}", quiet=quiet) as update:
            session.correct(each, progress=lambda record: update(record.done, record.total))
