"""One volume after the other, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from radsam.batch.batch_plan import VolumeTask
from radsam.batch.batch_settings import Settings
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult
from radsam.batch.timed_model import Model
from radsam.batch.volume_work import Report, segment_volume


def run_in_process(
    volumes: Sequence[VolumeTask],
    settings: Settings,
    folder: OutputFolder,
    *,
    retry_failed: bool = False,
    report: Report = lambda result: None,
    model: Model | None = None,
) -> list[RowResult]:
    """Do every volume.

    Args:
        volumes: Volumes with the rows to do.
        settings: What is done with every row.
        folder: Where results go.
        retry_failed: Also do rows that failed.
        report: Told after each row.
        model: The loaded model; None loads what the settings name.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
        BackendError: The engine cannot run it here.
        MissingExtraError: The engine is not installed.
        OutputError: The folder cannot be worked in.
    """
    loaded = model or Model.load(settings)
    found: list[RowResult] = []
    for each in volumes:
        found += segment_volume(each, loaded, settings, folder, retry_failed=retry_failed, report=report)
    return found
