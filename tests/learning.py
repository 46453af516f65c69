"""A project with finished phantoms, and learning rounds without torch: the parts that train are replaced."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from fakes import FakeBackend, fake_spec
from phantoms import ball
from radsam.io.volume_write import write_volume
from radsam.predictor import EmbeddingCache
from radsam.project import comparison, learner_engine, learning_round
from radsam.project.project import NewCase, Project, ProjectSettings
from radsam.project.proposal import Proposal
from radsam.runtime import Bundle, FramePrompt, read_bundle
from radsam.runtime.bundle import write_bundle
from radsam.session import Engine
from radsam.session.label_set import Label, LabelSet

LABELS = LabelSet((Label("ball", 1), Label("nothing", 2)))


class WeakBackend(FakeBackend):
    """Finds the middle of what the other one finds."""

    def _region(self, bright: np.ndarray, prompt: FramePrompt) -> np.ndarray:
        return ndimage.binary_erosion(super()._region(bright, prompt), iterations=3)


def learnable(folder: Path, number: int = 5, finished: int | None = None, **settings: Any) -> Project:
    """A project of balls, one of each patient; in finished cases the second label is absent."""
    volumes = folder.with_name("volumes")
    volumes.mkdir()
    scenes = [ball("anisotropic", 6.0 + n / 3) for n in range(number)]
    for n, scene in enumerate(scenes):
        write_volume(scene.volume, volumes / f"c{n}.nii.gz")
    cases = [NewCase(f"c{n}", str(volumes / f"c{n}.nii.gz"), None, f"p{n}", "CT") for n in range(number)]
    project = Project.create(folder, ProjectSettings("Test", **settings), LABELS, cases)
    for n in range(number if finished is None else finished):
        project.finish(f"c{n}", "ball", "anna", scenes[n].truth, {})
        project.finish(f"c{n}", "nothing", "anna", None, {})
    return project


def without_training(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    weak: str = "start",
    proposals: Mapping[str, Proposal] = MappingProxyType({}),
    at: Callable[[str], None] = lambda point: None,
) -> Path:
    """Replace training and inference in this process.

    Args:
        monkeypatch: Of the test.
        folder: Gets the start bundle and the cache.
        weak: The bundle whose model is the weak one: "start" or "tuned".
        proposals: What every proposer answers.
        at: Called at each point where a round may end: "tuned", "exported".

    Returns:
        The start bundle.
    """
    start = folder / "start"
    if not start.exists():
        write_bundle(start, fake_spec(name="start"), b"encoder", b"start", "# start")

    def tune(folder: Path, start: Bundle, **rest: Any) -> SimpleNamespace:
        rest["wait"]()
        rest["progress"](1.0)
        assert any((folder / "scenes").iterdir())
        at("tuned")
        return SimpleNamespace(steps=3, loss=0.5)

    def export_tuned(tuned: Any, target: Path, *, name: str, notes: str) -> Bundle:
        write_bundle(target, fake_spec(name="tuned"), b"encoder", b"tuned", notes)
        at("exported")
        return read_bundle(target)

    tuning = ModuleType("radsam.training.finished_tuning")
    tuning.tune, tuning.export_tuned = tune, export_tuned  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, tuning.__name__, tuning)
    monkeypatch.setattr("radsam.training.finished_tuning", tuning, raising=False)

    def train_proposer(cases: Any, engine: Engine, folder: Path, **rest: Any) -> SimpleNamespace:
        rest["progress"](1.0)
        folder.mkdir()
        return SimpleNamespace(steps=5, dice={"ball": 0.5})

    for name, attributes in {
        "proposer_data": {"TrainingCase": SimpleNamespace},
        "proposer_training": {"train_proposer": train_proposer},
    }.items():
        module = ModuleType(f"radsam.training.{name}")
        module.__dict__.update(attributes)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    proposer = SimpleNamespace(propose=lambda *given: SimpleNamespace(proposals=proposals))
    monkeypatch.setattr(learning_round.Proposer, "read", lambda *given: proposer)

    monkeypatch.setattr("os.fsync", lambda handle: None)  # no test ends the machine
    monkeypatch.setattr(comparison, "MOST_ACTIONS", 3)  # the weak model would take all of them, and seconds

    def open_engine(engines: learner_engine.LearnerEngines, bundle: Bundle) -> Engine:
        model = WeakBackend if bundle.spec.name == weak else FakeBackend
        pausing = learner_engine.PausingBackend(model(bundle.spec), engines._pause)
        return Engine(bundle, pausing, EmbeddingCache(store=engines.embeddings))

    monkeypatch.setattr(learner_engine.LearnerEngines, "open", open_engine)
    monkeypatch.setattr(learning_round, "find_bundle", lambda *name, **rest: start)
    monkeypatch.setenv("RADSAM_CACHE", str(folder / "cache"))
    return start
