"""A whole run in this process, on a model with known masks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine
from radsam.benchmark import benchmark_unit
from radsam.benchmark.benchmark_config import BenchmarkConfig
from radsam.benchmark.benchmark_results import FAILED, RUN, SLICES, TABLE, ResultsFolder
from radsam.benchmark.benchmark_run import plan_units, run_units
from radsam.benchmark.cohort import find_dataset
from radsam.benchmark.models.baselines import RuleModel, box_fill, rule_model
from radsam.benchmark.models.model_interface import Model
from radsam.benchmark.models.model_names import Runtime
from radsam.benchmark.models.session_model import SessionModel
from radsam.benchmark.results_summary import curves, dice_of
from radsam.errors import InputError
from radsam.settings import settings_from_dict
from radsam.volume import Bounds, Prompt, Volume

CONFIG = {
    "name": "test",
    "seed": 3,
    "datasets": {"balls": {"layout": "folder", "min_voxels": 20, "case_groups": {"first": ["alpha_*"]}}},
    "modes": [
        {"level": "volume", "start": "box", "edits": 3},
        {"level": "volume", "start": "point", "edits": 1, "edit": "centre"},
        {"level": "slice", "start": "box", "edits": 2},
    ],
    "surface": {"enabled": False},
}


class Failing(RuleModel):
    """Never right, so that it is always corrected; fails at the second correction of every case but the first one."""

    def __init__(self) -> None:
        super().__init__("failing", box_fill, "fails", frozenset({"box"}))
        self.card = replace(self.card, edits=True)

    def prepare(self, volume: Volume, case_id: str) -> None:
        self._case = case_id
        super().prepare(volume, case_id)

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> np.ndarray:
        self._corrections = 0
        self._answer = super().segment(prompt, bounds, name)
        return self._answer

    def correct(self, prompts: tuple[Prompt, ...]) -> np.ndarray:
        self._corrections += 1
        if self._case != "alpha_1" and self._corrections == 2:
            raise RuntimeError("out of\nluck")
        return self._answer


class WrongShape(SessionModel):
    """Answers on a grid of its own."""

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> np.ndarray:
        return np.zeros((2, 2, 2), bool)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Model]]:
    made: dict[str, Model] = {
        "fake": SessionModel(fake_engine()),
        "failing": Failing(),
        "wrong": WrongShape(fake_engine(), label="wrong"),
        "ellipsoid": rule_model("ellipsoid"),
    }
    monkeypatch.setattr(benchmark_unit, "_model", lambda word, runtime: made[word])
    benchmark_unit._last_case.clear()
    yield made
    benchmark_unit._last_case.clear()


def config(**changes: object) -> BenchmarkConfig:
    return settings_from_dict(BenchmarkConfig, {**CONFIG, **changes})


def run(data: Path, out: Path, words: tuple[str, ...], settings: BenchmarkConfig | None = None) -> ResultsFolder:
    settings = settings or config()
    cases = {"balls": find_dataset("balls", settings.datasets["balls"], data)}
    cards = [benchmark_unit._model(word, Runtime()).card for word in words]
    results = ResultsFolder.start(out, settings, cards)
    facts = ("sha256", "description", "kind", "edits")
    results.models |= {card.label: {name: getattr(card, name) for name in facts} for card in cards}
    results.describe("test", {})
    units = plan_units(settings, cases, words, Runtime(), frozenset(results.done()))
    run_units(units, results, workers=1, report=lambda result: None)
    return ResultsFolder.read(out)


def scores(results: ResultsFolder) -> dict[tuple[object, ...], str]:
    return {(*row.key, row.edits): repr(row.dice) for row in results.rows}


def test_a_run_scores_every_object_of_every_mode(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    results = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    found = {(curve.mode, curve.model): curve for curve in curves(results.rows)}
    propagated = found["volume, box", "fake:mask"]
    assert len(propagated.firsts) == 2
    assert propagated.most_edits == 3
    first, last = dice_of(propagated.firsts), dice_of(propagated.lasts)
    assert first is not None
    assert last is not None
    assert first.mean > 0.9, "the fake sees brightness, and the balls are bright"
    assert found["volume, box", "ellipsoid"].most_edits == 0
    assert ("volume, point, centre edits", "ellipsoid") not in found, "an ellipsoid takes no point"
    assert {row.group for row in results.rows} == {"first", ""}
    with (tmp_path / "out" / TABLE).open() as file:
        assert next(csv.reader(file))[:3] == ["version", "model", "sha256"]


def test_boxes_painted_slices_and_masks_of_whole_objects_are_edits_and_starts(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    modes = [
        {"start": "object", "edits": 2, "edit": "centre"},
        {"start": "object", "bounds": False, "edits": 30, "edit": "paint"},
        {"start": "box", "edits": 2, "edit": "box"},
    ]
    results = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"), config(modes=modes))
    found = {(curve.mode, curve.model): curve for curve in curves(results.rows)}
    assert {(row.status, row.error) for row in results.rows} == {("ok", "")}
    assert {mode for mode, model in found if model == "ellipsoid"} == {"volume, box, box edits"}
    painted = found["volume, object, no bounds, paint edits", "fake:mask"]
    firsts, lasts = dice_of(painted.firsts), dice_of(painted.lasts)
    assert firsts is not None
    assert lasts is not None
    assert firsts.mean < 0.9 < lasts.mean
    steps = [{row.case: row.dice for row in rows} for _, rows in sorted(painted.steps.items())]
    assert all(after[case] >= before[case] for before, after in pairwise(steps) for case in before)


def test_what_was_left_out_is_written_down(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    members = run(two_cases, tmp_path / "out", ("ellipsoid", "fake")).members()
    status = {(each["case"], each["name"]): each["status"] for each in members}
    assert status == {
        ("alpha_1", "ball"): "scored",
        ("alpha_1", "speck"): "small",
        ("beta_1", "ball"): "scored",
        ("beta_1", "speck"): "absent",
    }


def test_the_same_seed_gives_the_same_to_the_last_digit(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    modes = [{"level": "volume", "start": "box", "box": "loose", "edits": 2}]
    words = ("fake", "ellipsoid")
    one, other = (scores(run(two_cases, tmp_path / name, words, config(modes=modes))) for name in ("one", "other"))
    assert one == other
    assert one != scores(run(two_cases, tmp_path / "third", words, config(modes=modes, seed=4)))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_killed_run_continues_to_the_same_numbers(
    kept: float, two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    whole = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    table = tmp_path / "out" / TABLE
    text = table.read_bytes()
    table.write_bytes(text[: int(len(text) * kept)])  # as a kill leaves it: in the middle of a line
    again = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    assert scores(again) == scores(whole)
    assert len(again.rows) == len(whole.rows)
    # And once more with nothing to do.
    before = table.read_bytes()
    run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    assert table.read_bytes() == before


def test_a_model_may_be_added_to_results(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    first = run(two_cases, tmp_path / "out", ("ellipsoid",))
    both = run(two_cases, tmp_path / "out", ("ellipsoid", "fake"))
    assert scores(first).items() < scores(both).items()


def test_a_failure_scores_zero_and_the_run_continues(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    results = run(two_cases, tmp_path / "out", ("failing", "wrong", "ellipsoid"))
    rows = {(row.model, row.case, row.edits): row for row in results.rows if row.mode == "volume, box"}
    assert rows["failing", "alpha_1", 3].status == "ok"
    assert rows["failing", "beta_1", 1].status == "ok", "masks before the failure keep their scores"
    for edits in (2, 3):
        row = rows["failing", "beta_1", edits]
        assert (row.dice, row.status, row.error) == (0.0, FAILED, "RuntimeError: out of luck")
    curve = next(each for each in curves(results.rows) if (each.model, each.mode) == ("failing", "volume, box"))
    assert curve.failed == 1
    last = dice_of(curve.lasts)
    assert last is not None
    assert last.mean == pytest.approx(rows["failing", "alpha_1", 3].dice / 2)
    assert all(row.status == FAILED for (model, _, _), row in rows.items() if model == "wrong")
    assert all(row.status == "ok" for (model, _, _), row in rows.items() if model == "ellipsoid")


def test_a_failure_can_be_tried_again_and_the_last_attempt_counts(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    results = run(two_cases, tmp_path / "out", ("failing",))
    left = results.done(retry_failed=True)
    assert left < results.done()
    failed = [row for row in results.rows if row.key not in left]
    results.append([replace(row, dice=0.5, status="ok", error="") for row in failed])
    again = curves(ResultsFolder.read(tmp_path / "out").rows)
    assert sum(curve.failed for curve in again) == 0


def test_results_of_another_configuration_or_version_are_refused(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    out = tmp_path / "out"
    run(two_cases, out, ("ellipsoid",))
    with pytest.raises(InputError, match="another configuration"):
        run(two_cases, out, ("ellipsoid",), config(seed=9))
    table = out / TABLE
    table.write_text(table.read_text().replace("hd95_mm", "hd_mm", 1))
    with pytest.raises(InputError, match="another version"):
        ResultsFolder.read(out)
    (out / RUN).write_text((out / RUN).read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(InputError, match="version 9"):
        ResultsFolder.read(out)
    (out / RUN).unlink()
    with pytest.raises(InputError, match=r"looked for run\.json"):
        ResultsFolder.read(out)
    with pytest.raises(InputError, match="not empty"):
        ResultsFolder.start(out, config())


def test_a_case_that_cannot_be_read_is_written_down(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    (two_cases / "beta_1" / "ct.nii.gz").write_bytes(b"not an image")
    results = run(two_cases, tmp_path / "out", ("ellipsoid", "fake"))
    assert {row.case for row in results.rows} == {"alpha_1"}
    unread = [each for each in results.members() if each["status"] == "unreadable"]
    assert [each["case"] for each in unread] == ["beta_1"]


def test_only_the_worst_masks_keep_a_picture(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    results = run(two_cases, tmp_path / "out", ("ellipsoid",), config(pictures=1))
    pictures = sorted(each.name for each in (results.folder / "pictures").iterdir())
    assert len(pictures) == 2, "one for each of the two modes with a box"
    worst = min((row for row in results.rows if row.mode == "volume, box" and row.edits == 0), key=lambda row: row.dice)
    assert any(worst.case.replace("_", "-") in name for name in pictures)


def test_without_bounds_the_stop_rule_finds_the_ends(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    modes = [{"level": "volume", "start": "diameter", "bounds": False}]
    results = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"), config(modes=modes))
    found = {curve.model: dice_of(curve.firsts) for curve in curves(results.rows)}
    assert found["fake:mask"] is not None
    assert found["ellipsoid"] is not None
    assert found["fake:mask"].mean > 0.9
    assert found["ellipsoid"].mean < 0.7, "a ruler does not know where a ball ends"


def test_the_oracle_is_never_worse_than_the_primary_mask(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    modes = [{"level": "slice", "start": "box", "oracle": oracle} for oracle in (False, True)]
    results = run(two_cases, tmp_path / "out", ("fake",), config(modes=modes))
    primary, oracle = ({row.case: row.dice for row in curve.firsts} for curve in curves(results.rows))
    assert all(oracle[case] >= primary[case] for case in primary)


def _without_engines(table: Path) -> None:
    """Make a table of the first releases, which have no columns for the engine and the modality."""
    with table.open(newline="") as file:
        rows = [row[:-4] for row in csv.reader(file)]
    with table.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def test_every_row_names_engine_precision_and_threads(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    results = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    found = {(row.model, row.engine, row.precision, row.threads) for row in results.rows}
    assert found == {("fake:mask", "fake", "f32", 1), ("ellipsoid", "", "", 0)}


@pytest.mark.parametrize("other", [{"precision": "bf16"}, {"threads": 2}, {"name": "other f32"}])
def test_scores_of_two_engines_precisions_or_numbers_of_threads_do_not_mix(
    other: dict[str, object], two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    before = (tmp_path / "out" / TABLE).read_bytes()
    models["fake"] = SessionModel(fake_engine(FakeBackend(**other)), label="again")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="holds scores computed with fake, f32, 1 thread; this run computes with"):
        run(two_cases, tmp_path / "out", ("fake",))
    assert (tmp_path / "out" / TABLE).read_bytes() == before
    run(two_cases, tmp_path / "out", ("ellipsoid",))  # without an engine there is nothing to mix


def test_a_table_of_the_first_releases_is_read_and_not_continued(
    two_cases: Path, tmp_path: Path, models: dict[str, Model]
) -> None:
    whole = run(two_cases, tmp_path / "out", ("fake", "ellipsoid"))
    _without_engines(tmp_path / "out" / TABLE)
    assert scores(ResultsFolder.read(tmp_path / "out")) == scores(whole)
    with pytest.raises(InputError, match="an engine that the table does not name"):
        run(two_cases, tmp_path / "out", ("fake",))
    again = run(two_cases, tmp_path / "out", ("ellipsoid",))  # which adds the columns
    assert scores(again) == scores(whole)


def test_a_run_writes_the_slices_of_first_masks(two_cases: Path, tmp_path: Path, models: dict[str, Model]) -> None:
    found = run(two_cases, tmp_path / "out", ("fake", "ellipsoid")).slices()
    assert {each.model for each in found} == {"fake:mask"}, "an ellipsoid has no scores"
    assert {each.mode for each in found} == {"volume, box", "volume, point, centre edits"}, "not slice by slice"
    assert all(each.score == pytest.approx(0.9) for each in found)
    assert all(0 < each.expected_dice <= 1 for each in found)
    assert all(each.way > 0 for each in found)
    assert np.mean([each.dice for each in found]) > 0.8
    with (tmp_path / "out" / SLICES).open() as file:
        assert len(list(csv.DictReader(file))) == len(found)
