"""Scenes: runs of neighbouring slices in one view, the unit that is encoded and trained on.

Every case gives its labelled slices as inference sees them, with one slice more at each
end for propagation. Random scenes are crops around single objects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8, UInt16

from radsam.data.stored_case import StoredCase
from radsam.data.training_store import Store
from radsam.errors import InputError
from radsam.preprocess import SliceFrame, Window
from radsam.runtime import BundleSpec
from radsam.training.slice_view import View
from radsam.training.training_config import DataConfig, EmbeddingsConfig

#: One row for each object on each slice.
OBJECT_ROW = np.dtype([("owner", np.int32), ("slice", np.int32), ("object", np.int32), ("area", np.int32)])


@runtime_checkable  # so that the tests can check signatures that name it
class SeenCase(Protocol):
    """What a view has to know of a case."""

    @property
    def window(self) -> Window | None:
        """Its own window; None for a CT, which has that of the configuration."""

    @property
    def outside(self) -> float:
        """The value around its slices."""

    @property
    def row_mm(self) -> float:
        """Distance between rows."""

    @property
    def col_mm(self) -> float:
        """Distance between columns."""


@dataclass(frozen=True)
class Scene:
    """Neighbouring slices of one case, all in one view.

    Args:
        case_number: Index of the case in the store.
        first: The first slice.
        count: Number of slices.
        view: The view.
        seed: Seed of the view's noise.
    """

    case_number: int
    first: int
    count: int
    view: View
    seed: int = 0

    @property
    def identity(self) -> str:
        """All that the scene depends on, for hashes."""
        where = f"case_number={self.case_number}, first={self.first}, count={self.count}"
        return f"Scene({where}, view={self.view.identity}, seed={self.seed})"


@dataclass(eq=False)
class Scenes:
    """The scenes of a run: their objects, and the frame in the model's input.

    Args:
        store: The labelled slices.
        spec: The model.
        scenes: The runs of slices.
        objects: Rows of `OBJECT_ROW`: owner is the scene's number, slice counts within the scene.
        identity: Hash of all that the scenes depend on.
    """

    store: Store
    spec: BundleSpec
    scenes: tuple[Scene, ...]
    objects: np.ndarray
    identity: str

    def for_episode(self, scene: int, index: int, object_id: int, rng: np.random.Generator) -> Scenes:
        """The scenes as an episode sees them that starts with an object on slice `index` of a scene."""
        return self

    def frame(self, scene: int) -> SliceFrame:
        """How a scene's slices lie in the model's input."""
        return self.scenes[scene].view.frame(self.spec, self.scenes[scene].count)

    def mask(self, scene: int, index: int, object_id: int) -> Bool[np.ndarray, "rows cols"]:
        """The true mask of an object on slice `index` of a scene; empty where it is not."""
        return np.asarray(ids_seen(self.store, self.scenes[scene], index) == object_id)

    def reaches(self, scene: int, index: int, *, encoded: bool = True) -> bool:
        """Whether a scene has a slice `index`; its case, where only labels are wanted and not what the model sees."""
        seen = self.scenes[scene]
        if encoded:
            return 0 <= index < seen.count
        return 0 <= seen.first + index < self.store.cases[seen.case_number].grid.count

    def image(self, scene: int, index: int) -> Float32[np.ndarray, "3 n n"]:
        """The model's input for slice `index` of a scene."""
        return scene_image(self.store, self.spec, self.scenes[scene], index)

    def split(self, scene: int) -> str:
        """The split that a scene's case belongs to."""
        return str(self.store.cases[self.scenes[scene].case_number].split)

    def case_name(self, scene: int) -> str:
        """The name of a scene's case."""
        return str(self.store.cases[self.scenes[scene].case_number].case_id)


def scene_image(store: Store, spec: BundleSpec, scene: Scene, index: int) -> Float32[np.ndarray, "3 n n"]:
    """The model's input for slice `index` of a scene, as inference would make it."""
    view = scene.view
    seen = view.values(
        # A seed is not negative, but a mask may come from a slice before the scene's first.
        np.asarray(store.cases[scene.case_number].values[scene.first + index]),
        np.random.default_rng([scene.seed, index % 2**32]),
    )
    return view.frame(spec, scene.count).image(seen, spec.normalisation(view.window))


def ids_seen(
    store: Store, scene: Scene, index: int
) -> UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"]:
    """The object ids on slice `index` of a scene, as its view sees them."""
    return scene.view.ids(np.asarray(store.cases[scene.case_number].ids[scene.first + index]))


def plan_scenes(store: Store, data: DataConfig, embeddings: EmbeddingsConfig) -> list[Scene]:
    """Choose the scenes: a pure function of the store and the configuration.

    Raises:
        InputError: A split has no usable case, or an exclusion or weight names no case.
    """
    chosen = chosen_cases(store, data)
    _require_names(store, list(embeddings.whole_share))
    scenes: list[Scene] = []
    for number in chosen:
        case = store.cases[number]
        held = _slices_with_objects(case, data.min_pixels)
        # Validation propagates from one end of an object to the other: no gaps.
        runs = [_span(held)]
        if case.split == data.train_split:
            share = _match(case.case_id, embeddings.whole_share)
            runs = _runs(held) if share >= 1 else _some_runs(held, share, embeddings, number)
        view = whole_view(case, case.grid.display_shape, embeddings)
        scenes += [Scene(number, first, count, view) for first, count in runs]
    if embeddings.scenes:
        rows = _object_rows(store, [n for n in chosen if store.cases[n].split == data.train_split], data.min_pixels)
        shares = draw_shares(rows, [case.case_id for case in store.cases], data)
        scenes += [_random_scene(store, rows, shares, embeddings, n) for n in range(embeddings.scenes)]
    return scenes


def chosen_cases(store: Store, data: DataConfig) -> list[int]:
    """Numbers of the cases that are trained on or validated with.

    Raises:
        InputError: A split is empty, or an exclusion or weight names no case.
    """
    _require_names(store, [each.case for each in data.exclude] + list(data.weights))
    chosen = []
    for split in (data.train_split, data.val_split):
        found = [n for n, case in enumerate(store.cases) if case.split == split]
        excluded = [each.case for each in data.exclude]
        found = [n for n in found if not any(fnmatchcase(store.cases[n].case_id, pattern) for pattern in excluded)]
        found = [n for n in found if _slices_with_objects(store.cases[n], data.min_pixels).any()]
        if not found:
            raise InputError(
                f"The store has no labelled case in the split {split!r}; its splits are "
                f"{', '.join(sorted({case.split for case in store.cases}))}. Prepare it with cases of this split, or "
                "name another split in the section data."
            )
        chosen += found
    return chosen


def _require_names(store: Store, patterns: Sequence[str]) -> None:
    names = [case.case_id for case in store.cases]
    unused = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    if unused:
        raise InputError(f"The store has no case named {', '.join(unused)}; it has {', '.join(names)}.")


def draw_shares(rows: np.ndarray, owners: Sequence[str], data: DataConfig) -> Float[np.ndarray, " n"]:
    """How likely each row (an object on a slice) is drawn; adds up to 1.

    Args:
        rows: Rows of `OBJECT_ROW`.
        owners: Name of the case behind each value of ``owner``.
        data: Balance and weights.
    """
    _, inverse, counts = np.unique(rows[["owner", "object"]], return_inverse=True, return_counts=True)
    weight = np.array([_match(name, data.weights) for name in owners])
    shares = weight[rows["owner"]] * counts[inverse].astype(np.float64) ** -data.balance
    return np.asarray(shares / shares.sum())


def _match(name: str, values: Mapping[str, float]) -> float:
    """The value of the last pattern that matches; 1 where none does."""
    matching = [value for pattern, value in values.items() if fnmatchcase(name, pattern)]
    return matching[-1] if matching else 1.0


def rows_of(ids: np.ndarray, owner: int, index: int, min_pixels: int) -> np.ndarray:
    """List the objects of one slice that are large enough, as rows of `OBJECT_ROW`."""
    areas = np.bincount(ids.ravel())
    areas[0] = 0
    found = np.flatnonzero(areas >= min_pixels)
    rows = np.zeros(len(found), OBJECT_ROW)
    rows["owner"], rows["slice"], rows["object"], rows["area"] = owner, index, found, areas[found]
    return rows


def _object_rows(store: Store, numbers: Sequence[int], min_pixels: int) -> np.ndarray:
    index = store.index
    chosen = index[np.isin(index["case_number"], numbers) & (index["area_px"] >= min_pixels)]
    rows = np.zeros(len(chosen), OBJECT_ROW)
    rows["owner"], rows["slice"] = chosen["case_number"], chosen["slice"]
    rows["object"], rows["area"] = chosen["object_id"], chosen["area_px"]
    return rows


def _slices_with_objects(case: StoredCase, min_pixels: int) -> Bool[np.ndarray, " k"]:
    objects = case.objects
    held = np.zeros(case.grid.count, bool)
    held[objects["slice"][objects["area_px"] >= min_pixels]] = True
    return held


def _runs(held: Bool[np.ndarray, " k"]) -> list[tuple[int, int]]:
    """First slice and length of each run of labelled slices and their neighbours."""
    wanted = held.copy()
    wanted[1:] |= held[:-1]
    wanted[:-1] |= held[1:]
    steps = np.diff(np.concatenate([[0], wanted.astype(np.int8), [0]]))
    firsts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [(int(first), int(end - first)) for first, end in zip(firsts, ends, strict=True)]


def _some_runs(
    held: Bool[np.ndarray, " k"], share: float, config: EmbeddingsConfig, case_number: int
) -> list[tuple[int, int]]:
    """Cut the runs into pieces and keep a random share of them."""
    length = config.scene_slices
    pieces = [
        (start, min(length, first + count - start))
        for first, count in _runs(held)
        for start in range(first, first + count, length)
    ]
    rng = np.random.default_rng([config.seed, case_number])
    chosen = rng.permutation(len(pieces))[: round(share * len(pieces))]
    return [pieces[number] for number in sorted(chosen)]


def _span(held: Bool[np.ndarray, " k"]) -> tuple[int, int]:
    where: Int[np.ndarray, " n"] = np.flatnonzero(held)
    first, last = max(int(where[0]) - 1, 0), min(int(where[-1]) + 1, len(held) - 1)
    return first, last - first + 1


def _random_scene(
    store: Store, rows: np.ndarray, shares: Float[np.ndarray, " n"], config: EmbeddingsConfig, number: int
) -> Scene:
    rng = np.random.default_rng([config.seed, number])
    row = rows[rng.choice(len(rows), p=shares)]
    case = store.cases[int(row["owner"])]
    count = min(config.scene_slices, case.grid.count)
    first = int(np.clip(row["slice"] - rng.integers(count), 0, case.grid.count - count))
    object_pixels = (case.ids[first : first + count] == row["object"]).any(axis=0)
    view = random_view(case, random_crop(case, object_pixels, config, rng), config, rng)
    return Scene(int(row["owner"]), first, count, view, seed=int(rng.integers(2**31)))


def window_seen(case: SeenCase, config: EmbeddingsConfig) -> Window:
    """The window in which inference sees a case: that of CT, or the case's own."""
    return case.window or Window(*config.window)


def whole_view(case: SeenCase, shape: tuple[int, int], config: EmbeddingsConfig) -> View:
    """The view of inference."""
    return View.whole(shape, case.row_mm, case.col_mm, window_seen(case, config), case.outside)


def random_view(
    case: SeenCase, part: Sequence[tuple[int, float]], config: EmbeddingsConfig, rng: np.random.Generator
) -> View:
    """Draw turn, shear, window and noise of a view of one part of the slices (paper 3.4).

    Args:
        case: The case.
        part: Size in pixels and centre, for rows and for columns.
        config: How far the view may differ from that of inference.
        rng: Random generator.
    """
    (rows, centre_row), (cols, centre_col) = part
    window = window_seen(case, config)
    width = window.high - window.low
    jitter = config.window_jitter * width
    return View(
        rows=rows,
        cols=cols,
        row_mm=case.row_mm,
        col_mm=case.col_mm,
        centre_row=centre_row,
        centre_col=centre_col,
        angle_deg=float(rng.uniform(-1, 1) * config.max_angle_deg),
        shear=float(rng.uniform(-1, 1) * config.max_shear),
        window=Window(
            window.low + float(rng.uniform(-jitter, jitter)), window.high + float(rng.uniform(-jitter, jitter))
        ),
        noise=float(rng.uniform(0, config.max_noise * width)),
        outside=case.outside,
    )


def random_crop(
    case: SeenCase, pixels: Bool[np.ndarray, "r c"], config: EmbeddingsConfig, rng: np.random.Generator
) -> list[tuple[int, float]]:
    """Choose a square of random size, in millimetres, with the object's pixels anywhere in it.

    Returns:
        Size in pixels and centre, for rows and for columns.
    """
    spacing_mm = case.row_mm, case.col_mm
    longest_mm = max(n * mm for n, mm in zip(pixels.shape, spacing_mm, strict=True))
    held = [np.flatnonzero(pixels.any(axis=1 - axis)) for axis in range(2)]
    ranges = [(int(where[0]), int(where[-1])) for where in held]
    needed_mm = max((last - first + 1) * mm for (first, last), mm in zip(ranges, spacing_mm, strict=True))
    tightest, loosest = config.crop
    side_mm = needed_mm * math.exp(rng.uniform(math.log(tightest), math.log(loosest)))
    side_mm = max(min(side_mm, longest_mm), longest_mm / config.max_zoom, needed_mm)
    crop = []
    for (first, last), mm in zip(ranges, spacing_mm, strict=True):
        size = max(2, round(side_mm / mm))
        corner = first - int(rng.integers(max(1, size - (last - first))))
        crop.append((size, corner + (size - 1) / 2))
    return crop
