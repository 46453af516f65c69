"""The report of a simulation: how the effort falls over the order of the cases, with learning and without."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean

from radsam.benchmark.report.report_blocks import Block, Drawing, Grid, Heading, Paragraph
from radsam.benchmark.report.report_html import to_html
from radsam.benchmark.report.report_markdown import to_markdown
from radsam.disk.atomic_write import replacing
from radsam.project.effort_drawing import EffortCurve, draw_effort
from radsam.project.project import Round
from radsam.project.simulated_annotator import LOOK_SECONDS, NEAR, SECONDS, WORTH_KEEPING
from radsam.project.simulation import SimulationPlan
from radsam.project.simulation_figures import Fall, Value, falls
from radsam.project.simulation_rows import ARMS, Arm, EffortRow

_NAMES: dict[Arm, str] = {"learning": "with learning", "without": "without learning"}


def write_report(folder: Path, plan: SimulationPlan, rows: Sequence[EffortRow], rounds: Sequence[Round]) -> None:
    """Write report.html and report.md, each whole or not at all."""
    blocks = report_blocks(plan, rows, rounds)
    for name, text in (("report.html", to_html(blocks, "Simulated project")), ("report.md", to_markdown(blocks))):
        with replacing(folder / name) as partial:
            partial.write_text(text, "utf-8")


def report_blocks(plan: SimulationPlan, rows: Sequence[EffortRow], rounds: Sequence[Round]) -> list[Block]:
    """Return the report."""
    cases = len({row.case for row in rows if row.arm == "learning"})
    blocks: list[Block] = [
        Heading("Simulated project", 1),
        Paragraph(
            f"{cases} of {len(plan.cases)} cases with {len(plan.labels)} labels each, annotated by a simulated user to "
            f"a Dice of {plan.goal:g}: in a project that learns, and without learning, with the same boxes."
        ),
    ]
    if not rows:
        return blocks
    return [
        *blocks,
        *_result(rows),
        *_curves(rows, rounds),
        *_labels(rows),
        *_rounds(rounds),
        *_proposals(rows),
        *_how(plan, rows),
    ]


def _result(rows: Sequence[EffortRow]) -> list[Block]:
    actions, seconds = falls(rows), falls(rows, lambda row: row.human_seconds)
    if actions is None or seconds is None:
        return [Heading("Result"), Paragraph("There is nothing to compare before two cases are done.")]
    table = []
    for what, found in (("actions", actions), ("seconds", seconds)):
        lines = {
            f"with learning, first {found.cases} cases to last {found.cases}": found.learning,
            f"without learning, first {found.cases} cases to last {found.cases}": found.without,
            f"last {found.cases} cases, without learning to with it": found.last,
        }
        table += [
            (what, name, f"{fall.before:.1f}", f"{fall.after:.1f}", _percent(fall)) for name, fall in lines.items()
        ]
        table.append((what, "with learning against without, first to last", "", "", _percent(found.against)))
    return [
        Heading("Result"),
        Paragraph(
            f"From the first {actions.cases} cases to the last {actions.cases}, actions per object fall by "
            f"{_percent(actions.learning)} with learning, and by {_percent(actions.against)} against no learning."
        ),
        Grid(("per object", "", "from", "to", "fall, 95 % interval"), tuple(table), strong=frozenset({0, 3})),
        Paragraph("Intervals are by bootstrap over cases. A negative fall is a rise."),
    ]


def _percent(fall: Fall) -> str:
    text = f"{100 * fall.share:.0f} %"
    return text if fall.low is None or fall.high is None else f"{text} [{100 * fall.low:.0f}, {100 * fall.high:.0f}]"


def _curves(rows: Sequence[EffortRow], rounds: Sequence[Round]) -> list[Block]:
    marks = [at for each in rounds if each.state == "accepted" if (at := _used_from(rows, each))]
    drawings = []
    values: dict[str, Value] = {
        "actions per object": lambda row: row.actions,
        "seconds per object": lambda row: row.human_seconds,
    }
    for what, value in values.items():
        curves = [EffortCurve(_NAMES[arm], _by_order(rows, arm, value)) for arm in _NAMES]
        caption = f"Mean {what} of each case, in the order of the cases. Dotted: new weights."
        drawings.append(Drawing(draw_effort(curves, what, marks), caption))
    table = []
    by_arm = {arm: _by_order(rows, arm, lambda row: row.actions) for arm in ARMS}
    for order, case in sorted({row.order: row.case for row in rows}.items()):
        used = {row.round for row in rows if row.case == case and row.arm == "learning"}
        cells = [f"{by_arm[arm][order]:.1f}" if order in by_arm[arm] else "" for arm in ("learning", "without")]
        table.append((str(order), case, *cells, ", ".join(str(each) if each else "default" for each in sorted(used))))
    head = ("", "case", "actions per object, learning", "without", "weights of round")
    return [Heading("Over the order of cases"), *drawings, Grid(head, tuple(table))]


def _used_from(rows: Sequence[EffortRow], round: Round) -> int | None:
    """Return the first case that was done with the weights of a round."""
    return min((row.order for row in rows if row.round == round.number), default=None)


def _by_order(rows: Sequence[EffortRow], arm: Arm, value: Value) -> dict[int, float]:
    orders = sorted({row.order for row in rows if row.arm == arm})
    return {at: fmean(value(row) for row in rows if row.arm == arm and row.order == at) for at in orders}


def _labels(rows: Sequence[EffortRow]) -> list[Block]:
    lines = []
    for label in dict.fromkeys(row.label for row in rows):
        of_label = [row for row in rows if row.label == label]
        found = falls(of_label)
        ends = (
            ("", "", "", "")
            if found is None
            else tuple(
                f"{each:.1f}"
                for each in (found.learning.before, found.learning.after, found.without.before, found.without.after)
            )
        )
        given_up = (str(sum(not row.reached for row in of_label if row.arm == arm)) for arm in ("learning", "without"))
        lines.append((label, *ends, *given_up))
    head = ("label", "learning: first", "last", "without: first", "last", "given up, learning", "without")
    return [
        Heading("By label"),
        Paragraph("Mean actions of the first and the last cases; given up: the goal was not reached."),
        Grid(head, tuple(lines)),
    ]


def _rounds(rounds: Sequence[Round]) -> list[Block]:
    lines = []
    for each in rounds:
        scores = each.scores
        figures = [f"{scores[name]:.1f}" if name in scores else "" for name in ("actions_before", "actions_after")]
        lines.append(
            (
                *(str(each.number), each.state, str(len(each.trained_on)), str(len(each.compared_on))),
                *figures,
                _minutes(each),
                each.message,
            )
        )
    head = (
        "round",
        "state",
        "trained on",
        "compared on",
        "actions with weights in use",
        "with new ones",
        "minutes",
        "",
    )
    if not lines:
        return [Heading("Learning rounds"), Paragraph("There was none.")]
    return [Heading("Learning rounds"), Grid(head, tuple(lines))]


def _minutes(round: Round) -> str:
    if not round.ended:
        return ""
    took = datetime.fromisoformat(round.ended) - datetime.fromisoformat(round.started)
    return f"{took.total_seconds() / 60:.1f}"


def _proposals(rows: Sequence[EffortRow]) -> list[Block]:
    lines = []
    learning = [row for row in rows if row.arm == "learning" and row.round]
    for number in sorted({row.round for row in learning}):
        of_round = [row for row in learning if row.round == number]
        proposed = [row for row in of_round if row.dice_proposal >= 0]
        untouched = sum(row.is_untouched for row in proposed)
        deleted = sum(row.kinds.startswith("delete") for row in proposed)
        dice = f"{fmean(row.dice_proposal for row in proposed):.3f}" if proposed else ""
        lines.append(
            (
                str(number),
                str(len(of_round)),
                *(f"{each} ({each / len(of_round):.0%})" for each in (len(proposed), untouched, deleted)),
                dice,
            )
        )
    head = ("weights of round", "objects", "proposed", "good enough untouched", "deleted", "mean Dice of proposals")
    if not lines:
        return [Heading("Proposals"), Paragraph("There was none.")]
    return [Heading("Proposals"), Grid(head, tuple(lines))]


def _how(plan: SimulationPlan, rows: Sequence[EffortRow]) -> list[Block]:
    kinds = ", ".join(f"{kind} {seconds:g} s" for kind, seconds in SECONDS.items())
    handed_in = [row for row in rows if row.arm == "learning"]
    strokes = fmean(row.strokes - row.actions for row in handed_in) if handed_in else 0.0
    seconds = fmean(row.finishing_seconds for row in handed_in) if handed_in else 0.0
    cores = "core" if plan.threads == 1 else "cores"
    return [
        Heading("How it was measured"),
        Paragraph(
            f"The simulated user looks at the proposal and deletes one with a Dice below {WORTH_KEEPING:g}. Without "
            "one, a loose box on the largest slice, with first and last slice, starts the object. Then wrong "
            "pixels of a slice are added or taken away, or the ends set, whichever repairs more. Strokes propagate: "
            f"on an object from a box to the next corrected slice, on a proposal {NEAR} slices to each side, as in the "
            "page. Each box, stroke, setting of ends, deletion and undo is an action; a proposal that is good enough "
            "costs none."
        ),
        Paragraph(
            f"Actions and seconds count until an object has a Dice of {plan.goal:g}; after {plan.most} actions "
            "the user gives up. In the project, objects are then finished stroke by stroke, without the model, to a "
            f"Dice of {plan.hand_in:g}, because learning needs good masks: {strokes:.1f} strokes and {seconds:.0f} s "
            "per object, which do not count."
        ),
        Paragraph(
            f"Seconds are assumed, not measured: {kinds}, and {LOOK_SECONDS:g} s to look over a slice, at the start "
            "and at the end."
        ),
        Paragraph(
            f"Default weights: {plan.weights}. A learning round after every {plan.learn_every} cases, of at most "
            f"{plan.minutes:g} minutes on {plan.threads} {cores}; its weights are used if they are offered. Order of "
            f"cases: {plan.order}. Seed: {plan.seed}. Learning sees the masks that the simulated user has finished, "
            "never the truth."
        ),
    ]
