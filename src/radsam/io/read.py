"""Reading volumes and label maps from NIfTI, NRRD, MetaImage and DICOM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from jaxtyping import Float, Int16, UInt8, UInt16

from radsam.errors import GridMismatchError, SeriesError, VolumeError
from radsam.io.archive import looks_like_dicom, unpacked
from radsam.io.dicom_series import Series, find_series, select_series
from radsam.io.dicom_stack import decode, fits_int16, stack
from radsam.io.image_file import SUFFIXES, format_of, read_header, read_image
from radsam.volume import Geometry, LabelVolume, Volume


@dataclass(frozen=True)
class SeriesInfo:
    """One image series of a DICOM folder.

    Args:
        number: What ``series=`` accepts, besides the UID.
        uid: SeriesInstanceUID.
        modality: DICOM modality.
        description: SeriesDescription.
        slices: Number of images.
        shape_ij: Columns and rows of the first image.
        spacing_mm_ijk: Voxel spacing, or None if the images do not make a volume.
        acquisitions: Number of images of each AcquisitionNumber.
        problem: Why the images do not make a volume; empty if they do.
    """

    number: int
    uid: str
    modality: str
    description: str
    slices: int
    shape_ij: tuple[int, int]
    spacing_mm_ijk: tuple[float, float, float] | None
    acquisitions: dict[str, int]
    problem: str


@dataclass(frozen=True)
class VolumeInfo:
    """What can be said of a volume without reading its voxels.

    Args:
        source: The path that was given.
        format: Name of the file format.
        file_bytes: Size on disk; of a folder, of the images of the chosen series.
        geometry: The grid, or None if a DICOM folder needs a choice or cannot be stacked.
        modality: DICOM modality; "CT" for formats that do not say.
        dtype: Type of the stored values.
        series: The listing of a DICOM folder; empty for a file.
        problem: Why `geometry` is None; empty otherwise.
    """

    source: str
    format: str
    file_bytes: int
    geometry: Geometry | None
    modality: str
    dtype: str
    series: tuple[SeriesInfo, ...] = ()
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; lengths are in mm, directions are LPS."""
        grid = self.geometry
        return {
            "source": self.source,
            "format": self.format,
            "file_bytes": self.file_bytes,
            "modality": self.modality,
            "dtype": self.dtype,
            "shape_ijk": None if grid is None else list(grid.shape_ijk),
            "spacing_mm_ijk": None if grid is None else list(grid.spacing_mm_ijk),
            "origin_lps": None if grid is None else list(grid.origin_lps),
            "affine_lps": None if grid is None else grid.affine_lps.tolist(),
            "series": [
                {
                    "number": each.number,
                    "uid": each.uid,
                    "modality": each.modality,
                    "description": each.description,
                    "slices": each.slices,
                    "shape_ij": list(each.shape_ij),
                    "spacing_mm_ijk": None if each.spacing_mm_ijk is None else list(each.spacing_mm_ijk),
                    "acquisitions": dict(each.acquisitions),
                    "problem": each.problem,
                }
                for each in self.series
            ],
            "problem": self.problem,
        }


def read_volume(path: str | os.PathLike[str], *, series: str | None = None) -> Volume:
    """Read a CT volume.

    Args:
        path: A NIfTI, NRRD or MetaImage file, or a folder or zip with a DICOM series.
        series: Which series of a DICOM folder: its UID or its number in the listing,
            either optionally followed by ``#`` and an AcquisitionNumber.

    Returns:
        The volume on the file's own grid. HU are int16 where every value is a whole
        number in its range, else float32.

    Raises:
        VolumeError: The path cannot be read as one volume; `SeriesError` for DICOM.
    """
    given = Path(path)
    if _is_dicom(given):
        with _dicom_folder(given) as folder:
            chosen = select_series(find_series(folder, given), series)
            stacked = stack(chosen)
            return Volume(decode(stacked), stacked.geometry, chosen.modality, str(given), series or "")
    _refuse_series(given, series)
    header, image = read_image(given)
    return Volume(_hu(image), header.geometry, source=str(given))


def read_info(path: str | os.PathLike[str], *, series: str | None = None) -> VolumeInfo:
    """Describe a volume from its headers; voxels are not read.

    A DICOM folder that cannot be read as one volume is described too: its series are
    listed and `VolumeInfo.problem` says what stands in the way.

    Args:
        path: As for `read_volume`.
        series: As for `read_volume`.

    Raises:
        VolumeError: There is nothing to describe, or `series` does not exist.
    """
    given = Path(path)
    if _is_dicom(given):
        with _dicom_folder(given) as folder:
            return _dicom_info(given, find_series(folder, given), series)
    _refuse_series(given, series)
    header = read_header(given)
    return VolumeInfo(
        source=str(given),
        format=header.format.name,
        file_bytes=given.stat().st_size,
        geometry=header.geometry,
        modality="CT",
        dtype=header.dtype,
    )


def read_labels(path: str | os.PathLike[str]) -> LabelVolume:
    """Read a label map from a NIfTI, NRRD or MetaImage file.

    Returns:
        Object ids, uint8 where they fit and uint16 otherwise.

    Raises:
        VolumeError: The file is not one readable volume, or its values are not whole
            numbers from 0 to 65535.
    """
    given = Path(path)
    if _is_dicom(given):
        raise VolumeError(f"{given} is DICOM; a mask is read from one of {', '.join(SUFFIXES)}.")
    header, image = read_image(given)
    return LabelVolume(_ids(image, given), header.geometry)


def require_same_grid(labels: LabelVolume, geometry: Geometry, what: str) -> None:
    """Refuse labels on another grid than the volume.

    Args:
        labels: The labels.
        geometry: The grid of the volume.
        what: What the labels are, as the subject of a sentence ("The mask organ.nii.gz").

    Raises:
        GridMismatchError: The grids differ; the message describes both.
    """
    if not labels.geometry.same_grid(geometry):
        turned = not np.allclose(labels.geometry.direction, geometry.direction, atol=1e-3)
        raise GridMismatchError(
            f"{what} lies on another grid than the volume: {labels.geometry.describe()}, but the volume has "
            f"{geometry.describe()}"
            f"{', and its axes point another way' if turned else ''}. "
            "Resample it onto the volume (nearest neighbour), or draw it on this volume."
        )


def _is_dicom(path: Path) -> bool:
    """Whether to read a folder or zip of DICOM; refuses paths that are nothing known."""
    if not path.exists():
        raise VolumeError(f"{path} does not exist. Check the spelling, and the folder you are in.")
    if path.is_dir() or path.suffix.lower() == ".zip":
        return True
    if format_of(path) is not None:
        return False
    with path.open("rb") as stream:
        head = stream.read(132)
    if (
        path.suffix.lower() in (".dcm", ".ima")
        or head[128:132] == b"DICM"
        or (not path.suffix and looks_like_dicom(head))
    ):
        raise VolumeError(f"{path} is one DICOM file, usually one slice. Give the folder that holds the whole series.")
    raise VolumeError(
        f"{path} is not a volume that can be read. Known are {', '.join(SUFFIXES)}, "
        "and a folder or .zip with a DICOM series."
    )


def _refuse_series(path: Path, series: str | None) -> None:
    if series is not None:
        raise SeriesError(f"{path} is a file of one volume; a series can only be chosen in a DICOM folder or zip.")


@contextmanager
def _dicom_folder(path: Path) -> Iterator[Path]:
    """Yield the folder of DICOM files at `path`, unpacked while it is needed."""
    if path.is_dir():
        yield path
    else:
        with unpacked(path) as folder:
            yield folder


def _dicom_info(path: Path, found: tuple[Series, ...], series: str | None) -> VolumeInfo:
    chosen, geometry, problem = found[0], None, ""
    if series is not None:
        chosen = select_series(found, series)
    try:
        if series is None:
            chosen = select_series(found, None)
        geometry = stack(chosen).geometry
    except SeriesError as error:
        problem = str(error)
    return VolumeInfo(
        source=str(path),
        format="DICOM" if path.is_dir() else "DICOM (zip)",
        file_bytes=sum(each.path.stat().st_size for each in chosen.slices),
        geometry=geometry,
        modality=chosen.modality,
        dtype=chosen.slices[0].dtype,
        series=tuple(_series_info(each) for each in found),
        problem=problem,
    )


def _series_info(series: Series) -> SeriesInfo:
    spacing_mm_ijk, problem = None, ""
    try:
        spacing_mm_ijk = stack(series).geometry.spacing_mm_ijk
    except SeriesError as error:
        problem = str(error)
    first = series.slices[0]
    return SeriesInfo(
        number=series.number,
        uid=series.uid,
        modality=series.modality,
        description=first.description,
        slices=len(series.slices),
        shape_ij=(first.cols, first.rows),
        spacing_mm_ijk=spacing_mm_ijk,
        acquisitions={name: len(slices) for name, slices in series.acquisitions.items()},
        problem=problem,
    )


def _hu(image: sitk.Image) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Copy the voxels out, as int16 where that loses nothing."""
    values = sitk.GetArrayViewFromImage(image)  # a view: `image` must outlive it
    # Slice by slice: each test makes temporary arrays of what it looks at.
    whole = all(fits_int16(each) for each in values)
    return np.array(values, dtype=np.int16 if whole else np.float32)


def _ids(image: sitk.Image, path: Path) -> UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]:
    values = sitk.GetArrayViewFromImage(image)  # a view: `image` must outlive it
    low, high = values.min(), values.max()
    whole = np.issubdtype(values.dtype, np.integer) or all((each == np.rint(each)).all() for each in values)
    if not (whole and low >= 0 and high <= 65535):
        raise VolumeError(
            f"{path} is not a label map: its values go from {low:g} to {high:g}"
            f"{'' if whole else ' and are not whole numbers'}. Labels are whole numbers from 0 to 65535."
        )
    return np.array(values, dtype=np.uint8 if high <= 255 else np.uint16)
