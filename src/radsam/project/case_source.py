"""Reading the volume of a case, from a path or a PACS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from radsam.io.pacs.pacs_address import is_pacs_url
from radsam.io.volume_read import read_volume
from radsam.project.task_state import Case, NewCase
from radsam.volume import Volume


def read_case_volume(case: Case | NewCase) -> Volume:
    """Read the volume of a case; uneven slices are resampled.

    Raises:
        VolumeError: It cannot be read.
        PacsError: The PACS failed; a `PacsRequestError` if it refuses.
        MissingExtraError: It is in a PACS, and the extra ``dicom`` is not installed.
    """
    with case_path(case) as path:
        volume = read_volume(path, series=case.series, resample=True, modality=case.modality)
    return replace(volume, source=case.source)


@contextmanager
def case_path(case: Case | NewCase) -> Iterator[Path]:
    """Yield the path of a case's volume; a series of a PACS is fetched into a folder for the ``with`` block."""
    if not is_pacs_url(case.source):
        yield Path(case.source)
        return
    from radsam.io.pacs.pacs_connection import require_libraries

    require_libraries()
    from radsam.io.pacs.remote_series import series_folder

    with series_folder(case.source) as folder:
        yield folder
