"""`radsam project simulate` from the command line: the whole loop on phantoms, with learning and proposals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from phantoms import ball
from radsam.io.volume_write import write_labels, write_volume
from radsam.project.simulation_rows import read_rows
from radsam.volume import LabelVolume, Volume

pytest.importorskip("torch")


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Nine balls, the last one not drawn."""
    for number in range(9):
        scene = ball("anisotropic", 6.0 + number / 3)
        folder = tmp_path / "cases" / f"c{number}"
        folder.mkdir(parents=True)
        write_volume(Volume(scene.volume.values + np.int16(number), scene.volume.geometry), folder / "ct.nii.gz")
        labels = LabelVolume(scene.truth.astype(np.uint8), scene.volume.geometry, {1: "ball"})
        write_labels(labels, folder / "seg.nii.gz")
    records = [
        {"case": f"c{n}", "split": "train", "labels": {"1": "ball"} if n < 8 else {"2": "other"}} for n in range(9)
    ]
    (tmp_path / "cases/manifest.json").write_text(json.dumps(records))
    return tmp_path / "cases"


def test_the_whole_loop_on_phantoms(run_radsam: CommandLine, tiny_bundle: Path, cases: Path, tmp_path: Path) -> None:
    words = ("project", "simulate", "out", "--cases", cases, "--labels", "ball", "--first", 8, "--learn-every", 5)
    words += ("--minutes", 0.05, "--most", 4, "--weights", tiny_bundle, "--json")
    found = run_radsam(*words, cwd=tmp_path).done().json
    assert found["notes"] == ["c8 is left out: it has no ball."]
    rows = read_rows(tmp_path / "out/efforts.csv")
    assert sorted((row.arm, row.case) for row in rows) == sorted(
        (arm, f"c{n}") for arm in ("learning", "without") for n in range(8)
    )
    assert all(row.dice >= 0.95 for row in rows if row.arm == "learning"), "every object was finished"
    assert found["actions"]["learning"]["before"] == found["actions"]["without"]["before"]
    text = (tmp_path / "out/report.md").read_text("utf-8")
    rounds = re.findall(r"^\| \d \| (offered|accepted|declined|dropped) \|", text, re.MULTILINE)
    assert len(rounds) == 1, "after the last case there is nothing to learn for"
    assert rounds != ["dropped"]
    again = run_radsam(*words, cwd=tmp_path).done().json
    assert again["actions"] == found["actions"], "nothing is done again"
    assert read_rows(tmp_path / "out/efforts.csv") == rows


def test_wrong_input_says_what_to_try(run_radsam: CommandLine, cases: Path, tmp_path: Path) -> None:
    found = run_radsam.here("project", "simulate", "out", "--cases", cases, "--labels", "spleen", cwd=tmp_path)
    assert found.returncode == 3
    assert "The cases have: ball, other" in found.stderr_line
    assert not (tmp_path / "out").exists()
    found = run_radsam.here("project", "simulate", "out", "--cases", tmp_path / "nowhere", cwd=tmp_path)
    assert found.returncode == 3
    assert "nowhere" in found.stderr_line
