from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from projects import GRID, finish_all, mask, project
from radsam.errors import OutputError
from radsam.metrics import dice
from radsam.project.project_report import write_report
from radsam.project.project_status import effort_curve
from radsam.project.reader_agreement import agreement_by_label, compare_readings
from radsam.project.task_state import CurvePoint


def test_readers_are_compared_before_corrections(tmp_path: Path) -> None:
    made = project(tmp_path / "p", 2, order="listed", double_read=1.0)
    for user, shift in (("anna", 0), ("ben", 2)):
        case = made.next_case(user)
        assert case is not None
        made.finish("c0", "liver", user, mask(shift), {}, GRID)
        made.finish("c0", "left kidney", user, None if user == "anna" else mask(), {}, GRID)
        made.next_case(user)
        for label in ("liver", "left kidney"):
            made.finish("c1", label, user, mask() if label == "liver" else None, {}, GRID)
    made.check("c0", "liver", "cleo", "corrected", mask=mask(2), geometry=GRID)
    pairs = compare_readings(made)
    assert [(each.case, each.label, each.annotators) for each in pairs] == [
        ("c0", "liver", ("anna", "ben")),
        ("c0", "left kidney", ("anna", "ben")),
        ("c1", "liver", ("anna", "ben")),
        ("c1", "left kidney", ("anna", "ben")),
    ]
    expected = dice(mask(), mask(2))
    assert [each.dice for each in pairs] == [expected, 0.0, 1.0, None]
    liver, kidney = agreement_by_label(pairs, ["liver", "left kidney"])
    assert liver.dice == pytest.approx((1 + expected) / 2)
    assert liver.lowest == (expected, "c0")
    assert (kidney.cases, kidney.both_absent, kidney.dice) == (2, 1, 0.0)
    assert agreement_by_label([], ["liver"])[0].dice is None
    write_report(made, tmp_path / "r.md")
    assert "Agreement of two annotators" in (tmp_path / "r.md").read_text()


def test_the_report_has_labels_curve_annotators_cases_and_rounds(run_radsam: CommandLine, tmp_path: Path) -> None:
    made = project(tmp_path / "p", 4)
    finish_all(made, "c2")
    made.begin_round("learner", ["c2"], [])
    made.offer_round(1, {})
    made.accept_round(1, "eva")
    finish_all(made, "c0")
    made.check("c0", "liver", "ben", "agreed")
    made.exclude("c3", "eva", "<motion>")
    assert run_radsam.here("project", "report", "p", "-o", "r.html", cwd=tmp_path).done().stdout == "r.html\n"
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 2
    assert "A dotted line is where other weights came into use" in page
    assert "&lt;motion&gt;" in page
    run_radsam.here("project", "report", "p", "-o", "r.md", cwd=tmp_path).done()
    lines = (tmp_path / "r.md").read_text().splitlines()
    assert "| liver | 1 | 0 | 0 | 1 | 1 | 0 | 3.0 | 0.2 | 0 | 1 agreed |" in lines
    assert "| anna | 2 | 4 | 12 | 0.8 |" in lines
    assert any(line.startswith("| c2 | done | 1 | anna | 6 |") for line in lines)
    assert any(line.startswith("| 1 | accepted | 1 cases |") for line in lines)
    assert run_radsam.here("project", "report", "p", "-o", "r.pdf", cwd=tmp_path).returncode == 3
    with pytest.raises(OutputError):
        write_report(made, tmp_path / "no/r.md")


def test_the_curve_of_text_means_several_cases_where_there_are_many() -> None:
    points = [CurvePoint(f"c{n}", n, 1, 20 - n // 10, 1.0, None) for n in range(150)]
    (line,) = effort_curve(points)
    assert "3 cases a bar, up to 20: ████" in line
    assert len(line.partition(": ")[2]) == 50
    assert effort_curve(points[:1]) == []
