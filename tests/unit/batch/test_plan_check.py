"""Does a dry run find what the run would find, from headers alone?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import FileDataset

from archives import write_manifest
from dicom_files import write_series
from phantoms import touching_balls
from radsam.batch.batch_plan import make_plan
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.manifest import read_manifest
from radsam.batch.output_folder import OutputFolder
from radsam.batch.plan_check import check_plan
from radsam.batch.row_results import Status, write_volume_results
from radsam.io.volume_write import LabelFormat, write_volume

ROW = {"id": "a", "volume": "ct.nii.gz", "coordinates": "ijk", "slice": "4", "box": "1 2 10 12"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_volume(touching_balls().volume, folder / "ct.nii.gz")

    def as_mr(index: int, image: FileDataset) -> None:
        image.Modality = "MR"

    write_series(folder / "mr", np.zeros((3, 8, 9), np.int16), edit=as_mr)
    return folder


@pytest.mark.parametrize(
    ("row", "settings", "status", "message"),
    [
        (ROW, {}, None, ""),
        (ROW | {"box": "1 2 100 12"}, {}, Status.BAD_INPUT, "outside"),
        (ROW | {"volume": "none.nii"}, {}, Status.MISSING_FILE, "no none.nii"),
        (ROW, {"file_format": LabelFormat.SEG}, Status.BAD_INPUT, "DICOM"),
        (ROW | {"volume": "mr", "slice": "1", "box": "1 2 5 6"}, {}, None, ""),
        (ROW | {"modality": "xray"}, {}, Status.BAD_ROW, "one of ct, mr, pet, other"),
    ],
)
def test_rows_that_would_fail_are_named(
    folder: Path, tmp_path: Path, row: dict[str, Any], settings: dict[str, Any], status: Status | None, message: str
) -> None:
    manifest = read_manifest(write_manifest(folder / f"{tmp_path.name}.csv", [row]))
    run = BatchSettings(**settings)
    problems = check_plan(make_plan(manifest, OutputFolder(tmp_path), run.identity("")), run).problems
    assert [each.status for each in problems if each.fails] == ([] if status is None else [status])
    assert all(message in each.message for each in problems)


def test_volumes_are_counted_by_what_their_headers_and_rows_say(folder: Path, tmp_path: Path) -> None:
    """No voxel is read for it: what only the values tell has no name."""
    mr = ROW | {"volume": "mr", "slice": "1", "box": "1 2 5 6"}
    rows = [ROW, ROW | {"id": "b", "modality": "mr"}, mr | {"id": "c"}, mr | {"id": "d"}, ROW | {"id": "e"}]
    manifest = read_manifest(write_manifest(folder / "kinds.csv", rows))
    settings = BatchSettings()
    plan = make_plan(manifest, OutputFolder(tmp_path), settings.identity(""))
    # ct.nii.gz by its values, and as an MR; the series
    assert check_plan(plan, settings).modalities == {"": 1, "MR": 2}
    assert check_plan(plan, BatchSettings(modality="ct")).modalities == {"CT": 2, "MR": 1}


def test_a_missing_truth_costs_the_dice_only(folder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(folder / "truth.csv", [ROW | {"truth": "none.nii"}]))
    settings = BatchSettings()
    (problem,) = check_plan(make_plan(manifest, OutputFolder(tmp_path), settings.identity("")), settings).problems
    assert not problem.fails
    assert "no Dice" in problem.message


def test_a_row_that_failed_before_and_is_not_tried_again_is_named(folder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(folder / "again.csv", [ROW]))
    settings, out = BatchSettings(), OutputFolder(tmp_path)
    out.make()
    (volume,) = make_plan(manifest, out, settings.identity("")).volumes
    (task,) = volume.tasks
    write_volume_results(out, volume.key, [task.result(Status.FAILED, message="why", fingerprint=task.fingerprint)])
    (problem,) = check_plan(make_plan(manifest, out, settings.identity("")), settings).problems
    assert (problem.id, problem.status, problem.message, problem.fails) == ("a", Status.FAILED, "why", True)
    again = make_plan(manifest, out, settings.identity(""), retry_failed=True)
    assert check_plan(again, settings).problems == []
