"""Does fine-tuning start from the weights of its cases' modality, and say whether it helped?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_trees import write_image
from radsam.cli import finetune_command
from radsam.cli.finetune_command import _modality
from radsam.training import training_run, training_validation
from radsam.training.training_run import TrainResult
from radsam.volume import Modality

BRIGHT = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) * np.int16(9)


def folder(root: Path, **images: str) -> Path:
    """Cases by name, each with the name of its image; a CT has air."""
    for case, name in images.items():
        (root / case).mkdir(parents=True)
        write_image(root / case / name, BRIGHT - np.int16(1024 * name.startswith("ct")))
        write_image(root / case / "seg.nii.gz", (BRIGHT > 500).astype(np.uint8))
    return root


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({"a": "ct.nii.gz", "b": "ct.nii.gz"}, Modality.CT),
        ({"a": "mr.nii.gz", "b": "mr.nii.gz"}, Modality.MR),
        ({"a": "mr.nii.gz", "b": "ct.nii.gz"}, Modality.CT),
    ],
)
def test_names_of_files_say_the_modality(images: dict[str, str], expected: Modality, tmp_path: Path) -> None:
    assert _modality(folder(tmp_path, **images)) is expected


@pytest.mark.parametrize(("shift", "expected"), [(0, Modality.MR), (-1024, Modality.CT)])
def test_else_the_values_of_the_first_volume_do(shift: int, expected: Modality, tmp_path: Path) -> None:
    for name, values in (("images", BRIGHT + np.int16(shift)), ("labels", (BRIGHT > 500).astype(np.uint8))):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "x.nii.gz", values)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "it"}}))
    assert _modality(tmp_path) is expected


def test_a_training_that_was_not_scored_on_its_way_is_scored_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = TrainResult(2, False, -1.0, tmp_path / "last.pt", 0)
    monkeypatch.setattr(finetune_command, "_prepare", lambda *given, **more: None)
    monkeypatch.setattr(finetune_command, "run_training", lambda *given, **more: short)
    monkeypatch.setattr(finetune_command, "show_bundle", lambda *given, **more: None)
    monkeypatch.setattr("radsam.training.bundle_export.export_checkpoint", lambda *given, **more: tmp_path)
    monkeypatch.setattr(training_run, "evaluate", lambda config, checkpoint: checkpoint)
    monkeypatch.setattr(training_validation, "summary", lambda scored: {"score": 0.75 if scored else 0.7})
    finetune_command.finetune(folder(tmp_path / "cases", a="ct.nii.gz", b="ct.nii.gz"), tmp_path / "mine")
    assert "0.7000 before, 0.7500 after 2 steps" in capsys.readouterr().out
