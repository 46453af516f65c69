from __future__ import annotations

import csv
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from radsam.disk.file_lock import locked_folder
from radsam.errors import ExecutionError, InputError, InUseError, OutputError
from radsam.runtime import Bundle
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_checkpoint import load_weights, read_checkpoint
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import BEFORE_NAN, BEST, LAST, Run, train
from small_models import SMALL_TINY_VIT, random_model
from tiny_training import tiny_config

Prepared = tuple[Bundle, EncodedScenes]


def open_run(config: TrainConfig, out: Path, prepared: Prepared) -> Run:
    out.mkdir(exist_ok=True)
    return Run(config, out, *prepared, report=lambda line: None)


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    config = tiny_config(tiny, optim={"accumulate": 2})
    whole = open_run(config, tmp_path / "whole", tiny_scenes)
    first = open_run(config, tmp_path / "stopped", tiny_scenes)
    expected = [whole.train_step()[0].total for _ in range(5)]
    found = [first.train_step()[0].total for _ in range(2)]
    first.save(LAST)
    resumed = open_run(config, tmp_path / "stopped", tiny_scenes)
    found += [resumed.train_step()[0].total for _ in range(3)]
    assert found == expected
    for run in (whole, resumed):
        run.save("end.pt")
    one, two = (read_checkpoint(tmp_path / name / "end.pt") for name in ("whole", "stopped"))
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert all(torch.equal(one.average[name], two.average[name]) for name in one.average)


def test_the_loss_falls_and_the_encoder_stays(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    config = tiny_config(tiny, optim={"steps": 40, "batch": 4, "lr": 4e-3}, prompts={"turns": [1.0]})
    run = open_run(config, tmp_path / "run", tiny_scenes)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    losses = [run.train_step()[0].mean("total") for _ in range(40)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    after = run.model.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"prompt_encoder", "mask_decoder"}
    matrix = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    assert torch.equal(before[matrix], after[matrix])


def test_a_finished_run_has_logs_a_validation_and_a_best_checkpoint(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    result = train(tiny_config(tiny), tmp_path / "run")
    assert result.finished
    assert result.step == 6
    assert result.checkpoint == tmp_path / "run" / BEST
    with (tmp_path / "run" / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    with (tmp_path / "run" / "validation.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["score"]) == pytest.approx(result.best_score, rel=1e-5)
    assert int(row["objects"]) == 2


def test_lines_after_the_checkpoint_are_written_again(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    config = tiny_config(tiny)
    run = open_run(config, tmp_path / "run", tiny_scenes)
    run.until(math.inf)
    checkpoint = read_checkpoint(tmp_path / "run" / LAST)
    assert checkpoint.step == 6
    shutil.copy(tmp_path / "run" / "train.csv", tmp_path / "train.csv")
    # As after a SIGKILL: the checkpoint is older than the log.
    again = open_run(config, tmp_path / "again", tiny_scenes)
    for _ in range(3):
        again.train_step()
    again.save(LAST)
    shutil.copy(tmp_path / "train.csv", tmp_path / "again" / "train.csv")
    open_run(config, tmp_path / "again", tiny_scenes).until(math.inf)
    expected, found = (_losses(tmp_path / name / "train.csv") for name in ("run", "again"))
    assert found == expected


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tiny_config(tiny), tmp_path / "run", tiny_scenes)
    run.train_step()
    run.save(LAST)
    good = {name: value.clone() for name, value in run.model.state_dict().items()}
    monkeypatch.setattr(run._fabric, "clip_gradients", lambda *args, **kwargs: torch.tensor(math.nan))
    with pytest.raises(ExecutionError, match=r"step 1 is not a number.*tube_. slice \d object \d.*last\.pt"):
        run.until(math.inf)
    assert all(torch.equal(good[name], value) for name, value in run.model.state_dict().items())
    assert read_checkpoint(tmp_path / "run" / LAST).step == 1
    assert read_checkpoint(tmp_path / "run" / BEFORE_NAN).step == 1


def test_only_the_part_that_was_no_number_is_named(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only boxes and one turn, so that a part is one pass of the decoder.
    prompts = {"box": 1.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "turns": [1.0]}
    run = open_run(tiny_config(tiny, optim={"accumulate": 2}, prompts=prompts), tmp_path / "run", tiny_scenes)

    def decode(*inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        spoiled = 1.0 if next(parts) == 0 else math.nan
        return tuple(spoiled * output for output in run.model.decode(*inputs))

    parts = iter(range(1000))
    monkeypatch.setattr(run, "_decode", decode)
    second = [one.describe() for one in run._sampler.episodes(0, 1)]
    with pytest.raises(ExecutionError) as caught:
        run.train_step()
    assert f"was: {'; '.join(second)}. No checkpoint was due yet." in str(caught.value)


def test_accumulating_two_batches_trains_the_same_as_one_of_twice_the_size(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    runs = [
        open_run(tiny_config(tiny, optim=optim), tmp_path / name, tiny_scenes)
        for name, optim in (("one", {"batch": 4}), ("two", {"batch": 2, "accumulate": 2}))
    ]
    assert runs[0].config.identity == runs[1].config.identity
    for _ in range(2):
        (one, _, one_norm), (two, _, two_norm) = (run.train_step() for run in runs)
        assert two.prompts == one.prompts
        assert two.total == pytest.approx(one.total, rel=1e-3)
        assert two_norm == pytest.approx(one_norm, rel=1e-2)


def test_a_checkpoint_of_another_architecture_is_refused(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    run = open_run(tiny_config(tiny), tmp_path / "run", tiny_scenes)
    run.save(LAST)
    weights = read_checkpoint(tmp_path / "run" / LAST).weights
    with pytest.raises(InputError, match=r"another architecture: \d+ of \d+ do not fit, the first is \w+"):
        load_weights(random_model(replace(SMALL_TINY_VIT, decoder_mlp_dim=32)), weights, tmp_path / "run" / LAST)


def test_another_run_is_not_resumed_and_the_difference_is_named(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path
) -> None:
    open_run(tiny_config(tiny), tmp_path / "run", tiny_scenes).save(LAST)
    with pytest.raises(InputError, match=r"optim\.lr \(0\.001, now 0\.002\)"):
        open_run(tiny_config(tiny, optim={"lr": 2e-3}), tmp_path / "run", tiny_scenes)
    # How it is carried out may change.
    open_run(tiny_config(tiny, run={"log_steps": 5}), tmp_path / "run", tiny_scenes)


def test_a_new_run_does_not_overwrite_an_old_one(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    open_run(tiny_config(tiny), tmp_path / "run", tiny_scenes).save(LAST)
    with pytest.raises(InputError, match="holds a run already"):
        train(tiny_config(tiny), tmp_path / "run", resume=False)


def test_a_folder_that_another_run_writes_to_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    with locked_folder(tmp_path / "run", "radsam train"), pytest.raises(InUseError, match="in use by radsam train"):
        train(tiny_config(tiny), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_deadline_leaves_a_checkpoint_to_go_on_from(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    result = train(tiny_config(tiny), tmp_path / "run", minutes=0.0)
    assert not result.finished
    assert result.step == 0
    assert (tmp_path / "run" / LAST).exists()
    assert train(tiny_config(tiny), tmp_path / "run").finished


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "weights"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "last.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"mask_decoder.iou_token.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not a training checkpoint"):
        read_checkpoint(path)


def _losses(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="") as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


def test_a_run_never_writes_over_the_weights_that_it_starts_from(tmp_path: Path) -> None:
    (tmp_path / BEST).write_bytes(b"weights")
    config = replace(tiny_config(tmp_path), start=str(tmp_path / BEST))
    with pytest.raises(OutputError, match="one of the inputs"):
        train(config, tmp_path)
    assert (tmp_path / BEST).read_bytes() == b"weights"
