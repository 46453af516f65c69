"""The content of a report, from a folder of results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from radsam.benchmark.benchmark_results import FAILED, PICTURES, ResultsFolder, ScoreRow
from radsam.benchmark.benchmark_run import picture_name, worst_first
from radsam.benchmark.bootstrap import Estimate
from radsam.benchmark.paper_tables import Setting, paper_table
from radsam.benchmark.report.report_blocks import Block, Drawing, Grid, Heading, Paragraph, Picture
from radsam.benchmark.report.report_svg import Dots, Line, draw_bars, draw_curves, draw_reliability
from radsam.benchmark.results_summary import (
    FALL_DICE,
    GOALS_DICE,
    Curve,
    curves,
    dice_of,
    difference,
    edits_to_goal,
    falls,
    median_hd95_mm,
    median_seconds,
    nsd_of,
)
from radsam.benchmark.slice_rows import BAD_DICE, Reliability, SliceRow, reliability
from radsam.errors import InputError

#: More classes do not fit one drawing; it shows the largest.
_MOST_CLASSES = 40
#: The columns of the table of edits.
_EDIT_STEPS = (0, 1, 2, 3, 5, 10, 15, 20)
_ORIGINS = {"manual": "experts", "model": "a model: agreement, not accuracy"}
_LEVELS = {"volume": "One prompt and the bounds", "slice": "A prompt on every slice"}


def report_blocks(results: ResultsFolder, against: str | None = None) -> list[Block]:
    """Make all blocks of a report.

    Args:
        results: The results.
        against: Label of the model that the others are compared with; the first one if None.

    Raises:
        InputError: There are no results yet, or `against` was not measured.
    """
    found = curves(results.rows)
    if not found:
        raise InputError(f"{results.folder} holds no scores yet. Let `radsam benchmark run` continue first.")
    # In the order of `--models`, whichever of several processes was first.
    scored = dict.fromkeys(curve.model for curve in found)
    models = [*(label for label in results.models if label in scored)]
    models += [label for label in scored if label not in models]
    if against is not None and against not in models:
        raise InputError(f"The model {against!r} was not measured; choose one of {', '.join(models)}.")
    blocks: list[Block] = [Heading(f"Benchmark {results.config.name}", 1)]
    blocks += _measured(results, found)
    datasets = results.config.datasets.values()
    groups = list(dict.fromkeys(group for each in datasets for group in (*each.case_groups, *each.class_groups)))
    order = {mode.name: number for number, mode in enumerate(results.config.modes)}
    in_order = sorted(found, key=lambda curve: (order.get(curve.firsts[0].mode, len(order)), curve.mode))
    slices = results.slices()
    for mode in dict.fromkeys(curve.mode for curve in in_order):
        of_mode = sorted((curve for curve in found if curve.mode == mode), key=lambda curve: models.index(curve.model))
        blocks += _mode(of_mode, against or models[0], groups)
        blocks += _slice_scores(of_mode, slices)
    for name in results.config.paper:
        blocks += _beside_the_paper(results, found, name)
    blocks += _worst(results, found)
    blocks += _failures(results)
    blocks += _how(results)
    return blocks


def _measured(results: ResultsFolder, found: Sequence[Curve]) -> Iterator[Block]:
    rows = [row for curve in found for row in curve.firsts]
    objects = {(row.dataset, row.case, row.object) for row in rows}
    patients = {(row.dataset, row.patient) for row in rows}
    yield Paragraph(
        f"{len(objects)} objects of {len(patients)} patients, {len({curve.model for curve in found})} models. Dice is "
        "of the whole 3D object; means are over objects, intervals 95 % by bootstrap over patients."
    )
    if results.config.notes:
        yield Paragraph(" ".join(results.config.notes.split()))
    yield Heading("What was measured")
    yield Grid(
        ("data", "cases", "patients", "objects", "labels by", "left out"),
        tuple(_dataset_line(results, name, rows) for name in results.config.datasets),
    )
    notes = results.notes()
    yield Grid(
        ("model", "what it is", "identity"),
        tuple(
            (label, facts["description"], facts["sha256"][:12] or "–")
            for label, facts in results.models.items()
            if any(curve.model == label for curve in found)
        ),
    )
    note = (
        " Encoded slices of earlier runs were used again, so the times do not include encoding them."
        if notes.get("embeddings_kept")
        else ""
    )
    yield Paragraph(
        f"Measured with {notes.get('program', 'radsam')}, seed {results.config.seed}, {notes.get('workers', 1)} "
        f"processes.{note}"
    )


def _dataset_line(results: ResultsFolder, name: str, rows: Sequence[ScoreRow]) -> tuple[str, ...]:
    here = [row for row in rows if row.dataset == name]
    objects = {(row.case, row.object): row for row in here}
    origins = Counter(row.label_origin for row in objects.values())
    left_out = Counter(each["status"] for each in results.members() if each["dataset"] == name)
    return (
        name,
        str(len({row.case for row in here})),
        str(len({row.patient for row in here})),
        str(len(objects)),
        ", ".join(f"{_ORIGINS.get(origin, origin)} ({count})" for origin, count in origins.items()),
        ", ".join(f"{count} {status}" for status, count in left_out.items() if status != "scored") or "none",
    )


def _mode(found: Sequence[Curve], reference: str, order: Sequence[str]) -> Iterator[Block]:
    level, _, rest = found[0].mode.partition(", ")
    yield Heading(f"{_LEVELS[level]}: {rest}")
    has_edits = any(curve.most_edits for curve in found)
    best = max(found, key=lambda curve: first.mean if (first := dice_of(curve.firsts)) else 0.0)
    head = ["model", "n", "Dice at first"]
    head += ["Dice after edits", f"edits to {GOALS_DICE[0]:g}"] if has_edits else []
    head += ["NSD at first", "HD95 at first, mm", "seconds: first", "an edit"]
    yield Grid(
        tuple(head),
        tuple(_main_line(curve, has_edits) for curve in found),
        strong=frozenset({found.index(best)}),
    )
    held = {row.group for curve in found for row in curve.firsts}
    groups = [group for group in order if group in held]
    if groups:
        yield Heading("By group", 3)
        counts = {group: len(found[0].only(group).firsts) for group in groups}
        yield Grid(
            ("model, Dice at first", *(f"{group} ({counts[group]})" for group in groups)),
            tuple((curve.model, *(_estimate(dice_of(curve.only(each).firsts)) for each in groups)) for curve in found),
        )
    base = next((curve for curve in found if curve.model == reference), found[0])
    others = [curve for curve in found if curve.model != base.model]
    if others:
        yield Heading(f"Minus {base.model}, object by object", 3)
        yield Grid(
            ("model", "Dice at first", "after the last edit"),
            tuple(
                (
                    curve.model,
                    _estimate(difference(curve, base), sign="+"),
                    _estimate(difference(curve, base, base.most_edits), sign="+") if base.most_edits else "–",
                )
                for curve in others
            ),
        )
    if has_edits:
        yield Heading("Dice against edits", 3)
        yield from _edits(found)
    yield Heading("By class", 3)
    yield _classes(found)


def _slice_scores(found: Sequence[Curve], slices: Sequence[SliceRow]) -> Iterator[Block]:
    """What the scores of slices say, and whether masks are clipped, for the models that score their slices."""
    judged = {}
    for curve in found:
        first = curve.firsts[0]
        of_curve = (first.model, first.mode, first.modality)
        judged[curve.model] = reliability(row for row in slices if (row.model, row.mode, row.modality) == of_curve)
    known = {model: each for model, each in judged.items() if each is not None}
    if not known:
        return
    yield Heading("What scores say", 3)
    dots = [Dots(model, [(mean, dice, count) for count, mean, dice in each.steps]) for model, each in known.items()]
    yield Drawing(
        draw_reliability(dots),
        "Dice of slices against the Dice that was expected of them, without the prompted slices. Above the dotted "
        "line scores are too modest, below it too sure.",
    )
    for model, each in known.items():
        yield Grid(
            (f"{model}: expected Dice", *(f"{mean:.2f}" for _, mean, _ in each.steps)),
            (
                ("Dice", *(f"{dice:.2f}" for _, _, dice in each.steps)),
                ("slices", *(str(count) for count, _, _ in each.steps)),
            ),
        )
    yield Grid(
        (
            "model",
            "slices",
            "objects",
            f"slices below {BAD_DICE:g} found: by the score",
            "by expected Dice",
            "sides beyond the mask before: truth",
            "answer",
        ),
        tuple(_slice_line(model, each) for model, each in known.items()),
    )
    yield Paragraph(
        f"Found: the area under the ROC curve, 1 if every slice of a Dice below {BAD_DICE:g} has a lower score than "
        "every other one, 0.5 by chance. Sides: of the four sides of a mask, the share that reaches two or more pixels "
        "beyond the box of the mask on the slice before. A model whose share is far below the truth's clips objects "
        "that move."
    )


def _slice_line(model: str, each: Reliability) -> tuple[str, ...]:
    areas = ("–" if area is None else f"{area:.3f}" for area in (each.by_score, each.by_expected_dice))
    shares = f"{each.beyond_truth:.3f}", f"{each.beyond_answer:.3f}"
    return (model, str(each.slices), str(each.objects), *areas, *shares)


def _main_line(curve: Curve, has_edits: bool) -> tuple[str, ...]:
    line = [curve.model, _counted(curve), _estimate(dice_of(curve.firsts))]
    if has_edits:
        line.append(f"{curve.most_edits}: {_estimate(dice_of(curve.lasts))}" if curve.most_edits else "–")
        line.append(_to_goal(curve, GOALS_DICE[0]) if curve.most_edits else "–")
    line += [_estimate(nsd_of(curve.firsts)), _millimetres(median_hd95_mm(curve.firsts))]
    edits = [row for edits, rows in curve.steps.items() if edits for row in rows]
    line += [_seconds(median_seconds(curve.firsts)), _seconds(median_seconds(edits))]
    return tuple(line)


def _to_goal(curve: Curve, goal_dice: float) -> str:
    goal = edits_to_goal(curve, goal_dice)
    median = f"{goal.median:g}" if goal.median is not None else f"over {goal.most}"
    return f"{median}; {100 * goal.reached:.0f} % reach it"


def _counted(curve: Curve) -> str:
    counts = [str(len(curve.firsts))]
    counts += [f"{curve.found_nothing} found nothing"] if curve.found_nothing else []
    counts += [f"{curve.failed} failed"] if curve.failed else []
    return ", ".join(counts)


def _edits(found: Sequence[Curve]) -> Iterator[Block]:
    lines = [
        Line(curve.model, {edits: dice.mean for edits, rows in curve.steps.items() if (dice := dice_of(rows))})
        for curve in found
    ]
    yield Drawing(
        draw_curves(lines),
        "Mean Dice by number of edits; the figure beside each name is after the last edit. Dotted: a baseline, which "
        "takes no edits.",
    )
    most = max(curve.most_edits for curve in found)
    steps = [step for step in _EDIT_STEPS if step <= most]
    edited = [curve for curve in found if curve.most_edits]
    yield Grid(
        ("model, mean Dice after", *(f"{step} edits" for step in steps)),
        tuple(
            (curve.model, *(_estimate(dice_of(curve.steps[step])) if step in curve.steps else "–" for step in steps))
            for curve in edited
        ),
    )
    yield Grid(
        (
            "model",
            *(f"edits to {goal:g}" for goal in GOALS_DICE),
            f"edits that lowered Dice by over {FALL_DICE:g}",
            "objects with such an edit",
            "objects worse after the last edit",
        ),
        tuple(_goals_line(curve) for curve in edited),
    )


def _goals_line(curve: Curve) -> tuple[str, ...]:
    fell = falls(curve)
    counts = f"{fell.edits} of {fell.of}", f"{fell.objects} of {len(curve.firsts)}", str(fell.worse)
    return (curve.model, *(_to_goal(curve, goal) for goal in GOALS_DICE), *counts)


def _classes(found: Sequence[Curve]) -> Block:
    sizes: Counter[str] = Counter()
    for row in found[0].firsts:
        sizes[row.object] = max(sizes[row.object], row.voxels)
    names = [name for name, _ in sizes.most_common(_MOST_CLASSES)]
    # Models before baselines, and at most four bars, which are easy to compare.
    models = [curve for curve in found if curve.most_edits] or list(found)
    shown = models[:4]
    bars: dict[str, dict[str, tuple[float, ...]]] = {name: {} for name in names}
    for curve in shown:
        for name in names:
            values = tuple(row.dice for row in curve.firsts if row.object == name)
            if values:
                bars[name][curve.model] = values
    left_out = len(sizes) - len(names)
    return Drawing(
        draw_bars({name: each for name, each in bars.items() if each}, [curve.model for curve in shown]),
        "Dice at first by class, the largest class first, with its number of objects. A bar ends at the mean; the "
        "line goes from the worst to the best object, and dots are objects."
        f"{f' {left_out} smaller classes are left out.' if left_out else ''}",
    )


def _beside_the_paper(results: ResultsFolder, found: Sequence[Curve], name: str) -> Iterator[Block]:
    table = paper_table(name)
    ours = [(curve, setting) for curve in found for setting in table.settings if _rows_at(curve, setting)]
    columns = [setting for setting in table.settings if any(setting == each for _, each in ours)] or table.settings
    data = ", ".join(results.config.datasets)
    yield Heading(f"Beside the paper's {table.title}")
    yield Paragraph(
        f"Quoted rows are the paper's own figures, on {table.data}. Ours are measured on the data of this page "
        f"({data}). With other objects or other weights, the two cannot be compared directly. Dice in percent."
    )
    quoted: dict[str, dict[Setting, str]] = {}
    for figure in table.figures:
        quoted.setdefault(figure.model, {})[figure.setting] = figure.value
    lines = [
        (f"{model} (paper)", *(values.get(setting, "–") for setting in columns))
        for model, values in quoted.items()
        if any(setting in values for setting in columns)
    ]
    count = len(lines)
    for model in dict.fromkeys(curve.model for curve, _ in ours):
        cells = []
        for setting in columns:
            rows = [row for curve in found if curve.model == model for row in _rows_at(curve, setting)]
            cells.append(_estimate(dice_of(rows), percent=True))
        lines.append((f"{model} (ours)", *cells))
    yield Grid(("model", *(_setting(setting) for setting in columns)), tuple(lines), quoted=frozenset(range(count)))


def _rows_at(curve: Curve, setting: Setting) -> tuple[ScoreRow, ...]:
    """Our rows in a setting of the paper; none if we measured other settings, or another modality than CT."""
    first = curve.firsts[0]
    same = (first.level, first.start, first.modality) == (setting.level, setting.start, "CT")
    if not same or setting.edits not in curve.steps:
        return ()
    rows = curve.steps[setting.edits]
    return tuple(row for row in rows if not setting.group or setting.group in (row.group, row.dataset))


def _setting(setting: Setting) -> str:
    edits = f", {setting.edits} edits{' a slice' if setting.level == 'slice' else ''}" if setting.edits else ""
    return f"{setting.level}, {setting.start}{edits}{f', {setting.group}' if setting.group else ''}"


def _worst(results: ResultsFolder, found: Sequence[Curve]) -> Iterator[Block]:
    yield Heading("Worst cases")
    yield Paragraph(
        "First masks with the lowest Dice of each model. Yellow, dashed: the prompt; blue: the truth; orange: the "
        "predicted mask. The middle tile is the prompted slice, the others lie towards the ends of the object."
    )
    for curve in found:
        pictures = [
            Picture(
                path.read_bytes(),
                f"{row.object} of {row.case}, {row.voxels} voxels: Dice {row.dice:.3f}"
                f"{'' if row.status == 'ok' else f', {row.status}'}",
            )
            for row in worst_first(curve.firsts)[: results.config.pictures]
            if (path := results.folder / PICTURES / picture_name(row)).is_file()
        ]
        if pictures:
            yield Heading(f"{curve.model}; {curve.mode}", 3)
            yield from pictures


def _failures(results: ResultsFolder) -> Iterator[Block]:
    failed = [row for row in results.rows if row.status == FAILED and row.edits == row.most_edits]
    if failed:
        yield Heading("Failures")
        yield Paragraph("They count as zero in every mean above.")
        yield Grid(
            ("model", "mode", "case", "object", "why"),
            tuple((row.model, row.mode, row.case, row.object, row.error) for row in failed),
        )


def _how(results: ResultsFolder) -> Iterator[Block]:
    surface = results.config.surface
    yield Heading("How it was measured")
    yield Paragraph(
        "The user is simulated, and only the user has the truth. The prompt is an exact or loose box, a point or a "
        "mask (paper 3.3), by default on the slice of largest area; at volume level with the object's first and last "
        "slice (4.1). An edit is a click in the error, by default drawn uniformly (3.3, 4.2). The same seed gives the "
        "same prompts."
    )
    yield Paragraph(
        "Two empty masks agree: Dice 1. One empty mask of two: Dice 0, NSD 0, HD95 infinite; HD95 is therefore given "
        f"as the median. NSD has a tolerance of {surface.tolerance_mm:g} mm. Surface metrics, in millimetres, are "
        "computed if all of an object's slices are segmented. A failure scores 0. Classes absent from a case are left "
        "out and counted above."
    )
    yield Paragraph(
        f"Edits to {GOALS_DICE[0]:g} or {GOALS_DICE[1]:g}: the median over all objects, including those that never "
        "reach it. Intervals: BCa bootstrap over patients; none with fewer than three patients. Seconds are medians "
        "of one interaction."
    )


def _estimate(estimate: Estimate | None, *, sign: str = "", percent: bool = False) -> str:
    if estimate is None:
        return "–"
    if percent:
        mean = f"{100 * estimate.mean:.2f}"
        return mean if estimate.low is None else f"{mean} [{100 * estimate.low:.2f}, {100 * (estimate.high or 0):.2f}]"
    mean = f"{estimate.mean:{sign}.3f}"
    return mean if estimate.low is None else f"{mean} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _millimetres(value: float | None) -> str:
    return "–" if value is None else "infinite" if math.isinf(value) else f"{value:.1f}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
