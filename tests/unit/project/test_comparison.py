"""Comparing weights by what a simulated annotator does with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes import fake_engine
from learning import learnable
from radsam.project import comparison
from radsam.project.comparison import (
    ComparedObject,
    Comparison,
    Contender,
    Taken,
    compare,
    fewest_actions,
    read_rows,
)
from radsam.project.pause import Pause, WorkTime
from radsam.project.proposal import Proposal
from radsam.project.round_plan import finished_cases
from radsam.session import Engine
from radsam.volume import Plane, SparseMask, Volume


def _nothing(volume: Volume, engine: Engine) -> dict[str, Proposal]:
    return {}


def _perfect(volume: Volume, engine: Engine) -> dict[str, Proposal]:
    truth = SparseMask.of(volume.values > 50, 2)
    low, high = min(truth.slices), max(truth.slices)
    return {"ball": Proposal("ball", truth, 0.9, Plane.AXIAL, low, high)}


def _compared(folder: Path, seconds: float = 600.0, most: int = 24) -> list[ComparedObject]:
    project = learnable(folder / "p", 3) if not (folder / "p").exists() else learnable(folder / "again", 3)
    return compare(
        list(finished_cases(project).values()),
        project.volume,
        {"box": Contender(fake_engine(), _nothing), "proposals": Contender(fake_engine(), _perfect)},
        folder / "compared.json",
        goal=0.85,
        work=WorkTime(Pause(), seconds),
        seed=3,
        most=most,
    )


def test_proposals_that_are_right_save_the_first_action(tmp_path: Path) -> None:
    rows = _compared(tmp_path)
    balls = [each for each in rows if each.label == "ball"]
    assert len(rows) == 6
    assert {_actions(each) for each in balls} == {(1, 0)}
    assert all(each.taken["proposals"].dice == 1 and each.taken["box"].dice > 0.85 for each in balls)
    assert {_actions(each) for each in rows if each.label == "nothing"} == {(0, 0)}
    assert fewest_actions(rows, ("box", "proposals")) == "proposals"
    found = Comparison.of(rows, "box", "proposals")
    assert (found.objects, found.patients) == (6, 3)
    assert (found.actions_before, found.actions_after, found.difference) == (0.5, 0, -0.5)
    assert found.is_better
    assert read_rows(tmp_path / "compared.json") == rows


def _actions(row: ComparedObject) -> tuple[int, int]:
    return row.taken["box"].actions, row.taken["proposals"].actions


def test_objects_that_were_compared_are_not_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(comparison, "annotate", _failing_after(3))
        with pytest.raises(KeyboardInterrupt):
            _compared(tmp_path)
    assert len(read_rows(tmp_path / "compared.json")) == 1
    (tmp_path / "volumes").rename(tmp_path / "before")
    resumed = _compared(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = _compared(tmp_path / "whole")
    assert {(each.case, each.label, _actions(each)) for each in resumed} == {
        (each.case, each.label, _actions(each)) for each in whole
    }


def _failing_after(times: int):
    left, annotate = [times], comparison.annotate

    def failing(*given: object, **rest: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return annotate(*given, **rest)  # type: ignore[arg-type]

    return failing


def test_without_time_one_object_of_each_case_is_compared(tmp_path: Path) -> None:
    rows = _compared(tmp_path, seconds=1e-6)
    assert sorted(each.case for each in rows) == ["c0", "c1", "c2"]


def test_the_number_of_objects_is_limited_and_shared_out(tmp_path: Path) -> None:
    assert sorted(each.case for each in _compared(tmp_path, most=4)) == ["c0", "c1", "c1", "c2"]


def _row(patient: str, label: str, before: int, after: int) -> ComparedObject:
    taken = {"old": Taken(before, 1.0, 0.5), "new": Taken(after, 1.0, 0.5)}
    return ComparedObject(patient, patient, label, taken)


def test_the_interval_is_paired_and_over_patients() -> None:
    rows = [_row(f"p{n}", label, 10 + 5 * n, 8 + 5 * n - n % 2) for n in range(5) for label in "ab"]
    found = Comparison.of(rows, "old", "new")
    assert found.difference == pytest.approx(-2.4)
    assert found.low is not None
    assert found.high is not None
    assert -3 <= found.low < found.difference < found.high < -1.9, "patients differ by more than the weights do"
    few = Comparison.of(rows[:4], "old", "new")
    assert (few.low, few.high, few.patients) == (None, None, 2)
    assert few.is_better


def test_equally_many_actions_are_not_better() -> None:
    assert not Comparison.of([_row("p", "a", 3, 3)], "old", "new").is_better


def test_of_weights_with_equally_many_actions_the_first_are_kept() -> None:
    rows = [_row("p", "a", 3, 2), _row("p", "b", 2, 3)]
    assert fewest_actions(rows, ("old", "new")) == "old"
    assert fewest_actions([*rows, _row("q", "a", 5, 4)], ("old", "new")) == "new"
