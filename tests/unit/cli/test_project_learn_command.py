"""`radsam project learn`, without torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from learning import learnable, without_training
from radsam.cli.commands import app


@pytest.fixture(autouse=True)
def as_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this process its priority."""
    monkeypatch.setattr("radsam.project.learner_priority.lower_priority", lambda: None)
    monkeypatch.setattr("radsam.project.learner_priority.limit_threads", lambda threads: None)


def test_a_round_is_done_and_its_figures_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    learnable(tmp_path / "p").close()
    found = CliRunner().invoke(app, ["project", "learn", str(tmp_path / "p")])
    assert found.exit_code == 0, found.output
    assert "Actions for an object:" in found.output
    assert "Round 1 is offered." in found.output


def test_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path, weak="tuned")
    learnable(tmp_path / "p").close()
    found = json.loads(CliRunner().invoke(app, ["project", "learn", str(tmp_path / "p"), "--json"]).stdout)
    assert (found["round"], found["state"]) == (1, "declined")
    assert found["scores"]["actions_after"] == found["scores"]["actions_before"]


def test_too_few_cases_are_an_error_and_no_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p", 2)
    found = CliRunner().invoke(app, ["project", "learn", str(tmp_path / "p")])
    assert found.exit_code == 3
    assert "learning needs 3 cases" in " ".join(found.output.split())
    assert not project.rounds()


def test_it_follows_its_input_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p", learn_every=0)
    found = CliRunner().invoke(app, ["project", "learn", str(tmp_path / "p"), "--follow"], input="pause\ngo\n")
    assert found.exit_code == 0, found.output
    assert not project.rounds(), "nothing was requested"
