from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from projects import GRID, LABELS, cases, finish_all, mask, project, with_volumes
from radsam.errors import GridMismatchError, InputError, InUseError, OutputError
from radsam.project.project import Progress, Project, ProjectSettings, Role, TaskState
from radsam.volume import SparseMask


def state(of: Project, case: str, label: str = "liver", reading: int = 1) -> TaskState:
    return next(each.state for each in of.tasks(case) if (each.label, each.reading) == (label, reading))


def test_a_project_is_made_whole_and_opened_again(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 4, learn_every=7)
    made.close()
    found = Project.open(tmp_path / "p")
    assert found.labels == LABELS
    assert found.settings == ProjectSettings("Test", learn_every=7)
    assert [(each.id, each.patient, each.position) for each in found.cases()] == [
        ("c0", "p0", 0),
        ("c1", "p0", 1),
        ("c2", "p1", 2),
        ("c3", "p1", 3),
    ]
    assert [(each.case, each.label, each.state.value) for each in found.tasks("c1")] == [
        ("c1", "liver", "new"),
        ("c1", "left kidney", "new"),
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "x").write_text(""), "has content already"),
        (lambda folder: folder.rmdir() or folder.write_text(""), "has content already"),
    ],
)
def test_a_folder_with_content_is_refused(tmp_path: Path, change, message: str) -> None:
    (tmp_path / "p").mkdir()
    change(tmp_path / "p")
    with pytest.raises(OutputError, match=message):
        project(tmp_path / "p")


def test_cases_that_share_an_id_are_refused(tmp_path: Path) -> None:
    given = [*cases(2), *cases(1)]
    with pytest.raises(InputError, match="c0 is there more than once"):
        Project.create(tmp_path / "p", ProjectSettings("Test"), LABELS, given)
    with pytest.raises(InputError, match="at least one case"):
        Project.create(tmp_path / "p", ProjectSettings("Test"), LABELS, [])
    assert not (tmp_path / "p").exists()


def test_what_is_not_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="radsam project create"):
        Project.open(tmp_path)
    (tmp_path / "project.sqlite").write_bytes(b"no database at all, but long enough" * 9)
    with pytest.raises(InputError, match="not the database of a project"):
        Project.open(tmp_path)


def test_names_of_the_label_set_are_fixed(tmp_path: Path) -> None:
    project(tmp_path / "p").close()
    labels = tmp_path / "p/labels.toml"
    labels.write_text(labels.read_text().replace("#dd8265", "#00ff00"))
    assert Project.open(tmp_path / "p").labels.label[0].color == "#00ff00"
    labels.write_text(labels.read_text().replace("liver", "spleen"))
    with pytest.raises(InputError, match="left kidney, liver"):
        Project.open(tmp_path / "p")


def test_settings_change_within_their_range(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    made.update_settings("eva", learn_every=3)
    assert Project.open(tmp_path / "p").settings.learn_every == 3
    for changes in ({"learn_threads": 0}, {"seed": 3}, {"colour": 1}):
        with pytest.raises(InputError):
            made.update_settings("eva", **changes)
    assert made.log()[0].details == {"learn_every": 3}


def test_a_label_goes_from_new_to_checked(tmp_path: Path) -> None:
    made = with_volumes(tmp_path / "p")
    assert (case := made.next_case("anna")) is not None
    assert case.id == "c0"
    made.begin("c0", "liver", "anna", "s1", "liver", "prompt")
    made.add_work("c0", "liver", "anna", 4, 31.5)
    assert state(made, "c0") is TaskState.IN_PROGRESS
    done = made.finish("c0", "liver", "anna", SparseMask.of(mask(), 1), {"model": "radsam-lite"})
    assert (done.state, done.annotator, done.actions, done.seconds) == (TaskState.DONE, "anna", 4, 31.5)
    (found,) = made.finished()
    assert (found.voxels() == mask()).all()
    assert found.path.name == "liver.1.nii.gz"
    assert found.provenance["model"] == "radsam-lite"
    assert found.provenance["voxels"] == mask().sum()
    made.finish("c0", "left kidney", "anna", None, {})
    assert made.lock_of("c0") is None  # the last label ends it
    checked = made.check("c0", "liver", "ben", "agreed")
    assert (checked.state, checked.reviewer, checked.review) == (TaskState.CHECKED, "ben", "agreed")
    absent = made.finished()[1]
    assert absent.absent
    assert not absent.voxels().any()
    assert [each.what for each in reversed(made.log("c0"))] == ["open", "begin", "finish", "finish", "open", "check"]


def test_a_correction_replaces_the_mask_and_keeps_the_former_file(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    finish_all(made, "c0")
    first = made.finished()[0].path
    made.check("c0", "liver", "ben", "corrected", mask=mask(2), provenance={"model": "fake"}, geometry=GRID)
    found = made.finished()[0]
    assert (found.voxels() == mask(2)).all()
    assert found.state is TaskState.CHECKED
    assert found.path != first
    assert first.is_file()
    assert (found.provenance["by"], found.provenance["annotator"]) == ("ben", "anna")


def test_a_label_is_sent_back_with_a_note(tmp_path: Path) -> None:
    made = project(tmp_path / "p", order="listed")
    finish_all(made, "c0")
    with pytest.raises(InputError, match="note"):
        made.check("c0", "liver", "ben", "sent back")
    task = made.check("c0", "liver", "ben", "sent back", "The dome is missing.")
    assert (task.state, task.note, task.finished) == (TaskState.IN_PROGRESS, "The dome is missing.", "")
    assert [each.label for each in made.finished()] == ["left kidney"]
    made.release("c0", "ben")
    assert (again := made.next_case("anna")) is not None
    assert again.id == "c0"
    made.finish("c0", "liver", "anna", mask(1), {}, GRID)
    assert (made.finished()[0].voxels() == mask(1)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda of: of.finish("c9", "liver", "anna", mask(), {}, GRID), "no case 'c9'"),
        (lambda of: of.finish("C0", "liver", "anna", mask(), {}, GRID), "no case 'C0'"),
        (
            lambda of: of.finish("c0", "spleen", "anna", mask(), {}, GRID),
            "no label 'spleen'; it has liver, left kidney",
        ),
        (lambda of: of.finish("c0", "liver", "anna", ~mask() & mask(), {}, GRID), "is empty"),
        (lambda of: of.check("c0", "liver", "anna", "agreed"), "only a done one can be checked"),
        (lambda of: of.check("c0", "liver", "anna", ""), "agreed, corrected, sent back"),
        (lambda of: of.check("c0", "liver", "anna", "corrected"), "either a mask or"),
        (lambda of: of.reopen("c0", "liver", "anna"), "only a done one can be reopened"),
        (lambda of: of.add_work("c0", "liver", "anna", -1), "0 or more"),
        (lambda of: of.exclude("c0", "anna", " "), "Say why"),
        (lambda of: of.assign(["c0", "c9"], "anna", "eva"), "no case 'c9'"),
        (lambda of: of.check("c0", "liver", "anna", "agreed", reading=2), "has 1 reading, not 2"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path: Path, call, message: str) -> None:
    made = project(tmp_path / "p")
    before = made.tasks(), made.cases(), made.log(limit=None)
    with pytest.raises(InputError, match=message):
        call(made)
    # An attempt to finish holds the case, which is a line of the log.
    log = [each for each in made.log(limit=None) if each.what != "open"]
    assert (made.tasks(), made.cases(), log) == before


def test_a_mask_of_another_grid_is_refused(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    with pytest.raises(GridMismatchError, match="the volume of the case c0"):
        made.finish("c0", "liver", "anna", np.ones((2, 3, 4), bool), {}, GRID)
    assert not list((tmp_path / "p/masks").rglob("*.nii.gz"))


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    finish_all(made, "c0")
    with pytest.raises(InputError, match="done already, by anna"):
        made.finish("c0", "liver", "ben", mask(), {}, GRID)
    with pytest.raises(InputError, match="was done by anna"):
        made.check("c0", "liver", "anna", "agreed")


def test_a_mask_that_cannot_be_written_leaves_the_label_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(tmp_path / "p")

    def full(*_: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr("radsam.project.finished_mask.write_labels", full)
    with pytest.raises(OutputError):
        made.finish("c0", "liver", "anna", mask(), {}, GRID)
    assert state(made, "c0") is TaskState.NEW
    assert made.finished() == []


def test_a_case_belongs_to_one_user_until_the_lock_ends(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 2, order="listed")
    other = Project.open(tmp_path / "p")
    assert (first := made.next_case("anna")) is not None
    assert first.id == "c0"
    assert (again := other.next_case("anna")) is not None
    assert again.id == "c0"
    assert (second := other.next_case("ben")) is not None
    assert second.id == "c1"
    assert made.next_case("cleo") is None
    for call in (made.take, made.renew, lambda case, user: made.begin(case, "liver", user)):
        with pytest.raises(InUseError, match="anna until"):
            call("c0", "ben")
    made.release("c0", "ben")  # not theirs
    assert (lock := other.lock_of("c0")) is not None
    assert lock.user == "anna"
    made.release("c0", "anna")
    assert (free := made.next_case("cleo")) is not None
    assert free.id == "c0"


def test_a_lock_that_ended_does_not_count(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 1, lock_minutes=1e-9)
    made.next_case("anna")
    assert made.lock_of("c0") is None
    made.begin("c0", "liver", "anna")
    assert made.renew("c0", "anna").user == "anna"
    made.update_settings("eva", lock_minutes=5.0)
    assert made.take("c0", "ben").user == "ben"
    with pytest.raises(InUseError):
        made.finish("c0", "liver", "anna", mask(), {}, GRID)


def test_a_case_that_is_begun_comes_first_then_the_assigned_then_the_order(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 6)
    made.set_teaches({"c3": 0.9, "c4": 0.2, "c1": 0.5})
    made.assign(["c5"], "anna", "eva")
    made.assign(["c3"], "ben", "eva")
    made.begin("c2", "liver", "anna")
    order = []
    while (case := made.next_case("anna")) is not None:
        order.append(case.id)
        finish_all(made, case.id)
    assert order == ["c2", "c5", "c1", "c4", "c0"]  # c3 is ben's


def test_next_passes_by_a_case_that_is_not_wanted_now(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 2, order="listed")
    made.begin("c0", "liver", "anna")
    assert (other := made.next_case("anna", after="c0")) is not None
    assert other.id == "c1"


def test_two_annotators_read_a_case_without_sharing_it(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 2, order="listed", double_read=1.0)
    assert [each.readings for each in made.cases()] == [2, 2]
    order = []
    for user in ("anna", "ben", "anna", "ben"):
        case = made.next_case(user)
        assert case is not None
        order.append((user, case.id, made.take(case.id, user).reading))
        finish_all(made, case.id, user)
    assert sorted(order) == [("anna", "c0", 1), ("anna", "c1", 1), ("ben", "c0", 2), ("ben", "c1", 2)]
    assert made.next_case("anna") is None
    assert made.next_case("ben") is None
    assert len(made.finished(1)) == len(made.finished(2)) == 4
    assert made.progress().done == 2


def test_the_share_of_cases_read_twice_follows_the_seed(tmp_path: Path) -> None:
    chosen = [
        [each.id for each in project(tmp_path / f"p{n}", 20, double_read=0.25, seed=seed).cases() if each.readings == 2]
        for n, seed in enumerate((1, 1, 2))
    ]
    assert len(chosen[0]) == 5
    assert chosen[0] == chosen[1] != chosen[2]


def test_excluded_cases_do_not_count(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 2, order="listed")
    finish_all(made, "c0")
    made.exclude("c0", "eva", "metal artefacts")
    assert made.finished() == []
    assert made.curve() == []
    assert made.progress() == Progress(1, 0, 0, 1)
    with pytest.raises(InputError, match="metal artefacts"):
        made.take("c0", "anna")
    made.include("c0", "eva")
    assert len(made.finished()) == 2
    assert made.progress().done == 1


def test_the_curve_follows_the_order_of_finishing(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 3)
    finish_all(made, "c2")
    number = made.begin_round("learner", ["c2"], []).number
    made.offer_round(number, {"actions_before": 3.0})
    made.accept_round(number, "eva")
    finish_all(made, "c0")
    assert [(each.case, each.order, each.labels, each.actions, each.seconds, each.round) for each in made.curve()] == [
        ("c2", 1, 2, 6, 25.0, None),
        ("c0", 2, 2, 6, 25.0, 1),
    ]


def test_rounds_are_offered_accepted_and_taken_back(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    one = made.begin_round("learner", ["c0", "c1"], ["c2"])
    with pytest.raises(InputError, match="Round 1 runs already"):
        made.begin_round("learner", [], [])
    made.update_round(one.number, 0.5, "training")
    assert made.rounds()[0].progress == 0.5
    assert made.rounds()[0].compared_on == ("c2",)
    with pytest.raises(InputError, match="Round 1 is running"):
        made.accept_round(1, "eva")
    made.offer_round(1, {"difference": -1.5})
    assert made.accept_round(1, "eva").scores == {"difference": -1.5}
    two = made.begin_round("learner", [], [])
    made.drop_round(two.number, "Too few cases.")
    three = made.begin_round("learner", [], [])
    made.offer_round(three.number, {})
    made.accept_round(3, "eva")
    assert made.current_round() == 3
    assert made.go_back("eva") == 1
    assert made.go_back("eva") is None
    with pytest.raises(InputError, match="default weights already"):
        made.go_back("eva")
    assert [each.state for each in made.rounds()] == ["declined", "dropped", "declined"]
    assert made.accept_round(3, "eva").state == "accepted"  # once more
    assert made.weights_folder(3) == made.folder / "weights/round-0003"
    with pytest.raises(InputError, match="no round 7"):
        made.decline_round(7, "eva")


def test_newer_weights_replace_an_offer(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    for number in (1, 2):
        made.begin_round("learner", [], [])
        made.offer_round(number, {})
    assert [each.state for each in made.rounds()] == ["declined", "offered"]


def test_roles_are_what_the_owner_gives(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    assert made.role_of("local") is Role.OWNER
    assert made.role_of("anna") is None
    made.set_role("anna", Role.REVIEWER, "local")
    assert made.role_of("anna") is Role.REVIEWER
    assert Role.REVIEWER.may(Role.ANNOTATOR)
    assert not Role.REVIEWER.may(Role.OWNER)
    made.set_role("anna", None, "local")
    assert made.roles() == {}


def test_threads_may_share_a_project(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 1)
    threads = [threading.Thread(target=made.add_work, args=("c0", "liver", "anna", 1, 0.5)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    task = made.tasks("c0")[0]
    assert (task.actions, task.seconds) == (8, 4.0)


def test_a_failed_change_leaves_no_line_of_the_log(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    with sqlite3.connect(tmp_path / "p/project.sqlite") as connection:
        connection.execute("CREATE TRIGGER stop BEFORE UPDATE ON cases BEGIN SELECT RAISE(ABORT, 'no'); END")
    connection.close()
    with pytest.raises(InputError):
        made.note("c0", "anna", "text")
    assert [each.what for each in made.log()] == ["create"]
