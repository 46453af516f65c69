"""What `segment`, `edit` and `demo` start from: the volume, from a path or a PACS; the model; corrections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radsam.cli.terminal import note, progress_bar, until_end
from radsam.io.pacs.pacs_address import PacsAddress, is_pacs_url

if TYPE_CHECKING:
    from radsam.cli.session_outputs import Outputs
    from radsam.io.dicom.source_series import SourceSeries
    from radsam.session import Engine, Session, SessionFile
    from radsam.session.edit_request import CorrectionRequest
    from radsam.volume import Modality, Volume
    from radsam.volume.coordinates import Coordinates


def read_given(
    given: str,
    outputs: Outputs | None,
    series: str | None,
    *,
    index: int | None = None,
    saved: SessionFile | None = None,
    modality: str | None,
    resample: bool,
    quiet: bool,
) -> tuple[Volume, SourceSeries | None]:
    """Read a volume, and the headers that a DICOM output refers to.

    Args:
        given: A path or a URL.
        outputs: The results to write; None if there are none.
        series: Which DICOM series, as given by the user.
        index: Which volume of a file of several, as given by the user.
        saved: The session that goes on: its series counts for a DICOM folder, its index for a file of several
            volumes, and its modality if the user gave that, where none is given now.
        modality: What it is, as given by the user.
        resample: Whether to resample uneven slices.
        quiet: Show no progress.

    Raises:
        OutputError: The format of the labels cannot hold the grid of the volume.
        VolumeError: It cannot be read.
    """
    from radsam.io.dicom.dicom_input import is_dicom
    from radsam.io.volume_read import read_volume

    if modality is None and saved is not None and saved.modality_given:
        modality = saved.modality
    if index is None and saved is not None:
        index = saved.volume_index
    folder = on_disk(given, quiet=quiet)
    if series is None and saved is not None and saved.volume_series and is_dicom(folder):
        series = saved.volume_series
    source = None if outputs is None else outputs.source(folder, series, resample=resample)
    volume = read_volume(folder, series=series, resample=resample, modality=modality, index=index)
    if outputs is not None:
        outputs.check_grid(volume.geometry)
    if volume.series is not None and volume.series.resampled:
        # Coordinates count on the resampled grid.
        note(f"Resampled to {volume.geometry.describe()}. {volume.series.resampled}")
    # A session finds the volume of a PACS again by its URL.
    return (replace(volume, source=given) if is_pacs_url(given) else volume), source


def reopen(engine: Engine, saved: SessionFile, volume: Volume) -> Session:
    """Open a saved session on its volume; a window of the former modality becomes that of another one given now."""
    session = engine.reopen(saved, volume)
    if volume.modality is not saved.modality:
        spec = session.predictor.spec
        if session.window == spec.window_of(replace(volume, modality=saved.modality)):
            session.window = spec.window_of(volume)
        note(
            f"The session was made with the volume as {saved.modality.value}. Its objects keep their windows and "
            f"masks; new objects are predicted as {volume.modality.value}."
        )
    return session


def on_disk(given: str, *, quiet: bool = False) -> Path:
    """Return the path of a volume. A series of a PACS is fetched first, and removed when the command ends.

    Args:
        given: A path or a URL.
        quiet: Show no progress.

    Raises:
        PacsRequestError: The URL is not that of a series, or the PACS refuses.
        PacsError: The PACS failed.
        MissingExtraError: A URL was given and the extra ``dicom`` is not installed.
    """
    if not is_pacs_url(given):
        return Path(given)
    from radsam.io.pacs.pacs_connection import require_libraries

    require_libraries()
    from radsam.io.pacs.remote_series import series_folder

    warn_in_clear(PacsAddress.parse(given))
    with progress_bar("Fetching", unit="images", quiet=quiet) as update:
        return until_end(series_folder(given, progress=update))


def warn_in_clear(address: PacsAddress) -> None:
    """Warn if the connection to a PACS is not encrypted."""
    if address.in_clear:
        note(f"The connection to {address.host} is not encrypted: others on the network can read it.")


def lock_session(session: Path, what: str) -> None:
    """Keep other processes from a session file until the command ends, so that no edit of theirs is lost.

    Args:
        session: The session file, which need not exist.
        what: The command.

    Raises:
        InUseError: Another process uses the session.
    """
    from radsam.disk.file_lock import locked

    until_end(locked(session, what, note=note))


def load_engine(
    model: str | None,
    backend: str,
    precision: str,
    *,
    keep: bool,
    lazy: bool = False,
    modality: Modality | None = None,
) -> Engine:
    """Load the model; with `keep`, encoded slices stay on disk for `radsam edit`; with `lazy`, when it is used.

    With `modality`, the default model is that of one modality alone.
    """
    from radsam.predictor.embedding_cache import EmbeddingStore, embeddings_folder
    from radsam.session import load

    store = EmbeddingStore(embeddings_folder()) if keep else None
    return load(model, backend=backend, precision=precision, store=store, lazy=lazy, modality=modality)


def model_files(model: str | None) -> list[Path]:
    """Return the files of a bundle that is given by its path."""
    path = Path(model or "")
    return [path] if path.is_file() else [*path.iterdir()] if model and path.is_dir() else []


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
    for _ in apply_corrections(session, corrections, quiet=quiet):
        pass


def apply_corrections(
    session: Session, corrections: Sequence[CorrectionRequest], *, quiet: bool
) -> Iterator[CorrectionRequest]:
    """Apply corrections one after the other, and return each when it is done."""
    for number, each in enumerate(corrections, start=1):
        with progress_bar(f"Correction {number} of {len(corrections)}", quiet=quiet) as update:
            session.correct(each, progress=lambda record: update(record.done, record.total))
        yield each
