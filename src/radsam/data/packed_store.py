"""A store's cases in one small file, for a machine that the store itself is too large for.

A pack is a zip: ``pack.json``, and for each case ``<case>/values.npy`` and ``<case>/ids.npy``, both uint8 or uint16
and indexed ``[slice, row, col]`` in the radiological display. Values are in steps of the case, clipped to a bit more
than its window; each is stored as its difference to the pixel before it, which compresses better. Reading needs numpy
alone.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16

from radsam.data.case import modality_named
from radsam.data.stored_case import AIR_HU, FACTS, StoredCase
from radsam.disk.atomic_write import replacing
from radsam.errors import DatasetError, OutputError, PromptError
from radsam.preprocess import Window
from radsam.volume import Modality

FORMAT, VERSION = "radsam-pack", 2
#: Version 1 has one step for all cases, which are CT.
_READ_VERSIONS = (1, VERSION)
_DESCRIPTION = "pack.json"
#: How a pack's name ends, so that a configuration may name one as its store.
PACK_SUFFIX = ".pack"

#: Slices kept before the first labelled one and after the last: masks come from there, and objects end there.
_MARGIN = 3
#: How far the kept values go beyond the window of a case, as a share of it: as far as its jitter in training.
_BEYOND_WINDOW = 0.1

#: Called with the number of cases done and of all cases.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PackedCase:
    """One case of a pack, in memory.

    Args:
        case_id: Its name.
        split: Its split.
        patient: Name or code of the patient.
        label_origin: Origin of the labels.
        licence: Under which terms it may be used.
        modality: What made the volume.
        window: The window of the case itself; None for a CT, which has that of the model.
        names: Object id to class name.
        first: The slice of the whole case that the first one here is.
        count: Slices of the whole case.
        spacing_mm: Distance between slices, rows and columns.
        values: In steps: ``low + step * value`` is in the volume's unit.
        low: What the value 0 means.
        step: What lies between values.
        ids: Object ids.
        extents: First, last and largest slice of each object, counted in the whole case.
    """

    case_id: str
    split: str
    patient: str
    label_origin: str
    licence: str
    modality: Modality
    window: Window | None
    names: Mapping[int, str]
    first: int
    count: int
    spacing_mm: tuple[float, float, float]
    values: UInt8[np.ndarray, "k rows cols"]
    low: float
    step: float
    ids: UInt8[np.ndarray, "k rows cols"] | UInt16[np.ndarray, "k rows cols"]
    extents: Mapping[int, tuple[int, int, int]]

    @property
    def row_mm(self) -> float:
        """Distance between rows."""
        return self.spacing_mm[1]

    @property
    def col_mm(self) -> float:
        """Distance between columns."""
        return self.spacing_mm[2]

    @property
    def outside(self) -> float:
        """The value around the slices; everything below the kept range looks alike."""
        return AIR_HU if self.modality is Modality.CT else self.low


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack, opened.

    Args:
        cases: The cases in order of their names.
    """

    cases: tuple[PackedCase, ...]


def write_pack(
    cases: Sequence[StoredCase],
    path: Path,
    *,
    window: tuple[float, float] = (-200.0, 280.0),
    step: float = 2.0,
    most_side_px: int = 256,
    most_bytes: int = 36_000_000,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write the labelled slices of cases into one file, with licence and origin of the labels of each.

    Args:
        cases: Cases of a store.
        path: The file.
        window: Lowest and highest HU of a CT that are kept: a training window with its jitter.
        step: HU that one step of a CT's value is; at most 256 steps. Other cases have 256 steps over a bit more than
            their own windows.
        most_side_px: Larger slices are shrunk to this.
        most_bytes: Largest file.
        progress: Called after each case.

    Raises:
        OutputError: The file cannot be written, or would be larger.
        DatasetError: There is no case, or the window has too many steps.
    """
    low, high = window
    if not cases:
        raise DatasetError("There is no case to pack. Name a split of the store that has some.")
    if not 0 < high - low <= 255 * step:
        raise DatasetError(
            f"A window of {high - low:g} HU in steps of {step:g} does not fit into a byte. Take larger steps."
        )
    described = []
    with replacing(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_LZMA) as archive:
        for number, case in enumerate(cases, start=1):
            scale = _Scale(low, high, step) if case.window is None else _Scale.around(case.window)
            kept, values, ids = _kept(case, scale, most_side_px)
            described.append(_describe(case, kept, values.shape, scale))
            differences = np.diff(values, axis=2, prepend=np.zeros_like(values[:, :, :1]))
            _write(archive, f"{case.case_id}/values.npy", differences)
            _write(archive, f"{case.case_id}/ids.npy", ids)
            size = scratch.stat().st_size
            if size > most_bytes:
                raise OutputError(
                    f"The pack has {size / 1e6:.0f} MB after {number} of {len(cases)} cases; at most "
                    f"{most_bytes / 1e6:.0f} are wanted. Take larger steps (--step), smaller slices or fewer cases."
                )
            progress(number, len(cases))
        facts = {"format": FORMAT, "version": VERSION, "cases": described}
        archive.writestr(_DESCRIPTION, json.dumps(facts, indent=1))


def read_pack(path: Path) -> Pack:
    """Read a pack.

    Raises:
        DatasetError: It is missing, broken, or of another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read(_DESCRIPTION))
            if facts["format"] != FORMAT or facts["version"] not in _READ_VERSIONS:
                raise DatasetError(
                    f"{path} is a {facts['format']!r} of version {facts['version']}, not a pack of version {VERSION}. "
                    "Make it again with radsam data pack."
                )
            of_all = {"low": facts["low"], "step": facts["step_hu"]} if facts["version"] == 1 else {}
            cases = tuple(_read_case(archive, of_all | case) for case in facts["cases"])
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError, PromptError) as error:
        raise DatasetError(f"{path} is not a pack of training cases, or it is broken ({error}).") from error
    return Pack(cases)


@dataclass(frozen=True)
class _Scale:
    """The kept range of values, and its steps."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, window: Window) -> _Scale:
        """As many steps as a byte has, over a bit more than a window."""
        beyond = _BEYOND_WINDOW * (window.high - window.low)
        low, high = window.low - beyond, window.high + beyond
        return cls(low, high, (high - low) / 255)


def _kept(
    case: StoredCase, scale: _Scale, most_side_px: int
) -> tuple[slice, UInt8[np.ndarray, "k rows cols"], np.ndarray]:
    """The slices that are kept, their values and their ids."""
    labelled = case.objects["slice"]
    kept = slice(max(0, int(labelled.min()) - _MARGIN), int(labelled.max()) + 1 + _MARGIN)
    values, ids = np.asarray(case.values[kept]).astype(np.float32), np.asarray(case.ids[kept])
    shrink = most_side_px / max(values.shape[1:])
    if shrink < 1:
        shape = round(values.shape[1] * shrink), round(values.shape[2] * shrink)
        values, ids = _shrunk(values, shape), _nearest(ids, shape)
    steps = np.rint((np.clip(values, scale.low, scale.high) - scale.low) / scale.step)
    return kept, steps.clip(0, 255).astype(np.uint8), ids


def _describe(case: StoredCase, kept: slice, shape: tuple[int, ...], scale: _Scale) -> dict[str, Any]:
    rows, cols = case.values.shape[1:]
    return {
        **{name: getattr(case, name) for name in FACTS},
        "modality": case.modality.value,
        "window": None if case.window is None else [case.window.low, case.window.high],
        "low": scale.low,
        "step": scale.step,
        "names": {str(number): name for number, name in case.names.items()},
        "first": kept.start,
        "count": case.grid.count,
        # A shrunk slice has larger pixels.
        "spacing_mm": [case.slice_mm, case.row_mm * rows / shape[1], case.col_mm * cols / shape[2]],
        "extents": {str(number): case.extent(int(number)) for number in np.unique(case.objects["object_id"])},
    }


def _shrunk(slices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    rows, cols = shape
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((cols, rows), Image.Resampling.BILINEAR)) for each in slices]
    )


def _nearest(slices: Shaped[np.ndarray, "k r c"], shape: tuple[int, int]) -> Shaped[np.ndarray, "k rows cols"]:
    rows, cols = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for old, new in zip(slices.shape[1:], shape, strict=True)
    )
    return np.asarray(slices[:, rows[:, None], cols])


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    stream = io.BytesIO()
    np.save(stream, array)
    archive.writestr(name, stream.getvalue())


def _read_case(archive: zipfile.ZipFile, facts: dict[str, Any]) -> PackedCase:
    values, ids = (
        np.load(io.BytesIO(archive.read(f"{facts['case_id']}/{name}.npy")), allow_pickle=False)
        for name in ("values", "ids")
    )
    return PackedCase(
        **{name: facts[name] for name in FACTS},
        modality=modality_named(facts["modality"]),
        window=Window(*window) if (window := facts.get("window")) else None,
        low=facts["low"],
        step=facts["step"],
        names={int(number): name for number, name in facts["names"].items()},
        first=facts["first"],
        count=facts["count"],
        spacing_mm=tuple(facts["spacing_mm"]),
        values=np.cumsum(values, axis=2, dtype=np.uint8),
        ids=ids,
        extents={int(number): tuple(each) for number, each in facts["extents"].items()},
    )
