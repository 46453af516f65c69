"""Several weights on one server: new sessions use those that were accepted, open ones keep theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_project_http import P, ask, message, segment

from fakes import FakeBackend, fake_engine
from radsam.errors import BundleError
from radsam.project.project import Project
from radsam.server import project_weights
from radsam.server.learner_supervisor import LearnerSupervisor
from radsam.session import Engine
from served_projects import make_project, propose
from servers import Served, served

ROUND_1 = "1" * 64


@pytest.fixture(autouse=True)
def bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is a file with the hash of its model."""
    monkeypatch.setattr(project_weights, "read_bundle", lambda path: SimpleNamespace(sha256=path.read_text()))


def load(path: Path) -> Engine:
    if not path.is_file():
        raise BundleError(f"There is no bundle {path}.")
    return fake_engine(FakeBackend(), model_hash=path.read_text())


def offer(project: Project) -> int:
    number = project.begin_round("learner", ["case-1"], ["case-2"]).number
    folder = project.weights_folder(number)
    folder.mkdir()
    (folder / "bundle").write_text(str(number) * 64)
    scores = {"actions_before": 6.0, "actions_after": 4.0, "difference": -2.0, "low": -3.0, "high": -1.0, "objects": 4}
    project.offer_round(number, scores)
    return number


@contextmanager
def web_of(folder: Path, project: Project) -> Iterator[Served]:
    engine = fake_engine(FakeBackend(), load_bundle=load)
    with served(folder, project=project, session=False, engine=engine) as web:
        yield web


def model_of(web: Served, session: str) -> str:
    live = web.service._open("local", session)
    return live.session.predictor.model_hash


def open_case(web: Served, name: str) -> str:
    return str(ask(web, "POST", f"{P}/cases/{name}/open", {})["session"])


def test_new_sessions_use_accepted_weights_and_old_ones_theirs_also_after_a_restart(tmp_path: Path) -> None:
    project = make_project(tmp_path, 4)
    number = offer(project)
    with web_of(tmp_path, project) as web:
        offered = ask(web, "GET", P)["offer"]
        assert offered == {
            "round": 1, "trained_on": 1, "compared_on": 1, "actions_before": 6.0, "actions_after": 4.0,
            "difference": -2.0, "low": -3.0, "high": -1.0,
        }  # fmt: skip
        first = open_case(web, "case-1")
        segment(web, first)
        untouched = open_case(web, "case-2")
        assert ask(web, "POST", f"{P}/rounds/{number}/accept") == {"round": 1}
        assert ask(web, "GET", P)["weights"] == {"round": 1}
        assert model_of(web, first) == "f" * 64
        other = open_case(web, "case-3")
        segment(web, other)
        assert model_of(web, other) == ROUND_1
        for name, session in (("case-1", first), ("case-3", other)):
            ask(web, "POST", f"{P}/cases/{name}/labels/right/done", {"session": session})
        assert [each.provenance["weights"] for each in project.finished()] == [None, 1]
        again = open_case(web, "case-2")  # nothing was done in it
        assert again != untouched
        assert model_of(web, again) == ROUND_1
        assert open_case(web, "case-1") == first
        assert ask(web, "GET", f"{P}/rounds")[0]["state"] == "accepted"
    project = Project.open(project.folder)
    with web_of(tmp_path, project) as web:
        assert model_of(web, first) == "f" * 64
        assert model_of(web, other) == ROUND_1
        segment(web, other, "left")
        assert model_of(web, open_case(web, "case-4")) == ROUND_1
        assert ask(web, "POST", f"{P}/weights/back") == {"round": None}
    project = Project.open(project.folder)
    with web_of(tmp_path, project) as web:  # not in use, and found by its hash
        assert model_of(web, other) == ROUND_1
        assert model_of(web, open_case(web, "case-4")) == "f" * 64


def test_a_session_with_nothing_but_proposals_gets_new_weights_and_proposals(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    propose(project, "case-1")
    number = offer(project)
    with web_of(tmp_path, project) as web:
        first = open_case(web, "case-1")
        ask(web, "POST", f"{P}/rounds/{number}/accept")
        propose(project, "case-1", ("right", "left"), number)
        second = open_case(web, "case-1")
        assert model_of(web, second) == ROUND_1
        assert len(ask(web, "GET", f"/api/sessions/{second}")["objects"]) == 2
        ask(web, "GET", f"/api/sessions/{first}", status=404)


def test_weights_that_cannot_be_loaded_are_not_accepted(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    number = offer(project)
    (project.weights_folder(number) / "bundle").unlink()
    with web_of(tmp_path, project) as web:
        assert "no bundle" in message(web, "POST", f"{P}/rounds/{number}/accept", status=503)
        assert ask(web, "GET", P)["offer"]["round"] == number
        ask(web, "POST", f"{P}/rounds/{number}/decline")
        assert ask(web, "GET", P)["offer"] is None


def test_missing_weights_in_use_are_stated_and_the_first_ones_are_used(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    number = offer(project)
    project.accept_round(number, "local")
    bundle = project.weights_folder(number) / "bundle"
    text = bundle.read_text()
    bundle.unlink()
    with web_of(tmp_path, project) as web:
        assert "round 1" in ask(web, "GET", P)["learning"]["message"]
        assert model_of(web, open_case(web, "case-1")) == "f" * 64
        bundle.write_text(text)
        assert "round 1" not in ask(web, "GET", P)["learning"]["message"]


def test_a_round_is_requested_and_shown_as_it_goes_on(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1, learn_every=3)
    learner = LearnerSupervisor(["never started"], lambda: False, tmp_path / "log", at_once=False)
    with served(tmp_path, project=project, session=False, learner=learner) as web:
        assert ask(web, "GET", P)["learning"] == {"state": "idle", "progress": 0.0, "message": "", "next_after": 3}
        running = project.begin_round("learner", ["case-1"], [])
        project.update_round(running.number, 0.25, "Trains the decoder.")
        found = ask(web, "GET", P)["learning"]
        assert (found["state"], found["progress"], found["message"]) == ("running", 0.25, "Trains the decoder.")
        learner.used()
        assert ask(web, "GET", P)["learning"]["state"] == "paused"
