"""`radsam benchmark` and `radsam challenge`, as a user runs them."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from dataset_trees import blocks, ct, write_image, write_json
from radsam.data.adapters.phantom_dataset import write_phantoms
from waiting import wait_for

pytest.importorskip("monai", reason="the extra 'benchmark' is not installed")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "phantoms"
    write_phantoms(root, 2, shape_ijk=(64, 56, 16), spacing_mm_ijk=(5.4, 5.4, 12.0))
    return root


#: The quick configuration on coarse phantoms, which takes seconds instead of five minutes.
QUICKER = ("datasets.phantom.make=2", "datasets.phantom.most_objects=1", "surface.enabled=false")


def scores(folder: Path) -> dict[tuple[str, ...], str]:
    """Every score of a results folder; times differ from run to run."""
    with (folder / "results.csv").open(newline="") as file:
        return {
            tuple(row[name] for name in ("model", "mode", "case", "object", "edits")): row["dice"]
            for row in csv.DictReader(file)
        }


@pytest.mark.slow
def test_the_quick_configuration_runs_resumes_and_reports(
    run_radsam: CommandLine, tiny_bundle: Path, phantoms: Path, tmp_path: Path
) -> None:
    models = f"tiny={tiny_bundle},ellipsoid,otsu"
    given = ("quick", *QUICKER, "--data", f"phantom={phantoms}", "--models", models)
    whole = run_radsam.here("benchmark", "run", *given, "-o", "one", "--json", cwd=tmp_path).done().json
    assert {each["model"] for each in whole["means"]} == {"tiny", "ellipsoid", "otsu"}
    assert all(each["objects"] == 2 and not each["failed"] for each in whole["means"])
    page = (tmp_path / "one" / "report.html").read_text()
    assert "One prompt and the bounds" in page
    assert "data:image/png;base64," in page
    assert "not a measurement" in (tmp_path / "one" / "report.md").read_text()

    # On two processes, killed and resumed: the same numbers.
    process = run_radsam.start("benchmark", "run", *given, "-o", "two", "--workers", "2", cwd=tmp_path)
    table = tmp_path / "two" / "results.csv"
    before = wait_for(
        lambda: len(table.read_text().splitlines()) if table.is_file() else 0, lambda rows: rows > 3, process
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run_radsam.here("benchmark", "run", *given, "-o", "two", cwd=tmp_path).done()
    assert before > 3
    assert scores(tmp_path / "two") == scores(tmp_path / "one")

    result = run_radsam.here("benchmark", "report", "two", "-o", "again.md", "--against", "ellipsoid", cwd=tmp_path)
    assert "again.md" in result.done().stdout
    assert "Minus ellipsoid" in (tmp_path / "again.md").read_text()


@pytest.mark.slow
def test_a_model_that_kills_its_process_is_recorded_and_the_run_continues(phantoms: Path, tmp_path: Path) -> None:
    from crashing_model import find_units
    from radsam.benchmark.benchmark_results import ResultsFolder
    from radsam.benchmark.benchmark_run import run_units

    config, units = find_units(phantoms)
    results = ResultsFolder.start(tmp_path / "out", config)
    results.describe("test", {})
    run_units(units, results, workers=2, report=lambda result: None)
    status = {(row.model, row.case): row.status for row in results.rows}
    assert status == {
        ("crashing", "phantom_0000"): "ok",
        ("crashing", "phantom_0001"): "failed",
        ("ellipsoid", "phantom_0000"): "ok",
        ("ellipsoid", "phantom_0001"): "ok",
    }
    assert {row.error for row in results.rows if row.status == "failed"} == {"The process of the model died."}


def test_ctrl_c_keeps_finished_rows(run_radsam: CommandLine, phantoms: Path, tmp_path: Path) -> None:
    process = run_radsam.start(
        "benchmark", "run", "quick", *QUICKER, "--data", f"phantom={phantoms}", "--models",
        "ellipsoid,otsu", "-o", "out", "--workers", "2", cwd=tmp_path,
    )  # fmt: skip
    table = tmp_path / "out" / "results.csv"
    wait_for(table.is_file, bool, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode in (0, 130), stderr
    assert "Traceback" not in stderr


def tree(root: Path, layout: str) -> None:
    """A dataset of two cases in its official layout, each with two blocks."""
    if layout == "amos":
        write_json(root / "dataset.json", {"labels": {"0": "background", "1": "spleen", "8": "arota"}})
        for number in ("0001", "0003", "0507"):
            write_image(root / "imagesVa" / f"amos_{number}.nii.gz", ct(int(number)))
            write_image(root / "labelsVa" / f"amos_{number}.nii.gz", blocks(1, 8))
    elif layout == "totalsegmentator":
        (root).mkdir(parents=True)
        (root / "meta.csv").write_text("image_id;age;split\ns0001;50;test\ns0002;60;test\ns0003;60;train\n")
        for case in ("s0001", "s0002", "s0003"):
            write_image(root / case / "ct.nii.gz", ct(int(case[1:])))
            for place, name in enumerate(("spleen", "rib_left_1")):
                mask = (blocks(1, 2) == place + 1).astype(np.uint8)
                write_image(root / case / "segmentations" / f"{name}.nii.gz", mask)
    else:
        for task, name in (("Task06_Lung", "lung_001"), ("Task10_Colon", "colon_002")):
            write_json(
                root / task / "dataset.json",
                {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "cancer"}},
            )
            write_image(root / task / "imagesTr" / f"{name}.nii.gz", ct(len(name)))
            write_image(root / task / "labelsTr" / f"{name}.nii.gz", blocks(1))


@pytest.mark.parametrize(
    ("config", "layout", "name", "groups"),
    [
        ("amos", "amos", "amos", {""}),
        ("totalseg_transfer", "totalsegmentator", "totalseg", {"known", "unknown"}),
        ("msd_lesions", "msd", "msd", {"lung", "colon"}),
    ],
)
def test_the_datasets_of_the_paper_need_only_a_path(
    config: str, layout: str, name: str, groups: set[str], run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path
) -> None:
    tree(tmp_path / "data", layout)
    models = f"tiny={tiny_bundle},ellipsoid"
    found = run_radsam.here(
        "benchmark", "run", config, "--data", f"{name}={tmp_path / 'data'}", "--models", models, "-o", "out", "--json",
        cwd=tmp_path,
    ).done().json  # fmt: skip
    assert {each["failed"] for each in found["means"]} == {0}
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == groups
    assert len({row["case"] for row in rows}) == 2, "only CT, and only the split that is measured"
    text = (tmp_path / "out" / "report.md").read_text()
    assert "(paper)" in text
    assert "(ours)" in text


@pytest.mark.slow
def test_two_shared_cases_keep_the_known_order(run_radsam: CommandLine, shared_data: Path, tmp_path: Path) -> None:
    """Real CT with the shipped weights: the model is above the baselines, the ellipsoid above the box."""
    found = run_radsam(
        "benchmark", "run", "val", 'datasets.shared.classes=["spleen","lung_tumour"]',
        'modes=[{level="slice",start="box",most_slices=3,edits=1}]', "surface.enabled=false",
        "--data", f"shared={shared_data}",
        "--models", "lite=radsam-lite:mask:no-zoom,ellipsoid,otsu,box-fill", "-o", "out", "--json", cwd=tmp_path,
    ).done().json  # fmt: skip
    means = {each["model"]: each["dice"] for each in found["means"]}
    assert means["lite"] > means["ellipsoid"] > means["box-fill"]
    assert means["lite"] > 0.8


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("quick",), 2, "The configuration needs its data. Add --data phantom=DIR"),
        (("quick", "--data", "phantom"), 2, "--data takes NAME=DIR"),
        (("quick", "--data", "amos=x"), 2, "has no dataset 'amos'; it has: phantom"),
        (("no-such", "--data", "a=b"), 3, "the shipped configurations are: amos"),
        (("amos", "--data", "amos=nowhere"), 3, "is not AMOS22"),
        (("quick", "colour=red", "--data", "phantom=p"), 3, "colour is unknown"),
        (("quick", "--data", "phantom=p", "--models", "magic:wand"), 3, "There is no model 'magic:wand'"),
        (("quick", "--data", "phantom=p", "--models", "x=predictions:nowhere"), 3, "no folder of predictions"),
    ],
)
def test_wrong_usage_and_bad_input_give_a_remedy(
    args: tuple[str, ...], code: int, message: str, run_radsam: CommandLine, phantoms: Path, tmp_path: Path
) -> None:
    given = [each.replace("phantom=p", f"phantom={phantoms}") for each in args]
    result = run_radsam.here("benchmark", "run", *given, cwd=tmp_path)
    assert result.returncode == code
    assert message in result.stderr_line


def test_a_report_of_nothing_is_refused(run_radsam: CommandLine, tmp_path: Path) -> None:
    result = run_radsam.here("benchmark", "report", ".", cwd=tmp_path)
    assert result.returncode == 3
    assert "holds no results of a benchmark" in result.stderr_line


def test_the_list_names_every_shipped_configuration(run_radsam: CommandLine, tmp_path: Path) -> None:
    found = run_radsam.here("benchmark", "list", "--json", cwd=tmp_path).done().json["configurations"]
    assert {"quick", "val", "amos", "totalseg_transfer", "msd_lesions", "recist"} <= set(found)


def test_the_challenge_is_solved_and_simulated(run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path) -> None:
    images = np.full((6, 40, 40), 40, np.uint8)
    images[1:5, 10:30, 12:28] = 200
    box = {"z_min": 1, "z_max": 4, "z_mid": 2, "z_mid_x_min": 12, "z_mid_y_min": 10, "z_mid_x_max": 27,
           "z_mid_y_max": 29}  # fmt: skip
    (tmp_path / "inputs").mkdir()
    case = {"imgs": images, "spacing": (1.0, 1.0, 3.0), "boxes": [box], "gts": (images > 100).astype(np.uint8)}
    np.savez_compressed(tmp_path / "inputs" / "case.npz", **case)
    given = ("challenge", "cvpr25", "inputs", "outputs", "--model", tiny_bundle)
    run_radsam.here(*given, cwd=tmp_path).done()
    with np.load(tmp_path / "outputs" / "case.npz") as output:
        assert output["segs"].shape == images.shape
    played = run_radsam.here(*given, "--play", "--json", cwd=tmp_path).done().json
    assert played["cases"][0]["num_class"] == 1
    refused = run_radsam.here(*given, "--truth", "inputs", cwd=tmp_path)
    assert refused.returncode == 2
