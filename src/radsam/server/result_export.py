"""Exports label maps and sessions with the writers of the command line, so the files are the same."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radsam.errors import InputError
from radsam.io.dicom.derived_object import Algorithm
from radsam.io.dicom.organ_codes import OrganCode
from radsam.io.dicom.source_series import read_source
from radsam.io.label_legend import legend_json, own_legend_path, write_legend
from radsam.io.volume_write import write_labels
from radsam.server.live_session import LiveSession
from radsam.server.volume_listing import VolumeEntry
from radsam.volume import LabelVolume
from radsam.volume.object_colours import Colour, rgb_of

_SUFFIXES = {"nii.gz": ".nii.gz", "nrrd": ".seg.nrrd", "seg": ".dcm", "rtstruct": ".dcm", "session": ".radsam"}
_TYPES = {"nii.gz": "application/gzip", "seg": "application/dicom", "rtstruct": "application/dicom"}
_OTHER, _ZIP = "application/octet-stream", "application/zip"
#: Names of the export formats on the wire.
FORMATS = tuple(_SUFFIXES)
#: MIME types of the exported files.
EXPORT_TYPES = (*dict.fromkeys(_TYPES.values()), _ZIP, _OTHER)


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
    live: LiveSession,
    entry: VolumeEntry,
    file_format: str,
    objects: Sequence[str] | None,
    folder: Path,
    *,
    legend: bool = False,
) -> ExportedFile:
    """Write the label map of some objects, with the colours that the user chose, or the session, into `folder`.

    Args:
        live: The session.
        entry: Its volume.
        file_format: "nii.gz", "nrrd", "seg", "rtstruct" or "session".
        objects: Names of objects; None for all.
        folder: The folder of the file.
        legend: Of a NIfTI file, which has no names, write a zip with its legends beside it.

    Raises:
        InputError: The format refers to DICOM images, and the volume is not a DICOM series; or it is a label map, and
            the objects overlap and must be whole; or a legend of another format was requested.
        OutputError: The file cannot be written.
    """
    path = folder / f"result{_SUFFIXES[file_format]}"
    name = f"{_file_stem(entry.name)}-{file_format if _SUFFIXES[file_format] == '.dcm' else 'labels'}"
    exported = ExportedFile(path, name + _SUFFIXES[file_format], _TYPES.get(file_format, _OTHER))
    if legend and file_format != "nii.gz":
        raise InputError(
            f"A legend lies beside NIfTI only (format=nii.gz), and the format is {file_format}, which holds the names "
            "itself. Leave the legend out."
        )
    if file_format == "session":
        shutil.copyfile(live.file, path)
        return ExportedFile(path, f"{_file_stem(entry.name)}.radsam", exported.media_type)
    if path.suffix == ".dcm" and not entry.is_dicom:
        raise InputError(
            f"A DICOM {file_format.upper()} refers to DICOM images, and {entry.name} is not a DICOM series. Export "
            "NIfTI or NRRD, or open the DICOM series."
        )
    labels = replace(live.label_map.labels, colours=_chosen_colours(live))
    if objects is not None:
        labels = labels.select([number for number, name in labels.names.items() if name in objects])
    if labels.keep_both and labels.covered and path.suffix != ".dcm":
        raise InputError(
            "The objects overlap and keep both their voxels (keep both), and a label map holds one object per voxel. "
            "Export one object at a time, or a DICOM SEG or RTSTRUCT; or choose the overlap policy last wins or keep "
            "first."
        )
    codes = live.label_set.codes if live.label_set else {}
    if path.suffix == ".dcm":
        predictor = live.session.predictor
        algorithm = Algorithm(predictor.spec.name, f"SHA-256 {predictor.model_hash[:12]}")
        source = read_source(entry.path, series=entry.series, resample=False)
        write_labels(labels, path, file_format=file_format, source=source, algorithm=algorithm, codes=codes)
    else:
        write_labels(labels, path, codes=codes)
    return _with_legends(exported, labels, codes) if legend else exported


def _chosen_colours(live: LiveSession) -> dict[int, Colour]:
    """Return the colours that the user or the label set chose, by the objects' values."""
    looks = {number: live.looks(name) for number, name in live.label_map.labels.names.items()}
    return {number: rgb_of(each["color"]) for number, each in looks.items() if "color" in each}


def _with_legends(exported: ExportedFile, labels: LabelVolume, codes: Mapping[str, OrganCode]) -> ExportedFile:
    """Put a label map into a zip with its legends: for ITK-SNAP, which RadSAM reads, too, and for programs."""
    stem = exported.name.removesuffix(_SUFFIXES["nii.gz"])
    description, path = own_legend_path(exported.path), exported.path.with_name("result.zip")
    write_legend(description, labels)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.write(exported.path, exported.name)
        packed.write(description, own_legend_path(Path(exported.name)).name)
        packed.writestr(f"{stem}.json", legend_json(labels, codes))
    return ExportedFile(path, f"{stem}.zip", _ZIP)


def _file_stem(name: str) -> str:
    for suffix in (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".zip"):
        name = name.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80] or "ct"
