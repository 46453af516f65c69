"""Dice over whole objects from one prompt and two bounds, with corrections; and slice by slice.

Every object of a split is segmented as a user would do it, through the same session as
the command line's. `run` appends one row per object to a CSV and skips what is in it
already, so that a run that was stopped goes on; `report` turns the CSV into Markdown
tables with 95 % intervals by bootstrap over patients. Example::

    python benchmarks/one_prompt.py run DATA -o scores.csv --model radsam-lite --edits 20
    python benchmarks/one_prompt.py run DATA -o scores.csv --model lite-medsam --policy box
    python benchmarks/one_prompt.py report scores.csv

`DATA` is a folder that `radsam.data.adapters.folder` reads, with a manifest. First prompts:
the exact box of the object on its slice of largest area, or a point in it (paper 3.3);
bounds are the object's own (paper 4.1). Corrections are uniform in the error (paper 3.3,
4.2). Baselines: ``--policy copy`` repeats the first mask.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import stats

import radsam
from radsam.data.adapters.folder import find_cases
from radsam.data.case import Case
from radsam.data.load import load_case
from radsam.errors import RadsamError
from radsam.simulate import exact_box, random_point
from radsam.volume import SliceGrid

COLUMNS = [
    *("variant", "bundle_sha256", "case", "kind", "label_origin", "object", "voxels", "slices", "seed"),
    *("dice", "dice_first_slice", "seconds_first", "dice_by_edit", "seconds_edits"),
]


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="score a model; appends to a CSV")
    run.set_defaults(do=_run)
    run.add_argument("data", type=Path)
    run.add_argument("-o", "--out", type=Path, required=True)
    run.add_argument("--split", default="val")
    run.add_argument("--cases", nargs="+", help="only cases whose name starts so")
    run.add_argument("--model", help="bundle; the default one if left out")
    run.add_argument("--backend", default="auto")
    run.add_argument("--start", choices=["box", "point"], default="box")
    run.add_argument("--policy", choices=["mask", "box", "copy"], help="what the model was trained for if left out")
    run.add_argument("--zoom", action=argparse.BooleanOptionalAction, help="what it was trained for if left out")
    run.add_argument("--slice-level", action="store_true", help="a box on every slice instead of one and bounds")
    run.add_argument("--most-slices", type=int, default=8, help="slice-level: at most so many slices of an object")
    run.add_argument("--edits", type=int, default=0)
    run.add_argument("--min-voxels", type=int, default=200)
    run.add_argument("--most-objects", type=int, default=100, help="of one case, spread evenly over their sizes")
    run.add_argument("--seed", type=int, default=0)
    report = commands.add_parser("report", help="tables from a CSV")
    report.set_defaults(do=_report)
    report.add_argument("scores", type=Path)
    report.add_argument("--against", help="variant that the others are compared with, pair by pair")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", radsam.CapabilityWarning)
    arguments.do(arguments)


def _run(arguments: argparse.Namespace) -> None:
    engine = radsam.load(arguments.model, backend=arguments.backend)
    variant = _variant(arguments, engine)
    done = {(row["variant"], row["bundle_sha256"], row["case"], row["object"]) for row in _rows(arguments.out)}
    for case in find_cases(arguments.data):
        if case.split != arguments.split or not any(map(case.case_id.startswith, arguments.cases or [""])):
            continue
        volume, labels = load_case(case)
        for object_id, name in _chosen(case, labels.ids, arguments):
            if (variant, engine.bundle.sha256, case.case_id, name) in done:
                continue
            row = {
                "variant": variant,
                "bundle_sha256": engine.bundle.sha256,
                "case": case.case_id,
                "kind": case.case_id.split("_")[0],
                "label_origin": case.label_origin,
                "object": name,
                "seed": arguments.seed,
                **_scored(engine, volume, labels.ids == object_id, arguments, [arguments.seed, object_id]),
            }
            _append(arguments.out, row)
            print(f"{variant} | {case.case_id} | {name} | {row['dice']:.3f} {row['dice_by_edit']}", flush=True)


def _variant(arguments: argparse.Namespace, engine: radsam.Engine) -> str:
    spec = engine.bundle.spec
    policy = arguments.policy or ("mask" if "mask" in spec.capabilities else "box")
    zoom = spec.max_zoom > 1 if arguments.zoom is None else arguments.zoom
    walk = "slice-level" if arguments.slice_level else f"{policy} walk"
    edits = f", {arguments.edits} edits" if arguments.edits else ""
    return f"{spec.name}, {arguments.start}, {walk}{', zoom' if zoom else ''}{edits}"


def _chosen(case: Case, ids: np.ndarray, arguments: argparse.Namespace) -> Iterator[tuple[int, str]]:
    sizes = np.bincount(ids.ravel(), minlength=len(case.names) + 1)
    large = [i for i in sorted(case.names, key=lambda i: -sizes[i]) if sizes[i] >= arguments.min_voxels]
    places = np.linspace(0, len(large) - 1, min(arguments.most_objects, len(large)))
    yield from ((large[place], case.names[large[place]]) for place in np.unique(places.round().astype(int)))


def _scored(
    engine: radsam.Engine, volume: radsam.Volume, truth: np.ndarray, arguments: argparse.Namespace, seed: list[int]
) -> dict[str, object]:
    """Segment one object and correct it."""
    rng = np.random.default_rng(seed)
    grid = SliceGrid.of(volume.geometry, "axial")
    areas = np.array([np.count_nonzero(grid.take(truth, index)) for index in range(grid.count)])
    held = np.flatnonzero(areas)
    found = {"voxels": int(areas.sum()), "slices": held.size, "dice_by_edit": "", "seconds_edits": ""}
    session, largest = engine.open(volume), int(areas.argmax())
    started = time.perf_counter()
    if arguments.slice_level:
        chosen = held[
            np.unique(np.linspace(0, held.size - 1, min(arguments.most_slices, held.size)).round().astype(int))
        ]
        masks = [_segmented(session, grid, truth, int(k), (int(k), int(k)), arguments, rng) for k in chosen]
        truths = [grid.take(truth, int(k)) for k in chosen]
        score = radsam.dice(
            np.stack([grid.take(mask, int(k)) for mask, k in zip(masks, chosen, strict=True)]), np.stack(truths)
        )
        return found | {"dice": score, "dice_first_slice": score, "seconds_first": time.perf_counter() - started}
    mask = _segmented(session, grid, truth, largest, (int(held[0]), int(held[-1])), arguments, rng)
    found |= {
        "dice": radsam.dice(mask, truth),
        "dice_first_slice": radsam.dice(grid.take(mask, largest), grid.take(truth, largest)),
        "seconds_first": time.perf_counter() - started,
    }
    started, scores = time.perf_counter(), []
    for _ in range(arguments.edits):
        mask = _corrected(session, mask, truth, rng)
        scores.append(radsam.dice(mask, truth))
    if scores:
        found |= {"dice_by_edit": json.dumps([round(score, 4) for score in scores])}
        found |= {"seconds_edits": time.perf_counter() - started}
    return found


def _segmented(
    session: radsam.Session,
    grid: SliceGrid,
    truth: np.ndarray,
    index: int,
    bounds: tuple[int, int],
    arguments: argparse.Namespace,
    rng: np.random.Generator,
) -> np.ndarray:
    here = grid.take(truth, index)
    if arguments.start == "box":
        prompt: radsam.Box | radsam.Point = radsam.Box.on(grid, index, *exact_box(here))
    else:
        i, j, k = grid.join(index, *random_point(here, rng))
        prompt = radsam.Point(i=i, j=j, k=k)
    try:
        session.segment(prompt, bounds=bounds, policy=arguments.policy, zoom=arguments.zoom)
        return session.mask("object")
    except RadsamError:
        # The model found nothing at the prompt, and says so: scored as nothing.
        return np.zeros_like(truth)


def _corrected(session: radsam.Session, mask: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    wrong = np.flatnonzero(mask != truth)
    if not wrong.size or not session.objects:
        return mask
    k, j, i = (int(each) for each in np.unravel_index(wrong[rng.integers(wrong.size)], truth.shape))
    session.correct(radsam.Point(i=i, j=j, k=k, positive=bool(truth[k, j, i])))
    return session.mask("object")


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["seconds_edits"] is not None]


def _append(path: Path, row: dict[str, object]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def _report(arguments: argparse.Namespace) -> None:
    rows = _rows(arguments.scores)
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    kinds = list(dict.fromkeys((row["kind"], row["label_origin"]) for row in rows))
    groups: list[tuple[str, Callable[[dict[str, str]], bool]]] = [("all", lambda row: True)]
    groups += [("all, expert labels", lambda row: row["label_origin"] == "manual")]
    groups += [(f"{kind} ({origin} labels)", lambda row, kind=kind: row["kind"] == kind) for kind, origin in kinds]
    print("Mean Dice over objects, 95 % interval by bootstrap over patients.\n")
    print("| variant | " + " | ".join(title for title, _ in groups) + " |")
    print("|---" * (len(groups) + 1) + "|")
    for variant in variants:
        scores = [_mean(row for row in rows if row["variant"] == variant and holds(row)) for _, holds in groups]
        print(f"| {variant} | " + " | ".join(scores) + " |")
    for variant in variants if arguments.against else []:
        if variant != arguments.against:
            print(f"\n{variant} minus {arguments.against}: {_difference(rows, variant, arguments.against)}")
    for variant in variants:
        curves = [json.loads(row["dice_by_edit"]) for row in rows if row["variant"] == variant and row["dice_by_edit"]]
        if curves:
            firsts = [float(row["dice"]) for row in rows if row["variant"] == variant and row["dice_by_edit"]]
            means = [np.mean(firsts), *np.mean(curves, axis=0)]
            print(f"\n{variant}: mean Dice after 0, 1, 2 … edits, {len(curves)} objects:")
            print(" ".join(f"{each:.3f}" for each in means))


def _mean(rows: Iterator[dict[str, str]]) -> str:
    values = {(row["case"], row["object"]): float(row["dice"]) for row in rows}
    return _interval(values) if values else "–"


def _difference(rows: list[dict[str, str]], one: str, other: str) -> str:
    scores = [
        {(row["case"], row["object"]): float(row["dice"]) for row in rows if row["variant"] == variant}
        for variant in (one, other)
    ]
    return _interval({key: scores[0][key] - scores[1][key] for key in scores[0].keys() & scores[1].keys()}, sign="+")


def _interval(values: dict[tuple[str, str], float], sign: str = "") -> str:
    """Mean over objects and its interval; whole patients are drawn, with all their objects."""
    patients: dict[str, list[float]] = {}
    for (case, _), value in sorted(values.items()):
        patients.setdefault(case, []).append(value)
    mean = f"{np.mean(list(values.values())):{sign}.3f}"
    counted = f"{len(values)} objects, {len(patients)} patients"
    if len(patients) < 3:
        return f"{mean} ({counted}, too few for an interval)"
    sums, counts = np.array([(sum(each), len(each)) for each in patients.values()], float).T
    found = stats.bootstrap(
        (sums, counts),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return f"{mean} [{found.low:{sign}.3f}, {found.high:{sign}.3f}] ({counted})"


if __name__ == "__main__":
    main()
