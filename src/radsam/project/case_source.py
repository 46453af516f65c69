"""Reading the volume of a case, from a path or a PACS."""

from __future__ import annotations

from dataclasses import replace

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
    if not is_pacs_url(case.source):
        return read_volume(case.source, series=case.series, resample=True, modality=case.modality)
    from radsam.io.pacs.pacs_connection import require_libraries

    require_libraries()
    from radsam.io.pacs.remote_series import series_folder

    with series_folder(case.source) as folder:
        volume = read_volume(folder, resample=True, modality=case.modality)
    return replace(volume, source=case.source)
