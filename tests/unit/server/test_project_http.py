"""A served project over HTTP: opening, finishing, checking and counting, and who may do what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radsam.project.project import Project
from radsam.project.task_state import Role
from served_projects import RIGHT_BOX, make_project, propose, truth
from servers import Served, served
from waiting import wait_for

P = "/api/project"


class Users:
    """Every token is the name of its user."""

    def user_of(self, token: str | None) -> str | None:
        return token


def ask(web: Served, method: str, path: str, body: Any = None, *, user: str = "", status: int = 200) -> Any:
    headers = {"authorization": f"Bearer {user}"} if user else {}
    response = web.client.request(method, path, json=body, headers=headers)
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def message(web: Served, method: str, path: str, body: Any = None, *, user: str = "", status: int) -> str:
    return ask(web, method, path, body, user=user, status=status)["error"]["message"]


def segment(web: Served, session: str, name: str = "right", user: str = "") -> dict[str, Any]:
    url = f"/api/sessions/{session}"
    body = {"name": name, "prompt": RIGHT_BOX, "plane": "axial", "bounds": [7, 19]}
    ask(web, "POST", f"{url}/segment", body, user=user, status=202)
    return wait_for(lambda: ask(web, "GET", url, user=user), lambda state: state["busy"] is None)


def label_of(row: dict[str, Any], name: str = "right") -> dict[str, Any]:
    return next(each for each in row["labels"] if each["name"] == name)


def case_row(web: Served, name: str = "case-1", user: str = "") -> dict[str, Any]:
    return next(each for each in ask(web, "GET", f"{P}/cases", user=user) if each["id"] == name)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def web(project: Project, tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, project=project, session=False) as it:
        yield it


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Served]:
    """A project of several users: ann and bob annotate, rev reviews, own owns, nobody has no role."""
    project = make_project(tmp_path, learn_every=0)
    for user, role in {"own": Role.OWNER, "rev": Role.REVIEWER, "ann": Role.ANNOTATOR, "bob": Role.ANNOTATOR}.items():
        project.set_role(user, role, "local")
    with served(tmp_path, project=project, session=False, authenticator=Users(), token="own") as it:
        yield it


def test_without_a_project_every_route_says_so(tmp_path: Path) -> None:
    with served(tmp_path, session=False) as web:
        paths = web.client.get("/api/openapi.json").json()["paths"]
        about = [(method, path) for path, methods in paths.items() if path.startswith(P) for method in methods]
        assert len(about) == 20
        for method, path in about:
            plain = path.format(case="a", label="b", number=1)
            body = {"session": "s", "outcome": "agreed", "user": "u", "role": None}
            keys = {"next": (), "open": (), "done": ("session",), "check": ("outcome",), "heartbeat": ("session",)}
            kept = keys.get(plain.rsplit("/", 1)[1], ("user", "role") if method == "put" else ())
            text = message(web, method.upper(), plain, {key: body[key] for key in kept}, status=404)
            assert "radsam serve --project DIR" in text, plain


def test_it_describes_the_project(web: Served) -> None:
    found = ask(web, "GET", P)
    assert (found["name"], found["user"], found["role"]) == ("Balls", "local", "owner")
    assert found["labels"][0] == {"name": "right", "value": 7, "color": "#0080ff"}
    assert found["progress"] == {"cases": 2, "done": 0, "checked": 0, "excluded": 0}
    assert (found["weights"], found["offer"]) == ({"round": None}, None)
    assert found["learning"]["state"] == "unavailable"
    assert "radsam[train]" in found["learning"]["message"]


def test_a_case_is_opened_annotated_and_done(web: Served, project: Project) -> None:
    opened = ask(web, "POST", f"{P}/next", {})
    assert opened["case"] == "case-1"
    row = case_row(web)
    assert (row["mine"], row["locked_by"], row["state"]) == (True, "local", "new")
    assert ask(web, "GET", f"/api/volumes/{opened['volume']}")["name"] == "case-1"
    segment(web, opened["session"])
    done = ask(web, "POST", f"{P}/cases/case-1/labels/right/done", {"session": opened["session"]})
    assert (label_of(done)["state"], label_of(done)["actions"], done["state"]) == ("done", 1, "in progress")
    (finished,) = project.finished()
    shown = web.service.object_mask("local", opened["session"], "right").result()
    np.testing.assert_array_equal(finished.voxels(), shown)
    made = finished.provenance
    assert (made["started_from"], made["annotator"], made["session"]) == ("prompt", "local", opened["session"])
    assert made["model"] == {"name": "fake", "sha256": "f" * 64, "precision": ["f32"]}
    assert (made["plane"], made["edits"], made["hand_edits"]) == ("axial", {"segment": 1}, 0)
    assert made["prompts"] == [{"edit": 1, "slice": 13, **RIGHT_BOX}]
    done = ask(web, "POST", f"{P}/cases/case-1/labels/left/done", {"session": opened["session"], "absent": True})
    assert (label_of(done, "left")["absent"], done["state"], done["locked_by"]) == (True, "done", None)
    assert ask(web, "GET", f"{P}/curve")[0]["actions"] == 1
    assert ask(web, "POST", f"{P}/next", {})["case"] == "case-2"


def test_proposals_are_objects_and_count_until_another_is_drawn(web: Served, project: Project) -> None:
    propose(project, "case-1", ("right", "left"))
    assert label_of(case_row(web))["certainty"] == 0.75
    opened = ask(web, "POST", f"{P}/cases/case-1/open", {})
    state = ask(web, "GET", f"/api/sessions/{opened['session']}")
    assert {each["name"]: each["id"] for each in state["objects"]} == {"right": 7, "left": 2}
    ask(web, "POST", f"{P}/cases/case-1/labels/left/done", {"session": opened["session"]})
    segment(web, opened["session"])
    ask(web, "POST", f"{P}/cases/case-1/labels/right/done", {"session": opened["session"]})
    made = {each.label: each for each in project.finished()}
    assert made["left"].provenance["started_from"] == "proposal"
    assert made["right"].provenance["started_from"] == "prompt"
    tasks = {each.label: each for each in project.tasks("case-1")}
    assert [(tasks[each].actions, tasks[each].started_from) for each in tasks] == [(1, "prompt"), (0, "proposal")]
    proposed = truth("left") & ~(np.arange(26)[:, None, None] == np.flatnonzero(truth("left").any(axis=(1, 2)))[-1])
    np.testing.assert_array_equal(made["left"].voxels(), proposed)


def test_opening_again_gives_the_same_session_unless_nothing_was_done_and_there_is_more(
    web: Served, project: Project
) -> None:
    first = ask(web, "POST", f"{P}/cases/case-1/open", {})["session"]
    assert ask(web, "POST", f"{P}/cases/case-1/open", {})["session"] == first
    propose(project, "case-1")
    second = ask(web, "POST", f"{P}/cases/case-1/open", {})["session"]
    assert second != first
    assert [each["name"] for each in ask(web, "GET", f"/api/sessions/{second}")["objects"]] == ["right"]
    segment(web, second, "left")
    propose(project, "case-1", ("right", "left"))
    assert ask(web, "POST", f"{P}/cases/case-1/open", {})["session"] == second


def test_undo_redo_and_delete_are_actions_and_other_objects_none(web: Served, project: Project) -> None:
    opened = ask(web, "POST", f"{P}/next", {})
    url = f"/api/sessions/{opened['session']}"
    segment(web, opened["session"])
    ask(web, "POST", f"{url}/undo")
    ask(web, "POST", f"{url}/redo")
    segment(web, opened["session"], "something else")
    ask(web, "PATCH", f"{url}/objects/right", {"locked": True})
    ask(web, "PATCH", f"{url}/objects/right", {"locked": False})
    assert {each.label: each.actions for each in project.tasks("case-1")} == {"right": 3, "left": 0}
    ask(web, "DELETE", f"{url}/objects/right")
    assert {each.label: each.actions for each in project.tasks("case-1")}["right"] == 4


def test_heartbeats_count_no_more_seconds_than_have_passed(web: Served, project: Project) -> None:
    opened = ask(web, "POST", f"{P}/next", {})
    beat = {"session": opened["session"], "label": "right", "seconds": 20}
    until = ask(web, "POST", f"{P}/cases/case-1/heartbeat", beat)["locked_until"]
    assert until >= case_row(web)["locked_until"][:16]
    ask(web, "POST", f"{P}/cases/case-1/heartbeat", beat)
    seconds = {each.label: each.seconds for each in project.tasks("case-1")}
    assert 20 <= seconds["right"] < 40
    assert seconds["left"] == 0
    assert {each.state.value for each in project.tasks("case-1")} == {"new"}  # looked at, and not begun
    ask(web, "POST", f"{P}/cases/case-1/heartbeat", beat | {"seconds": 31}, status=422)
    ask(web, "POST", f"{P}/cases/case-1/heartbeat", beat | {"session": "s0"}, status=404)


def test_a_case_of_another_user_is_locked_and_free_once_released(shared: Served) -> None:
    opened = ask(shared, "POST", f"{P}/next", {}, user="ann")
    text = message(shared, "POST", f"{P}/cases/case-1/open", {}, user="bob", status=409)
    assert "ann" in text
    assert ask(shared, "POST", f"{P}/next", {}, user="bob")["case"] == "case-2"
    done = f"{P}/cases/case-1/labels/right/done"
    ask(shared, "POST", done, {"session": opened["session"]}, user="bob", status=404)
    ask(shared, "POST", f"{P}/cases/case-1/release", user="ann", status=204)
    assert ask(shared, "POST", f"{P}/cases/case-1/open", {}, user="bob")["case"] == "case-1"
    text = message(shared, "POST", done, {"session": opened["session"]}, user="ann", status=409)
    assert "bob" in text


def test_a_reviewer_checks_a_copy_and_corrects_it(shared: Served) -> None:
    project = shared.service.project.project
    mine = ask(shared, "POST", f"{P}/next", {}, user="ann")["session"]
    segment(shared, mine, user="ann")
    ask(shared, "POST", f"{P}/cases/case-1/open", {"check": True}, user="rev", status=409)
    for label, absent in (("right", False), ("left", True)):
        path = f"{P}/cases/case-1/labels/{label}/done"
        ask(shared, "POST", path, {"session": mine, "absent": absent}, user="ann")
    theirs = project.finished()[0]
    copy = ask(shared, "POST", f"{P}/cases/case-1/open", {"check": True}, user="rev")["session"]
    assert copy != mine
    np.testing.assert_array_equal(shared.service.object_mask("rev", copy, "right").result(), theirs.voxels())
    check = f"{P}/cases/case-1/labels"
    text = message(shared, "POST", f"{check}/right/check", {"outcome": "corrected"}, user="rev", status=422)
    assert "session" in text
    click = {"name": "right", "points": [{"point": [9, 13, 13], "positive": False}]}
    ask(shared, "POST", f"/api/sessions/{copy}/correct", click, user="rev", status=202)
    wait_for(lambda: ask(shared, "GET", f"/api/sessions/{copy}", user="rev"), lambda state: state["busy"] is None)
    row = ask(shared, "POST", f"{check}/right/check", {"outcome": "corrected", "session": copy}, user="rev")
    assert (label_of(row)["state"], label_of(row)["review"]) == ("checked", "corrected")
    now = next(each for each in project.finished() if each.label == "right")
    assert now.path != theirs.path
    assert theirs.path.is_file()
    assert not np.array_equal(now.voxels(), theirs.voxels())
    assert project.tasks("case-1")[0].actions == 1  # the reviewer's edits are not the annotator's work
    row = ask(shared, "POST", f"{check}/left/check", {"outcome": "sent back", "note": "It is there."}, user="rev")
    assert (label_of(row, "left")["state"], label_of(row, "left")["note"]) == ("in progress", "It is there.")
    ask(shared, "POST", f"{P}/cases/case-1/release", user="rev", status=204)
    ask(shared, "POST", f"{P}/cases/case-1/open", {}, user="ann")


def test_a_copy_to_check_shows_what_is_finished_and_not_what_was_edited_since(shared: Served) -> None:
    project = shared.service.project.project
    mine = ask(shared, "POST", f"{P}/next", {}, user="ann")["session"]
    segment(shared, mine, user="ann")
    for label, absent in (("right", False), ("left", True)):
        ask(shared, "POST", f"{P}/cases/case-1/labels/{label}/done", {"session": mine, "absent": absent}, user="ann")
    ask(shared, "POST", f"/api/sessions/{mine}/undo", user="ann")
    segment(shared, mine, "left", user="ann")
    copy = ask(shared, "POST", f"{P}/cases/case-1/open", {"check": True}, user="rev")["session"]
    (right,) = [each for each in project.finished() if each.label == "right"]
    np.testing.assert_array_equal(shared.service.object_mask("rev", copy, "right").result(), right.voxels())
    state = ask(shared, "GET", f"/api/sessions/{copy}", user="rev")
    assert [(each["name"], each["id"]) for each in state["objects"]] == [("right", 7)]


def test_roles_say_who_may_do_what(shared: Served) -> None:
    refused = [
        ("ann", "POST", "/cases/case-1/open", {"check": True}),
        ("ann", "POST", "/cases/case-1/labels/right/check", {"outcome": "agreed"}),
        ("ann", "GET", "/agreement", None),
        ("ann", "GET", "/log", None),
        ("rev", "GET", "/roles", None),
        ("rev", "PUT", "/roles", {"user": "rev", "role": "owner"}),
        ("rev", "PATCH", "/cases/case-1", {"excluded": "blurred"}),
        ("ann", "PATCH", "/cases/case-1", {"assigned": "ann"}),
        ("rev", "POST", "/learn", None),
        ("rev", "POST", "/rounds/1/accept", None),
        ("ann", "POST", "/weights/back", None),
        ("nobody", "GET", "", None),
        ("nobody", "GET", "/cases", None),
        ("nobody", "POST", "/next", {}),
    ]
    for user, method, path, body in refused:
        text = message(shared, method, P + path, body, user=user, status=403)
        assert text.endswith(".")
        assert "Balls" not in text
    ask(shared, "PATCH", f"{P}/cases/case-1", {"note": "a second look"}, user="ann")
    assert case_row(shared, user="bob")["note"] == "a second look"
    assert ask(shared, "PUT", f"{P}/roles", {"user": "nobody", "role": "annotator"})["nobody"] == "annotator"
    assert ask(shared, "GET", P, user="nobody")["role"] == "annotator"
    assert "only owner" in message(shared, "PUT", f"{P}/roles", {"user": "own", "role": None}, status=422)
    written = ask(shared, "GET", f"{P}/log")
    assert {"role", "note", "create"} <= {each["what"] for each in written}
    assert json.dumps(written).count("a second look") == 1


def test_a_user_without_a_role_does_not_see_the_volumes_of_the_project(shared: Served) -> None:
    volume = ask(shared, "POST", f"{P}/next", {}, user="ann")["volume"]
    assert ask(shared, "GET", f"/api/volumes/{volume}", user="bob")["name"] == "case-1"
    ask(shared, "GET", f"/api/volumes/{volume}", user="nobody", status=404)
    assert volume not in [each["id"] for each in ask(shared, "GET", "/api/volumes", user="nobody")]
    ask(shared, "POST", "/api/sessions", {"volume": volume}, user="nobody", status=404)


def test_cases_are_excluded_included_and_assigned(shared: Served) -> None:
    row = ask(shared, "PATCH", f"{P}/cases/case-1", {"excluded": "blurred"})
    assert (row["state"], row["excluded"]) == ("excluded", "blurred")
    assert "blurred" in message(shared, "POST", f"{P}/cases/case-1/open", {}, user="ann", status=422)
    ask(shared, "PATCH", f"{P}/cases/case-1", {"excluded": "", "assigned": "bob"})
    assert ask(shared, "POST", f"{P}/next", {}, user="ann")["case"] == "case-2"
    assert ask(shared, "POST", f"{P}/next", {}, user="bob")["case"] == "case-1"
    assert "no role" in message(shared, "PATCH", f"{P}/cases/case-1", {"assigned": "nobody"}, status=422)
    assert "ann" in message(shared, "POST", f"{P}/next", {}, status=404)


def test_bad_input_is_refused_with_a_sentence(web: Served) -> None:
    session = ask(web, "POST", f"{P}/next", {})["session"]
    done = f"{P}/cases/case-1/labels"
    assert "case-9" in message(web, "POST", f"{P}/cases/case-9/open", {}, status=404)
    assert "right, left" in message(web, "POST", f"{done}/spleen/done", {"session": session}, status=404)
    assert "absent" in message(web, "POST", f"{done}/right/done", {"session": session}, status=409)
    other = ask(web, "POST", "/api/sessions", {"volume": web.volume}, status=201)["id"]
    assert "Open the case again" in message(web, "POST", f"{done}/right/done", {"session": other}, status=404)
    assert "done" in message(web, "POST", f"{done}/right/reopen", {}, status=422)
    ask(web, "POST", f"{done}/right/check", {"outcome": "perfect"}, status=422)
    assert "round 3" in message(web, "POST", f"{P}/rounds/3/accept", status=404)
    message(web, "POST", f"{P}/weights/back", status=422)
    assert "finished cases" in message(web, "POST", f"{P}/learn", status=422)
    assert "nothing to check" in message(web, "POST", f"{P}/cases/case-2/open", {"check": True}, status=422)
    ask(web, "PATCH", f"{P}/cases/case-1", {"state": "done"}, status=422)
    ask(web, "GET", f"{P}/log?limit=0", status=422)
    assert case_row(web)["state"] == "new"


def test_a_case_whose_file_is_gone_is_given_back(web: Served, project: Project) -> None:
    Path(project.case("case-1").source).unlink()
    message(web, "POST", f"{P}/next", {}, status=422)
    assert case_row(web)["locked_by"] is None
    assert ask(web, "POST", f"{P}/next", {"after": "case-1"})["case"] == "case-2"
