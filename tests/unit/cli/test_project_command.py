"""`radsam project`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import CommandLine
from projects import finish_all
from radsam.project.project import Project, Role

LABELS = '[[label]]\nname = "liver"\nvalue = 1\n[[label]]\nname = "left kidney"\nvalue = 2\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with volumes that are never read, and labels."""
    (tmp_path / "ct").mkdir()
    for n in range(3):
        (tmp_path / f"ct/c{n}.nii.gz").touch()
    (tmp_path / "labels.toml").write_text(LABELS)
    return tmp_path


def made(run_radsam: CommandLine, place: Path, *more: object) -> Project:
    run_radsam.here("project", "create", "p", "--cases", "ct", "--labels", "labels.toml", *more, cwd=place).done()
    return Project.open(place / "p")


def test_create_says_what_it_made(run_radsam: CommandLine, place: Path) -> None:
    words = ("project", "create", "p", "--cases", "ct", "--labels", "labels.toml", "--double-read", 0.34)
    text = run_radsam.here(*words, cwd=place).done().stdout
    assert "3 cases of 3 patients, 1 of them read by two, 2 labels (liver, left kidney)" in text
    assert "radsam serve --project p" in text
    again = run_radsam.here(*words, "--json", cwd=place)
    assert again.returncode == 3
    assert "has content already" in json.loads(again.stdout)["error"]["message"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--cases", "nowhere", "--labels", "labels.toml"), 3, "nowhere does not exist"),
        (("--cases", "ct", "--labels", "nowhere.toml"), 3, "nowhere.toml"),
        (("--cases", "ct", "--labels", "labels.toml", "--name", " "), 3, "name must not be empty"),
        (("--cases", "ct", "--labels", "labels.toml", "--double-read", "2"), 2, "double-read"),
        (("--cases", "ct", "--labels", "labels.toml", "--where", "nonsense"), 2, "KEYWORD=VALUE"),
    ],
)
def test_create_refuses_what_it_cannot_use(
    run_radsam: CommandLine, place: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    found = run_radsam.here("project", "create", "p", *words, cwd=place)
    assert found.returncode == code
    assert message in found.stderr_line
    assert not (place / "p").exists()


def test_status_shows_a_letter_per_label_and_the_effort(run_radsam: CommandLine, place: Path) -> None:
    project = made(run_radsam, place)
    finish_all(project, "c0")
    finish_all(project, "c2")
    project.check("c2", "liver", "ben", "agreed")
    project.begin("c1", "liver", "anna")
    project.exclude("c1", "eva", "motion")
    project.take("c2", "ben", 1)
    text = run_radsam.here("project", "status", "p", cwd=place).done().stdout
    rows = [line.split() for line in text.splitlines()]
    assert ["c0", "done", "d", "d", "anna", "6", "0.4"] in rows
    assert ["c1", "excluded", "w", ".", "anna", "(open)", "0", "0.0", "motion"] in rows
    assert ["c2", "done", "C", "d", "anna,", "ben", "(open)", "6", "0.4"] in rows
    assert "Labels: . new, p proposed" in text
    assert "2 of 2 cases done, 0 checked, 1 excluded." in text
    assert "Actions per case: 6.0 and 0.4 min on average." in text
    assert "Actions, a case a bar, up to 6: ██" in text
    listed = json.loads(run_radsam.here("project", "status", "p", "--json", cwd=place).done().stdout)
    assert [(each["id"], each["state"]) for each in listed["cases"]] == [
        ("c0", "done"),
        ("c1", "excluded"),
        ("c2", "done"),
    ]
    assert listed["curve"][1]["order"] == 2


def test_cases_are_assigned_and_excluded(run_radsam: CommandLine, place: Path) -> None:
    project = made(run_radsam, place)
    run_radsam.here("project", "assign", "p", "c0", "c2", "--to", "anna", cwd=place).done()
    run_radsam.here("project", "assign", "p", "c2", "--anybody", cwd=place).done()
    run_radsam.here("project", "exclude", "p", "c1", "--reason", "motion", cwd=place).done()
    assert [(each.assigned, each.excluded) for each in project.cases()] == [("anna", ""), ("", "motion"), ("", "")]
    run_radsam.here("project", "exclude", "p", "c1", "--include", cwd=place).done()
    assert project.case("c1").excluded == ""
    wrong = run_radsam.here("project", "exclude", "p", "c0", "c9", "--reason", "x", cwd=place)
    assert wrong.returncode == 3
    assert project.case("c0").excluded == ""
    for words in (("assign", "p", "c0"), ("exclude", "p", "c0"), ("roles", "p", "anna")):
        assert run_radsam.here("project", *words, cwd=place).returncode == 2
    assert run_radsam.here("project", "status", "ct", cwd=place).returncode == 3


def test_roles_and_the_log(run_radsam: CommandLine, place: Path) -> None:
    project = made(run_radsam, place)
    given = run_radsam.here("project", "roles", "p", "anna", "reviewer", cwd=place).done()
    assert "anna: reviewer" in given.stdout
    assert "Nobody is an owner yet" in given.stderr
    assert project.role_of("anna") is Role.REVIEWER
    finish_all(project, "c0")
    listed = run_radsam.here("project", "log", "p", "--case", "c0", cwd=place).done().stdout.splitlines()
    assert len(listed) == 5
    assert "anna  finish  c0 · left kidney" in listed[0]
    found = json.loads(run_radsam.here("project", "log", "p", "--limit", 0, "--json", cwd=place).done().stdout)
    assert [each["what"] for each in found["log"]][-2:] == ["role", "create"]
    run_radsam.here("project", "roles", "p", "anna", "none", cwd=place).done()
    assert project.roles() == {}
