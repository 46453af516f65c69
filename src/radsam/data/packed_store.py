"""A store's cases in one small file, for a machine that the store itself is too large for.

A pack is a zip: ``pack.json``, and for each case ``<case>/values.npy`` and ``<case>/ids.npy``, both uint8 or uint16
and indexed ``[slice, row, col]`` in the radiological display. Values are HU in steps, clipped to a window; each is
stored as its difference to the pixel before it, which compresses better. Reading needs numpy alone.
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

from radsam.data.stored_case import FACTS, StoredCase
from radsam.disk.atomic_write import replacing
from radsam.errors import DatasetError, OutputError

FORMAT, VERSION = "radsam-pack", 1
_DESCRIPTION = "pack.json"
#: How a pack's name ends, so that a configuration may name one as its store.
PACK_SUFFIX = ".pack"

#: Slices kept before the first labelled one and after the last: masks come from there, and objects end there.
_MARGIN = 3

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
        modality: DICOM modality.
        names: Object id to class name.
        first: The slice of the whole case that the first one here is.
        count: Slices of the whole case.
        spacing_mm: Distance between slices, rows and columns.
        values: HU in steps: ``low + step_hu * value``.
        ids: Object ids.
        extents: First, last and largest slice of each object, counted in the whole case.
    """

    case_id: str
    split: str
    patient: str
    label_origin: str
    licence: str
    modality: str
    names: Mapping[int, str]
    first: int
    count: int
    spacing_mm: tuple[float, float, float]
    values: UInt8[np.ndarray, "k rows cols"]
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


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack, opened.

    Args:
        low: HU of the value 0.
        step_hu: HU between values.
        cases: The cases in order of their names.
    """

    low: float
    step_hu: float
    cases: tuple[PackedCase, ...]


def write_pack(
    cases: Sequence[StoredCase],
    path: Path,
    *,
    window: tuple[float, float] = (-200.0, 280.0),
    step_hu: float = 2.0,
    most_side_px: int = 256,
    most_bytes: int = 36_000_000,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write the labelled slices of cases into one file, with licence and origin of the labels of each.

    Args:
        cases: Cases of a store.
        path: The file.
        window: Lowest and highest HU that are kept: a training window with its jitter.
        step_hu: HU that one step of a value is; at most 256 steps.
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
    if not 0 < high - low <= 255 * step_hu:
        raise DatasetError(
            f"A window of {high - low:g} HU in steps of {step_hu:g} does not fit into a byte. Take larger steps."
        )
    described = []
    with replacing(path) as scratch, zipfile.ZipFile(scratch, "w", zipfile.ZIP_LZMA) as archive:
        for number, case in enumerate(cases, start=1):
            kept, values, ids = _kept(case, low, high, step_hu, most_side_px)
            described.append(_describe(case, kept, values.shape))
            differences = np.diff(values, axis=2, prepend=np.zeros_like(values[:, :, :1]))
            _write(archive, f"{case.case_id}/values.npy", differences)
            _write(archive, f"{case.case_id}/ids.npy", ids)
            size = scratch.stat().st_size
            if size > most_bytes:
                raise OutputError(
                    f"The pack has {size / 1e6:.0f} MB after {number} of {len(cases)} cases; at most "
                    f"{most_bytes / 1e6:.0f} are wanted. Take larger steps of HU, smaller slices or fewer cases."
                )
            progress(number, len(cases))
        facts = {"format": FORMAT, "version": VERSION, "low": low, "step_hu": step_hu, "cases": described}
        archive.writestr(_DESCRIPTION, json.dumps(facts, indent=1))


def read_pack(path: Path) -> Pack:
    """Read a pack.

    Raises:
        DatasetError: It is missing, broken, or of another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read(_DESCRIPTION))
            if facts["format"] != FORMAT or facts["version"] != VERSION:
                raise DatasetError(
                    f"{path} is a {facts['format']!r} of version {facts['version']}, not a pack of version {VERSION}. "
                    "Make it again with radsam data pack."
                )
            cases = tuple(_read_case(archive, case) for case in facts["cases"])
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError) as error:
        raise DatasetError(f"{path} is not a pack of training cases, or it is broken ({error}).") from error
    return Pack(facts["low"], facts["step_hu"], cases)


def _kept(
    case: StoredCase, low: float, high: float, step_hu: float, most_side_px: int
) -> tuple[slice, UInt8[np.ndarray, "k rows cols"], np.ndarray]:
    """The slices that are kept, their values and their ids."""
    labelled = case.objects["slice"]
    kept = slice(max(0, int(labelled.min()) - _MARGIN), int(labelled.max()) + 1 + _MARGIN)
    hu, ids = np.asarray(case.values[kept]).astype(np.float32), np.asarray(case.ids[kept])
    shrink = most_side_px / max(hu.shape[1:])
    if shrink < 1:
        shape = round(hu.shape[1] * shrink), round(hu.shape[2] * shrink)
        hu, ids = _shrunk(hu, shape), _nearest(ids, shape)
    values = np.rint((np.clip(hu, low, high) - low) / step_hu).astype(np.uint8)
    return kept, values, ids


def _describe(case: StoredCase, kept: slice, shape: tuple[int, ...]) -> dict[str, Any]:
    rows, cols = case.values.shape[1:]
    return {
        **{name: getattr(case, name) for name in FACTS},
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
        names={int(number): name for number, name in facts["names"].items()},
        first=facts["first"],
        count=facts["count"],
        spacing_mm=tuple(facts["spacing_mm"]),
        values=np.cumsum(values, axis=2, dtype=np.uint8),
        ids=ids,
        extents={int(number): tuple(each) for number, each in facts["extents"].items()},
    )
