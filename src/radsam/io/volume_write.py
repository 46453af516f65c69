"""Writing label maps as NIfTI, NRRD, DICOM SEG or RTSTRUCT, and volumes as NIfTI or NRRD.

NIfTI and NRRD keep exactly the grid that they were made on. The DICOM formats lie on the
images of the series.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from jaxtyping import Shaped
from pydicom.config import disable_value_validation

from radsam.disk.atomic_write import check_writable, replacing, write_failure
from radsam.disk.utf8_path import utf8_path
from radsam.errors import OutputError, VolumeError
from radsam.io.dicom.derived_object import CONVERTED, Algorithm
from radsam.io.dicom.organ_codes import OrganCode
from radsam.io.dicom.rtstruct_write import write_rtstruct
from radsam.io.dicom.seg_write import write_seg
from radsam.io.dicom.source_series import SourceSeries
from radsam.io.image_file import read_image
from radsam.io.input_files import refuse_inputs
from radsam.io.nrrd_segments import segment_fields
from radsam.volume import Geometry, LabelVolume, Volume

Voxels = Shaped[np.ndarray, "k j i"]

#: Suffixes of images that can be written.
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd")
#: Along one axis: NIfTI-1 counts them in 16 bits.
_NIFTI_MOST_VOXELS = 32767


class LabelFormat(StrEnum):
    """A file format of labels."""

    NIFTI = "nifti"
    NRRD = "nrrd"
    SEG = "seg"
    RTSTRUCT = "rtstruct"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of this format."""
        return {LabelFormat.NIFTI: (".nii.gz", ".nii"), LabelFormat.NRRD: (".nrrd",)}.get(self, (".dcm",))

    @property
    def is_dicom(self) -> bool:
        """Whether it refers to the images of a DICOM series."""
        return self in (LabelFormat.SEG, LabelFormat.RTSTRUCT)


def write_labels(
    labels: LabelVolume,
    path: str | os.PathLike[str],
    *,
    file_format: LabelFormat | str | None = None,
    source: SourceSeries | None = None,
    algorithm: Algorithm = CONVERTED,
    compress: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
    codes: Mapping[str, OrganCode] | None = None,
) -> None:
    """Write a label map, whole or not at all.

    NIfTI and NRRD keep voxel order and affine as they are; NRRD has names and colours, too, as 3D Slicer reads
    them. Both are read back and compared before they take their name, because SimpleITK's writers report success on
    a full disk.

    Args:
        labels: The label map.
        path: The target file; the suffix chooses the format, ``.dcm`` a SEG.
        file_format: The format; None takes that of the suffix.
        source: For DICOM, the images that the labels were made on (`radsam.read_source`).
        algorithm: For DICOM, the algorithm that made them.
        compress: For NRRD and MetaImage, whether to compress; some viewers cannot read compressed files.
        progress: For RTSTRUCT, called with the number of slices done, of all objects together, and their total.
        codes: Codes by the objects' names, for names of which the table's code does not hold.

    Raises:
        OutputError: The suffix is unknown, the file cannot be written, the disk is full, the
            format cannot hold the grid, a DICOM format got no source, the file is one that the
            volume was read from, or the objects overlap and must be whole, which NIfTI and NRRD
            cannot hold. An existing file is then unchanged.
        GridMismatchError: The labels do not lie on the images of `source`.
    """
    chosen = label_format(path, file_format)
    target = check_writable(path)
    _refuse_source(target, labels.source, source)
    if not chosen.is_dicom:
        if labels.keep_both and labels.covered:
            raise OutputError(whole_objects_refused(path))
        named = segment_fields(labels, codes or {}) if chosen is LabelFormat.NRRD else {}
        _write(labels.ids, labels.geometry, target, compress, named)
        return
    if source is None:
        raise OutputError(
            f"{path} would be a DICOM {chosen.upper()}, which refers to the images it was made on. Give their series, "
            "or write NIfTI or NRRD."
        )
    # What the images have is copied as it is, and pydicom would warn of every value that breaks a rule.
    with disable_value_validation():
        if chosen is LabelFormat.SEG:
            write_seg(labels, target, source, algorithm, codes or {})
        else:
            write_rtstruct(labels, target, source, algorithm, progress, codes or {})


def whole_objects_refused(path: str | os.PathLike[str]) -> str:
    """Return the message that one label map cannot hold overlapping objects whole."""
    given = Path(path)
    suffix = next((each for each in LABEL_SUFFIXES if given.name.lower().endswith(each)), "")
    template = given.with_name(f"{given.name[: len(given.name) - len(suffix)]}_{{name}}{suffix or LABEL_SUFFIXES[0]}")
    return (
        f"{path} is not written: objects that overlap keep both their voxels (keep both), and a label map holds one "
        f"object per voxel. Write one file per object, -o '{template}', or a DICOM SEG or RTSTRUCT; or give the "
        "voxels to one object with the policy last wins or keep first."
    )


def write_volume(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write a volume's values on its own grid, as safely as `write_labels`.

    Args:
        volume: The volume.
        path: The target file; its suffix, one of `LABEL_SUFFIXES`, chooses the format.

    Raises:
        OutputError: As for `write_labels`.
    """
    if label_format(path, None).is_dicom:
        raise OutputError(f"{path}: a volume is written as one of {', '.join(LABEL_SUFFIXES)}.")
    target = check_writable(path)
    _refuse_source(target, volume.source)
    _write(volume.values, volume.geometry, target)


def _refuse_source(target: Path, read_from: str, series: SourceSeries | None = None) -> None:
    images = {each.path for each in series.slices} if series else set()
    refuse_inputs([target], [*images, *([Path(read_from)] if read_from else [])])


def check_grid(geometry: Geometry, path: str | os.PathLike[str], file_format: LabelFormat | str | None = None) -> None:
    """Check that a file can hold a grid, before anything is computed on it.

    Args:
        geometry: The grid.
        path: The target file.
        file_format: The format; None takes that of the suffix.

    Raises:
        OutputError: NIfTI or NRRD cannot hold it. DICOM formats refer to images, which `SourceSeries.check` compares.
    """
    chosen = label_format(path, file_format)
    if chosen.is_dicom:
        return
    # 1e-5: the cosines of a float32 header; anything looser would not come back the same.
    if geometry.shear > 1e-5:
        raise OutputError(f"{path} cannot hold this grid: its voxel axes are not perpendicular.")
    if chosen is LabelFormat.NIFTI:
        rounded = Geometry(geometry.shape_kji, geometry.affine_lps.astype(np.float32))
        if max(geometry.shape_kji) > _NIFTI_MOST_VOXELS or not rounded.same_grid(geometry):
            raise OutputError(f"{path} cannot hold this grid ({geometry.describe()}). Try the suffix .nrrd.")


def label_format(path: str | os.PathLike[str], file_format: LabelFormat | str | None) -> LabelFormat:
    """Return the format of a path: the given one, or that of its suffix.

    Raises:
        OutputError: The suffix is unknown, or is not one of the given format.
    """
    name = Path(path).name.lower()
    every = [*LABEL_SUFFIXES, ".dcm"]
    if file_format is None:
        found = next((each for each in LabelFormat if name.endswith(each.suffixes)), None)
        if found is None:
            raise OutputError(f"{path} has no suffix of an image file: choose one of {', '.join(every)}.")
        return found
    try:
        given = LabelFormat(file_format)
    except ValueError:
        raise OutputError(
            f"{file_format!r} is not a format of labels: choose one of {', '.join(LabelFormat)}."
        ) from None
    if not name.endswith(given.suffixes):
        raise OutputError(f"{path} is not a file name for {given}: it ends with one of {', '.join(given.suffixes)}.")
    return given


def _write(
    array: Voxels, geometry: Geometry, target: Path, compress: bool = True, named: Mapping[str, str] | None = None
) -> None:
    check_grid(geometry, target)
    image = _image(array, geometry)
    for key, value in (named or {}).items():
        image.SetMetaData(key, value)
    with replacing(target) as partial:
        try:
            with utf8_path(partial) as name:
                sitk.WriteImage(image, name, useCompression=compress and target.suffix.lower() != ".nii")
        except RuntimeError as error:
            raise _failure(partial, target) from error
        del image  # a copy of the array, before another one is read
        _check_written(array, geometry, partial, target)


def _image(array: Voxels, geometry: Geometry) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetOrigin(geometry.origin_lps)
    image.SetSpacing(geometry.spacing_mm_ijk)
    image.SetDirection(geometry.direction.ravel().tolist())
    return image


def _check_written(array: Voxels, geometry: Geometry, partial: Path, target: Path) -> None:
    try:
        header, stored = read_image(partial)
    except VolumeError as error:
        raise _failure(partial, target) from error
    if not header.geometry.same_grid(geometry):
        raise OutputError(f"{target} cannot hold this grid ({geometry.describe()}). Try the suffix .nrrd.")
    # Slice by slice: the comparison of whole arrays is another array.
    if stored.shape != array.shape or not all(map(np.array_equal, stored, array)):
        raise _failure(partial, target)


def _failure(partial: Path, target: Path) -> OutputError:
    """Find out why a file differs from the written data: the writer does not report it."""
    try:
        with partial.open("ab") as stream:
            # More than a block: the last block of the file may still have room.
            stream.write(bytes(1 << 20))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return OutputError(f"{target} could not be written: {write_failure(error, target.parent)}")
    return OutputError(f"{target} could not be written: reading it back gave other values. Try another folder.")
