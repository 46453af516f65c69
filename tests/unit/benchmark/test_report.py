from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from radsam.benchmark.benchmark_config import BenchmarkConfig
from radsam.benchmark.benchmark_results import SLICES, ResultsFolder, ScoreRow
from radsam.benchmark.benchmark_run import picture_name
from radsam.benchmark.cohort import Member
from radsam.benchmark.report import write_report
from radsam.benchmark.results_summary import Curve, Falls, curves, edits_to_goal, falls, median_hd95_mm
from radsam.benchmark.slice_rows import SliceRow
from radsam.errors import InputError, OutputError
from radsam.settings import settings_from_dict

CONFIG = settings_from_dict(
    BenchmarkConfig,
    {
        "name": "made <up>",
        "notes": "Figures that nobody measured.",
        "datasets": {"d": {"layout": "folder"}},
        "modes": [{"edits": 2}],
        "paper": ["table2"],
    },
)
#: Dice of each object after 0, 1 and 2 edits.
GOOD = {"p1": (0.5, 0.8, 0.95), "p2": (0.7, 0.91, 0.93), "p3": (0.6, 0.7, 0.8), "p4": (0.2, 0.3, 0.4)}


def row(model: str, patient: str, edits: int, dice: float, **changes: object) -> ScoreRow:
    facts: dict[str, object] = {
        "model": model, "sha256": "abc", "dataset": "d", "case": patient, "patient": patient, "group": "g",
        "label_origin": "manual", "object": "liver", "voxels": 100, "slices": 5, "mode": "volume, box",
        "level": "volume", "start": "box", "seed": 0, "edits": edits, "most_edits": 2, "dice": dice, "nsd": dice,
        "hd95_mm": 10 * (1 - dice), "seconds": 0.5, "status": "ok",
    }  # fmt: skip
    return ScoreRow(**{**facts, **changes})  # type: ignore[arg-type]


def slice_row(patient: str, index: int, dice: float, **changes: object) -> SliceRow:
    facts: dict[str, object] = {
        "model": "good", "sha256": "abc", "mode": "volume, box", "dataset": "d", "case": patient, "object": "liver",
        "modality": "CT", "slice": index, "way": index, "dice": dice, "score": dice, "expected_dice": dice / 2,
        "beyond_answer": 0, "beyond_truth": 1,
    }  # fmt: skip
    return SliceRow(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def results(tmp_path: Path) -> ResultsFolder:
    folder = ResultsFolder.start(tmp_path / "results", CONFIG)
    for name in ("good", "ruler"):
        kind = "model" if name == "good" else "baseline"
        folder.models[name] = {"sha256": "abc", "description": f"{name} & co", "kind": kind, "edits": kind == "model"}
    folder.describe("radsam 9", {"embeddings_kept": False, "workers": 2})
    folder.append_members(
        Member("d", patient, patient, "manual", 1, "liver", "g", 100, 5, "scored") for patient in GOOD
    )
    for patient, dice in GOOD.items():
        folder.append([row("good", patient, edits, value) for edits, value in enumerate(dice)])
    for patient, value in zip(GOOD, (0.3, 0.3, 0.4, 0.2), strict=True):
        folder.append([row("ruler", patient, 0, value, most_edits=0, hd95_mm=math.inf)])
    failed = [row("good", "p5", edits, 0.0, status="failed", error="no | luck") for edits in range(3)]
    folder.append(failed)
    (folder.folder / "pictures" / picture_name(folder.rows[0])).write_bytes(b"\x89PNG")
    return ResultsFolder.read(folder.folder)


def test_markdown_holds_the_numbers_their_n_and_their_data(results: ResultsFolder, tmp_path: Path) -> None:
    write_report(results, tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text()
    assert "5 objects of 5 patients, 2 models" in text
    # 0.5, 0.7, 0.6, 0.2 and a failure that counts as zero.
    assert re.search(r"\*\*good\*\* \| \*\*5, 1 failed\*\* \| \*\*0\.400 \[", text)
    assert "Figures that nobody measured." in text
    assert "experts (5)" in text
    assert r"no \| luck" in text
    assert "infinite" in text
    assert "tolerance of 2 mm" in text
    for column in ("84.99 ±0.74", "RadSAM (paper)", "good (ours)", "Failures"):
        assert column in text
    assert "<svg" not in text
    assert "PNG" not in text


def test_ct_and_mr_are_never_averaged_together(results: ResultsFolder, tmp_path: Path) -> None:
    for patient in ("m1", "m2"):
        results.append([row("good", patient, edits, 0.1, modality="MR") for edits in range(3)])
    found = {(curve.mode, curve.model): len(curve.firsts) for curve in curves(results.rows)}
    assert found == {("volume, box", "good"): 5, ("volume, box", "ruler"): 4, ("volume, box, MR", "good"): 2}
    text = (write_report(results, tmp_path / "r.md") or (tmp_path / "r.md")).read_text()
    assert "One prompt and the bounds: box, MR" in text
    assert text.index("bounds: box\n") < text.index("bounds: box, MR"), "as the configuration has the modes"
    # Mean of .5, .7, .6, .2 and the failure, without the MR; also beside the paper's figures, which are of CT.
    assert "0.400" in text
    paper = next(line for line in text.splitlines() if line.startswith("| good (ours)"))
    assert "40.00" in paper
    again = ResultsFolder.read(results.folder)
    assert [each.modality for each in again.rows] == [each.modality for each in results.rows]


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(results: ResultsFolder, tmp_path: Path) -> None:
    write_report(results, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    opened: list[str] = []

    class Check(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            if tag not in ("meta", "img", "line", "polyline", "rect", "circle"):
                opened.append(tag)
            for name, value in attributes:
                assert name not in ("src", "href") or str(value).startswith(("data:", "#"))

        def handle_endtag(self, tag: str) -> None:
            if tag not in ("meta", "img", "line", "polyline", "rect", "circle"):
                assert opened.pop() == tag

    Check().feed(page)
    assert opened in ([], ["html"])
    assert "<title>Benchmark made &lt;up&gt;</title>" in page
    assert "good &amp; co" in page
    assert page.count("<svg") >= 2
    assert "data:image/png;base64," in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_edits_to_the_goal_count_those_that_never_reach_it(results: ResultsFolder) -> None:
    curve = next(each for each in curves(results.rows) if each.model == "good")
    goal = edits_to_goal(curve)
    # p2 after 1, p1 after 2, and p3, p4, p5 never.
    assert goal.reached == pytest.approx(2 / 5)
    assert goal.median is None
    assert goal.most == 2
    steps = {edits: tuple(each for each in rows if each.case in ("p1", "p2")) for edits, rows in curve.steps.items()}
    two = Curve(curve.model, curve.mode, steps)
    assert edits_to_goal(two).median == 1
    assert edits_to_goal(two, 0.95).median == 2
    assert edits_to_goal(two, 0.95).reached == 0.5


def test_edits_that_made_a_mask_worse_are_counted(results: ResultsFolder, tmp_path: Path) -> None:
    # Down and up again; down for good; a change below the limit; and two falls of one object.
    dice = {"a": (0.5, 0.4, 0.6), "b": (0.5, 0.6, 0.4), "c": (0.5, 0.496, 0.5), "d": (0.5, 0.4, 0.3)}
    rows = [row("m", patient, edits, value) for patient, all_ in dice.items() for edits, value in enumerate(all_)]
    assert falls(curves(rows)[0]) == Falls(edits=4, of=8, objects=3, worse=2)
    results.append(rows)
    results.models["m"] = results.models["good"]
    write_report(results, tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text()
    assert "| m | over 2; 0 % reach it | over 2; 0 % reach it | 4 of 8 | 3 of 4 | 2 |" in text
    assert "| good | over 2; 40 % reach it | over 2; 20 % reach it | 0 of 10 | 0 of 5 | 0 |" in text


def test_the_median_of_hd95_survives_an_empty_mask() -> None:
    rows = [row("m", f"p{n}", 0, 0.5, hd95_mm=value) for n, value in enumerate((1.0, 2.0, math.inf, math.nan))]
    assert median_hd95_mm(rows) == 2.0
    assert median_hd95_mm(rows[2:3]) == math.inf
    assert median_hd95_mm(rows[3:]) is None


def test_what_cannot_be_reported_is_refused(results: ResultsFolder, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"use \.html or \.md"):
        write_report(results, tmp_path / "r.pdf")
    with pytest.raises(InputError, match="The model 'none' was not measured"):
        write_report(results, tmp_path / "r.md", against="none")
    empty = ResultsFolder.start(tmp_path / "empty", CONFIG)
    with pytest.raises(InputError, match="holds no scores yet"):
        write_report(empty, tmp_path / "r.md")


def test_rows_are_kept_and_a_slice_that_was_measured_twice_counts_once(results: ResultsFolder) -> None:
    assert results.slices() == []
    first = slice_row("p1", 1, 0.123456789012345678)
    results.append_slices([first, slice_row("p1", 2, 0.9)])
    results.append_slices([replace(first, dice=0.5)])
    results.append_slices([])
    assert results.slices() == [replace(first, dice=0.5), slice_row("p1", 2, 0.9)]
    path = results.folder / SLICES
    with path.open("a") as file:
        file.write("1,m,,vol")  # a run was killed here
    assert len(results.slices()) == 2
    ResultsFolder.start(results.folder, CONFIG).append_slices([slice_row("p2", 7, 0.5)])
    assert [each.slice for each in results.slices()] == [1, 2, 7], "the next row has a line of its own"
    path.write_text("version,other\n")
    with pytest.raises(InputError, match="table of another version"):
        results.slices()


def test_the_report_says_what_scores_say(results: ResultsFolder, tmp_path: Path) -> None:
    write_report(results, tmp_path / "without.md")
    assert "What scores say" not in (tmp_path / "without.md").read_text()
    for patient in ("p1", "p2"):
        results.append_slices([slice_row(patient, at, dice) for at, dice in enumerate((0.2, 0.4, 0.84, 0.96))])
    results.append_slices([slice_row("p1", 0, 1.0, mode="volume, point")])
    write_report(results, tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text()
    assert "### What scores say" in text
    assert "| good: expected Dice | 0.10 | 0.20 | 0.45 |" in text
    assert "| Dice | 0.20 | 0.40 | 0.90 |" in text
    assert "| slices | 2 | 2 | 4 |" in text
    assert "| good | 8 | 2 | 1.000 | 1.000 | 0.250 | 0.000 |" in text
    write_report(results, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "expected Dice</text>" in page
