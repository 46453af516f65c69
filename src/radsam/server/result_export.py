"""Exports label maps and sessions with the writers of the command line, so the files are the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radsam.errors import InputError
from radsam.io.dicom.derived_object import Algorithm
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_write import write_labels
from radsam.server.live_session import LiveSession
from radsam.server.volume_listing import VolumeEntry

_SUFFIXES = {"nii.gz": ".nii.gz", "nrrd": ".nrrd", "seg": ".dcm", "rtstruct": ".dcm", "session": ".radsam"}
_TYPES = {"nii.gz": "application/gzip", "seg": "application/dicom", "rtstruct": "application/dicom"}
_OTHER = "application/octet-stream"
#: Names of the export formats on the wire.
FORMATS = tuple(_SUFFIXES)
#: MIME types of the exported files.
EXPORT_TYPES = (*dict.fromkeys(_TYPES.values()), _OTHER)


@dataclass(frozen=True)
class ExportedFile:
    """An exported file.

    Args:
        path: Its path.
        name: Its name for the user.
        media_type: Its MIME type.
    """

    path: Path
    name: str
    media_type: str


def export_result(
    live: LiveSession, entry: VolumeEntry, file_format: str, objects: Sequence[str] | None, folder: Path
) -> ExportedFile:
    """Write the label map of some objects, or the session, into `folder`.

    Args:
        live: The session.
        entry: Its volume.
        file_format: "nii.gz", "nrrd", "seg", "rtstruct" or "session".
        objects: Names of objects; None for all.
        folder: The folder of the file.

    Raises:
        InputError: The format refers to DICOM images, and the volume is not a DICOM series; or it is a label map, and
            the objects overlap and must be whole.
        OutputError: The file cannot be written.
    """
    path = folder / f"result{_SUFFIXES[file_format]}"
    name = f"{_file_stem(entry.name)}-{file_format if _SUFFIXES[file_format] == '.dcm' else 'labels'}"
    exported = ExportedFile(path, name + _SUFFIXES[file_format], _TYPES.get(file_format, _OTHER))
    if file_format == "session":
        shutil.copyfile(live.file, path)
        return ExportedFile(path, f"{_file_stem(entry.name)}.radsam", exported.media_type)
    if path.suffix == ".dcm" and not entry.is_dicom:
        raise InputError(
            f"A DICOM {file_format.upper()} refers to DICOM images, and {entry.name} is not a DICOM series. Export "
            "NIfTI or NRRD, or open the DICOM series."
        )
    labels = live.label_map.labels
    if objects is not None:
        labels = labels.select([number for number, name in labels.names.items() if name in objects])
    if labels.keep_both and labels.covered and path.suffix != ".dcm":
        raise InputError(
            "The objects overlap and keep both their voxels (keep both), and a label map holds one object per voxel. "
            "Export one object at a time, or a DICOM SEG or RTSTRUCT; or choose the overlap policy last wins or keep "
            "first."
        )
    if path.suffix == ".dcm":
        predictor = live.session.predictor
        algorithm = Algorithm(predictor.spec.name, f"SHA-256 {predictor.model_hash[:12]}")
        source = read_source(entry.path, series=entry.series, resample=False)
        write_labels(labels, path, file_format=file_format, source=source, algorithm=algorithm)
    else:
        write_labels(labels, path)
    return exported


def _file_stem(name: str) -> str:
    for suffix in (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".zip"):
        name = name.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80] or "ct"
