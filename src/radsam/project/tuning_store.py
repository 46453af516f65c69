"""What the decoder is tuned on: finished masks on the slices that their sessions have seen, with their embeddings.

Each object becomes a case of a small training store, cut to what its session saw: the crop and the slices around
it. A case of the project is written whole or not at all, so that work that was stopped goes on with the next one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from radsam.data.stored_case import SliceObjects, describe_values, write_arrays
from radsam.data.training_store import VERSION
from radsam.disk.atomic_write import make_folder, replacing
from radsam.predictor import ObjectView, SlicePredictor
from radsam.preprocess import Crop, Window
from radsam.project.finished_mask import FinishedMask
from radsam.project.pause import Pause, WorkTime
from radsam.project.session_embeddings import SessionEmbeddings
from radsam.runtime import BundleSpec
from radsam.volume import Geometry, LabelVolume, Plane, RunMask, SliceGrid, Volume

#: Smaller parts of an object on a slice teach nothing; as in `radsam data prepare`.
MIN_PIXELS = 15
#: Slices of a scene: an episode goes from one to its neighbours.
SCENE_SLICES = 6
#: Slices beside an object that its case has, for masks that come from there.
_MARGIN = 3


@dataclass(frozen=True)
class TuningSlices:
    """What a store for tuning has.

    Args:
        objects: Number of objects.
        slices: Number of encoded slices.
        found: How many of them the annotators' sessions had encoded.
        encoded: How many were encoded for this.
    """

    objects: int = 0
    slices: int = 0
    found: int = 0
    encoded: int = 0

    def __add__(self, other: TuningSlices) -> TuningSlices:
        return TuningSlices(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def seen_by_session(
    volume: Volume, mask: Bool[np.ndarray, "k j i"], spec: BundleSpec, made: Mapping[str, Any]
) -> ObjectView:
    """Return how the session of a finished mask has seen its object.

    Args:
        volume: The volume.
        mask: The mask; not empty.
        spec: The model.
        made: The mask's provenance: "plane", "window" and "crop" as the session had them. A mask that did not come
            from a session gets the crop of a box on its largest slice.
    """
    grid = SliceGrid.of(volume.geometry, made.get("plane") or Plane.AXIAL)
    window = Window(*made["window"]) if made.get("window") else spec.window_of(volume)
    if "crop" in made:
        crop = None if made["crop"] is None else _crop_of(made["crop"])
    else:
        largest = max(range(grid.count), key=lambda index: int(np.count_nonzero(grid.take(mask, index))))
        box = RunMask.encode(grid.take(mask, largest)).enclosing_box
        assert box is not None
        crop = Crop.around(grid, box, ratio=spec.crop_ratio, max_zoom=spec.max_zoom)
    return ObjectView(grid, spec.normalisation(window), crop)


def _crop_of(stated: Mapping[str, int] | Sequence[int]) -> Crop:
    if isinstance(stated, Mapping):
        return Crop(*(int(stated[name]) for name in ("row", "col", "rows", "cols")))
    return Crop(*(int(each) for each in stated))


def write_tuning_store(
    cases: Sequence[Sequence[FinishedMask]],
    load: Callable[[str], Volume],
    predictor: SlicePredictor,
    embeddings: SessionEmbeddings,
    folder: Path,
    *,
    most_slices: int,
    seconds: float,
    pause: Pause,
    progress: Callable[[float], None] = lambda share: None,
    seed: int = 0,
) -> TuningSlices:
    """Write the objects of finished cases for `radsam.training.finished_tuning`.

    Time and slices are shared out evenly, so that the last case gets as many as the first.

    Args:
        cases: The finished masks of each case; absent ones are left out.
        load: Reads the volume of a case.
        predictor: Encodes slices that no session has encoded; its cache has `embeddings` behind it.
        embeddings: Counts them.
        folder: The folder of the tuning; what is there already is kept.
        most_slices: Most slices, of all cases.
        seconds: The longest that encoding may take.
        pause: Called before each slice.
        progress: Called with the share of the cases that are written.
        seed: Chooses which slices of a long object are taken.
    """
    work, total = WorkTime(pause, seconds), TuningSlices()
    for name in ("store/cases", "scenes", "done"):
        make_folder(folder / name)
    _write_json(
        folder / "store" / "store.json",
        {"format": "radsam-store", "version": VERSION, "plane": "axial", "min_pixels": MIN_PIXELS},
    )
    for number, masks in enumerate(cases):
        done = folder / "done" / f"{number:04d}.json"
        if not done.exists():
            share = (number + 1) / len(cases)
            budget = _Budget(int(share * most_slices) - total.slices, work, share * seconds)
            present = [each for each in masks if not each.absent]
            rng = np.random.default_rng([seed, number])
            _clear(folder, number)
            written = TuningSlices()
            if present:
                case = _Case(folder, number, load(present[0].case.id), predictor, embeddings, pause)
                written = case.write(present, budget, rng)
            _write_json(done, asdict(written))
        total += TuningSlices(**json.loads(done.read_text("utf-8")))
        progress((number + 1) / len(cases))
    return total


@dataclass
class _Budget:
    """What a case may take.

    Args:
        slices: Slices left.
        work: The time of all cases.
        until: Second of it at which this case ends.
    """

    slices: int
    work: WorkTime
    until: float

    @property
    def over(self) -> bool:
        return self.slices < 2 or self.work.spent >= self.until


class _Case:
    """Writes the objects of one case."""

    def __init__(
        self,
        folder: Path,
        number: int,
        volume: Volume,
        predictor: SlicePredictor,
        embeddings: SessionEmbeddings,
        pause: Pause,
    ) -> None:
        self._folder, self._number, self._volume = folder, number, volume
        self._predictor, self._embeddings, self._pause = predictor, embeddings, pause

    def write(self, masks: Sequence[FinishedMask], budget: _Budget, rng: np.random.Generator) -> TuningSlices:
        """Write all objects, then scene after scene of each in turn while the budget lasts; at least one of each."""
        found, missing = self._embeddings.found, self._embeddings.missing
        objects = [
            _Object(self._volume, each, self._predictor.spec, f"{self._number:04d}-{at:02d}", rng)
            for at, each in enumerate(masks)
        ]
        for each in objects:
            each.write(self._folder / "store" / "cases" / each.name)
        slices = 0
        for turn in range(max(len(each.runs) for each in objects)):
            for each in objects:
                if turn < len(each.runs) and not (turn and budget.over):
                    count = self._scene(each, turn)
                    slices += count
                    budget.slices -= count
        encoded = self._embeddings.missing - missing
        return TuningSlices(len(masks), slices, self._embeddings.found - found, encoded)

    def _scene(self, seen: _Object, turn: int) -> int:
        first, count = seen.runs[turn]
        stack = []
        for index in range(first, first + count):
            self._pause.wait()
            stack.append(self._predictor.encode(self._volume, seen.view, index).embedding)
        path = self._folder / "scenes" / f"{seen.name}-{turn:02d}.npy"
        with replacing(path) as scratch, scratch.open("wb") as stream:
            np.save(stream, np.stack(stack))
        window = seen.view.normalisation.window
        stated = {"case": seen.name, "first": first - seen.first, "count": count, "window": [window.low, window.high]}
        _write_json(path.with_suffix(".json"), stated)
        return count


class _Object:
    """A finished object as its session saw it."""

    def __init__(
        self, volume: Volume, mask: FinishedMask, spec: BundleSpec, name: str, rng: np.random.Generator
    ) -> None:
        voxels = mask.voxels()
        self.name, self._case, self._volume = name, mask.case, volume
        self.view = seen_by_session(volume, voxels, spec, mask.provenance)
        grid = self.view.grid
        crop = self.view.crop or Crop(0, 0, *grid.display_shape)
        held = np.array([grid.take(voxels, index).any() for index in range(grid.count)])
        low, high = int(held.argmax()), grid.count - 1 - int(held[::-1].argmax())
        self.first, last = max(0, low - _MARGIN), min(grid.count - 1, high + _MARGIN)
        self._numbers = range(self.first, last + 1)
        self._ids = np.stack([crop.take(grid.to_display(grid.take(voxels, n))) for n in self._numbers]).astype(np.uint8)
        self._values = np.stack([crop.take(grid.to_display(grid.take(volume.values, n))) for n in self._numbers])
        areas = self._ids.sum(axis=(1, 2))
        self.runs = _runs(areas, self.first, max(self.first, low - 1), min(last, high + 1), rng)

    def write(self, folder: Path) -> None:
        """Write it as a case of a training store."""
        make_folder(folder)
        grid = self.view.grid
        row_mm, col_mm = grid.display_spacing_mm
        slice_mm = self._volume.geometry.spacing_mm_ijk[grid.axis]
        # As displayed, on a grid of its own: what the model sees has no other place in the patient.
        geometry = Geometry.from_parts(self._ids.shape, (0.0, 0.0, 0.0), (col_mm, row_mm, slice_mm), np.eye(3))
        seen = Volume(self._values, geometry, self._volume.modality)
        labels = LabelVolume(self._ids, geometry, {1: "object"})
        own = SliceGrid.of(geometry, Plane.AXIAL)
        write_arrays(folder, seen, labels, own, SliceObjects.of(labels, own, MIN_PIXELS).records)
        described = {
            "case_id": self._case.id,
            "split": "train",
            "patient": self._case.patient,
            "label_origin": "finished in the project",
            "licence": "not stated",
            **describe_values(seen),
            "plane": "axial",
            "shape_kji": [*self._ids.shape],
            "affine_lps": geometry.affine_lps.tolist(),
            "names": {"1": "object"},
        }
        _write_json(folder / "case.json", described)


def _runs(areas: np.ndarray, first: int, low: int, high: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Cut the slices low to high into runs: the one with the largest slice first, then both ends, then the others.

    Args:
        areas: Pixels of the object on slice `first` and those after it.
        first: That slice.
        low: First slice to encode.
        high: Last slice to encode.
        rng: Orders the others.

    Returns:
        First slice and length of each; each has at least 2 slices where there are as many, and holds the object.
    """
    pieces = max(1, round((high - low + 1) / SCENE_SLICES))
    ends = np.linspace(low, high + 1, pieces + 1).round().astype(int)
    runs = [(int(a), int(b - a)) for a, b in pairwise(ends)]
    held = [(a, count) for a, count in runs if areas[a - first : a - first + count].max() >= MIN_PIXELS]
    if not held:
        return []
    largest = max(held, key=lambda run: int(areas[run[0] - first : run[0] - first + run[1]].max()))
    order = list(dict.fromkeys([largest, held[0], held[-1]]))
    others = [run for run in held if run not in order]
    return order + [others[at] for at in rng.permutation(len(others))]


def _clear(folder: Path, number: int) -> None:
    """Remove what a process wrote of a case before it was stopped."""
    for path in (folder / "store" / "cases").glob(f"{number:04d}-*"):
        shutil.rmtree(path)
    for path in (folder / "scenes").glob(f"{number:04d}-*"):
        path.unlink()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(content) + "\n", "utf-8")
