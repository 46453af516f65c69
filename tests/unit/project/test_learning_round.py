"""The life of a learning round; what trains is replaced, so that no test needs torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from learning import learnable, without_training
from phantoms import ball
from radsam.errors import InputError, InUseError, MissingExtraError
from radsam.project import learning_round
from radsam.project.finished_mask import FinishedMask
from radsam.project.learning_round import run_round
from radsam.project.pause import Pause, StoppedError
from radsam.project.project import Project, Round
from radsam.project.proposal import Proposal
from radsam.runtime import read_bundle
from radsam.training import required_modules
from radsam.volume import Plane, SparseMask


class Killed(BaseException):
    """The process ends here."""


def test_weights_that_need_fewer_actions_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    with_report: list[tuple[float, str]] = []
    monkeypatch.setattr(learning_round, "_REPORT_SECONDS", -1.0)
    project = learnable(tmp_path / "p")
    ended = run_round(project, by="anna", report=lambda share, words: with_report.append((share, words)))
    assert ended.state == "offered"
    assert ended.scores["actions_after"] < ended.scores["actions_before"]
    assert ended.scores["difference"] == ended.scores["actions_after"] - ended.scores["actions_before"]
    assert len(ended.trained_on) == 3
    assert len(ended.compared_on) == 2
    assert not set(ended.trained_on) & set(ended.compared_on)
    assert read_bundle(project.weights_folder(1) / "bundle").spec.name == "tuned"
    record = json.loads((project.weights_folder(1) / "round.json").read_text())
    assert record["slices"]["objects"] == 3
    assert record["slices"]["encoded"] == record["slices"]["slices"] > 0
    assert record["slices"]["found"] == 0
    assert record["seconds"].keys() >= {"slices", "decoder", "proposer", "comparison"}
    assert not (tmp_path / "p/learning/round-0001").exists()
    assert [share for share, _ in with_report] == sorted(share for share, _ in with_report)
    assert {words for _, words in with_report} >= {"tunes the decoder"}
    assert project.current_round() is None, "nothing changes before it is accepted"
    assert [each.user for each in project.log() if each.what == "begin round"] == ["anna"]


def _proposal(radius_mm: float) -> dict[str, Proposal]:
    mask = SparseMask.of(ball("anisotropic", radius_mm).truth, 2)
    return {"ball": Proposal("ball", mask, 0.9, Plane.AXIAL, min(mask.slices), max(mask.slices))}


def test_weights_that_need_more_actions_are_declined_with_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_training(monkeypatch, tmp_path, weak="", proposals=_proposal(2.5))  # deleting it is an action more
    ended = run_round(learnable(tmp_path / "p"))
    assert ended.state == "declined"
    assert ended.scores["difference"] > 0
    assert "The new weights need" in ended.message


def test_a_worse_decoder_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path, weak="tuned")
    project = learnable(tmp_path / "p")
    ended = run_round(project)
    assert ended.state == "declined"
    assert ended.scores["new"] == "new proposals"
    assert ended.scores["difference"] == 0
    assert ended.scores["actions"]["new proposals and decoder"] > ended.scores["actions"]["new proposals"]
    assert read_bundle(project.weights_folder(1) / "bundle").spec.name == "start"


def test_good_proposals_are_offered_without_a_decoder_that_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_training(monkeypatch, tmp_path, weak="", proposals=_proposal(6.6))
    project = learnable(tmp_path / "p", goal_dice=0.7)
    ended = run_round(project)
    assert ended.state == "offered"
    assert ended.scores["actions_after"] == 0
    assert read_bundle(project.weights_folder(1) / "bundle").spec.name == "start"


def test_the_next_round_compares_with_the_accepted_one_on_other_patients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p")
    first = run_round(project)
    project.accept_round(1, "anna")
    second = run_round(project)
    assert second.scores["difference"] == 0
    assert second.state == "declined", "equally many are not fewer"
    assert not set(second.compared_on) & set(first.trained_on)
    record = json.loads((project.weights_folder(2) / "round.json").read_text())
    assert record["compared_with_round"] == 1
    assert record["slices"]["encoded"] == 0 or record["slices"]["found"] > 0


def test_a_round_goes_on_from_the_proposer_of_the_last_one_and_asks_it_once_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_training(monkeypatch, tmp_path, weak="")
    starts, read = [], []
    training = sys.modules["radsam.training.proposer_training"]
    train = training.train_proposer
    monkeypatch.setattr(
        training, "train_proposer", lambda *given, **rest: (starts.append(rest["start"]), train(*given, **rest))[1]
    )
    project = learnable(tmp_path / "p")
    assert run_round(project).state == "declined"
    proposer = SimpleNamespace(propose=lambda volume, *rest: (read.append(volume), SimpleNamespace(proposals={}))[1])
    monkeypatch.setattr(learning_round.Proposer, "read", lambda *given: proposer)
    second = run_round(project)
    assert not set(second.compared_on) & set(project.rounds()[0].trained_on), "declined weights have learned, too"
    assert starts == [None, project.weights_folder(1) / "proposer"]
    assert len(read) == 2, "once for each case that is compared on"


def test_a_mask_that_was_a_proposal_is_not_compared_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps some of the errors of the weights in use, which would need fewer actions for it."""
    without_training(monkeypatch, tmp_path)
    compared: list[tuple[str, str]] = []
    compare = learning_round.compare

    def watched(cases: list[list[FinishedMask]], *given: Any, **rest: Any) -> Any:
        compared.extend((each.case.id, each.label) for masks in cases for each in masks)
        return compare(cases, *given, **rest)

    monkeypatch.setattr(learning_round, "compare", watched)
    project = learnable(tmp_path / "p", finished=0)
    for number in range(5):
        case, truth = f"c{number}", ball("anisotropic", 6.0 + number / 3).truth
        project.begin(case, "ball", "anna", object="ball", started_from="prompt" if number == 3 else "proposal")
        project.finish(case, "ball", "anna", truth, {})
        project.finish(case, "nothing", "anna", None, {})
    assert run_round(project).compared_on == ("c3",)
    assert compared == [("c3", "ball"), ("c3", "nothing")]


def test_the_row_of_a_round_says_how_long_it_may_still_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = learnable(tmp_path / "p", learn_minutes=10.0)
    messages = []
    without_training(monkeypatch, tmp_path, at=lambda point: messages.append(project.rounds()[0].message))
    monkeypatch.setattr(learning_round, "_REPORT_SECONDS", -1.0)
    run_round(project)
    assert messages == ["tunes the decoder, at most 8 min left"] * 2


def test_too_few_finished_cases_say_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p", finished=2)
    with pytest.raises(InputError, match="2 finished cases of 2 patients; learning needs 3 cases of 3 patients"):
        run_round(project)
    assert not project.rounds()


def test_cases_that_are_not_done_are_never_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p", 8, finished=5)
    project.finish("c5", "ball", "anna", ball("anisotropic").truth, {})  # its other label is not done
    project.reopen("c0", "ball", "anna", "look again")
    for case in ("c1", "c2"):
        project.exclude(case, "anna", "motion")
    with pytest.raises(InputError, match="2 finished cases"):
        run_round(project)
    for case in ("c1", "c2"):
        project.include(case, "anna")
    ended = run_round(project)
    assert {*ended.trained_on, *ended.compared_on} == {"c1", "c2", "c3", "c4"}


def test_a_case_that_is_taken_back_meanwhile_drops_the_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = learnable(tmp_path / "p")

    def take_back(point: str) -> None:
        if point == "exported":
            project.reopen(project.rounds()[0].trained_on[0], "ball", "anna", "look again")

    without_training(monkeypatch, tmp_path, at=take_back)
    ended = run_round(project)
    assert ended.state == "dropped"
    assert "taken back to work" in ended.message
    assert not project.weights_folder(1).exists()
    assert not (project.folder / "learning/round-0001").exists()


def test_a_failing_round_is_dropped_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p")
    Path(project.cases()[0].source).write_bytes(b"no volume")
    Path(project.cases()[1].source).write_bytes(b"no volume")
    monkeypatch.setattr(learning_round, "_start_bundle", lambda *rest: read_bundle(tmp_path / "start"))
    ended = run_round(project)
    assert ended.state == "dropped"
    assert "c0" in ended.message or "c1" in ended.message


def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(required_modules, "TRAINING_MODULES", ("no_such_module",))
    with pytest.raises(MissingExtraError, match=r"radsam\[train\]"):
        run_round(learnable(tmp_path / "p"))


def test_two_processes_do_not_learn_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = learnable(tmp_path / "p")

    def also(point: str) -> None:
        with pytest.raises(InUseError, match="radsam project learn"):
            run_round(project)

    without_training(monkeypatch, tmp_path, at=also)
    assert run_round(project).state == "offered"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Round:
    """The round that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        without_training(patched, folder)
        return run_round(learnable(folder / "p"))


def _same(one: Round, other: Round) -> bool:
    names = ("objects", "actions_before", "actions_after", "difference", "dice_before", "dice_after")
    figures = [[each.scores[name] for name in names] for each in (one, other)]
    return (one.state, one.trained_on, one.compared_on) == (other.state, other.trained_on, other.compared_on) and (
        figures[0] == figures[1]
    )


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        ("radsam.project.tuning_store", "_Case._scene", 2),
        ("learning", "tuned", 1),
        ("learning", "exported", 1),
        ("radsam.project.comparison", "_write_rows", 2),
        ("radsam.project.learning_round", "_LearningRound._publish", 1),
        ("radsam.project.learning_round", "_LearningRound._decide", 1),
        ("radsam.project.learning_round", "_remove", 2),
    ],
)
def test_a_stopped_round_goes_on_to_the_same_end(
    owner: str, name: str, after: int, expected: Round, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = learnable(tmp_path / "p")
    left = after

    def stop() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    with monkeypatch.context() as patched:
        without_training(patched, tmp_path, at=lambda point: stop() if point == name else None)
        if owner != "learning":
            module = sys.modules[owner] if owner in sys.modules else __import__(owner)
            holder = getattr(module, name.split(".")[0]) if "." in name else module
            original = getattr(holder, name.split(".")[-1])

            def stopping(*given: object, **rest: object) -> object:
                stop()
                return original(*given, **rest)

            patched.setattr(holder, name.split(".")[-1], stopping)
        with pytest.raises(Killed):
            run_round(project)
    without_training(monkeypatch, tmp_path)
    if project.rounds()[0].state == "running":
        assert _same(run_round(project), expected)
    assert [each.state for each in project.rounds()] == ["offered"]
    assert _same(project.rounds()[0], expected)
    assert sorted(path.name for path in project.weights_folder(1).iterdir()) == ["bundle", "proposer", "round.json"]


def test_a_round_that_had_not_begun_is_dropped_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_training(monkeypatch, tmp_path)
    project = learnable(tmp_path / "p")

    def stop(*given: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(learning_round.RoundPlan, "write", stop)
        with pytest.raises(Killed):
            run_round(project)
    assert run_round(project).number == 2
    assert [each.state for each in project.rounds()] == ["dropped", "offered"]
    assert not (project.folder / "learning/round-0001").exists()


def test_a_stopped_round_is_dropped_if_its_masks_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pause, project = Pause(), learnable(tmp_path / "p")
    without_training(monkeypatch, tmp_path, at=lambda point: pause.stop())
    with pytest.raises(StoppedError):
        run_round(project, pause=pause)
    assert project.rounds()[0].state == "running"
    case = project.rounds()[0].trained_on[0]
    project.reopen(case, "ball", "anna", "look again")
    project.finish(case, "ball", "anna", ball("anisotropic", 5.0).truth, {})
    without_training(monkeypatch, tmp_path)
    assert run_round(project).number == 2
    assert [each.state for each in project.rounds()] == ["dropped", "offered"]
    assert f"Case {case} was changed" in project.rounds()[0].message


_KILLED = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
import pytest
from learning import without_training
from radsam.project import comparison, learning_round, tuning_store
from radsam.project.project import Project

folder, point = Path(sys.argv[1]), sys.argv[2]
kill = lambda *given, **rest: os.kill(os.getpid(), signal.SIGKILL)
with pytest.MonkeyPatch.context() as patched:
    without_training(patched, folder, at=lambda reached: reached == point and kill())
    if point == "published":
        patched.setattr(learning_round._LearningRound, "_decide", kill)
    learning_round.run_round(Project.open(folder / "p"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
@pytest.mark.parametrize("point", ["tuned", "published"])
def test_a_killed_process_leaves_a_round_that_goes_on(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnable(tmp_path / "p").close()
    path = os.pathsep.join(each for each in sys.path if each)
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), point], env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    without_training(monkeypatch, tmp_path)
    with closing(Project.open(tmp_path / "p")) as project:
        assert project.rounds()[0].state == "running"
        assert run_round(project).state == "offered"
        assert len(project.rounds()) == 1
