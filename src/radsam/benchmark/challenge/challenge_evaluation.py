"""The challenge's evaluation: one box, then five clicks at the centre of the largest error, scored at each step.

As in the challenge's own script: DSC and NSD are means over the classes of a case; NSD has a
tolerance of 2 (in the unit of the spacing, taken in the order of the file) and counts as 0 where DSC is 0.2
or less; the areas under the curves run over the five clicks; a case without boxes scores 0 at its first step.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from scipy import integrate

from radsam.benchmark.challenge.challenge_case import case_from_arrays, read_npz, write_segmentation
from radsam.benchmark.challenge.challenge_prediction import find_cases, predict
from radsam.benchmark.surface_metrics import surface_score
from radsam.disk.atomic_write import make_folder, replacing
from radsam.disk.utf8_path import PRINTABLE
from radsam.errors import InputError
from radsam.io.input_files import refuse_inputs
from radsam.metrics import dice
from radsam.session import Engine
from radsam.simulate import centre_voxel

CLICKS = 5
_TOLERANCE, _LEAST_DICE = 2.0, 0.2
#: The challenge sets the scores of a case to 0 beyond this time for each class, over all steps.
SECONDS_PER_CLASS = 90.0


@dataclass(frozen=True)
class CaseScore:
    """One case, step by step: the box, then each click.

    Args:
        case: Its name.
        dsc: DSC of each step.
        nsd: NSD of each step.
        seconds: Time of each step.
        classes: Number of classes.
    """

    case: str
    dsc: tuple[float, ...]
    nsd: tuple[float, ...]
    seconds: tuple[float, ...]
    classes: int

    @property
    def dsc_auc(self) -> float:
        """Area under DSC over the clicks, 0 to 4."""
        return float(integrate.trapezoid(self.dsc[-CLICKS:]))

    @property
    def nsd_auc(self) -> float:
        """Area under NSD over the clicks, 0 to 4."""
        return float(integrate.trapezoid(self.nsd[-CLICKS:]))

    @property
    def in_time(self) -> bool:
        """Whether it is within the challenge's limit."""
        return sum(self.seconds) <= SECONDS_PER_CLASS * self.classes

    def columns(self) -> dict[str, object]:
        """The columns of the challenge's table of metrics."""
        steps = range(1, CLICKS + 2)
        return {
            "CaseName": self.case,
            "TotalRunningTime": sum(self.seconds),
            **{f"RunningTime_{step}": self.seconds[step - 1] for step in steps},
            "DSC_AUC": self.dsc_auc,
            "NSD_AUC": self.nsd_auc,
            "DSC_Final": self.dsc[-1],
            "NSD_Final": self.nsd[-1],
            **{f"DSC_{step}": self.dsc[step - 1] for step in steps},
            **{f"NSD_{step}": self.nsd[step - 1] for step in steps},
            "num_class": self.classes,
            "runtime_upperbound": SECONDS_PER_CLASS * self.classes,
        }


def evaluate_folder(
    engine: Engine,
    source: Path,
    truths: Path | None,
    target: Path,
    *,
    spacing_is_xyz: bool = True,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[CaseScore]:
    """Evaluate the model on every case of a folder; segmentations and ``metrics.csv`` go to `target`.

    Args:
        engine: The model.
        source: Folder with one .npz per case.
        truths: Folder with .npz of the same names that hold ``gts``; None if the cases hold them.
        target: Folder of the segmentations.
        spacing_is_xyz: See `radsam.benchmark.challenge.challenge_case.read_case`.
        progress: Called with the number of steps done and of all steps.

    Raises:
        InputError: A case or its truth is missing or cannot be read.
        OutputError: The folder cannot be written, or is that of the cases or truths.
    """
    cases = find_cases(source)
    read = [*cases, *(truths / each.name for each in cases if truths)]
    refuse_inputs([target / each.name for each in cases], read)
    make_folder(target)
    scores = []
    for number, path in enumerate(cases):
        content = read_npz(path)
        truth = _truth(path, truths, content)
        content.pop("gts", None)  # the model must not see it

        def report(step: int, before: int = number * (CLICKS + 1)) -> None:
            progress(before + step, len(cases) * (CLICKS + 1))

        scores.append(_evaluate(engine, path, content, truth, target, spacing_is_xyz, report))
        _write_metrics(target / "metrics.csv", scores)
    return scores


def _evaluate(
    engine: Engine,
    path: Path,
    content: dict[str, Any],
    truth: Shaped[np.ndarray, "d h w"],
    target: Path,
    spacing_is_xyz: bool,
    report: Callable[[int], None],
) -> CaseScore:
    classes = [int(value) for value in np.unique(truth) if value]
    clicks: list[dict[str, list[list[int]]]] = [{"fg": [], "bg": []} for _ in classes]
    order: list[list[str]] = [[] for _ in classes]
    found = np.zeros(truth.shape, np.uint8)
    every: list[UInt8[np.ndarray, "d h w"]] = []
    dsc, nsd, seconds = [], [], []
    for step in range(CLICKS + 1):
        if step:
            _add_clicks(found, truth, classes, clicks, order)
            content |= {"clicks": clicks, "clicks_order": order, "prev_pred": found}
        if step or "boxes" in content:
            started = time.perf_counter()
            # Lists of unequal length: arrays of objects, as in a file.
            arrays = content | {"clicks_order": _objects(order), "clicks": _objects(clicks)}
            found = predict(engine, case_from_arrays(arrays, str(path), spacing_is_xyz=spacing_is_xyz))
            seconds.append(time.perf_counter() - started)
            scored = _score(found, truth, classes, np.asarray(content["spacing"], float))
        else:
            seconds.append(0.0)
            scored = 0.0, 0.0
        dsc.append(scored[0])
        nsd.append(scored[1])
        every.append(found)
        report(step + 1)
    write_segmentation(target / path.name, found, all_segs=np.stack(every))
    return CaseScore(path.name, tuple(dsc), tuple(nsd), tuple(seconds), len(classes))


def _add_clicks(
    found: UInt8[np.ndarray, "d h w"],
    truth: Shaped[np.ndarray, "d h w"],
    classes: list[int],
    clicks: list[dict[str, list[list[int]]]],
    order: list[list[str]],
) -> None:
    """Add one click to each class with an error."""
    for number, value in enumerate(classes):
        click = centre_voxel(found == value, truth == value)
        if click is not None:
            sign = "fg" if click.positive else "bg"
            clicks[number][sign].append([click.k, click.j, click.i])
            order[number].append(sign)


def _score(
    found: UInt8[np.ndarray, "d h w"],
    truth: Shaped[np.ndarray, "d h w"],
    classes: list[int],
    spacing: np.ndarray,
) -> tuple[float, float]:
    dsc = float(np.mean([dice(found == value, truth == value) for value in classes]))
    if dsc <= _LEAST_DICE:
        return dsc, 0.0
    # The challenge's script uses the numbers in their stored order for arrays of (d, h, w).
    k_mm, j_mm, i_mm = (float(each) for each in spacing.ravel())
    surfaces = [surface_score(found == value, truth == value, (i_mm, j_mm, k_mm), _TOLERANCE).nsd for value in classes]
    return dsc, float(np.mean(surfaces))


def _truth(path: Path, truths: Path | None, content: dict[str, Any]) -> Shaped[np.ndarray, "d h w"]:
    source = path if truths is None else truths / path.name
    arrays_with_truth = content if truths is None else read_npz(source)
    if "gts" not in arrays_with_truth:
        raise InputError(f"{source} has no truth under the key gts. Give the folder of the truths with --truth.")
    truth = np.asarray(arrays_with_truth["gts"])
    image_shape = np.asarray(content.get("imgs", ())).shape
    if truth.shape != image_shape:
        raise InputError(f"The truth in {source} is {truth.shape}, the image {image_shape}.")
    if not truth.any():
        raise InputError(f"The truth in {source} is empty: there is nothing to segment.")
    return truth


def _objects(values: list[Any]) -> np.ndarray:
    listed = np.empty(len(values), object)
    for number, value in enumerate(values):
        listed[number] = value
    return listed


def _write_metrics(path: Path, scores: list[CaseScore]) -> None:
    with replacing(path) as partial, partial.open("w", encoding="utf-8", errors=PRINTABLE, newline="") as file:
        writer = csv.DictWriter(file, [*scores[0].columns()], lineterminator="\n")
        writer.writeheader()
        writer.writerows(score.columns() for score in scores)
