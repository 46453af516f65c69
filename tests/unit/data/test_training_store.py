from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import radsam.data.training_store as store_module
from dataset_trees import SHAPE_KJI, blocks, ct, write_image
from radsam.data.case import Case, LabelSource
from radsam.data.training_store import CaseOutcome, open_store, prepare_store
from radsam.disk.file_lock import locked_folder
from radsam.errors import DatasetError, InUseError, OutputError


def make_case(root: Path, case_id: str, labels: np.ndarray | None = None, **changes: object) -> Case:
    image = write_image(root / f"{case_id}.nii.gz", ct(sum(map(ord, case_id))))
    file = write_image(root / f"{case_id}_seg.nii.gz", blocks(1, 2) if labels is None else labels)
    sources = {"liver": LabelSource(file, 1), "spleen": LabelSource(file, 2)}
    return replace(Case(case_id, image, sources, split="train"), **changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_stored_case_is_the_volume_turned_to_the_radiological_display(data: Path, target: Path) -> None:
    # ITK's identity direction is the display itself; one turned about z is not.
    case = make_case(data, "a")
    flipped = write_image(data / "flipped.nii.gz", ct(5)[:, ::-1, ::-1])
    _turn_about_z(flipped)
    flipped_labels = write_image(data / "flipped_seg.nii.gz", blocks(1, 2)[:, ::-1, ::-1])
    _turn_about_z(flipped_labels)
    sources = {"liver": LabelSource(flipped_labels, 1)}
    prepare_store([case, Case("b", flipped, sources, split="val")], target)

    first, second = open_store(target).cases
    assert (first.values == ct(ord("a"))).all()
    assert (second.values == ct(5)).all()
    assert (second.ids == (blocks(1, 2) == 1)).all()
    assert isinstance(first.values, np.memmap)
    assert first.values.dtype == np.int16
    assert (first.row_mm, first.col_mm, first.slice_mm) == pytest.approx((0.9, 0.8, 2.5))
    assert (first.names, first.split, second.split) == ({1: "liver", 2: "spleen"}, "train", "val")
    assert second.grid.to_display(np.asarray(ct(5)[0, ::-1, ::-1])) == pytest.approx(second.values[0])


def _turn_about_z(path: Path) -> None:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))


def test_another_plane_stacks_other_slices(data: Path, target: Path) -> None:
    prepare_store([make_case(data, "a")], target, plane="coronal", min_pixels=1)
    (case,) = open_store(target).cases
    # Coronal rows go from superior to inferior.
    assert (case.values == ct(ord("a"))[::-1].transpose(1, 0, 2)).all()
    assert (case.row_mm, case.col_mm, case.slice_mm) == pytest.approx((2.5, 0.8, 0.9))


def test_the_index_counts_each_object_on_each_slice(data: Path, target: Path) -> None:
    labels = blocks(1, 2)
    labels[3, 0, :3] = 1  # 3 px: too small to train on, but the liver extends to here
    report = prepare_store([make_case(data, "a", labels)], target)
    index = open_store(target).index
    found = [(r.slice, r.object_id, r.area_px, bool(r.is_first), bool(r.is_last)) for r in index]
    assert found == [
        (1, 1, 20, True, False),
        (1, 2, 20, True, False),
        (2, 1, 20, False, False),
        (2, 2, 20, False, True),
    ]
    assert index.area_mm2 == pytest.approx(20 * 0.8 * 0.9)
    assert report.counts == {"written": 1, "kept": 0, "skipped": 0, "object_slices": 4, "small_slices": 1}


def test_cases_that_cannot_be_used_are_skipped_with_the_reason(data: Path, target: Path) -> None:
    good = make_case(data, "good")
    broken = make_case(data, "broken")
    broken.image.write_bytes(b"no image")
    lost = make_case(data, "lost")
    next(iter(lost.labels.values())).file.unlink()
    moved = make_case(data, "moved")
    write_image(next(iter(moved.labels.values())).file, blocks(1), spacing_mm_ijk=(1, 1, 1))
    empty = make_case(data, "empty", blocks())
    tiny = make_case(data, "tiny", blocks(1) * (np.arange(SHAPE_KJI[2]) < 2).astype(np.uint8))
    report = prepare_store([good, broken, lost, moved, empty, tiny], target)

    assert [case.case_id for case in open_store(target).cases] == ["good"]
    assert set(report.skipped) == {"broken", "lost", "moved", "empty", "tiny"}
    assert "another grid" in report.skipped["moved"]
    assert "does not exist" in report.skipped["lost"]
    assert "no voxel of any class" in report.skipped["empty"]
    assert "fewer than 15 pixels on every slice" in report.skipped["tiny"]
    assert json.loads((target / "report.json").read_text()) == report.to_dict()


def test_classes_that_a_patient_does_not_have_are_reported_and_left_out(data: Path, target: Path) -> None:
    report = prepare_store([make_case(data, "a", blocks(1))], target)
    assert report.outcomes[0].absent == ("spleen",)
    assert open_store(target).cases[0].names == {1: "liver"}


def test_progress_is_told_of_every_case(data: Path, target: Path) -> None:
    reported: list[tuple[int, int, str, str]] = []

    def progress(done: int, total: int, outcome: CaseOutcome) -> None:
        reported.append((done, total, outcome.case_id, outcome.state))

    prepare_store([make_case(data, "a"), make_case(data, "b", blocks())], target, progress=progress)
    assert reported == [(1, 2, "a", "written"), (2, 2, "b", "skipped")]


def test_an_interrupted_preparation_goes_on_where_it_stopped(
    data: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [make_case(data, each) for each in "abc"]
    write_arrays = store_module.write_arrays

    def interrupted(folder: Path, *rest: object) -> None:
        write_arrays(folder, *rest)
        if folder.name == ".b.partial":
            raise KeyboardInterrupt

    monkeypatch.setattr(store_module, "write_arrays", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_store(cases, target)
    assert [case.case_id for case in open_store(target).cases] == ["a"]
    monkeypatch.undo()
    written = (target / "cases" / "a" / "values.npy").stat().st_mtime_ns
    # What a killed process leaves behind.
    shutil.copytree(target / "cases" / "a", target / "cases" / ".b.partial")
    report = prepare_store(cases, target)
    assert [outcome.state for outcome in report.outcomes] == ["kept", "written", "written"]
    assert (target / "cases" / "a" / "values.npy").stat().st_mtime_ns == written
    assert report.counts["object_slices"] == 12
    assert sorted(each.name for each in (target / "cases").iterdir()) == ["a", "b", "c"]


def test_a_case_whose_labels_changed_is_made_again(data: Path, target: Path) -> None:
    case = make_case(data, "a")
    prepare_store([case], target)
    make_case(data, "a", blocks(2, 1))
    report = prepare_store([case], target)
    assert report.outcomes[0].state == "written"
    assert (open_store(target).cases[0].ids == blocks(2, 1)).all()


def test_a_new_split_reaches_a_case_that_is_kept(data: Path, target: Path) -> None:
    case = make_case(data, "a")
    prepare_store([case], target)
    report = prepare_store([replace(case, split="val")], target)
    assert report.outcomes[0].state == "kept"
    assert open_store(target).cases[0].split == "val"


def test_a_case_of_another_dataset_with_the_same_name_is_not_overwritten(data: Path, target: Path) -> None:
    prepare_store([make_case(data / "one", "a")], target)
    report = prepare_store([make_case(data / "two", "a", blocks(1)), make_case(data / "two", "b")], target)
    assert "already" in report.skipped["a"]
    assert [case.names for case in open_store(target).cases] == [{1: "liver", 2: "spleen"}] * 2


def test_cases_without_a_split_get_one(data: Path, target: Path) -> None:
    prepare_store([make_case(data, f"p{number}", split="") for number in range(12)], target)
    assert {case.split for case in open_store(target).cases} == {"train", "val"}


def test_too_little_disk_is_found_before_the_work(data: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(DatasetError, match=r"needs 0\.1 GB for 1 cases, but only 0\.0 GB are free"):
        prepare_store([make_case(data, "a")], target)
    assert not target.exists()


def test_a_disk_that_fills_up_is_fatal_and_keeps_what_was_finished(
    data: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_store([make_case(data, "a")], target)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module, "write_arrays", full)
    with pytest.raises(OutputError, match="the disk is full"):
        prepare_store([make_case(data, "b")], target)
    assert [case.case_id for case in open_store(target).cases] == ["a"]
    assert [each.name for each in (target / "cases").iterdir()] == ["a"]


def test_values_beyond_int16_are_rounded_and_clipped(data: Path, target: Path) -> None:
    values = ct().astype(np.float32)
    values[0, 0, :3] = 1.6, -2.4, 70000
    case = make_case(data, "a")
    write_image(case.image, values)
    prepare_store([case], target)
    assert open_store(target).cases[0].values[0, 0, :3].tolist() == [2, -2, 32767]


def test_a_store_of_another_version_is_refused(data: Path, target: Path) -> None:
    case = make_case(data, "a")
    prepare_store([case], target)
    settings = json.loads((target / "store.json").read_text())
    (target / "store.json").write_text(json.dumps(settings | {"version": 99}))
    with pytest.raises(DatasetError, match="has version 99, this program reads up to 2"):
        open_store(target)
    with pytest.raises(DatasetError, match="version 99"):
        prepare_store([case], target)


def test_a_store_made_otherwise_is_not_added_to(data: Path, target: Path) -> None:
    case = make_case(data, "a")
    prepare_store([case], target)
    with pytest.raises(DatasetError, match="made with plane axial, min_pixels 15, not plane sagittal, min_pixels 4"):
        prepare_store([case], target, plane="sagittal", min_pixels=4)


def test_a_folder_of_other_things_is_neither_opened_nor_filled(data: Path, tmp_path: Path) -> None:
    case = make_case(data, "a")
    with pytest.raises(DatasetError, match=r"looked for store\.json"):
        open_store(data)
    with pytest.raises(DatasetError, match="is not a store and not empty"):
        prepare_store([case], data)
    (tmp_path / "store.json").write_text('{"format": "something else"}')
    with pytest.raises(DatasetError):
        open_store(tmp_path)


def test_a_store_in_which_every_case_was_skipped_says_so(data: Path, target: Path) -> None:
    prepare_store([make_case(data, "a", blocks())], target)
    with pytest.raises(DatasetError, match=r"has no cases; its report\.json"):
        open_store(target)


def test_a_broken_stored_case_is_named(data: Path, target: Path) -> None:
    prepare_store([make_case(data, "a")], target)
    np.save(target / "cases" / "a" / "values.npy", np.zeros((2, 2, 2), np.int16))
    with pytest.raises(DatasetError, match=r"values\.npy is \(2, 2, 2\), its case is"):
        _ = open_store(target).cases[0].values
    (target / "cases" / "a" / "case.json").unlink()
    with pytest.raises(DatasetError, match="is broken"):
        open_store(target)


def test_two_cases_of_one_name_are_refused(data: Path, target: Path) -> None:
    case = make_case(data, "a")
    with pytest.raises(DatasetError, match="Several cases are named a"):
        prepare_store([case, case], target)
    with pytest.raises(DatasetError, match="list of cases is empty"):
        prepare_store([], target)


def test_a_store_that_another_process_prepares_is_left_alone(data: Path, target: Path) -> None:
    case = make_case(data, "a")
    with locked_folder(target, "radsam data prepare"), pytest.raises(InUseError, match="in use by radsam data prepare"):
        prepare_store([case], target)
    assert not target.exists()
    assert prepare_store([case], target).counts["written"] == 1
    assert sorted(each.name for each in target.iterdir()) == ["cases", "report.json", "store.json"]
