"""The middle slice of a volume, read without the other slices where the format allows it: for a thumbnail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from radsam.io.dicom.dicom_input import choose_series, dicom_folder, is_dicom
from radsam.io.dicom.dicom_series import list_dicom
from radsam.io.dicom.pixel_decoding import decode
from radsam.io.dicom.slice_stack import stack
from radsam.io.dicom.value_scaling import scaled
from radsam.io.image_file import read_middle_image
from radsam.io.stated_grid import grid_notes
from radsam.io.stated_modality import stated_modality
from radsam.io.volume_read import scaled_values, taken_for
from radsam.volume import Geometry, Modality, Volume


def read_middle_slice(path: Path, *, series: str | None = None, index: int | None = None) -> Volume:
    """Read the slice in the middle of the stored axis k.

    Args:
        path: As for `read_volume`.
        series: As for `read_volume`.
        index: As for `read_volume`.

    Returns:
        A volume of this slice alone, in its place. Of DICOM one image is decoded, and a NIfTI file is read up to its
        middle; NRRD and MetaImage are read whole.

    Raises:
        VolumeError: The path cannot be read as one volume, or its middle slice is damaged.
    """
    with grid_notes():
        if is_dicom(path):
            with dicom_folder(path) as folder:
                chosen = choose_series(list_dicom(folder, path), path, series)
                stacked = stack(chosen)
                middle = len(stacked.slices) // 2
                geometry = _slice_of(stacked.geometry, middle)
                modality = Modality.of_dicom(chosen.modality)
                found = scaled(stacked, modality)
                one = replace(stacked, slices=found.stacked.slices[middle : middle + 1], geometry=geometry)
                return Volume(decode(one), geometry, modality, stated_unit=found.unit)
        header, middle, stored = read_middle_image(path, index)
    slice_ = Volume(scaled_values(stored, header.scaling), _slice_of(header.geometry, middle))
    return taken_for(slice_, None, stated_modality(path))


def middle_of(volume: Volume) -> Volume:
    """Return the slice in the middle of the stored axis k as a volume of its own."""
    middle = len(volume.values) // 2
    return Volume(
        volume.values[middle : middle + 1].copy(),
        _slice_of(volume.geometry, middle),
        volume.modality,
        stated_unit=volume.stated_unit,
    )


def _slice_of(geometry: Geometry, k: int) -> Geometry:
    """Return the grid of one slice."""
    affine = np.array(geometry.affine_lps)
    affine[:3, 3] = geometry.index_to_mm(np.array([0.0, 0.0, float(k)]))
    return Geometry((1, *geometry.shape_kji[1:]), affine)
