"""Proposals for the next cases."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fakes import fake_spec
from learning import learnable, without_training
from radsam.project import case_proposals
from radsam.project.case_proposals import CaseProposer
from radsam.project.learner_engine import LearnerEngines
from radsam.project.pause import Pause
from radsam.project.project import Project
from radsam.project.proposal import Proposal
from radsam.project.session_embeddings import SessionEmbeddings
from radsam.proposer.proposer_file import ProposerFile
from radsam.runtime.bundle import write_bundle
from radsam.volume import Plane, SparseMask, Volume


def _found(volume: Volume, *given: object) -> SimpleNamespace:
    mask = SparseMask.of(volume.values > 50, 2)
    low, high = min(mask.slices), max(mask.slices)
    size = np.float32(mask.voxels)
    proposals = {"ball": Proposal("ball", mask, 0.8, Plane.AXIAL, low, high)}
    return SimpleNamespace(proposals=proposals, uncertainty=float(size) / 1e4, features=np.array([size, 1], np.float32))


def _project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, CaseProposer]:
    """Six cases, of which two are finished; and the weights of a round in use."""
    without_training(monkeypatch, folder)
    monkeypatch.setattr(case_proposals.Proposer, "read", lambda *given: SimpleNamespace(propose=_found))
    summaries = {"c0": np.zeros(2, np.float32)}
    monkeypatch.setattr(ProposerFile, "read", lambda *given: SimpleNamespace(summaries=summaries))
    project, pause = learnable(folder / "p", 6, finished=2), Pause()
    write_bundle(project.weights_folder(1) / "bundle", fake_spec(name="tuned"), b"encoder", b"tuned", "# tuned")
    (project.weights_folder(1) / "proposer").mkdir()
    engines = LearnerEngines(SessionEmbeddings(folder / "embeddings"), pause, 1, 4.0)
    return project, CaseProposer(project, engines, pause)


def test_cases_that_nobody_has_begun_get_proposals_and_an_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, propose = _project(tmp_path, monkeypatch)
    assert not propose(), "the weights that a project begins with propose nothing"
    number = project.begin_round("anna", ["c0"], ["c1"]).number
    project.offer_round(number, {})
    assert not propose(), "weights that are not accepted propose nothing"
    project.accept_round(number, "anna")
    project.take("c3", "bob")
    while propose():
        pass
    assert {case.id for case in project.cases() if project.proposals(case.id)} == {"c2", "c4", "c5"}
    tasks = {each.case: each for each in project.tasks() if each.label == "ball"}
    assert (tasks["c2"].state, tasks["c2"].certainty, tasks["c2"].proposed_by) == ("proposed", 0.8, 1)
    assert tasks["c3"].state == "new"
    teaches = {case.id: case.teaches for case in project.cases()}
    assert max(teaches, key=lambda case: teaches[case] or 0) == "c5", "the most unsure one, and unlike the finished"
    assert teaches["c3"] is None
    project.release("c3", "bob")
    assert propose()
    assert not propose()
    assert project.proposals("c3")


def test_a_case_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, propose = _project(tmp_path, monkeypatch)
    Path(project.case("c2").source).write_bytes(b"no volume")
    project.begin_round("anna", ["c0"], ["c1"])
    project.offer_round(1, {})
    project.accept_round(1, "anna")
    while propose():
        pass
    assert {case.id for case in project.cases() if project.proposals(case.id)} == {"c3", "c4", "c5"}
