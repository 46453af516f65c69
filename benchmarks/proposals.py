"""Dice of proposals without a prompt, on cases that were not trained on, by the number of finished cases.

Every folder holds ``ct.nii.gz`` and ``seg.nii.gz``; names of the labels come from ``manifest.json`` two folders up. The
last cases, in an order drawn by ``--seed``, are measured; the first ones are trained on. A label that a case does not
have is taken as not finished. Prints a Markdown table: Dice where nothing is proposed is 0. Example::

    python benchmarks/proposals.py DATA/ct/headneck_* --train 5 10 20 --measure 8 --minutes 2 --store /tmp/reduced
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import radsam
from radsam.project.proposer import Proposer
from radsam.session.edit_request import StartFromMaskRequest
from radsam.training.proposer_data import TrainingCase
from radsam.training.proposer_training import train_proposer


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path, nargs="+", help="folders with ct.nii.gz and seg.nii.gz")
    parser.add_argument("--train", type=int, nargs="+", default=[5, 10, 20], help="numbers of finished cases")
    parser.add_argument("--measure", type=int, default=8, help="number of cases that are measured")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0])
    parser.add_argument("--steps", type=int, help="number of steps instead of minutes, for a machine with other work")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, help="folder of reduced slices; a temporary one if left out")
    parser.add_argument("--refine", action="store_true", help="measure the masks after the decoder has seen them, too")
    arguments = parser.parse_args()
    engine = radsam.load(precision="f32")
    cases = sorted(arguments.cases)
    cases = [cases[at] for at in np.random.default_rng(arguments.seed).permutation(len(cases))]
    measured = cases[len(cases) - arguments.measure :]
    names = _names(cases[0])
    print("| finished cases | minutes | steps | " + " | ".join(names.values()) + " | mean | ≥ .7 | certainty off by |")
    print("|" + "---|" * (len(names) + 6))
    with tempfile.TemporaryDirectory() as scratch:
        store = arguments.store or Path(scratch) / "store"
        for count in arguments.train:
            for minutes in arguments.minutes:
                folder = Path(scratch) / f"{count}-{minutes}"
                trained = [_training_case(each, names) for each in cases[:count]]
                report = train_proposer(
                    trained,
                    engine,
                    folder,
                    minutes=minutes,
                    prepare_all=True,
                    steps=arguments.steps,
                    threads=arguments.threads,
                    store=store,
                    seed=arguments.seed,
                )
                found = _measure(measured, names, Proposer.read(folder, arguments.threads), engine, store, arguments)
                for title, scores, off in found:
                    rows = [_mean(scores[name]) for name in names.values()]
                    every = [each for name in names.values() for each in scores[name]]
                    good = f"{np.mean([each >= 0.7 for each in every]):.0%}"
                    parts = [
                        f"{count}{title}",
                        f"{report.seconds / 60:.1f}",
                        str(report.steps),
                        *rows,
                        _mean(every),
                        good,
                        _mean(off),
                    ]
                    print("| " + " | ".join(parts) + " |", flush=True)


def _mean(scores: list[float]) -> str:
    return f"{np.mean(scores):.3f}" if scores else "–"


def _names(case: Path) -> dict[int, str]:
    manifest = json.loads((case.resolve().parent.parent / "manifest.json").read_text())
    labels = {
        int(number): name
        for each in manifest
        if each["case"].split("_")[0] == case.name.split("_")[0]
        for number, name in each["labels"].items()
    }
    return dict(sorted(labels.items()))


def _training_case(case: Path, names: dict[int, str]) -> TrainingCase:
    ids = radsam.read_labels(case / "seg.nii.gz").ids
    present = [number for number in names if (ids == number).any()]
    reads: dict[str, Callable[[], np.ndarray] | None] = {names[each]: partial(_mask, case, each) for each in present}
    return TrainingCase(case.name, case.name, lambda: radsam.read_volume(case / "ct.nii.gz"), reads)


def _mask(case: Path, number: int) -> np.ndarray:
    return radsam.read_labels(case / "seg.nii.gz").ids == number


Measured = tuple[str, dict[str, list[float]], list[float]]


def _measure(
    cases: list[Path],
    names: dict[int, str],
    proposer: Proposer,
    engine: radsam.Engine,
    store: Path,
    arguments: argparse.Namespace,
) -> list[Measured]:
    """Return Dice by label and how far certainties are from it, of proposals and, where wanted, of refined ones."""
    plain: dict[str, list[float]] = {name: [] for name in names.values()}
    refined: dict[str, list[float]] = {name: [] for name in names.values()}
    off: list[float] = []
    started, refining = time.perf_counter(), 0.0
    for case in cases:
        volume, ids = radsam.read_volume(case / "ct.nii.gz"), radsam.read_labels(case / "seg.nii.gz").ids
        found = proposer.propose(volume, engine, store=store).proposals
        for number, name in names.items():
            truth = ids == number
            if not truth.any():
                continue
            proposal = found.get(name)
            plain[name].append(0.0 if proposal is None else radsam.dice(proposal.mask.decode(), truth))
            if proposal is None:
                refined[name].append(0.0)
                continue
            off.append(abs(proposal.certainty - plain[name][-1]))
            if arguments.refine:
                before = time.perf_counter()
                session = engine.open(volume)
                request = StartFromMaskRequest(name=name, mask=proposal.mask, plane=proposal.plane, refine=True)
                for _ in session.run(request):
                    pass
                refined[name].append(radsam.dice(session.mask(name), truth))
                refining += time.perf_counter() - before
    seconds = (time.perf_counter() - started - refining) / len(cases)
    print(f"<!-- {seconds:.1f} s a case to propose, {refining / len(cases):.1f} s to refine -->")
    return [("", plain, off)] + ([(" refined", refined, [])] if arguments.refine else [])


if __name__ == "__main__":
    main()
