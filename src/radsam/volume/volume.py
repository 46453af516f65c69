"""A volume of images and a label map: values that never travel without their grid."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64, UInt8, UInt16

from radsam.errors import GridMismatchError, VolumeError
from radsam.volume.geometry import Geometry
from radsam.volume.modality import Modality, ModalitySource, modality_doubt
from radsam.volume.object_colours import Colour, object_colour


@dataclass(frozen=True)
class SeriesOrigin:
    """The DICOM series that a volume was read from, without the patient's identity.

    Args:
        selector: Chooses the series, and its acquisition, again in the same folder.
        series_uid: SeriesInstanceUID; empty where the files have none.
        frame_of_reference: FrameOfReferenceUID; empty where the files have none.
        resampled: Why the slices had to be resampled onto a rectangular grid; empty if
            the voxels are the pixels.
        image_k: Of a resampled series, where along k of the grid each image lies, ascending.
    """

    selector: str
    series_uid: str = ""
    frame_of_reference: str = ""
    resampled: str = ""
    image_k: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Volume:
    """The values of a volume on its grid: Hounsfield units of a CT, and what the file says of other modalities.

    Args:
        values: Array (k, j, i), int16 or float32, in `unit`.
        geometry: The grid of `values`.
        modality: What made it, which decides how a model sees it.
        source: Its file or folder, for messages.
        series: The DICOM series it came from; None for other files.
        modality_source: Who says the modality.
        stated_unit: The unit of another modality than CT: "SUV", "Bq/ml"; empty for arbitrary ones, as those of MR.
        index: Which volume of a file that holds several; None for a file of one.

    Raises:
        VolumeError: The array does not fit the grid, holds values that are not finite,
            or is constant, so that it has no object to segment.
    """

    values: Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]
    geometry: Geometry
    modality: Modality = Modality.CT
    source: str = ""
    series: SeriesOrigin | None = None
    modality_source: ModalitySource = ModalitySource.HEADER
    stated_unit: str = ""
    index: int | None = None

    def __post_init__(self) -> None:
        where = f" in {self.source}" if self.source else ""
        if self.values.shape != self.geometry.shape_kji:
            raise VolumeError(f"The array{where} is {self.values.shape}, its grid is {self.geometry.shape_kji}.")
        if self.values.dtype not in (np.dtype(np.int16), np.dtype(np.float32)):
            raise VolumeError(f"A volume holds int16 or float32 values, not {self.values.dtype}.")
        # Each slice alone: a finite check of the whole array would double the memory.
        if self.values.dtype == np.float32 and not all(np.isfinite(each).all() for each in self.values):
            raise VolumeError(
                f"The volume{where} holds NaN or infinite values. Replace them by the value of air and try again."
            )
        first = self.values.flat[0]
        if all((each == first).all() for each in self.values):
            raise VolumeError(
                f"Every voxel{where} is {first}: a constant volume has no object to segment. Give another file."
            )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of values, shape and affine: equal for two volumes that are the same.

        The affine enters rounded to 1e-3 mm, so that a float32 header does not matter.
        """
        digest = hashlib.sha256()
        affine = np.round(self.geometry.affine_lps, 3) + 0.0  # + 0.0 turns -0.0 into 0.0
        digest.update(f"{self.values.dtype.str}{self.geometry.shape_kji}".encode())
        digest.update(affine.tobytes())
        for each in self.values:
            digest.update(each.tobytes())
        return digest.hexdigest()

    @property
    def unit(self) -> str:
        """Unit of the values: "HU", "SUV", "Bq/ml"; empty where they have none, as those of MR."""
        return "HU" if self.modality is Modality.CT else self.stated_unit

    @cached_property
    def modality_doubt(self) -> str:
        """Why it may be another modality than it is taken for, with the option that says so; empty if it is sure."""
        if self.series is not None and self.modality_source is ModalitySource.HEADER:
            return ""  # DICOM's own statement
        doubt = modality_doubt(self.values, self.modality, self.modality_source)
        if not doubt and self.modality is Modality.PET and not self.stated_unit:
            return (
                "This is read as a PET whose file does not say the unit of its values: they are taken as they are, not "
                "as SUV, and seen between percentiles of the volume. Of SUV, give the window: --window 0 10."
            )
        return doubt


@dataclass(frozen=True, eq=False)
class LabelVolume:
    """Object ids on a grid; 0 is background.

    A label map holds one object per voxel. Objects that overlap are whole with the voxels in `covered`: DICOM SEG and
    RTSTRUCT hold them, NIfTI and NRRD hold `ids` alone.

    Args:
        ids: Array (k, j, i), uint8 or uint16.
        geometry: The grid of `ids`.
        names: Object id to name; ids without a name are allowed.
        covered: Object id to those voxels of the object that `ids` gives to another, as ascending indices into the
            flattened `ids`. The first objects have precedence: `select` gives a voxel back to the first.
        keep_both: Whether overlapping objects may only be written whole.
        source: File or folder of the volume that they were made on, which writing them never replaces.
        colours: Object id to the colour that the user chose for it.

    Raises:
        GridMismatchError: The array does not fit the grid.
        VolumeError: The array is not uint8 or uint16, or an id is 0.
    """

    ids: UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]
    geometry: Geometry
    names: Mapping[int, str] = field(default_factory=dict)
    covered: Mapping[int, Int64[np.ndarray, " n"]] = field(default_factory=dict)
    keep_both: bool = False
    source: str = ""
    colours: Mapping[int, Colour] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.ids.shape != self.geometry.shape_kji:
            raise GridMismatchError(f"The labels are {self.ids.shape}, their grid is {self.geometry.shape_kji}.")
        if self.ids.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
            raise VolumeError(f"Labels are uint8 or uint16 object ids, not {self.ids.dtype}.")
        if any(each < 1 for each in (*self.names, *self.covered)):
            raise VolumeError("Object ids start at 1; 0 is the background.")

    @property
    def present_ids(self) -> list[int]:
        """The ids of the objects that have a voxel, ascending."""
        found: set[int] = {number for number, voxels in self.covered.items() if voxels.size}
        for slice_ji in self.ids:  # counting makes an array of eight times the size
            found.update(np.flatnonzero(np.bincount(slice_ji.ravel())).tolist())
        return sorted(found - {0})

    def colour(self, number: int) -> Colour:
        """Return the colour of an object: the chosen one, or that of its id."""
        return self.colours.get(number) or object_colour(number)

    def mask(self, number: int) -> Bool[np.ndarray, "k j i"]:
        """Return an object whole: its voxels in `ids`, and those that are covered."""
        whole = np.ascontiguousarray(self.ids == number)
        if number in self.covered:
            whole.reshape(-1)[self.covered[number]] = True
        return whole

    def slice_mask(self, number: int, k: int) -> Bool[np.ndarray, "j i"]:
        """Return slice `k` of an object, whole."""
        whole = np.ascontiguousarray(self.ids[k] == number)
        if number in self.covered:
            start = k * whole.size
            low, high = np.searchsorted(self.covered[number], (start, start + whole.size))
            whole.reshape(-1)[self.covered[number][low:high] - start] = True
        return whole

    def select(self, numbers: Collection[int]) -> LabelVolume:
        """Return some of the objects; a voxel of an object that is left out goes to the one that it covered."""
        chosen = np.arange(np.iinfo(self.ids.dtype).max + 1, dtype=self.ids.dtype)
        chosen[~np.isin(chosen, list(numbers))] = 0
        ids, owners = np.ascontiguousarray(chosen[self.ids]), self.ids.reshape(-1)
        flat = ids.reshape(-1)
        covered = {}
        for number, voxels in self.covered.items():
            if number not in numbers:
                continue
            freed = voxels[(owners[voxels] > 0) & (flat[voxels] == 0)]
            flat[freed] = number
            left = voxels[flat[voxels] != number]
            if left.size:
                covered[number] = left
        names = {number: name for number, name in self.names.items() if number in numbers}
        return replace(self, ids=ids, names=names, covered=covered)
