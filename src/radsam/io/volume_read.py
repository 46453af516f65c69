"""Reading volumes and label maps from NIfTI, NRRD, MetaImage and DICOM, and describing them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Float, Int16, Shaped, UInt8, UInt16

from radsam.errors import SeriesError, VolumeError
from radsam.io.dicom.dicom_input import choose_series, dicom_folder, is_dicom, is_one_file
from radsam.io.dicom.dicom_labels import DicomLabels, compose_labels
from radsam.io.dicom.dicom_series import SeriesWarning, left_out_note, list_dicom
from radsam.io.dicom.element_values import text
from radsam.io.dicom.pixel_decoding import decode, fits_int16
from radsam.io.dicom.rtstruct_read import open_rtstruct
from radsam.io.dicom.seg_read import open_seg
from radsam.io.dicom.slice_stack import stack
from radsam.io.dicom.value_scaling import UnitWarning, scaled
from radsam.io.image_file import SUFFIXES, read_header, read_image
from radsam.io.label_grid import resample_onto
from radsam.io.label_legend import known_labels
from radsam.io.nifti_file import check_index
from radsam.io.stated_modality import stated_modality
from radsam.io.volume_info import VolumeInfo, describe_dicom, describe_dicom_labels
from radsam.volume import LabelVolume, Modality, ModalitySource, SeriesOrigin, Volume
from radsam.volume.modality import guess_modality


def read_volume(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    resample: bool = False,
    modality: Modality | str | None = None,
    index: int | None = None,
) -> Volume:
    """Read a volume.

    Args:
        path: A NIfTI, NRRD or MetaImage file, a folder or zip with a DICOM series, or an
            enhanced DICOM image.
        series: Which series of a DICOM folder: its UID or its number in the listing,
            either optionally followed by ``#`` and a part: an AcquisitionNumber, ``echo=2``, ``b=800#dir=1``.
        resample: Accept a DICOM series of a tilted gantry or with uneven distances
            between slices, and resample it linearly onto a rectangular grid. A regular
            series keeps its voxels.
        modality: What it is: "ct", "mr", "pet" or "other". None takes the file's own statement (DICOM, MetaImage, a
            BIDS sidecar), else what the values look like; `Volume.modality_source` tells which.
        index: Which volume of a NIfTI file that holds several, from 0 on, as of a time series.

    What belongs to a series but is not a slice (raw data, localizers, second copies of files) is left out with a
    `SeriesWarning`. Values of a PET are SUV by body weight where its headers say what that needs; else a `UnitWarning`
    says what is missing.

    Returns:
        The volume on the file's own grid. Values are int16 where every one is a whole
        number in its range, else float32.

    Raises:
        VolumeError: The path cannot be read as one volume; `SeriesError` for DICOM.
    """
    given = Path(path)
    if is_dicom(given):
        _refuse_index(given, index)
        with dicom_folder(given) as folder:
            chosen = choose_series(list_dicom(folder, given), given, series)
            stacked = stack(chosen, resample=resample)
            if chosen.left_out:
                warnings.warn(left_out_note(chosen.left_out, given), SeriesWarning, stacklevel=2)
            origin = SeriesOrigin(
                chosen.selector,
                "" if chosen.uid == "none" else chosen.uid,
                stacked.slices[0].frame_of_reference,
                stacked.problem,
                () if stacked.corners_ijk is None else tuple(stacked.corners_ijk[:, 2].tolist()),
            )
            stated = Modality.of_dicom(chosen.modality)
            found = scaled(stacked, stated if modality is None else known_modality(modality))
            if found.doubt:
                warnings.warn(found.doubt, UnitWarning, stacklevel=2)
            volume = Volume(decode(found.stacked), stacked.geometry, stated, str(given), origin, stated_unit=found.unit)
            return volume if modality is None else taken_for(volume, modality)
    _refuse_series(given, series)
    header, stored = read_image(given, index)
    volume = Volume(scaled_values(stored, header.scaling), header.geometry, source=str(given), index=index)
    return taken_for(volume, modality, stated_modality(given))


def known_modality(name: Modality | str) -> Modality:
    """Return the modality of this name.

    Raises:
        VolumeError: There is no such modality.
    """
    try:
        return Modality(name)
    except ValueError:
        known = ", ".join(each.value.lower() for each in Modality)
        raise VolumeError(f"There is no modality {name!r}; give one of {known}.") from None


def taken_for(volume: Volume, modality: Modality | str | None, stated: Modality | None = None) -> Volume:
    """Return a volume with the modality that the user gives, else that its file states, else a guess from its values.

    Raises:
        VolumeError: There is no such modality.
    """
    if modality is not None:
        return replace(volume, modality=known_modality(modality), modality_source=ModalitySource.GIVEN)
    if stated is not None:
        return replace(volume, modality=stated, modality_source=ModalitySource.HEADER)
    return replace(volume, modality=guess_modality(volume.values)[0], modality_source=ModalitySource.VALUES)


def read_info(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    modality: Modality | str | None = None,
    index: int | None = None,
    guess: bool = False,
) -> VolumeInfo:
    """Describe a volume, or a DICOM segmentation or structure set, from its headers.

    A DICOM folder that cannot be read as one volume is described too: its studies and
    series are listed and `VolumeInfo.problem` states the reason, as for a NIfTI file of several volumes.

    Args:
        path: As for `read_volume`, or a DICOM SEG or RTSTRUCT file.
        series: As for `read_volume`.
        modality: As for `read_volume`.
        index: As for `read_volume`.
        guess: Read the voxels, too, to tell the modality of a file that does not state it.

    Raises:
        VolumeError: The path or `series` does not exist, or cannot be read.
    """
    given = Path(path)
    if is_dicom(given):
        labels = _open_dicom_labels(given) if is_one_file(given) else None
        if labels is not None:
            _refuse_series(given, series)
            return describe_dicom_labels(given, labels)
        _refuse_index(given, index)
        with dicom_folder(given) as folder:
            found = describe_dicom(given, list_dicom(folder, given), series)
            if modality is not None:
                found = replace(found, modality=known_modality(modality).value, modality_source="given")
            return found
    _refuse_series(given, series)
    header = read_header(given)
    stated = stated_modality(given) if modality is None else known_modality(modality)
    source = "" if stated is None else "header" if modality is None else "given"
    doubt = problem = ""
    try:
        check_index(given, header.volumes, index)
    except VolumeError as error:
        if index is not None:
            raise
        problem = str(error)
    if guess and not problem:
        volume = read_volume(given, modality=modality, index=index)
        stated, source, doubt = volume.modality, volume.modality_source.value, volume.modality_doubt
    return VolumeInfo(
        source=str(given),
        format=header.format.name,
        file_bytes=given.stat().st_size,
        geometry=None if problem else header.geometry,
        problem=problem,
        volumes=header.volumes,
        modality="" if stated is None else stated.value,
        dtype=header.dtype,
        modality_source=source,
        modality_doubt=doubt,
    )


def read_labels(
    path: str | os.PathLike[str],
    *,
    on: Volume | None = None,
    names: Sequence[str] | None = None,
    resample: bool = False,
) -> LabelVolume:
    """Read a label map from NIfTI, NRRD or MetaImage, a DICOM SEG, or an RTSTRUCT.

    Args:
        path: The file.
        on: The volume that the labels belong to. A SEG is then brought to its grid, and
            contours are filled on it, which needs it; other files keep their own grid.
        names: The objects to read: names or numbers; None for all. Of a SEG or RTSTRUCT
            in this order. A label map has names where an ITK-SNAP label description lies
            beside it ("organs.txt" beside "organs.nii.gz"), or 3D Slicer wrote it.
        resample: Bring labels of any file to the grid of `on`, also from another extent or
            spacing in the same space, as those of another phase or an earlier study: each
            voxel takes the nearest label. A `LabelResampledWarning` tells what changed.

    Returns:
        Object ids, uint8 where they fit and uint16 otherwise, with the names that the file
        has. Of DICOM, a SEG keeps its segment numbers, and ROIs are numbered in their order
        from 1. Where objects overlap, which a label map cannot hold, the smaller one is on
        top and a warning is given.

    Raises:
        VolumeError: The file is not one readable volume, its values are not whole
            numbers from 0 to 65535, or it holds no object of that name.
        GridMismatchError: A SEG or RTSTRUCT belongs to another series, or lies elsewhere;
            or labels to resample lie wholly outside the volume, or in another frame of reference.
    """
    given = Path(path)
    if resample and on is None:
        raise VolumeError(f"{given} can be resampled onto a volume only: give that, too (on=volume).")
    if is_dicom(given):
        labels = _open_dicom_labels(given) if is_one_file(given) else None
        if labels is None:
            raise VolumeError(
                f"{given} is not a segmentation: a mask is read from a DICOM SEG or RTSTRUCT file, or from one of "
                f"{', '.join(SUFFIXES)}."
            )
        return compose_labels(labels, on, names, resample=resample)
    header, stored = read_image(given)
    found = LabelVolume(_ids(stored, (1.0, 0.0) if header.quantised else header.scaling, given), header.geometry)
    known, colours = known_labels(given)
    if known or names is not None:
        present = found.present_ids
        found = replace(
            found,
            names={number: known[number] for number in present if number in known},
            colours={number: colours[number] for number in present if number in colours},
        )
        if names is not None:
            found = found.select(_named(names, present, found.names, given))
    return resample_onto(found, on, given) if resample and on is not None else found


def _named(names: Sequence[str], present: Sequence[int], known: Mapping[int, str], path: Path) -> list[int]:
    """Return the labels of these names or values.

    Raises:
        VolumeError: No label or several have the name.
    """
    chosen = []
    for name in names:
        found = [number for number in present if known.get(number) == name] or [
            number for number in present if str(number) == name
        ]
        if len(found) != 1:
            there = ", ".join(f"{number}: {known[number]!r}" if number in known else str(number) for number in present)
            raise VolumeError(
                f"{path} has {len(found) or 'no'} labels named {name!r}. Choose by value or name: {there or 'none'}."
            )
        chosen += found
    return chosen


def _open_dicom_labels(path: Path) -> DicomLabels | None:
    """Read a SEG or RTSTRUCT file; None if it is another DICOM file.

    Raises:
        VolumeError: The file cannot be read, is cut short, or breaks the standard in an element that is needed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # pydicom warns of every value that breaks a rule
            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"], force=True)
            kind = text(head, "Modality", "")
            opened = {"SEG": open_seg, "RTSTRUCT": open_rtstruct}.get(kind)
            return None if opened is None else opened(path, pydicom.dcmread(path, force=True))
    except VolumeError:
        raise
    except Exception as error:  # pydicom has no common base for what damaged bytes provoke
        raise VolumeError(f"{path} begins like a DICOM file but cannot be read ({error}). Copy it again.") from error


def _refuse_series(path: Path, series: str | None) -> None:
    if series is not None:
        raise SeriesError(f"{path} is a file of one volume; a series can only be chosen in a DICOM folder or zip.")


def _refuse_index(path: Path, index: int | None) -> None:
    if index is not None:
        raise VolumeError(
            f"{path} is DICOM, of which a series or a part of one is chosen (--series); an index (--index) chooses a "
            "volume of a NIfTI file."
        )


def scaled_values(
    stored: Shaped[np.ndarray, "k j i"], scaling: tuple[float, float]
) -> Int16[np.ndarray, "k j i"] | Float[np.ndarray, "k j i"]:
    """Scale the stored values of an image file; as int16 where that loses nothing."""
    # Slice by slice: each test makes temporary arrays of its input.
    kind = np.int16 if all(fits_int16(_scaled(each, scaling)) for each in stored) else np.float32
    if scaling == (1.0, 0.0):
        return stored.astype(kind, copy=False)
    values = np.empty(stored.shape, kind)
    for k, each in enumerate(stored):
        values[k] = _scaled(each, scaling)
    return values


def _scaled(stored: Shaped[np.ndarray, "*n"], scaling: tuple[float, float]) -> Shaped[np.ndarray, "*n"]:
    """Return stored value × slope + intercept, float32: the slope of a header is not more exact."""
    slope, intercept = scaling
    with np.errstate(over="ignore"):  # infinite values are refused
        return stored if scaling == (1.0, 0.0) else (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _ids(
    stored: Shaped[np.ndarray, "k j i"], scaling: tuple[float, float], path: Path
) -> UInt8[np.ndarray, "k j i"] | UInt16[np.ndarray, "k j i"]:
    values = _scaled(stored, scaling)
    low, high = values.min(), values.max()
    whole = np.issubdtype(values.dtype, np.integer) or all((each == np.rint(each)).all() for each in values)
    if not (whole and low >= 0 and high <= 65535):
        parts = np.concatenate([each[each != np.rint(each)][:3] for each in values])[:3]
        examples = ", ".join(f"{each:.4g}" for each in parts)
        probabilities = " They look like probabilities: save 1 where they are above 0.5, and 0 elsewhere."
        raise VolumeError(
            f"{path} is not a label map: its values go from {low:g} to {high:g}"
            f"{'' if whole else f' and are not whole numbers ({examples}, …)'}. "
            f"Labels are whole numbers from 0 to 65535.{probabilities if not whole and 0 <= low < high <= 1 else ''}"
        )
    return values.astype(np.uint8 if high <= 255 else np.uint16, copy=False)
