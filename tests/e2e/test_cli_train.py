"""`radsam train`, `evaluate`, `export` and `finetune` on a small store and a small random model."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
from itertools import pairwise
from pathlib import Path

import pytest
import SimpleITK
from rich.console import Console

from command_line import WITHOUT_EXTRAS, CommandLine, Finished
from dataset_trees import write_json
from radsam.cli import training_progress
from radsam.data.training_store import open_store
from radsam.runtime import read_bundle
from radsam.training import exported_parity
from radsam.training.training_checkpoint import read_checkpoint
from radsam.training.training_run import BEST, LAST, train
from radsam.volume import Modality
from tiny_training import SPLITS, tiny_config, write_config, write_small_bundle, write_store

#: A process that was started in the background may ignore Ctrl-C; a user's does not.
LISTEN = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def refused(result: Finished, *words: str, code: int = 3) -> None:
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr_line


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_store(folder)
    write_small_bundle(folder / "random-bundle")
    write_config(folder)
    return folder


@pytest.fixture(scope="module")
def run(tiny: Path, run_radsam: CommandLine) -> Path:
    """A finished run."""
    result = run_radsam.here("train", tiny / "tiny.toml", "--out", "done", cwd=tiny).done()
    assert "step 6 of 6: done" in result.stdout
    return tiny / "done"


# --- train


def test_a_run_has_checkpoints_logs_and_messages(run: Path) -> None:
    assert read_checkpoint(run / LAST).step == 6
    assert (run / BEST).exists()
    with (run / "train.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5", "6"]
    assert list((run / "tensorboard").iterdir())


@pytest.mark.slow
def test_a_process_gives_plain_lines_and_the_default_folder(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    result = run_radsam("train", tiny / "tiny.toml", "optim.steps=2", cwd=tmp_path).done()
    assert (tmp_path / "runs" / "tiny" / LAST).exists()
    assert "step 2 of 2: loss" in result.stderr
    assert "validation Dice" in result.stderr
    assert "\r" not in result.stderr
    assert "radsam export runs/tiny/best.pt BUNDLE" in result.stdout


def test_json_holds_the_state_of_the_run_and_the_time_limit_ends_it(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    line = ("train", tiny / "tiny.toml", "optim.steps=100000", "--out", "run", "--minutes", 0.02, "--json")
    first = run_radsam.here(*line, cwd=tmp_path).done().json
    assert (first["run"], first["steps"], first["finished"], first["best_score"]) == ("run", 100000, False, None)
    second = run_radsam.here(*line, cwd=tmp_path).done()
    assert second.json["step"] > first["step"] > 0
    assert second.stderr == ""


@pytest.mark.slow
def test_ctrl_c_writes_a_checkpoint_and_ends_with_130(run_radsam: CommandLine, tiny: Path, tmp_path: Path) -> None:
    line = ("train", tiny / "tiny.toml", "optim.steps=100000", "--out", "run")
    process = run_radsam.start(*line, cwd=tmp_path, before=LISTEN)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 2 "):
                process.send_signal(signal.SIGINT)
                break
        _, rest = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130
    assert "The same command resumes the run" in rest
    assert read_checkpoint(tmp_path / "run" / LAST).step >= 2


def test_a_run_is_not_restarted_by_mistake(run_radsam: CommandLine, tiny: Path, run: Path) -> None:
    refused(run_radsam.here("train", tiny / "tiny.toml", "--out", run, "--no-resume", cwd=tiny), "holds a run already")
    refused(
        run_radsam.here("train", tiny / "tiny.toml", "--out", run, "optim.lr=5e-4", cwd=tiny),
        "belongs to another run",
        "optim.lr",
    )


def test_all_errors_of_a_configuration_are_reported_at_once(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    line = ("train", tiny / "tiny.toml", "optim.speed=3", "prompts.box=-1", "colour=red", "optim.schedule=linear")
    result = run_radsam.here(*line, cwd=tmp_path)
    refused(result, "optim.speed is unknown", "prompts.box must be at least 0", "colour is unknown", "known are: name")
    assert not list(tmp_path.iterdir())


def test_a_configuration_or_store_that_is_missing_or_of_another_version(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    refused(
        run_radsam.here("train", "none_such", cwd=tmp_path), "no configuration 'none_such'", "finetune", "radsam_lite"
    )
    refused(run_radsam.here("train", tiny / "tiny.toml", "steps", cwd=tmp_path), "'steps' sets nothing")
    (tmp_path / "bad.toml").write_text("name = \n")
    refused(run_radsam.here("train", "bad.toml", cwd=tmp_path), "bad.toml is not TOML")
    other = shutil.copytree(tiny / "store", tmp_path / "store")
    settings = json.loads((other / "store.json").read_text())
    write_json(other / "store.json", {**settings, "version": 99})
    refused(run_radsam.here("train", tiny / "tiny.toml", f"data.store={other}", cwd=tmp_path), "version 99")
    refused(
        run_radsam.here("train", tiny / "tiny.toml", f"data.store={tmp_path}", cwd=tmp_path), "looked for store.json"
    )


def test_without_the_training_extra_a_message_names_the_command_to_install_it(
    run_radsam: CommandLine, tiny: Path, tmp_path: Path
) -> None:
    without_fabric = WITHOUT_EXTRAS.replace('"torch", "onnx", ', "")
    for before, line in (
        (without_fabric, ("train", tiny / "tiny.toml")),
        (WITHOUT_EXTRAS, ("evaluate", tiny / "tiny.toml")),
        (WITHOUT_EXTRAS, ("export", "last.pt", "bundle")),
        (WITHOUT_EXTRAS, ("finetune", "cases", "-o", "bundle", "--model", tiny / "random-bundle")),
    ):
        refused(run_radsam(*line, cwd=tmp_path, before=before), "pip install 'radsam[train]'", code=4)
    assert not list(tmp_path.iterdir())


# --- progress messages


def test_the_lines_of_the_training_are_parsed(tiny: Path, tmp_path: Path) -> None:
    config = tiny_config(tiny, embeddings={"folder": str(tmp_path / "embeddings")}, optim={"steps": 2})
    lines: list[str] = []
    for _ in range(2):
        train(config, tmp_path / "run", report=lines.append)
    for pattern in (training_progress.ENCODED, training_progress.STEP, training_progress.RESUMED):
        assert any(pattern.match(line) for line in lines), pattern.pattern


def test_a_terminal_shows_a_bar_with_the_newest_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=110, color_system=None)
    monkeypatch.setattr(training_progress, "notes", terminal)
    with training_progress.training_progress(200) as report:
        report("encoded 5 of 10 slices")
        report("resumed at step 100")
        report("step 150 of 200: loss 0.1234, dice loss 0.1, lr 1.00e-04, 0.10 s a step")
        report("step 150: validation Dice 0.8123 over 9 objects (3 s)")
    shown = screen.getvalue()
    for words in ("resumed at step 100", "Training, loss 0.1234", "150/200", "validation Dice 0.8123"):
        assert words in shown
    assert "dice loss" not in shown


def test_piped_encoding_messages_come_every_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.StringIO()
    monkeypatch.setattr(training_progress, "notes", Console(file=piped))
    with training_progress.training_progress(5) as report:
        for done in range(1, 101):
            report(f"encoded {done} of 100 slices")
    assert len(piped.getvalue().splitlines()) == 10


# --- evaluate


def test_a_table_has_a_line_for_each_kind_of_object(run_radsam: CommandLine, tiny: Path, run: Path) -> None:
    line = ("evaluate", tiny / "tiny.toml", "--checkpoint", run / BEST, "validation.starts=['box', 'point']")
    shown = run_radsam.here(*line, cwd=tiny).done().stdout
    assert [row.split()[:3] for row in shown.splitlines()[1:5]] == [
        ["ball", "box", "1"],
        ["ball", "point", "1"],
        ["tube", "box", "1"],
        ["tube", "point", "1"],
    ]
    found = run_radsam.here(*line, "--json", cwd=tiny).done().json
    assert f"{found['summary']['score']:.4f}" in shown.splitlines()[-1]
    assert {each["case"] for each in found["scores"]} == {"tube_c"}
    for row in found["objects"]:
        of_it = [each for each in found["scores"] if (each["name"], each["start"]) == (row["name"], row["start"])]
        assert row["edited_count"] == sum(bool(each["edited_dice"]) for each in of_it)
        assert row["walk_dice"] == pytest.approx(sum(each["walk_dice"] for each in of_it) / row["count"])


def test_the_score_of_the_best_checkpoint_is_that_of_the_run(run_radsam: CommandLine, tiny: Path, run: Path) -> None:
    line = ("evaluate", tiny / "tiny.toml", "--json")
    trained = run_radsam.here(*line, "--checkpoint", run / BEST, cwd=tiny).done().json["summary"]["score"]
    assert trained == pytest.approx(read_checkpoint(run / LAST).best_score, abs=1e-6)
    assert run_radsam.here(*line, cwd=tiny).done().json["summary"]["score"] != trained


def test_a_file_that_is_not_a_checkpoint_is_refused(run_radsam: CommandLine, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"weights")
    line = ("evaluate", tiny / "tiny.toml", "--checkpoint")
    refused(run_radsam.here(*line, "gone.pt", cwd=tmp_path), "no training checkpoint at gone.pt")
    refused(run_radsam.here(*line, "a.pt", cwd=tmp_path), "a.pt is not a training checkpoint")
    refused(run_radsam.here("export", "a.pt", "bundle", cwd=tmp_path), "a.pt is not a training checkpoint")


# --- export


@pytest.mark.slow
def test_a_bundle_is_made_and_its_parity_printed(
    run_radsam: CommandLine, tiny: Path, run: Path, tmp_path: Path, bf16_machine: None
) -> None:
    (tmp_path / "scores.md").write_text("Scores: none.")
    line = ("export", run / BEST, "my-weights", "--name", "mine", "--licence", "CC0-1.0", "--notes", "scores.md")
    shown = run_radsam.here(*line, cwd=tmp_path).done().stdout
    assert "Parity: on openvino" in shown
    assert "mine: trained on box, point, mask, edit" in shown
    bundle = read_bundle(tmp_path / "my-weights")
    assert (bundle.spec.name, bundle.spec.licence) == ("mine", "CC0-1.0")
    assert "Scores: none." in bundle.card
    refused(run_radsam.here(*line, cwd=tmp_path), "my-weights exists already")
    refused(run_radsam.here("export", run / BEST, "b", "--notes", "gone.md", cwd=tmp_path), "notes gone.md")
    found = run_radsam.here("export", run / BEST, "b.zip", "--json", cwd=tmp_path).done().json
    assert found["capabilities"] == ["box", "point", "mask", "edit"]
    parity, in_bf16 = found["parity"]
    assert parity["engine"] == "openvino cpu f32"
    assert 0 <= parity["pixels"] <= 0.005
    assert 0 <= parity["score"] <= 0.02
    assert in_bf16["engine"] == "openvino cpu bf16"


# --- finetune


@pytest.fixture
def own_cases(tiny: Path, tmp_path: Path) -> Path:
    """Five cases, each as a pair of files in a folder."""
    for number in range(5):
        name = list(SPLITS)[number % len(SPLITS)]
        folder = tmp_path / "own" / f"patient_{number}"
        folder.mkdir(parents=True)
        shutil.copy(tiny / f"{name}.nii.gz", folder / "ct.nii.gz")
        shutil.copy(tiny / f"{name}_seg.nii.gz", folder / "seg.nii.gz")
    return tmp_path / "own"


#: Makes the training short enough for a test.
QUICK = (
    "embeddings.scenes=2", "embeddings.scene_slices=3", "data.min_pixels=5", "optim.steps=4", "optim.batch=2",
    "run.precision=32-true", "validation.min_voxels=20", "validation.objects_per_case=1", "validation.edits=1",
)  # fmt: skip


def test_a_folder_becomes_a_bundle_in_one_command_and_a_failed_check_loses_nothing(
    run_radsam: CommandLine,
    tiny: Path,
    own_cases: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bf16_machine: None,
) -> None:
    line = ("finetune", own_cases, "-o", "mine", "--model", tiny / "random-bundle", *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(exported_parity, "MOST_DIFFERING_PIXELS", -1.0)
        failed = run_radsam.here(*line, cwd=tmp_path)
    refused(failed, "kept as mine.failed-check", "Nothing that was trained is lost", code=4)
    assert read_bundle(tmp_path / "mine.failed-check").spec.name == "mine-failed-check"
    # The same command, once the cause is gone.
    shown = run_radsam.here(*line, cwd=tmp_path).done()
    assert "resumed at step 4" in shown.stderr
    assert "after 4 steps" in shown.stdout
    assert "Parity: on openvino cpu f32" in shown.stdout
    assert "Parity: on openvino cpu bf16" in shown.stdout
    assert "mine: trained on box, point, mask, edit" in shown.stdout
    card = read_bundle(tmp_path / "mine").card
    assert "4 cases: patient_" in card
    assert "Licence of these weights: not stated" in card
    refused(run_radsam.here(*line, cwd=tmp_path), "mine exists already")


@pytest.mark.slow
def test_fine_tuning_continues_where_it_stopped(
    run_radsam: CommandLine, tiny: Path, own_cases: Path, tmp_path: Path
) -> None:
    (own_cases / "patient_3" / "ct.nii.gz").write_bytes(b"broken")
    line = ("finetune", own_cases, "-o", "mine.zip", "--model", tiny / "random-bundle", *QUICK)
    first = run_radsam.here(*line, "--classes", "label_1", "--json", cwd=tmp_path).done()
    assert "patient_3 is left out" in first.stderr_line
    assert first.json["step"] == 4
    (tmp_path / "mine.zip").unlink()  # as if it had been stopped before the export
    again = run_radsam.here(*line, "--classes", "label_1", cwd=tmp_path).done()
    assert "resumed at step 4" in again.stderr
    assert (tmp_path / "mine.zip").is_file()
    (tmp_path / "mine.zip").unlink()
    shutil.rmtree(own_cases / "patient_0")
    refused(
        run_radsam.here(*line, "--classes", "label_1", cwd=tmp_path),
        "no longer in the folder: patient_0",
        "delete",
        "mine.work",
    )


def test_cases_that_cannot_be_fine_tuned_on(
    run_radsam: CommandLine, tiny: Path, own_cases: Path, tmp_path: Path
) -> None:
    line = ("-o", "mine", "--model", tiny / "random-bundle")
    refused(run_radsam.here("finetune", tmp_path, *line, cwd=tmp_path), "not a folder of image and label pairs")
    refused(
        run_radsam.here("finetune", own_cases, *line, "--classes", "liver", cwd=tmp_path), "no class called 'liver'"
    )
    for number in range(1, 5):
        shutil.rmtree(own_cases / f"patient_{number}")
    refused(run_radsam.here("finetune", own_cases, *line, cwd=tmp_path), "All cases are of one patient, patient_0")
    refused(run_radsam.here("finetune", own_cases, "-o", "gone/mine", cwd=tmp_path), "does not exist")
    assert {each.name for each in tmp_path.iterdir()} == {"own"}


def test_mr_cases_are_fine_tuned_on_in_their_own_windows(
    run_radsam: CommandLine, tiny: Path, own_cases: Path, tmp_path: Path
) -> None:
    for number, folder in enumerate(sorted(own_cases.iterdir())):
        image = SimpleITK.ReadImage(str(folder / "ct.nii.gz"))
        # Each scanner has a scale of its own.
        scaled = (SimpleITK.Cast(image, SimpleITK.sitkFloat32) + 200) * (0.003 * 10**number)
        SimpleITK.WriteImage(scaled, str(folder / "mr.nii.gz"))
        (folder / "ct.nii.gz").unlink()
    line = ("finetune", own_cases, "-o", "mine", "--model", tiny / "random-bundle", *QUICK)
    shown = run_radsam.here(*line, "--json", cwd=tmp_path).done()
    assert shown.json["step"] == 4
    stored = open_store(tmp_path / "mine.work" / "store").cases
    assert {case.modality for case in stored} == {Modality.MR}
    ends = [case.window.high for case in stored if case.window]
    assert [later / before for before, later in pairwise(ends)] == pytest.approx([10] * 4, rel=0.2)
    assert "Modalities of the training cases: 4 MR" in read_bundle(tmp_path / "mine").card
