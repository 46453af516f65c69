"""Propagates the objects of a pack with finished weights, for `radsam.training.rollouts`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from radsam.data.packed_store import Pack, PackedCase
from radsam.errors import PromptError
from radsam.session.edit_request import SegmentRequest
from radsam.session.engine import Engine
from radsam.session.session import Session
from radsam.simulate import exact_box
from radsam.training.rollouts import Rollout, Rollouts
from radsam.volume import Bounds, Box, Geometry, Modality, Plane, SliceGrid, Volume

#: Objects of fewer voxels are not propagated.
_MIN_VOXELS = 50
#: A start that is not the largest slice has at least this share of the largest one's area.
_MIN_START_SHARE = 0.25

#: Called with the number of cases done and of all cases.
Progress = Callable[[int, int], None]


def record_rollouts(
    pack: Pack,
    engine: Engine,
    *,
    each: int = 1,
    largest: float = 0.6,
    bounded: float = 0.6,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Rollouts:
    """Propagate the objects of a pack, from an exact box, and keep their masks.

    Args:
        pack: The pack.
        engine: The model.
        each: Propagations of an object.
        largest: Share of them that start on its slice of largest area; the others start on any that is not small.
        bounded: Share of them that are given the bounds.
        seed: Seed of what is drawn.
        progress: Called after each case.
    """
    found: dict[tuple[str, int], tuple[Rollout, ...]] = {}
    for number, case in enumerate(pack.cases):
        session = engine.open(_volume(case), window=case.window)
        for object_id in case.extents:
            truth = np.asarray(case.ids == object_id)
            if np.count_nonzero(truth) < _MIN_VOXELS:
                continue
            rng = np.random.default_rng([seed, number, object_id])
            made = []
            for _ in range(each):
                areas = truth.sum(axis=(1, 2))
                enough, held = np.flatnonzero(areas >= _MIN_START_SHARE * areas.max()), np.flatnonzero(areas)
                start = int(areas.argmax()) if rng.random() < largest else int(rng.choice(enough))
                ends = (int(held[0]), int(held[-1])) if rng.random() < bounded else None
                made += _propagated(session, case, truth, start, ends)
            if made:
                found[case.case_id, object_id] = tuple(made)
        progress(number + 1, len(pack.cases))
    return found


def _propagated(
    session: Session,
    case: PackedCase,
    truth: Bool[np.ndarray, "k rows cols"],
    start: int,
    ends: tuple[int, int] | None,
) -> list[Rollout]:
    """One propagation; none where the model finds nothing."""
    grid = SliceGrid.of(session.volume.geometry, Plane.AXIAL)
    box = Box.on(grid, start, *exact_box(truth[start]))
    request = SegmentRequest(name="object", prompt=box, bounds=None if ends is None else Bounds(*ends))
    try:
        slices = session.segment(request).slices
    except PromptError:
        return []
    session.remove("object")
    masks = {case.first + index: one.mask for index, one in slices.items()}
    bounds = None if ends is None else (case.first + ends[0], case.first + ends[1])
    return [Rollout(case.first + start, bounds, masks)]


def _volume(case: PackedCase) -> Volume:
    """The slices of a case as a volume of their own."""
    slice_mm, row_mm, col_mm = case.spacing_mm
    geometry = Geometry.from_parts(case.ids.shape, (0.0, 0.0, 0.0), (col_mm, row_mm, slice_mm), np.eye(3))
    values = case.low + case.step * case.values.astype(np.float32)
    ct = case.modality is Modality.CT
    return Volume(np.rint(values).astype(np.int16) if ct else values, geometry, case.modality)
