"""One case of a store: arrays that are read straight from disk, and their description.

A case is a folder: ``values.npy`` (int16; float32 where that would lose something) and
``ids.npy`` (uint8 or uint16), both indexed ``[slice, row, col]`` with every slice turned to
the radiological display; ``objects.npy``, one record for each object on each slice;
``case.json``. Slices keep their stored order.

Where a case is not a CT, ``case.json`` has its window and the value around its slices. Both
come from the whole volume, as at inference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int16, UInt8, UInt16

from radsam.data.case import modality_named
from radsam.errors import DatasetError, PromptError
from radsam.preprocess import Percentiles, Window, window_of
from radsam.volume import Geometry, LabelVolume, Modality, Plane, SliceGrid, Volume

#: The value around the slices of a CT, in HU.
AIR_HU = -1024.0

_VALUES, _IDS, _OBJECTS = "values.npy", "ids.npy", "objects.npy"
#: The values in stores of version 1.
_VALUES_BEFORE = "hu.npy"

#: One object on one slice. `is_first` and `is_last` mark the ends of the whole object:
#: beyond them there is not one pixel of it.
OBJECT_FIELDS = [
    ("slice", np.int32),
    ("object_id", np.int32),
    ("area_px", np.int32),
    ("area_mm2", np.float32),
    ("is_first", np.bool_),
    ("is_last", np.bool_),
]


#: What a case's description takes from the dataset's `Case` as it is.
FACTS = ("case_id", "split", "patient", "label_origin", "licence")


@dataclass(frozen=True, eq=False)
class StoredCase:
    """A case of a store. The arrays stay on disk until they are indexed.

    Args:
        folder: Where the arrays are.
        case_id: Its name.
        split: "train", "val" or "test".
        patient: Name or code of the patient.
        names: Object id to class name; ids without a voxel are left out.
        geometry: The grid of the volume as it was stored in the dataset.
        plane: The plane of the slices.
        label_origin: Origin of the labels, as in `Case`.
        licence: Under which terms it may be used.
        modality: What made the volume.
        stated_window: Its window, of other modalities than CT; None in stores of version 1.
        stated_outside: The value around its slices, likewise.
    """

    folder: Path
    case_id: str
    split: str
    patient: str
    names: Mapping[int, str]
    geometry: Geometry
    plane: Plane
    label_origin: str
    licence: str
    modality: Modality
    stated_window: Window | None = None
    stated_outside: float | None = None

    @classmethod
    def read(cls, folder: Path) -> StoredCase:
        """Read the description of a case; no array is read.

        Raises:
            DatasetError: The case is incomplete or its description is broken.
        """
        try:
            content = json.loads((folder / "case.json").read_text(encoding="utf-8"))
            return cls(
                folder=folder,
                **{name: content[name] for name in FACTS},
                names={int(number): name for number, name in content["names"].items()},
                geometry=Geometry(tuple(content["shape_kji"]), np.array(content["affine_lps"], np.float64)),
                plane=Plane(content["plane"]),
                modality=modality_named(content["modality"]),
                stated_window=Window(*window) if (window := content.get("window")) else None,
                stated_outside=content.get("outside"),
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError, PromptError) as error:
            raise DatasetError(
                f"The stored case {folder} is broken ({error!r}). Delete it and prepare again."
            ) from error

    @property
    def values(self) -> Int16[np.ndarray, "slices rows cols"] | Float32[np.ndarray, "slices rows cols"]:
        """The volume's values, memory-mapped and read-only.

        The file is opened anew each time, so that a case can be sent to another process;
        keep the array when several slices are wanted.
        """
        return self._array(_VALUES if (self.folder / _VALUES).exists() else _VALUES_BEFORE)

    @cached_property
    def window(self) -> Window | None:
        """The window of the case itself; None for a CT, which has that of the model."""
        if self.modality is Modality.CT:
            return None
        return self.stated_window or Percentiles().window(self.values)

    @cached_property
    def outside(self) -> float:
        """The value around the slices: air in a CT, else the least of the volume."""
        if self.modality is Modality.CT:
            return AIR_HU
        return float(self.values.min()) if self.stated_outside is None else self.stated_outside

    @property
    def ids(self) -> UInt8[np.ndarray, "slices rows cols"] | UInt16[np.ndarray, "slices rows cols"]:
        """Object ids, memory-mapped and read-only; opened anew each time."""
        return self._array(_IDS)

    @property
    def objects(self) -> np.ndarray:
        """The objects on each slice, records of `OBJECT_FIELDS`."""
        return np.asarray(np.load(self.folder / _OBJECTS))

    def extent(self, object_id: int) -> tuple[int, int, int]:
        """First, last and largest of the slices on which an object is recorded.

        Raises:
            KeyError: It is recorded on none.
        """
        return self._extents[object_id]

    @cached_property
    def _extents(self) -> dict[int, tuple[int, int, int]]:
        records = self.objects
        found = {}
        for object_id in np.unique(records["object_id"]):
            own = records[records["object_id"] == object_id]
            slices, largest = own["slice"], own["area_px"].argmax()
            found[int(object_id)] = int(slices.min()), int(slices.max()), int(slices[largest])
        return found

    @cached_property
    def grid(self) -> SliceGrid:
        """The slices: how to get from a stored array to the dataset's own voxels and back."""
        return SliceGrid.of(self.geometry, self.plane)

    @property
    def row_mm(self) -> float:
        """Distance between rows, in mm."""
        return self.grid.display_spacing_mm[0]

    @property
    def col_mm(self) -> float:
        """Distance between columns, in mm."""
        return self.grid.display_spacing_mm[1]

    @property
    def slice_mm(self) -> float:
        """Distance between slices, in mm."""
        return self.geometry.spacing_mm_ijk[self.grid.axis]

    def _array(self, name: str) -> np.ndarray:
        array: np.ndarray = np.load(self.folder / name, mmap_mode="r")
        expected = (self.grid.count, *self.grid.display_shape)
        if array.shape != expected:
            raise DatasetError(
                f"{self.folder / name} is {array.shape}, its case is {expected}. Delete it and prepare again."
            )
        return array


@dataclass(frozen=True, eq=False)
class SliceObjects:
    """The objects of a volume, counted slice by slice.

    Args:
        records: One record of `OBJECT_FIELDS` for each object on each slice that is large enough.
        small_slices: Number of pairs of an object and a slice that were too small.
        present: Object ids that have a voxel at all.
    """

    records: np.ndarray
    small_slices: int
    present: tuple[int, ...]

    @classmethod
    def of(cls, labels: LabelVolume, grid: SliceGrid, min_pixels: int) -> SliceObjects:
        """Count the pixels of each object on each slice."""
        size, slices = int(labels.ids.max()) + 1, (grid.take(labels.ids, index) for index in range(grid.count))
        area = np.stack([np.bincount(ids.ravel(), minlength=size) for ids in slices])
        exists = area > 0
        exists[:, 0] = False
        first = exists.argmax(axis=0)
        last = len(area) - 1 - exists[::-1].argmax(axis=0)
        at, ids = np.nonzero(exists & (area >= min_pixels))
        records = np.empty(at.size, OBJECT_FIELDS)
        records["slice"], records["object_id"] = at, ids
        records["area_px"] = area[at, ids]
        row_mm, col_mm = grid.display_spacing_mm
        records["area_mm2"] = records["area_px"] * (row_mm * col_mm)
        records["is_first"], records["is_last"] = at == first[ids], at == last[ids]
        present = np.flatnonzero(exists.any(axis=0))
        return cls(records, int(exists.sum()) - at.size, tuple(present.tolist()))


def write_arrays(folder: Path, volume: Volume, labels: LabelVolume, grid: SliceGrid, records: np.ndarray) -> None:
    """Write the arrays of a case into an existing folder, slice by slice, and wait for the disk."""
    # Fractions of a Hounsfield unit are noise; values without a unit may all be below 1.
    kind = np.dtype(np.int16) if volume.modality is Modality.CT else volume.values.dtype
    _write_turned(folder / _VALUES, volume.values, kind, grid)
    _write_turned(folder / _IDS, labels.ids, labels.ids.dtype, grid)
    np.save(folder / _OBJECTS, records)
    for name in (_VALUES, _IDS, _OBJECTS):
        with (folder / name).open("rb+") as written:
            os.fsync(written.fileno())


def describe_values(volume: Volume) -> dict[str, Any]:
    """Return what a case's description holds about its values."""
    if volume.modality is Modality.CT:
        return {"modality": volume.modality.value}
    window = window_of(volume)
    return {
        "modality": volume.modality.value,
        "window": [window.low, window.high],
        "outside": float(volume.values.min()),
    }


def _write_turned(path: Path, array_kji: np.ndarray, dtype: np.dtype[Any], grid: SliceGrid) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (grid.count, *grid.display_shape),
    }
    # Plain writes, not a memory map: on a full disk a map ends the process with SIGBUS.
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for index in range(grid.count):
            turned = grid.to_display(grid.take(array_kji, index))
            if turned.dtype != dtype:
                limits = np.iinfo(dtype)
                turned = np.rint(turned).clip(limits.min, limits.max).astype(dtype)
            stream.write(turned.tobytes())
