from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from radsam.disk.file_lock import locked_folder
from radsam.errors import BundleError, ExecutionError, InputError, InUseError
from radsam.model.sam_config import SamConfig, TinyViTConfig
from radsam.model.tiny_vit import TinyViT
from radsam.runtime import Bundle, find_bundle, open_backend, read_bundle
from radsam.settings import find_config, preset_names, read_settings
from radsam.training.distillation import Distillation, distill
from radsam.training.distillation_checkpoint import PRESETS, DistillConfig, is_distillation, read_distillation
from radsam.training.exported_parity import Parity
from radsam.training.start_weights import start_model
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.student_encoder import export_student, student_of
from radsam.training.training_config import OptimConfig
from radsam.training.training_run import Run, prepare_scenes
from small_models import SMALL_TINY_VIT
from tiny_training import tiny_config

Prepared = tuple[Bundle, EncodedScenes]

#: Sees patches of 4 pixels and has the grid of the small bundle, 16.
STUDENT = TinyViTConfig(
    image_size=64,
    embed_dims=(16, 32, 48, 64),
    depths=(1, 1, 2, 1),
    num_heads=(2, 3, 4),
    window_sizes=(8, 4, 4),
    strides=(2, 2, 1),
    patch_size=4,
    pyramid_dim=24,
)


def config_of(tiny: Path, **changes: object) -> DistillConfig:
    trained = tiny_config(tiny)
    config = DistillConfig(
        name="small-student",
        start=trained.start,
        decoder=trained.start,
        student=STUDENT,
        data=trained.data,
        embeddings=trained.embeddings,
        optim=OptimConfig(steps=12, batch=4, lr=3e-3, ema=0.8),
        log_steps=3,
        seed=3,
    )
    return dataclasses.replace(config, **changes)


def test_every_shipped_distillation_can_be_read_and_says_what_it_is() -> None:
    assert preset_names(PRESETS)
    for name in preset_names(PRESETS):
        config = read_settings(DistillConfig, find_config(name, PRESETS))
        assert len(config.notes) > 40


def test_a_strided_stem_and_a_pyramid_answer_on_the_grid_of_the_first_stage() -> None:
    assert STUDENT.stage_grids == (16, 8, 4, 4)
    assert STUDENT.grid == 16
    with torch.inference_mode():
        assert TinyViT(STUDENT, 32).eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 32, 16, 16)


def test_the_sizes_of_a_student_survive_a_bundle() -> None:
    sizes = dataclasses.replace(SMALL_TINY_VIT, encoder=STUDENT)
    assert SamConfig.from_dict(sizes.to_dict()) == sizes


@pytest.mark.parametrize("wrong", [{"patch_size": 2}, {"pyramid_dim": -1}, {"image_size": 72}])
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BundleError):
        dataclasses.replace(STUDENT, **wrong)


def test_what_fits_is_taken_from_the_teacher(tiny: Path) -> None:
    teacher = read_bundle(find_bundle(tiny_config(tiny).start))
    theirs = start_model(teacher).image_encoder.state_dict()
    ours = student_of(config_of(tiny), teacher).state_dict()
    same = [name for name in ours if name in theirs and torch.equal(ours[name], theirs[name])]
    assert any(name.endswith("mlp.fc1.weight") for name in same)
    assert torch.equal(ours["neck.4.weight"], theirs["neck.3.weight"])


def test_it_learns_to_answer_as_the_teacher(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    config = config_of(tiny, optim=OptimConfig(steps=80, batch=4, lr=5e-3, ema=0.8))
    result = distill(config, tmp_path)
    assert result.finished
    lines = (tmp_path / "train.csv").read_text().splitlines()
    first, last = (float(line.split(",")[3]) for line in (lines[1], lines[-1]))
    assert last < 0.6 * first
    assert 0 < result.error < 1  # better than the mean embedding, on a patient it was not taught with


def test_killed_or_stopped_it_ends_with_the_same_weights(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    teacher, scenes = tiny_scenes
    whole = Distillation(config_of(tiny), tmp_path / "whole", teacher, scenes, lambda line: None)
    whole.until(math.inf)
    killed = Distillation(config_of(tiny), tmp_path / "halves", teacher, scenes, lambda line: None)
    for _ in range(5):
        killed.train_step()
    killed.save()
    killed.train_step()  # lost
    again = Distillation(config_of(tiny), tmp_path / "halves", teacher, scenes, lambda line: None)
    assert again.step == 5
    again.until(math.inf)
    one, other = (read_distillation(tmp_path / run / "last.pt") for run in ("whole", "halves"))
    for name, value in one.average.items():
        torch.testing.assert_close(other.average[name], value, rtol=0, atol=0)


def test_a_folder_that_another_run_writes_to_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    with locked_folder(tmp_path, "radsam distill"), pytest.raises(InUseError, match="in use by radsam distill"):
        distill(config_of(tiny), tmp_path)


def test_another_run_is_not_resumed(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    distill(config_of(tiny), tmp_path, minutes=1e-6)
    with pytest.raises(InputError, match="another distillation"):
        distill(config_of(tiny, seed=4), tmp_path)


def test_a_student_on_another_grid_is_refused(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    coarse = dataclasses.replace(STUDENT, pyramid_dim=0)
    with pytest.raises(InputError, match="grid of 4"):
        distill(config_of(tiny, student=coarse), tmp_path)


def test_an_error_that_is_no_number_stops_the_run(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match=r"step \d+ is not a number"):
        distill(config_of(tiny, optim=OptimConfig(steps=40, batch=4, lr=1e30, clip_norm=1e30)), tmp_path)


def test_the_exported_student_answers_as_the_checkpoint(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    distill(config_of(tiny), tmp_path / "run")
    found: list[Parity] = []
    made = export_student(tmp_path / "run" / "last.pt", tmp_path / "student", checked=found.append)
    assert found[0].reference == "the trained weights"
    bundle = read_bundle(made)
    assert bundle.spec.name == "small-student"
    learnt = read_distillation(tmp_path / "run" / "last.pt")
    model = TinyViT(STUDENT, 32)
    model.load_state_dict({n.removeprefix("image_encoder."): v for n, v in learnt.average.items()}, strict=False)
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(image)).numpy()
    for engine in ("openvino", "torch:cpu"):
        embedding = open_backend(bundle, engine, precision="f32").encode(image).astype(np.float32)
        np.testing.assert_allclose(embedding, expected, atol=0.02)
    with pytest.raises(BundleError, match="exists"):
        export_student(tmp_path / "run" / "last.pt", made)


def test_checkpoints_of_training_are_told_from_those_of_distilling(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no checkpoint")
    assert not is_distillation(tmp_path / "text.pt")
    assert not is_distillation(tmp_path / "missing.pt")
    torch.save({"format": "radsam-training"}, tmp_path / "training.pt")
    assert not is_distillation(tmp_path / "training.pt")
    with pytest.raises(InputError, match="radsam distill"):
        read_distillation(tmp_path / "training.pt")


def test_the_decoder_is_trained_on_the_student_afterwards(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    distill(config_of(tiny), tmp_path / "run")
    made = export_student(tmp_path / "run" / "last.pt", tmp_path / "student")
    config = dataclasses.replace(tiny_config(tiny, embeddings={"folder": str(tmp_path / "seen")}), start=str(made))
    run = Run(config, tmp_path / "trained", *prepare_scenes(config), report=lambda line: None)
    losses, _, norm = run.train_step()
    assert math.isfinite(losses.total)
    assert norm > 0
    assert all(
        not name.startswith("image_encoder.") for name, each in run.model.named_parameters() if each.requires_grad
    )
