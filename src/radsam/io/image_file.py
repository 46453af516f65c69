"""NIfTI, NRRD and MetaImage files: their grid, and their values as stored, with the scaling that the header states.

SimpleITK reads the voxels of NRRD and the grid of both NRRD and MetaImage. Headers and the length
of the data are checked before it reads, and its C++ messages are replaced by short ones.
"""

# Calls of SimpleITK readers are untyped, even with its exclusion in pyproject.toml.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from jaxtyping import Shaped

from radsam.disk.utf8_path import utf8_path
from radsam.errors import VolumeError
from radsam.io.file_length import damaged
from radsam.io.meta_file import meta_fields, read_meta_fields, read_meta_voxels
from radsam.io.nifti_file import check_index, read_nifti, read_nifti_header, read_nifti_middle
from radsam.io.nifti_grid import nifti_grid
from radsam.io.nifti_header import NiftiHeader
from radsam.io.nrrd_file import nrrd_fields, read_nrrd_fields
from radsam.io.stated_grid import sheared
from radsam.io.text_header import check_nrrd_axes, meta_grid, meta_scaling, nrrd_grid, nrrd_scaling
from radsam.io.voxel_file import beside
from radsam.volume import Geometry

# Its C++ warnings (a sform that differs from the qform, an uneven series) go to stderr; this package
# checks and raises the relevant ones itself.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


@dataclass(frozen=True)
class FileFormat:
    """A file format of one volume in one file.

    Args:
        name: Its usual name.
        suffixes: Lower-case suffixes with their dot.
        reader: SimpleITK's name of the reader, so that it does not guess from the content.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str


NIFTI = FileFormat("NIfTI", (".nii", ".nii.gz"), "NiftiImageIO")
NRRD = FileFormat("NRRD", (".nrrd", ".nhdr"), "NrrdImageIO")
META = FileFormat("MetaImage", (".mha", ".mhd"), "MetaImageIO")
FORMATS = (NIFTI, NRRD, META)
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)

#: Types by SimpleITK's names.
_SCALARS = {
    sitk.GetPixelIDValueAsString(getattr(sitk, f"sitk{name}")): name.lower()
    for name in ("Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float32", "Float64")
}


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Args:
        format: The file format.
        geometry: The grid.
        dtype: Type of the stored values.
        scaling: Slope and intercept: a value is stored value × slope + intercept.
        quantised: Slope and intercept undo a quantisation of intensities, so they do not apply to labels.
        volumes: Number of volumes in the file; the others are of the same grid.
    """

    format: FileFormat
    geometry: Geometry
    dtype: str
    scaling: tuple[float, float] = (1.0, 0.0)
    quantised: bool = False
    volumes: int = 1


def format_of(path: Path) -> FileFormat | None:
    """Return the format with the suffix of `path`; None if unknown."""
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.suffixes)), None)


def read_header(path: Path) -> Header:
    """Read grid, type and scaling of a NIfTI, NRRD or MetaImage file, not its voxels.

    Raises:
        VolumeError: The file is not one three-dimensional scalar image, or its header
            states more data than the file holds.
    """
    file_format = _known_format(path)
    with _damage_named(path, file_format):
        if file_format is NIFTI:
            return _nifti_header(read_nifti_header(path), path)
        fields = read_nrrd_fields(path, whole=False) if file_format is NRRD else read_meta_fields(path)
    with _opened(path, file_format) as reader:
        return _header(path, file_format, fields, reader)


def read_image(path: Path, index: int | None = None) -> tuple[Header, Shaped[np.ndarray, "k j i"]]:
    """Read a NIfTI, NRRD or MetaImage file whose header was accepted.

    Args:
        path: The file.
        index: Which volume of a NIfTI file of several; None for a file of one.

    Returns:
        The header, and the stored values, to which its scaling is not applied.

    Raises:
        VolumeError: As `read_header`, or the voxels are cut short or damaged.
    """
    file_format = _known_format(path)
    with _damage_named(path, file_format):
        if file_format is NIFTI:
            nifti, values = read_nifti(path, index)
            return _nifti_header(nifti, path), values
        check_index(path, 1, index)
        # Before its header: SimpleITK reports damage behind the header as a wrong header.
        fields = read_nrrd_fields(path, whole=True) if file_format is NRRD else read_meta_fields(path)
        stored = read_meta_voxels(path, fields) if file_format is META else None
    with _opened(path, file_format) as reader:
        header = _header(path, file_format, fields, reader)
        if stored is not None and stored.dtype.name == header.dtype:
            return header, stored.reshape(header.geometry.shape_kji)
        try:
            image: sitk.Image = reader.Execute()
            return header, sitk.GetArrayFromImage(image).reshape(header.geometry.shape_kji)
        except (RuntimeError, MemoryError) as error:
            raise VolumeError(damaged(path, "its voxels cannot be read")) from error


def read_middle_image(path: Path, index: int | None = None) -> tuple[Header, int, Shaped[np.ndarray, "1 j i"]]:
    """Read the middle slice of a file as stored; of a NIfTI file nothing behind it.

    Args:
        path: The file.
        index: As for `read_image`.

    Returns:
        The header, the index of the slice along k, and its stored values.

    Raises:
        VolumeError: As `read_image`; of a NIfTI file only damage up to the slice is found.
    """
    if _known_format(path) is NIFTI:
        with _damage_named(path, NIFTI):
            nifti, middle, values = read_nifti_middle(path, index)
            return _nifti_header(nifti, path), middle, values
    header, stored = read_image(path, index)
    middle = len(stored) // 2
    return header, middle, stored[middle : middle + 1].copy()


def voxel_file(path: Path) -> Path | None:
    """Return the file beside a MetaImage or NRRD header that holds its voxels; None where one file holds both.

    Raises:
        VolumeError: The file lies outside the header's folder, or is missing.
        OSError, ValueError: The header cannot be read.
    """
    file_format = format_of(path)
    if file_format not in (NRRD, META):
        return None
    with path.open("rb") as stream:
        if file_format is NRRD:
            name = nrrd_fields(stream).get("datafile", "LOCAL")
        else:
            name = meta_fields(stream)["ElementDataFile"]
    return None if name.upper() == "LOCAL" else beside(path, name)


def _nifti_header(header: NiftiHeader, path: Path) -> Header:
    return Header(NIFTI, nifti_grid(header, path), header.dtype.name, header.scaling, volumes=header.volumes)


def _known_format(path: Path) -> FileFormat:
    file_format = format_of(path)
    if file_format is None:
        raise VolumeError(f"{path} has no known suffix; known are {', '.join(SUFFIXES)}.")
    _check_not_empty(path)
    return file_format


@contextmanager
def _opened(path: Path, file_format: FileFormat) -> Iterator[sitk.ImageFileReader]:
    voxels = voxel_file(path)
    with utf8_path(path, [] if voxels is None else [str(voxels.relative_to(path.parent))]) as name:
        reader = sitk.ImageFileReader()
        reader.SetImageIO(file_format.reader)
        reader.SetFileName(name)
        yield reader


def _header(path: Path, file_format: FileFormat, fields: dict[str, str], reader: sitk.ImageFileReader) -> Header:
    if file_format is NRRD:
        check_nrrd_axes(fields, path)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise VolumeError(sheared(path)) from error
        raise VolumeError(damaged(path, f"its header is not one of a {file_format.name} file")) from error
    size = "×".join(str(n) for n in reader.GetSize())
    if reader.GetDimension() != 3:
        raise VolumeError(
            f"{path} has {reader.GetDimension()} dimensions ({size}); a volume has three. "
            "Of a time series, save one time point, or NIfTI, of which --index chooses one; of single slices, save "
            "the whole stack."
        )
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    dtype = _SCALARS.get(kind.removeprefix("vector of ") if reader.GetNumberOfComponents() == 1 else kind)
    if dtype is None:
        raise VolumeError(f"Each voxel of {path} is a {kind}; a volume holds one number per voxel.")
    i, j, k = reader.GetSize()
    direction = np.array(reader.GetDirection(), dtype=np.float64).reshape(3, 3)
    read = Geometry.from_parts((k, j, i), reader.GetOrigin(), reader.GetSpacing(), direction)
    if file_format is NRRD:
        scaling = nrrd_scaling(fields, dtype, path)
        return Header(NRRD, nrrd_grid(fields, read, path), dtype, scaling, quantised=scaling != (1.0, 0.0))
    return Header(META, meta_grid(fields, read, path), dtype, meta_scaling(fields))


def _check_not_empty(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise VolumeError(f"{path} cannot be read: {error.strerror or error}.") from error
    if empty:
        raise VolumeError(f"{path} is an empty file.")


@contextmanager
def _damage_named(path: Path, file_format: FileFormat) -> Iterator[None]:
    """Turn the errors of damaged bytes into sentences."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VolumeError(damaged(path, "its compressed data are cut short or altered")) from error
    except (ValueError, KeyError) as error:
        raise VolumeError(damaged(path, f"its header is not one of a {file_format.name} file")) from error
    except OSError as error:
        raise VolumeError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise VolumeError(damaged(path, "its header states more data than this computer's memory holds")) from error
