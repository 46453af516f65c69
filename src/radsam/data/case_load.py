"""From a case to arrays: the volume and one label map of all its classes."""

from __future__ import annotations

import numpy as np

from radsam.data.case import Case, LabelSource
from radsam.io.label_grid import require_same_grid
from radsam.io.volume_read import read_labels, read_volume
from radsam.volume import LabelVolume, Volume


def load_case(case: Case) -> tuple[Volume, LabelVolume]:
    """Read a case.

    Returns:
        The volume, of the modality that the dataset states, and the object ids 1, 2, … of the case's classes on the
        same grid.
        Values of a label map that are not a class of the case become background.

    Raises:
        VolumeError: A file is missing or broken.
        GridMismatchError: A label map lies on another grid than the image.
    """
    volume = read_volume(case.image, modality=case.modality)
    ids = np.zeros(volume.geometry.shape_kji, np.uint8 if len(case.labels) <= 255 else np.uint16)
    by_file: dict[str, list[tuple[int, LabelSource]]] = {}
    for object_id, source in enumerate(case.labels.values(), start=1):
        by_file.setdefault(str(source.file), []).append((object_id, source))
    for file, sources in by_file.items():
        labels = read_labels(file)
        require_same_grid(labels, volume.geometry, f"The label map {file}")
        for stored, merged in zip(labels.ids, ids, strict=True):
            if stored.any():  # most slices of a single class are empty
                _merge(stored, merged, sources)
    return volume, LabelVolume(ids, volume.geometry, case.names)


def _merge(stored: np.ndarray, merged: np.ndarray, sources: list[tuple[int, LabelSource]]) -> None:
    """Write the classes of one slice of one file into the same slice of the merged map."""
    id_of_value = np.zeros(np.iinfo(stored.dtype).max + 1, merged.dtype)
    for object_id, source in sources:
        if source.value is None:
            id_of_value[1:] = object_id
        elif source.value < id_of_value.size:
            id_of_value[source.value] = object_id
    found = id_of_value[stored]
    np.copyto(merged, found, where=found > 0)
