"""A page about a project: progress, effort by case, label and annotator, learning, and the readers' agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from radsam.benchmark.report.report_blocks import Block, Drawing, Grid, Heading, Paragraph
from radsam.benchmark.report.report_html import to_html
from radsam.benchmark.report.report_markdown import to_markdown
from radsam.disk.atomic_write import check_writable, replacing
from radsam.disk.utf8_path import PRINTABLE
from radsam.errors import OutputError
from radsam.project.effort_drawing import EffortCurve, draw_effort
from radsam.project.project import CurvePoint, Project, Task, TaskState
from radsam.project.project_status import CaseStatus, case_statuses, summary_lines
from radsam.project.reader_agreement import agreement_by_label, compare_readings


def write_report(project: Project, path: Path) -> None:
    """Write the report, whole or not at all.

    Args:
        project: The project.
        path: ``.html`` for one page with drawings, ``.md`` for text and tables.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
        VolumeError: A mask of a case that two annotators did is missing or damaged.
    """
    suffix = path.suffix.lower()
    if suffix not in (".html", ".md"):
        raise OutputError(f"The report {path} has an unknown suffix; use .html or .md.")
    check_writable(path)
    blocks = [*report_blocks(project)]
    text = to_markdown(blocks) if suffix == ".md" else to_html(blocks, f"Project {project.settings.name}")
    with replacing(path) as partial:
        partial.write_text(text, "utf-8", PRINTABLE)


def report_blocks(project: Project) -> Iterator[Block]:
    """Yield the blocks of the report."""
    tasks, rows, points = project.tasks(), case_statuses(project), project.curve()
    yield Heading(f"Project {project.settings.name}", 1)
    yield Paragraph(" ".join(summary_lines(project)))
    yield Heading("Labels")
    yield _labels(project, tasks)
    if len(points) > 1:
        yield Heading("Effort over the cases")
        yield from _curves(points)
    yield Heading("Annotators")
    yield _annotators(tasks)
    yield Heading("Cases")
    yield _cases(rows, points)
    if project.rounds():
        yield Heading("Learning")
        yield _rounds(project)
    yield from _agreement(project)


def _labels(project: Project, tasks: Sequence[Task]) -> Block:
    excluded = {each.id for each in project.cases() if each.excluded}
    counted = [each for each in tasks if each.case not in excluded]
    rows = []
    for label in project.labels.label:
        here = [each for each in counted if each.label == label.name]
        states = Counter(each.state for each in here)
        finished = [each for each in here if each.state.is_finished]
        drawn = [each for each in finished if not each.absent]
        reviews = Counter(each.review for each in here if each.review)
        rows.append(
            (
                label.name,
                *(str(states[state]) for state in TaskState),
                str(sum(each.absent for each in finished)),
                _mean(each.actions for each in drawn),
                _mean(each.seconds / 60 for each in drawn),
                str(sum(each.started_from == "proposal" for each in drawn)),
                ", ".join(f"{number} {outcome}" for outcome, number in reviews.items()) or "–",
            )
        )
    names = tuple(state.value for state in TaskState)
    return Grid(("label", *names, "absent", "actions each", "minutes each", "from a proposal", "checks"), tuple(rows))


def _curves(points: Sequence[CurvePoint]) -> Iterator[Block]:
    marks = [each.order for before, each in pairwise(points) if before.round != each.round]
    note = " A dotted line is where other weights came into use." if marks else ""
    actions = EffortCurve("actions", {each.order: float(each.actions) for each in points})
    minutes = EffortCurve("minutes", {each.order: each.seconds / 60 for each in points})
    yield Drawing(draw_effort([actions], "actions", marks), f"Actions of each case, in the order of finishing.{note}")
    yield Drawing(draw_effort([minutes], "minutes", marks), f"Minutes of each case, in the order of finishing.{note}")


def _annotators(tasks: Sequence[Task]) -> Block:
    rows = []
    for user in dict.fromkeys(each.annotator for each in tasks if each.annotator):
        here = [each for each in tasks if each.annotator == user]
        done = [each for each in here if each.state.is_finished]
        minutes = f"{sum(each.seconds for each in here) / 60:.1f}"
        counts = (len({each.case for each in here}), len(done), sum(each.actions for each in here))
        rows.append((user, *map(str, counts), minutes))
    return Grid(("annotator", "cases begun", "labels done", "actions", "minutes"), tuple(rows))


def _cases(rows: Sequence[CaseStatus], points: Sequence[CurvePoint]) -> Block:
    order = {each.case: str(each.order) for each in points}
    return Grid(
        ("case", "state", "finished as", "annotator", "actions", "minutes", "note"),
        tuple(
            (
                each.case.id if each.case.readings == 1 else f"{each.case.id} ({each.reading})",
                each.state,
                order.get(each.case.id, "") if each.reading == 1 else "",
                each.user,
                str(each.actions),
                f"{each.seconds / 60:.1f}",
                each.about,
            )
            for each in rows
        ),
    )


def _rounds(project: Project) -> Block:
    return Grid(
        ("round", "state", "learned from", "compared on", "started", "ended", "message"),
        tuple(
            (
                str(each.number),
                each.state,
                f"{len(each.trained_on)} cases",
                f"{len(each.compared_on)} cases",
                *(moment[:16].replace("T", " ") for moment in (each.started, each.ended)),
                each.message,
            )
            for each in project.rounds()
        ),
    )


def _agreement(project: Project) -> Iterator[Block]:
    pairs = compare_readings(project)
    if not pairs:
        return
    yield Heading("Agreement of two annotators")
    yield Paragraph(
        f"Of {len({each.case for each in pairs})} cases that two annotators did, neither seeing the other's masks; "
        "before corrections of a second reader. A label that only one of them found counts as a Dice of 0."
    )
    yield Grid(
        ("label", "cases", "absent for both", "mean Dice", "lowest"),
        tuple(
            (
                each.label,
                str(each.cases),
                str(each.both_absent),
                "–" if each.dice is None else f"{each.dice:.3f}",
                "–" if each.lowest is None else f"{each.lowest[0]:.3f} ({each.lowest[1]})",
            )
            for each in agreement_by_label(pairs, [label.name for label in project.labels.label])
        ),
    )


def _mean(values: Iterable[float]) -> str:
    found = [float(each) for each in values]
    return f"{fmean(found):.1f}" if found else "–"
