"""Is each row done once, whatever happens to it or to the one beside it?"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from archives import ball_row, fake_model, planned, write_balls, write_manifest
from fakes import FakeBackend, fake_session
from radsam.batch import volume_work
from radsam.batch.attempts import MOST_ATTEMPTS, READING, Attempts
from radsam.batch.batch_plan import BatchPlan
from radsam.batch.batch_run import write_results
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.engines.local_engine import run_in_process
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult, Status, read_volume_results
from radsam.errors import OutputError, PacsError
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import LabelFormat, write_volume
from radsam.volume import Box

SETTINGS = BatchSettings()


def run(
    manifest: Path, out: Path, settings: BatchSettings = SETTINGS, backend: FakeBackend | None = None, **options: Any
) -> tuple[dict[str, RowResult], BatchPlan, OutputFolder]:
    plan, folder = planned(manifest, out, settings, **options)
    retry = bool(options.get("retry_failed"))
    found = run_in_process(plan.volumes, settings, folder, model=fake_model(backend), retry_failed=retry)
    return {each.id: each for each in found}, plan, folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    scene = write_balls(tmp_path)
    rows = [ball_row(scene, name, truth="seg.nii.gz", truth_roi=n) for n, name in ((1, "right"), (2, "left"))]
    return write_manifest(tmp_path / "m.csv", rows)


def test_a_row_gives_the_mask_of_segment_and_volumes_are_encoded_once(manifest: Path, tmp_path: Path) -> None:
    backend = FakeBackend()
    found, _, folder = run(manifest, tmp_path / "out", backend=backend)
    scene = write_balls(tmp_path)
    right = ball_row(scene)
    session = fake_session(scene.volume)
    i0, j0, i1, j1 = map(int, right["box"].split())
    low, high = map(int, right["bounds"].split())
    session.segment(Box(k=right["slice"], i0=i0, j0=j0, i1=i1, j1=j1), bounds=(low, high))
    mask = read_labels(folder.path / found["right"].mask)
    assert np.array_equal(mask.ids > 0, session.mask("object"))
    assert found["right"].dice is not None
    assert found["right"].dice > 0.9
    assert 0 < (found["right"].quality or 0) <= 1
    # The balls share slices, and none is encoded twice.
    assert len(backend.encoded) == len(set(backend.encoded))
    assert (found["right"].encoded or 0) + (found["left"].encoded or 0) == len(backend.encoded)
    assert (found["left"].encoded or 0) < (found["right"].encoded or 0)


def test_a_second_run_does_nothing_and_a_changed_row_is_done_again(manifest: Path, tmp_path: Path) -> None:
    first, _, folder = run(manifest, tmp_path / "out")
    _, again, _ = run(manifest, tmp_path / "out")
    assert again.count == 0
    assert set(again.done) == {"right", "left"}
    scene = write_balls(tmp_path)
    write_manifest(manifest, [ball_row(scene, "right", truth="seg.nii.gz", truth_roi=1), ball_row(scene, "left")])
    found, changed, _ = run(manifest, tmp_path / "out")
    assert changed.changed == ("left",)
    assert set(found) == {"left"}
    assert read_volume_results(folder, next(iter(again.keys.values())))["right"] == first["right"]


def test_other_settings_and_formats_are_other_results(manifest: Path, tmp_path: Path) -> None:
    run(manifest, tmp_path / "out")
    nrrd = BatchSettings(file_format=LabelFormat.NRRD)
    found, plan, folder = run(manifest, tmp_path / "out", nrrd)
    assert set(plan.changed) == {"right", "left"}
    assert found["left"].mask == "masks/left.nrrd"
    assert sorted(each.name for each in folder.masks.iterdir()) == ["left.nrrd", "right.nrrd"]
    assert planned(manifest, tmp_path / "out", BatchSettings(file_format=LabelFormat.NRRD, threads=1))[0].count == 0


def test_rows_that_fail_have_a_status_and_the_others_are_done(tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    (tmp_path / "broken.nii.gz").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    rows = [
        ball_row(scene, id="outside", box="0 0 400 400"),
        ball_row(scene, id="nothing there", box="0 0 3 3"),
        ball_row(scene, id="gone", volume="gone.nii.gz"),
        ball_row(scene, id="broken", volume="broken.nii.gz"),
        ball_row(scene, id="empty", volume="empty"),
        ball_row(scene, id="no mask", box=None, mask="gone.nii.gz", slice=None, bounds=None),
        ball_row(scene, id="no truth", truth="gone.nii.gz"),
        ball_row(scene),
    ]
    found, plan, _ = run(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")
    statuses = {name: each.status for name, each in found.items()}
    assert statuses == {
        "outside": Status.BAD_INPUT,
        "nothing there": Status.BAD_INPUT,
        "gone": Status.MISSING_FILE,
        "broken": Status.BAD_INPUT,
        "empty": Status.BAD_INPUT,
        "no mask": Status.MISSING_FILE,
        "no truth": Status.DONE,
        "right": Status.DONE,
    }
    assert "No Dice" in found["no truth"].notes
    assert all(each.message for name, each in found.items() if each.status is not Status.DONE)
    # A missing file may appear; other failures need --retry-failed.
    _, again, _ = run(tmp_path / "m.csv", tmp_path / "out")
    assert {task.row.id for volume in again.volumes for task in volume.tasks} == {"gone", "no mask"}
    assert set(again.kept_failures) == {"outside", "nothing there", "broken", "empty"}
    assert planned(tmp_path / "m.csv", tmp_path / "out", retry_failed=True)[0].count == 6
    assert plan.bad_rows == ()


def test_a_poisoned_volume_is_quarantined_without_patient_data(manifest: Path, tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    secret = tmp_path / "DOE^JANE.nii.gz"
    secret.write_bytes((tmp_path / "ct.nii.gz").read_bytes())
    rows = [ball_row(scene, id="poison", volume=secret.name), ball_row(scene)]
    write_manifest(manifest, rows)
    real = volume_work.read_volume

    def poisoned(path: Path, **options: Any) -> Any:
        if path.name == secret.name:
            raise ValueError(f"patient DOE^JANE in {path}")
        return real(path, **options)

    with patch.object(volume_work, "read_volume", poisoned):
        found, plan, folder = run(manifest, tmp_path / "out")
    assert found["poison"].status is Status.FAILED
    assert found["right"].status is Status.DONE
    (record,) = folder.quarantine.iterdir()
    text = record.read_text("utf-8")
    entry = json.loads(text)["failures"][0]
    assert entry["ids"] == ["poison"]
    assert entry["errors"][0]["type"] == "ValueError"
    assert any("poisoned" in frame for frame in entry["errors"][0]["frames"])
    assert "DOE" not in text
    assert "DOE" not in found["poison"].message
    assert record.stem == plan.keys["poison"]
    found, *_ = run(manifest, tmp_path / "out", retry_failed=True)
    assert found["poison"].status is Status.DONE
    assert not list(folder.quarantine.iterdir())


def test_what_kills_its_process_is_left_alone_in_the_end(manifest: Path, tmp_path: Path) -> None:
    plan, folder = planned(manifest, tmp_path / "out")
    (key,) = set(plan.keys.values())

    def die_at(*places: str) -> None:
        """Leave behind what a process leaves that dies at the last of these; a real one dies in tests/e2e."""
        attempts = Attempts(folder.attempts / key)
        for at in places:
            assert attempts.begin(at)
            if at != places[-1]:
                attempts.passed(at)

    for _ in range(MOST_ATTEMPTS):
        die_at(READING, "right")
    found, *_ = run(manifest, tmp_path / "out")
    assert {name: each.status for name, each in found.items()} == {"right": Status.LOST, "left": Status.DONE}
    assert json.loads((folder.quarantine / f"{key}.json").read_text("utf-8"))["failures"][0]["ids"] == ["right"]
    assert run(manifest, tmp_path / "out")[1].count == 0
    found, *_ = run(manifest, tmp_path / "out", retry_failed=True)
    assert found["right"].status is Status.DONE
    assert not list(folder.quarantine.iterdir())

    (folder.parts / f"{key}.json").unlink()
    for _ in range(MOST_ATTEMPTS):
        die_at(READING)
    found, *_ = run(manifest, tmp_path / "out")
    assert {each.status for each in found.values()} == {Status.LOST}
    assert "reading" in found["left"].message


def test_a_full_disk_is_a_status_and_leaves_nothing_half_written(manifest: Path, tmp_path: Path) -> None:
    full = OutputError("The disk is full.")
    with patch.object(volume_work, "write_labels", side_effect=full):
        found, _, folder = run(manifest, tmp_path / "out")
    assert {each.status for each in found.values()} == {Status.NOT_WRITTEN}
    assert not list(folder.masks.iterdir())
    with patch.object(volume_work, "write_volume_results", side_effect=full):
        found, plan, folder = run(manifest, tmp_path / "out")
    assert {each.status for each in found.values()} == {Status.NOT_WRITTEN}
    merged = write_results(plan, folder, list(found.values()))
    assert {each.status for each in merged} == {Status.NOT_WRITTEN}
    with patch("radsam.batch.output_folder.LEAST_FREE_BYTES", 1 << 62):
        backend = FakeBackend()
        found, *_ = run(manifest, tmp_path / "out", backend=backend)
    assert "Make room" in found["right"].message
    assert not backend.encoded, "no work for a result that has no room"
    found, *_ = run(manifest, tmp_path / "out")
    assert {each.status for each in found.values()} == {Status.DONE}


def test_a_volume_of_a_pacs_is_fetched_once_and_a_failing_pacs_is_no_end(tmp_path: Path) -> None:
    from contextlib import contextmanager

    scene = write_balls(tmp_path)
    url = "dicomweb://127.0.0.1:1/dicom-web/studies/1.2/series/1.2.3"
    rows = [ball_row(scene, name, volume=url) for name in ("right", "left")]
    manifest = write_manifest(tmp_path / "m.csv", [*rows, ball_row(scene, id="near")])
    opened = []

    @contextmanager
    def series_of(address: str) -> Any:
        opened.append(address)
        yield tmp_path / "ct.nii.gz"

    with patch.object(volume_work, "series_folder", side_effect=PacsError("It does not respond.", transient=True)):
        found, *_ = run(manifest, tmp_path / "out")
    assert [each.status for each in found.values()] == [Status.UNREACHABLE] * 2 + [Status.DONE]
    with patch.object(volume_work, "series_folder", series_of):
        found, *_ = run(manifest, tmp_path / "out")
    assert {each.status for each in found.values()} == {Status.DONE}
    assert opened == [url]


def test_the_process_is_named_and_only_missing_rows_are_done(manifest: Path, tmp_path: Path) -> None:
    found, plan, folder = run(manifest, tmp_path / "out")
    assert found["right"].worker.endswith(f":{os.getpid()}")
    # Somebody else did one row after this plan was made.
    first, _ = planned(manifest, tmp_path / "other")
    stored_file = folder.parts / f"{plan.keys['right']}.json"
    stored = json.loads(stored_file.read_text("utf-8"))
    stored["results"] = [each for each in stored["results"] if each["id"] == "right"]
    (tmp_path / "other" / "progress" / "parts" / stored_file.name).write_text(json.dumps(stored), "utf-8")
    backend = FakeBackend()
    results = run_in_process(first.volumes, SETTINGS, OutputFolder(tmp_path / "other"), model=fake_model(backend))
    assert {each.id: each.finished for each in results}["right"] == found["right"].finished
    assert len(list((tmp_path / "other" / "masks").iterdir())) == 1


def test_a_row_says_what_its_volume_is_and_results_tell_it(tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    low = int(scene.volume.values.min())
    shifted = replace(scene.volume, values=scene.volume.values - np.int16(low))
    write_volume(shifted, tmp_path / "mr.nii.gz")
    as_mr = {"volume": "mr.nii.gz"}
    rows = [
        ball_row(scene, id="ct", modality="ct"),
        ball_row(scene, id="as_mr", modality="MR"),
        ball_row(scene, id="guessed") | as_mr,
        ball_row(scene, id="given", modality="mr") | as_mr,
        ball_row(scene, id="own", modality="mr", window="0 400") | as_mr,
    ]
    found, plan, folder = run(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")
    assert [[task.row.id for task in each.tasks] for each in plan.volumes] == [
        ["ct"],
        ["as_mr"],
        ["guessed"],
        ["given", "own"],
    ]
    assert {name: each.modality for name, each in found.items()} == dict.fromkeys(found, "MR") | {"ct": "CT"}
    assert (found["ct"].window, found["own"].window) == ("-160 240", "0 400")
    window = [float(each) for each in found["as_mr"].window.split()]
    assert [float(each) for each in found["given"].window.split()] == [each - low for each in window]
    assert found["guessed"].window == found["given"].window
    assert "It is taken for an MR by its values" in found["guessed"].notes
    assert "look like Hounsfield units" in found["as_mr"].notes
    assert (found["ct"].notes, found["given"].notes) == ("", "")
    masks = [read_labels(folder.path / found[each].mask).ids for each in ("as_mr", "given", "guessed")]
    assert masks[0].any()
    assert all(np.array_equal(each, masks[0]) for each in masks)
    _, again, _ = run(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")
    assert again.count == 0
    _, other, _ = run(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out", BatchSettings(modality="ct"))
    assert len(other.changed) == len(rows)


def test_rows_that_share_voxels_say_so_and_stay_whole(tmp_path: Path) -> None:
    scene = write_balls(tmp_path)
    rows = [
        ball_row(scene, id="first"),
        ball_row(scene, id="second", object="cyst"),
        ball_row(scene, id="third", object="cyst"),
    ]
    found, _, folder = run(write_manifest(tmp_path / "m.csv", rows[:2]), tmp_path / "out")
    voxels = found["first"].voxels
    assert found["first"].notes == ""
    assert found["second"].voxels == voxels
    assert f"Shares voxels with other rows, whose masks are whole, too: {voxels} with 'first'" in found["second"].notes
    resumed, _, _ = run(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")
    assert f"{voxels} with 'first'" in resumed["third"].notes
    assert "'second'" not in resumed["third"].notes  # the same object
    assert np.count_nonzero(read_labels(folder.path / resumed["third"].mask).ids) == voxels
