"""`radsam data`: every layout becomes a store, skipped cases are reported, and a batch is drawn without embeddings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import WITHOUT_EXTRAS, CommandLine, Finished
from dataset_trees import blocks, ct, write_image, write_json
from radsam.data.packed_store import read_pack
from radsam.data.training_store import open_store
from tiny_training import write_config, write_small_bundle, write_store


def refused(result: Finished, *words: str) -> None:
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr_line


def write_amos(root: Path) -> None:
    write_json(root / "dataset.json", {"labels": {"0": "background", "1": "spleen", "2": "liver"}})
    for number, images, labels in (
        (1, "imagesTr", "labelsTr"),
        (8, "imagesVa", "labelsVa"),
        (507, "imagesTr", "labelsTr"),
    ):
        write_image(root / images / f"amos_{number:04}.nii.gz", ct(number))
        write_image(root / labels / f"amos_{number:04}.nii.gz", blocks(1, 2))


def write_totalsegmentator(root: Path) -> None:
    (root / "meta.csv").parent.mkdir(parents=True)
    (root / "meta.csv").write_text("image_id;split\ns0001;train\ns0002;val\n")
    for number, name in enumerate(("s0001", "s0002")):
        write_image(root / name / "ct.nii.gz", ct(number))
        for value, organ in ((1, "spleen"), (2, "liver")):
            write_image(root / name / "segmentations" / f"{organ}.nii.gz", (blocks(1, 2) == value).astype(np.uint8))


def write_msd(root: Path) -> None:
    write_json(
        root / "dataset.json", {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "spleen", "2": "liver"}}
    )
    for number in range(6):
        write_image(root / "imagesTr" / f"organ_{number:03}.nii.gz", ct(number))
        write_image(root / "labelsTr" / f"organ_{number:03}.nii.gz", blocks(1, 2))


def write_pairs(root: Path) -> None:
    write_json(root / "dataset.json", {"labels": {"background": 0, "spleen": 1, "liver": 2}})
    for number in range(6):
        write_image(root / f"case_{number}" / "ct.nii.gz", ct(number))
        write_image(root / f"case_{number}" / "seg.nii.gz", blocks(1, 2))


LAYOUTS: dict[str, tuple[Callable[[Path], None], int]] = {
    "amos": (write_amos, 2),
    "totalsegmentator": (write_totalsegmentator, 2),
    "msd": (write_msd, 6),
    "folder": (write_pairs, 6),
}


# --- prepare


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_a_dataset_becomes_a_store(run_radsam: CommandLine, tmp_path: Path, dataset: str) -> None:
    write, cases = LAYOUTS[dataset]
    write(tmp_path / "root")
    line = ("data", "prepare", "--dataset", dataset, "--root", "root", "--out", "store")
    found = run_radsam.here(*line, "--classes", "liver", "--val-share", 0.3, "--json", cwd=tmp_path).done().json
    assert found["counts"]["written"] == cases
    assert found["splits"].keys() == {"train", "val"}
    assert sum(found["splits"].values()) == cases
    store = open_store(tmp_path / "store")
    assert {name for case in store.cases for name in case.names.values()} == {"liver"}
    assert found["counts"]["object_slices"] == len(store.index) == 2 * cases


def test_mri_of_amos_is_taken_only_on_request(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_amos(tmp_path / "root")
    line = ("data", "prepare", "--dataset", "amos", "--root", "root", "--out", "store")
    assert "2 cases written" in run_radsam.here(*line, cwd=tmp_path).done().stdout
    assert "1 cases written, 2 complete already" in run_radsam.here(*line, "--include-mri", cwd=tmp_path).done().stdout


def test_phantoms_are_made_and_prepared(run_radsam: CommandLine, tmp_path: Path) -> None:
    line = ("data", "prepare", "--dataset", "phantom", "--root", "made", "--out", "store", "--count", 1)
    shown = run_radsam.here(*line, "--val-share", 0, cwd=tmp_path).done()
    assert "1 cases written" in shown.stdout
    assert "No case is in the split val" in shown.stderr_line
    (case,) = open_store(tmp_path / "store").cases
    assert (case.case_id, case.split, case.label_origin) == ("phantom_0000", "train", "exact")
    assert {"liver", "spleen", "aorta"} <= set(case.names.values())


def test_skipped_cases_are_reported_with_their_reason(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_pairs(tmp_path / "root")
    (tmp_path / "root" / "case_1" / "ct.nii.gz").write_bytes(b"broken")
    write_image(tmp_path / "root" / "case_2" / "seg.nii.gz", blocks())
    write_image(tmp_path / "root" / "case_3" / "seg.nii.gz", blocks(1, shape_kji=(4, 12, 11)))
    write_image(tmp_path / "root" / "case_4" / "seg.nii.gz", blocks(1))
    line = ("data", "prepare", "--dataset", "folder", "--root", "root", "--out", "store")
    shown = run_radsam.here(*line, cwd=tmp_path).done()
    words = " ".join(shown.stdout.split())
    assert "3 cases written, 0 complete already, 3 skipped" in words
    for part in ("case_1", "damaged", "case_2", "no voxel of any class", "case_3", "another grid", "liver (1)"):
        assert part in words
    again = run_radsam.here(*line, "--json", cwd=tmp_path).done().json
    assert again["counts"] == {"written": 0, "kept": 3, "skipped": 3, "object_slices": 10, "small_slices": 0}
    assert {each["case_id"] for each in again["cases"] if each["reason"]} == {"case_1", "case_2", "case_3"}


def test_a_store_becomes_a_pack_with_its_licences(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_store(tmp_path)
    shown = run_radsam.here("data", "pack", "store", "-o", "a.pack", cwd=tmp_path).done()
    assert "2 cases" in shown.stdout
    assert "2 × CC0-1.0" in shown.stdout
    assert [case.case_id for case in read_pack(tmp_path / "a.pack").cases] == ["tube_a", "tube_b"]
    found = (
        run_radsam.here("data", "pack", "store", "-o", "b.pack", "--split", "val", "--json", cwd=tmp_path).done().json
    )
    assert (found["cases"], found["licences"]) == (1, {"CC0-1.0": 1})
    assert found["bytes"] == (tmp_path / "b.pack").stat().st_size


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("-o", "a.zip"), 2, "--out must end in .pack"),
        (("-o", "a.pack", "--split", "test"), 3, "no case to pack"),
        (("-o", "a.pack", "--step-hu", "1"), 3, "does not fit into a byte"),
        (("-o", "a.pack", "--megabytes", "0.001"), 3, "Take larger steps"),
    ],
)
def test_a_pack_that_cannot_be_made_is_explained(
    run_radsam: CommandLine, tmp_path: Path, options: tuple[str, ...], status: int, words: str
) -> None:
    write_store(tmp_path)
    result = run_radsam.here("data", "pack", "store", *options, cwd=tmp_path)
    assert (result.returncode, "Traceback" in result.stderr) == (status, False)
    assert words in " ".join(result.stderr.split())
    assert not list(tmp_path.glob("*.pack"))


def test_a_process_writes_nothing_but_the_result(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_pairs(tmp_path / "root")
    line = ("data", "prepare", "--dataset", "folder", "--root", "root", "--out", "store", "--json")
    result = run_radsam(*line, cwd=tmp_path, before=WITHOUT_EXTRAS).done()
    assert result.json["store"] == "store"
    assert result.stderr == ""


MISSING_FILES = {
    "amos": ["not AMOS22", "dataset.json", "imagesTr"],
    "totalsegmentator": ["not TotalSegmentator's dataset", "ct.nii.gz", "segmentations"],
    "msd": ["not a task of the Medical Segmentation Decathlon", "Task06_Lung"],
    "folder": ["not a folder of image and label pairs", "manifest.json", "seg.nii.gz"],
    "phantom": ["holds no phantom", "--count"],
}


@pytest.mark.parametrize("dataset", MISSING_FILES)
def test_a_root_without_the_dataset_names_the_missing_files(
    run_radsam: CommandLine, tmp_path: Path, dataset: str
) -> None:
    (tmp_path / "root").mkdir()
    line = ("data", "prepare", "--dataset", dataset, "--root", "root", "--out", "store")
    refused(run_radsam.here(*line, cwd=tmp_path), *MISSING_FILES[dataset])
    assert not (tmp_path / "store").exists()


def test_an_unknown_class_lists_the_known_ones(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_msd(tmp_path / "root")
    line = ("data", "prepare", "--dataset", "msd", "--root", "root", "--out", "store", "--classes", "liver,brain")
    refused(run_radsam.here(*line, cwd=tmp_path), "no class called 'brain'", "liver, spleen")


def test_a_disk_that_is_too_small_is_noticed_before_the_work(
    run_radsam: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "root")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    line = ("data", "prepare", "--dataset", "folder", "--root", "root", "--out", "store")
    refused(run_radsam.here(*line, cwd=tmp_path), "GB are free", "Make room")
    assert not (tmp_path / "store").exists()


def test_a_store_of_another_kind_or_version_is_refused(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_pairs(tmp_path / "root")
    line = ("data", "prepare", "--dataset", "folder", "--root", "root", "--out", "store")
    run_radsam.here(*line, cwd=tmp_path).done()
    refused(run_radsam.here(*line, "--plane", "coronal", cwd=tmp_path), "made with plane axial, not plane coronal")
    refused(run_radsam.here(*line[:-1], "root", cwd=tmp_path), "is not a store and not empty")
    settings = json.loads((tmp_path / "store" / "store.json").read_text())
    write_json(tmp_path / "store" / "store.json", {**settings, "version": 99})
    refused(run_radsam.here(*line, cwd=tmp_path), "version 99", "into another folder")


def test_a_dataset_of_which_nothing_can_be_used_is_refused(run_radsam: CommandLine, tmp_path: Path) -> None:
    write_pairs(tmp_path / "root")
    line = ("data", "prepare", "--dataset", "folder", "--root", "root", "--out", "store", "--min-pixels", 500)
    result = run_radsam.here(*line, "--json", cwd=tmp_path)
    refused(result, "None of the 6 cases can be used", "fewer than 500 pixels", "report.json")
    assert result.json["error"]["exit_code"] == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--dataset msd --include-mri", "--include-mri is for --dataset amos only"),
        ("--dataset amos --count 3", "--count is for --dataset phantom only"),
        ("--dataset nonsense", "'nonsense' is not one of"),
        ("--dataset msd --min-pixels 0", "--min-pixels"),
        ("--dataset msd --val-share 2", "--val-share"),
    ],
)
def test_wrong_usage_ends_with_2(run_radsam: CommandLine, tmp_path: Path, options: str, words: str) -> None:
    result = run_radsam.here("data", "prepare", "--root", ".", "--out", "store", *options.split(), cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr_line
    assert not list(tmp_path.iterdir())


# --- show


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_store(folder)
    write_small_bundle(folder / "random-bundle")
    write_config(folder)
    return folder


def test_a_batch_is_drawn_without_embeddings_and_without_torch(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    line = ("data", "show", tiny / "tiny.toml", "-o", "batch.png", "--json", "--step", 2)
    found = run_radsam(*line, cwd=tmp_path, before=WITHOUT_EXTRAS).done().json
    assert found["kinds"] == ["box", "point", "mask", "neighbour", "edit", "walk", "walk with click"]
    assert len(found["episodes"]) == 3
    assert all(each.startswith(("tube_a slice", "tube_b slice")) for each in found["episodes"])
    with Image.open(tmp_path / "batch.png") as picture:
        assert min(picture.size) > 1000
    assert not (tiny / "embeddings").exists()


def test_the_same_step_draws_the_same_picture_and_overrides_count(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    for name, overrides in (("a", ()), ("b", ()), ("c", ("prompts.box=0", "prompts.turns=[1.0]", "optim.batch=4"))):
        line = ("data", "show", tiny / "tiny.toml", "-o", f"{name}.png", *overrides)
        shown = run_radsam.here(*line, cwd=tmp_path).done().stdout
        assert shown.count("tube_") == (4 if overrides else 3)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_a_picture_that_cannot_be_made_is_refused(run_radsam: CommandLine, tiny: Path, tmp_path: Path) -> None:
    show = ("data", "show", tiny / "tiny.toml", "-o")
    refused(run_radsam.here(*show, "batch.txt", cwd=tmp_path), "batch.txt is not a picture", ".png")
    refused(run_radsam.here(*show, "gone/batch.png", cwd=tmp_path), "the folder", "does not exist")
    refused(
        run_radsam.here(*show, "batch.png", f"data.store={tmp_path}", cwd=tmp_path),
        "is not a store of training cases",
        "radsam data prepare",
    )
    refused(run_radsam.here(*show, "batch.png", "start=none-such", cwd=tmp_path), "no bundle 'none-such'")
    refused(
        run_radsam.here("data", "show", "none_such", "-o", "batch.png", cwd=tmp_path),
        "no configuration 'none_such'",
        "radsam_lite",
    )
    assert not list(tmp_path.iterdir())
