"""Several annotators on one project: no case is done twice, none is lost, and double reading stays blind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from test_project_http import P, Users, ask, case_row, segment

from radsam.project.task_state import Role
from radsam.server.server_errors import NotFoundError
from served_projects import make_project
from servers import Served, served


def annotate_all(web: Served, user: str) -> list[str]:
    """Do cases until none is left, as the page does; return them."""
    project, done = web.service.project, []
    assert project is not None
    while True:
        try:
            opened = project.open_next(user, None)
        except NotFoundError:
            return done
        for label in ("right", "left"):
            project.heartbeat(user, opened["case"], opened["session"], label, 1.0)
            project.done(user, opened["case"], label, opened["session"], absent=True)
        done.append(opened["case"])


def test_two_annotators_do_each_of_fifty_cases_once(tmp_path: Path) -> None:
    project = make_project(tmp_path, 50)
    for user in ("ann", "bob"):
        project.set_role(user, Role.ANNOTATOR, "local")
    with (
        served(tmp_path, project=project, session=False, authenticator=Users(), token="ann") as web,
        ThreadPoolExecutor(2) as threads,
    ):
        ann, bob = threads.map(lambda user: annotate_all(web, user), ("ann", "bob"))
        assert sorted(ann + bob) == sorted(each.id for each in project.cases())
        assert not set(ann) & set(bob)
        tasks = project.tasks()
        assert all(each.state.is_finished for each in tasks)
        assert {each.case: each.annotator for each in tasks} == dict.fromkeys(ann, "ann") | dict.fromkeys(bob, "bob")
        finishes = [(each.case, each.label) for each in project.log(limit=None) if each.what == "finish"]
        assert len(finishes) == len(set(finishes)) == 100
        assert not project.locks()


def test_a_second_reader_sees_nothing_of_the_first(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1, double_read=1.0)
    for user, role in {"ann": Role.ANNOTATOR, "bob": Role.ANNOTATOR, "rev": Role.REVIEWER}.items():
        project.set_role(user, role, "local")
    with served(tmp_path, project=project, session=False, authenticator=Users(), token="rev") as web:
        first = ask(web, "POST", f"{P}/next", {}, user="ann")["session"]
        segment(web, first, user="ann")
        ask(web, "PATCH", f"/api/sessions/{first}/objects/right", {"color": "#000000"}, user="ann")
        for label, absent in (("right", False), ("left", True)):
            path = f"{P}/cases/case-1/labels/{label}/done"
            ask(web, "POST", path, {"session": first, "absent": absent}, user="ann")
        row = case_row(web, user="bob")
        assert (row["reading"], row["state"], row["locked_by"]) == (2, "new", None)
        assert {(each["annotator"], each["actions"]) for each in row["labels"]} == {("", 0)}
        second = ask(web, "POST", f"{P}/next", {}, user="bob")["session"]
        assert ask(web, "GET", f"/api/sessions/{second}", user="bob")["objects"] == []
        ask(web, "GET", f"/api/sessions/{first}", user="bob", status=404)
        segment(web, second, user="bob")
        done = f"{P}/cases/case-1/labels/right/done"
        assert ask(web, "POST", done, {"session": second}, user="bob")["reading"] == 2
        assert case_row(web, user="ann")["reading"] == 1
        found = {each["label"]: each for each in ask(web, "GET", f"{P}/agreement", user="rev")}
        assert found["right"] == {"label": "right", "cases": 1, "dice": 1.0}
        assert found["left"] == {"label": "left", "cases": 0, "dice": None}
        ask(web, "POST", f"{P}/next", {}, user="ann", status=404)
