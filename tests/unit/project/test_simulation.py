"""Does a simulated project go through both arms, go on after a kill, and keep the truth from what learns?"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import fake_engine
from phantoms import touching_balls
from radsam.data.case import Case, LabelSource
from radsam.data.case_load import load_case
from radsam.errors import InputError
from radsam.io.volume_write import write_labels, write_volume
from radsam.metrics import dice
from radsam.project.project import Project
from radsam.project.proposal import Proposal
from radsam.project.simulation import Simulation, SimulationPlan, usable_cases
from radsam.project.simulation_figures import falls
from radsam.project.simulation_report import write_report
from radsam.project.simulation_rows import read_rows
from radsam.session import Engine
from radsam.volume import LabelVolume, Plane, SparseMask, Volume

LABELS = ("right", "left")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Four cases of two balls that touch; the last one has no left ball, and its expert says so."""
    root, found = tmp_path_factory.mktemp("cases"), []
    for number in range(4):
        scene = touching_balls("anisotropic")
        values = scene.volume.values + np.int16(number)
        ids = np.where(scene.truths["right"], 1, np.where(scene.truths["left"], 2, 0)).astype(np.uint8)
        if number == 3:
            values, ids = np.where(ids == 2, values.min(), values).astype(np.int16), np.where(ids == 2, 0, ids)
        folder = root / f"c{number}"
        folder.mkdir()
        write_volume(Volume(values, scene.volume.geometry), folder / "ct.nii.gz")
        write_labels(
            LabelVolume(ids.astype(np.uint8), scene.volume.geometry, {1: "right", 2: "left"}), folder / "seg.nii.gz"
        )
        sources = {name: LabelSource(folder / "seg.nii.gz", value) for value, name in enumerate(LABELS, start=1)}
        found.append(Case(f"c{number}", folder / "ct.nii.gz", sources))
    return found


def _plan(**changes: object) -> SimulationPlan:
    plan = SimulationPlan(LABELS, ("c0", "c1", "c2", "c3"), 0.9, 6, 0.95, 2, 1.0, 1, "listed", 0, "fake")
    return replace(plan, **changes)


class FakeLearner:
    """Learns at once after every second case, from the finished masks; then proposes what the last case had.

    Attributes:
        ranked: The cases whose use was weighed.
    """

    def __init__(self) -> None:
        self.ranked: list[str] = []

    def learn_if_due(self, project: Project) -> None:
        """Do a round after every second case."""
        done = sorted({each.case.id for each in project.finished()})
        if len(done) // 2 > len(project.rounds()):
            number = project.begin_round("learner", done[:1], done[1:]).number
            project.offer_round(number, {"actions_before": 3.0, "actions_after": 1.0})
            project.accept_round(number, "simulated")

    def engine(self, project: Project) -> Engine:
        """The fake model."""
        return fake_engine()

    def propose(self, project: Project, case: str, volume: Volume) -> Mapping[str, Proposal]:
        """Return the masks of the first case."""
        if project.current_round() is None:
            return {}
        first = [each for each in project.finished() if each.case.id == "c0"]
        masks = {each.label: SparseMask.of(each.voxels(), 2) for each in first}
        found = {
            label: Proposal(label, mask, 0.8, Plane.AXIAL, min(mask.slices), max(mask.slices))
            for label, mask in masks.items()
        }
        project.set_proposals(case, project.current_round(), found)
        return found

    def rank(self, project: Project, cases: Sequence[str]) -> None:
        """The later ones teach more."""
        self.ranked += cases
        project.set_teaches({case: float(case[1:]) for case in cases})


def _run(
    folder: Path, cases: Sequence[Case], plan: SimulationPlan | None = None, after_case: object = None
) -> Simulation:
    simulation = Simulation(folder, cases, plan or _plan(), fake_engine(), FakeLearner())
    try:
        simulation.run(lambda done, total, what: None)
    finally:
        simulation.project.close()
    return simulation


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, cases: list[Case]) -> Path:
    """A simulation from begin to end."""
    folder = tmp_path_factory.mktemp("simulation") / "out"
    _run(folder, cases)
    return folder


def test_both_arms_do_the_same_objects_and_learning_saves_actions(done: Path, cases: list[Case]) -> None:
    rows = read_rows(done / "efforts.csv")
    arms = ("learning", "without")
    assert {row.key for row in rows} == {
        (arm, case.case_id, label) for arm in arms for case in cases for label in LABELS
    }
    by = {row.key: row for row in rows}
    for case in ("c0", "c1"):  # nothing is learned yet: the same seeds, so the same actions
        for label in LABELS:
            one, other = by["learning", case, label], by["without", case, label]
            assert (one.actions, one.human_seconds) == (other.actions, other.human_seconds)
            assert one.kinds.split()[: one.actions] == other.kinds.split()
            assert one.dice_after.split()[: one.actions + 1] == other.dice_after.split()
            assert (one.round, one.dice_proposal) == (0, -1.0)
    assert by["learning", "c2", "right"].is_untouched
    assert by["learning", "c2", "right"].round == 1
    assert by["without", "c2", "right"].actions > 0
    assert by["learning", "c3", "left"].kinds == "delete", "the proposal of an absent label"
    assert by["without", "c3", "left"].actions == 0
    found = falls(rows)
    assert found is not None
    assert found.cases == 2
    assert found.learning.share > found.without.share
    assert found.last.share > 0


def test_the_project_has_what_the_annotator_made_and_not_the_truth(done: Path, cases: list[Case]) -> None:
    project = Project.open(done / "project")
    finished = {(each.case.id, each.label): each for each in project.finished()}
    tasks = {(each.case, each.label): each for each in project.tasks()}
    rows = {row.key: row for row in read_rows(done / "efforts.csv")}
    other = 0
    for case in cases:
        _, truth = load_case(case)
        for number, label in truth.names.items():
            mask = finished[case.case_id, label]
            row = rows["learning", case.case_id, label]
            assert mask.absent == (row.voxels == 0)
            assert tasks[case.case_id, label].actions == row.actions
            if not mask.absent:
                assert dice(mask.voxels(), truth.ids == number) == pytest.approx(row.dice, abs=1e-4)
                assert row.dice >= 0.95
                other += not np.array_equal(mask.voxels(), truth.ids == number)
    assert other, "all masks are the truth"
    project.close()
    for path in done.rglob("*"):  # no file of the project names where the truth is
        assert b"seg.nii" not in (path.read_bytes() if path.is_file() else b"")


class _KilledError(Exception):
    """Ends a simulation at some moment."""


@pytest.mark.parametrize("at", [2, 9])
def test_a_run_that_was_killed_goes_on_and_comes_to_the_same(
    tmp_path: Path, cases: list[Case], done: Path, at: int
) -> None:
    calls = 0

    def kill(done: int, total: int, what: str) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise _KilledError

    folder = tmp_path / "out"
    first = Simulation(folder, cases, _plan(), fake_engine(), FakeLearner())
    with pytest.raises(_KilledError):
        first.run(kill)
    first.project.close()
    before = read_rows(folder / "efforts.csv")
    second = _run(folder, cases)

    def facts(of: Path) -> dict[tuple[str, str, str], object]:
        return {row.key: replace(row, machine_seconds=0.0) for row in read_rows(of / "efforts.csv")}

    assert facts(folder) == facts(done)
    assert second.rows[: len(before)] == before, "what was done is not done again"
    for each in ("learning", "without"):
        assert sum(row.arm == each for row in second.rows) == 8


def test_a_row_without_its_finished_mask_is_done_again(
    tmp_path: Path, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise _KilledError

    with monkeypatch.context() as broken:
        broken.setattr(Project, "finish", fail)
        with pytest.raises(_KilledError):
            _run(tmp_path / "out", cases)
    simulation = _run(tmp_path / "out", cases)
    keys = [row.key for row in simulation.rows]
    assert len(keys) == len(set(keys)) == 16


def test_the_order_in_which_cases_teach_most_holds_for_both_arms(tmp_path: Path, cases: list[Case]) -> None:
    simulation = _run(tmp_path / "out", cases, _plan(order="teaching"))
    for arm in ("learning", "without"):
        assert list(dict.fromkeys(row.case for row in simulation.rows if row.arm == arm)) == ["c0", "c1", "c3", "c2"]


def test_another_simulation_in_the_same_folder_is_refused(done: Path, cases: list[Case]) -> None:
    with pytest.raises(InputError, match="goal, seed differ"):
        Simulation(done, cases, _plan(goal=0.8, seed=1), fake_engine(), FakeLearner())
    assert SimulationPlan.read(done) == _plan()


def test_cases_without_a_label_are_left_out(cases: list[Case]) -> None:
    lacking = replace(cases[0], labels={"right": cases[0].labels["right"]})
    assert usable_cases([lacking, cases[1]], LABELS) == ([cases[1]], ["c0 is left out: it has no left."])
    with pytest.raises(InputError, match="The cases have: left, right"):
        usable_cases(cases, ["spleen"])


def test_the_report_has_the_figures_and_needs_nothing_from_elsewhere(done: Path) -> None:
    project = Project.open(done / "project")
    rows = read_rows(done / "efforts.csv")
    write_report(done, SimulationPlan.read(done), rows, project.rounds())
    project.close()
    page, text = ((done / name).read_text("utf-8") for name in ("report.html", "report.md"))
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page)
    assert page.count("<svg") == 2
    found = falls(rows)
    assert found is not None
    assert f"{100 * found.learning.share:.0f} %" in text
    assert "good enough untouched" in text
    assert "| right |" in text
    write_report(done, SimulationPlan.read(done), [], [])
    write_report(done, SimulationPlan.read(done), rows[:3], [])


def test_a_damaged_table_is_refused(tmp_path: Path, done: Path) -> None:
    text = (done / "efforts.csv").read_text("utf-8")
    broken = tmp_path / "efforts.csv"
    broken.write_text(text.replace("True", "perhaps"), "utf-8")
    with pytest.raises(InputError, match="not a table of a simulation"):
        read_rows(broken)
    header = next(csv.reader([text.splitlines()[0]]))
    assert header[:5] == ["arm", "order", "case", "patient", "label"]
