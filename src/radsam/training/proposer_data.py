"""What the head of a proposer is trained on: finished cases, reduced once, and pieces of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from radsam.disk.atomic_write import private_file, private_folder
from radsam.errors import DatasetError
from radsam.predictor.slice_predictor import SlicePredictor
from radsam.proposer.label_answer import BLOCK
from radsam.proposer.reduced_slices import (
    DETAIL,
    PLACE_VALUES,
    Covered,
    MayGoOn,
    ReducedSlices,
    ReducedStore,
    Reduction,
    WholeSlices,
    covered,
)
from radsam.proposer.slice_order import usual_plane
from radsam.session.engine import Engine
from radsam.volume import Plane, Volume

#: Cases, slices of each and cells of each slice that a reduction is fitted to.
_FIT_CASES, _FIT_SLICES, _FIT_CELLS = 4, 12, 512
#: So many cases are prepared, whatever time it takes.
FEWEST_CASES = 3
#: A label is in one piece if its largest piece has this share of its pixels, on average.
ONE_PIECE = 0.95
#: Slices, and cells along a side, of a piece: larger ones show more of the body, but time allows fewer of them.
DEPTH, SIDE = 16, 16
#: Share of pieces around an object; the others lie anywhere in the body.
_AT_OBJECTS = 0.8
#: How far the middle of a piece lies from the chosen pixel, as a share of its sides.
_JITTER = 0.35


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """A finished case.

    Args:
        id: Its name.
        patient: Whose it is: cases of a patient are held out together.
        volume: Reads the volume.
        masks: Label to what reads its mask; None where the case does not have what the label means. Labels that are
            not finished are left out.
    """

    id: str
    patient: str
    volume: Callable[[], Volume]
    masks: Mapping[str, Callable[[], Bool[np.ndarray, "k j i"]] | None]


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A finished case as the head sees it.

    Args:
        case: The case.
        reduced: Its slices.
        targets: Label to its pixels; None where it is absent. Labels that are not known are left out.
    """

    case: TrainingCase
    reduced: ReducedSlices
    targets: Mapping[str, Covered | None]

    def mask(self, label: str) -> Bool[np.ndarray, "k h h"]:
        """Return the pixels of an answer that belong to a label; none where it is absent."""
        size = self.reduced.answer_size
        whole = np.zeros((len(self.reduced), size, size), bool)
        target = self.targets.get(label)
        if target is not None:
            whole[target[0]] = target[1] >= 128
        return whole

    def is_one_piece(self, label: str) -> float:
        """Return the share of a label's pixels that its largest piece has."""
        target = self.targets.get(label)
        if target is None:
            return 1.0
        pieces, _ = ndimage.label(target[1] > 0)
        sizes = np.bincount(pieces.ravel())[1:]
        return float(sizes.max() / sizes.sum())


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of a case.

    Args:
        slices: The head's input.
        target: Share of each pixel that each label covers.
        known: 1 for labels that the case has, 0 where unknown, `absent_weight` where absent.
    """

    slices: Float32[np.ndarray, "c d r q"]
    target: Float32[np.ndarray, "l d h w"]
    known: Float32[np.ndarray, " l"]


class FinishedCases:
    """Finished cases, prepared one after the other; memory holds the objects' boxes, the disk the slices.

    Args:
        cases: The cases.
        engine: Encodes slices that are not stored yet.
        store: The stored slices.
        pause: Asked before every slice.
        progress: Gets the share of the cases that are prepared.
        seed: Of the draws.
        enough: Whether no more cases are to be prepared; called once there are as many as `FEWEST_CASES`.

    Raises:
        DatasetError: There is no case with an object.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        engine: Engine,
        store: ReducedStore,
        pause: MayGoOn | None,
        progress: Callable[[float], None],
        seed: int,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        self.labels = tuple(dict.fromkeys(label for case in cases for label in case.masks))
        self._engine, self._store, self._pause = engine, store, pause
        self.plane, self.reduction = self._stored_basis(cases, seed)
        self.cases: list[PreparedCase] = []
        for number, case in enumerate(cases):
            if number >= FEWEST_CASES and enough():
                break
            self.cases.append(self._prepared(case))
            progress((number + 1) / len(cases))
        if not any(target for each in self.cases for target in each.targets.values()):
            raise DatasetError(
                "No finished case has an object to learn from. Finish a case in which a label is present."
            )

    def _stored_basis(self, cases: Sequence[TrainingCase], seed: int) -> tuple[Plane, Reduction]:
        """Return the plane and the reduction that the stored slices were made with, or choose them from the cases."""
        first = cases[0].volume()
        self.encoder_hash = self._predictor(first).encoder_hash
        path = self._store.folder / f"reduction-{self.encoder_hash[:16]}.npz"
        stored = _read_basis(path)
        if stored:
            return stored
        plane = usual_plane(first.geometry)
        rng = np.random.default_rng(seed)
        drawn = []
        for number, case in enumerate(cases[:_FIT_CASES]):
            volume = first if number == 0 else case.volume()
            seen = WholeSlices(self._predictor(volume), volume, plane)
            drawn.append(seen.cells(rng, _FIT_SLICES, _FIT_CELLS, self._pause))
        reduction = Reduction.fit(np.concatenate(drawn))
        private_folder(self._store.folder)
        with private_file(path) as file:
            np.savez(file, mean=reduction.mean, matrix=reduction.matrix, plane=plane.value)
        return plane, reduction

    def _predictor(self, volume: Volume) -> SlicePredictor:
        return self._engine.for_modality(volume.modality).predictor

    def _prepared(self, case: TrainingCase) -> PreparedCase:
        volume = case.volume()
        seen = WholeSlices(self._predictor(volume), volume, self.plane)
        reduced = self._store.reduced(seen, self.reduction, self._pause)
        targets: dict[str, Covered | None] = {}
        for label, read in case.masks.items():
            if read is None:
                targets[label] = None
            elif found := covered(read(), reduced.order, reduced.frame, reduced.answer_size):
                targets[label] = found
        return PreparedCase(case, reduced, targets)


def _read_basis(path: Path) -> tuple[Plane, Reduction] | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Plane(str(arrays["plane"])), Reduction(arrays["mean"], arrays["matrix"])
    except Exception:  # missing, or damaged in one of many ways
        return None


class PieceSampler:
    """Draws pieces of cases, most of them around objects, changed a little so that no two are equal.

    Args:
        cases: The cases.
        labels: The labels, in the order of the targets.
        absent_weight: How much the pixels of a case count that is marked as not having a label.
        rng: Of the draws.
    """

    def __init__(
        self, cases: Sequence[PreparedCase], labels: Sequence[str], absent_weight: float, rng: np.random.Generator
    ) -> None:
        self.cases, self.labels = list(cases), tuple(labels)
        self._absent_weight, self._rng = absent_weight, rng

    def draw(self) -> Piece:
        """Draw a piece."""
        rng = self._rng
        case = self.cases[rng.integers(len(self.cases))]
        reduced = case.reduced
        side = min(SIDE, -(-reduced.grid_size // BLOCK) * BLOCK)
        size = np.array([DEPTH, side, side])
        whole = np.array([len(reduced), reduced.grid_size, reduced.grid_size])
        middle = self._middle(case) + rng.uniform(-_JITTER, _JITTER, 3) * size
        start = np.clip((middle - size / 2).round().astype(int), 0, np.maximum(0, whole - size))
        stop = np.minimum(start + size, whole)
        slab, rows, cols = (slice(a, b) for a, b in zip(start.tolist(), stop.tolist(), strict=True))
        short = [(0, int(n - (b - a))) for n, a, b in zip(size, start, stop, strict=True)]
        slices = np.pad(self._changed(reduced.stack(slab, rows, cols)), [(0, 0), *short], mode="edge")
        target = np.zeros((len(self.labels), DEPTH, DETAIL * side, DETAIL * side), np.float32)
        known = np.zeros(len(self.labels), np.float32)
        for at, label in enumerate(self.labels):
            if label in case.targets:
                found = case.targets[label]
                known[at] = self._absent_weight if found is None else 1.0
                if found is not None:
                    _put(target[at], (slab.start, DETAIL * rows.start, DETAIL * cols.start), found)
        return Piece(slices, target, known)

    def _middle(self, case: PreparedCase) -> np.ndarray:
        """Choose a cell: of an object, or anywhere in the body."""
        rng, reduced = self._rng, case.reduced
        present = [target for target in case.targets.values() if target]
        if present and rng.random() < _AT_OBJECTS:
            box, values = present[rng.integers(len(present))]
            inside = np.flatnonzero(values)
            at = np.array(np.unravel_index(inside[rng.integers(inside.size)], values.shape))
            return np.asarray((at + [each.start for each in box]) / [1, DETAIL, DETAIL])
        slice_at = int(rng.integers(len(reduced)))
        top, bottom, left, right = reduced.extent[slice_at]
        return np.array([slice_at, rng.uniform(top, bottom), rng.uniform(left, right)])

    def _changed(self, stack: Float32[np.ndarray, "c d r q"]) -> Float32[np.ndarray, "c d r q"]:
        """Scale and shift channels a little: another scanner, another place in the body."""
        rng, fine = self._rng, DETAIL * DETAIL
        channels = len(stack) - PLACE_VALUES - fine
        scale, shift = np.ones(len(stack)), np.zeros(len(stack))
        scale[:channels] += rng.normal(0, 0.1, channels)
        shift[:channels] = rng.normal(0, 0.15, channels)
        shift[channels : channels + 4] = rng.normal(0, 0.05, 4)
        scale[channels + 4 : channels + PLACE_VALUES] += rng.normal(0, 0.05, 2)
        scale[-fine:] += rng.normal(0, 0.08)
        shift[-fine:] = rng.normal(0, 0.03)
        changed = stack * scale[:, None, None, None] + shift[:, None, None, None]
        return np.asarray(changed, np.float32)


def _put(target: Float32[np.ndarray, "depth height width"], origin: tuple[int, int, int], found: Covered) -> None:
    """Write a label's pixels into a piece that starts at `origin`, as far as they lie in it."""
    box, values = found
    into, take = [], []
    for each, start, length in zip(box, origin, target.shape, strict=True):
        low, high = max(each.start, start), min(each.stop, start + length)
        if low >= high:
            return
        into.append(slice(low - start, high - start))
        take.append(slice(low - each.start, high - each.start))
    target[tuple(into)] = values[tuple(take)] / 255
