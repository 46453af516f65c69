"""Describes the volumes of files and folders from their headers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radsam.disk.utf8_path import printable
from radsam.errors import RadsamError, VolumeError
from radsam.io.dicom.dicom_input import is_dicom
from radsam.io.dicom.patient_header import PatientHeader, read_patient
from radsam.io.stated_grid import grid_notes
from radsam.io.volume_info import ScanInfo, VolumeInfo
from radsam.io.volume_read import read_info
from radsam.server.server_store import UploadRow, iso_time
from radsam.volume import Geometry


@dataclass(frozen=True, eq=False)
class VolumeEntry:
    """A volume that can be opened.

    Args:
        id: Its id; the same after a restart.
        name: Its display name.
        path: The file, or the folder of its DICOM series.
        series: Selector of the series in that folder; None for a file.
        source: "given", "data" or "upload".
        geometry: Its grid.
        modality: "CT", "MR", "PET" or "other"; empty where its file does not say it and it has not been read.
        dtype: Type of the stored values.
        owner: The only user who may open it; None for all users.
        notes: What was left out of it, and what its file does not state about its grid, as sentences.
        file_bytes: Its size on disk.
        upload: The upload that it belongs to; empty if it was not uploaded.
        added: ISO time of the upload, or else of the file's last change.
        labels: Whether an upload looks like a label map.
        scan: What tells it from others of its DICOM folder; None for a file.
        patient: Patient and study, where the server's operator allows to show them.
        modality_source: Who says the modality: "header", "given", "values"; empty where nobody does yet.
        modality_doubt: Why it may be another one; empty if it is sure.
        unit: Unit of its values; empty where they have none, or none is known yet.
    """

    id: str
    name: str
    path: Path
    series: str | None
    source: str
    geometry: Geometry
    modality: str
    dtype: str
    owner: str | None = None
    notes: tuple[str, ...] = ()
    file_bytes: int = 0
    upload: str = ""
    added: str = ""
    labels: bool = False
    scan: ScanInfo | None = None
    patient: PatientHeader | None = None
    modality_source: str = ""
    modality_doubt: str = ""
    unit: str = ""

    @property
    def is_dicom(self) -> bool:
        """Whether it is a DICOM series, to whose images results can refer."""
        return self.series is not None

    @property
    def bytes_in_memory(self) -> int:
        """Upper limit of its size in memory."""
        i, j, k = self.geometry.shape_ijk
        return i * j * k * (2 if self.dtype in ("int8", "uint8", "int16") else 4)

    @property
    def etag(self) -> str:
        """Changes when the file does."""
        stat = self.path.stat()
        return f'"{self.id}-{stat.st_mtime_ns:x}-{stat.st_size:x}"'


def entries_of(
    path: Path, source: str, *, name: str | None = None, upload: UploadRow | None = None, show_patient: bool = False
) -> list[VolumeEntry]:
    """Describe the volumes of one path: the volume of a file, or one per readable DICOM series or acquisition.

    Args:
        path: The file or folder.
        source: "given", "data" or "upload".
        name: Display name; the path's own if left out.
        upload: The upload that it belongs to.
        show_patient: Whether to read patient and study.

    Raises:
        VolumeError: The path holds no readable volume.
    """
    with grid_notes() as about_grid:
        info = read_info(path)
    display_name = printable(name or (upload.name if upload else path.name))

    def entry(series: str | None, title: str, about: VolumeInfo, grid: Geometry) -> VolumeEntry:
        key = volume_id(path, series)
        return VolumeEntry(
            id=key,
            name=title,
            path=path,
            series=series,
            source=source,
            geometry=grid,
            modality=about.modality,
            modality_source=about.modality_source,
            unit="HU" if about.modality == "CT" else "",
            dtype=about.dtype,
            owner=upload.owner if upload else None,
            notes=about.notes,
            file_bytes=about.file_bytes,
            upload=upload.id if upload else "",
            added=upload.created if upload else iso_time(path.stat().st_mtime),
            labels=upload.labels if upload else False,
            scan=about.scan,
            patient=read_patient(path, about.scan.uid) if about.scan and show_patient else None,
        )

    if not is_dicom(path):
        if info.geometry is None:
            raise VolumeError(info.problem)
        # Without the path on the server, which is not for every user.
        notes = [each.replace(str(path), display_name) for each in about_grid]
        return [entry(None, display_name, replace(info, notes=(*info.notes, *notes)), info.geometry)]
    found = []
    for each in info.series:
        if each.problem and not each.parts:
            continue
        for selector in [part.selector for part in each.parts if not part.problem] or [each.uid or str(each.number)]:
            try:
                of_series = read_info(path, series=selector)
            except RadsamError:
                continue
            if of_series.geometry is None:
                continue
            several = len(info.series) > 1 or len(each.parts) > 1
            scan = of_series.scan
            acquisition = f"acquisition {scan.acquisition}" if scan and scan.acquisition else ""
            which = (f"#{each.number}" if several else "", acquisition, scan.part.replace("#", " ") if scan else "")
            title = " ".join(filter(None, (display_name, *which, each.description)))
            found.append(entry(selector, title, of_series, of_series.geometry))
    if not found:
        raise VolumeError(info.problem or f"No series in {path} is a single regular volume.")
    return found


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Name paths by their last parts: by one, or by as many as tell them from those of the same name."""
    names = []
    for path in paths:
        others = {each for each in paths if each != path}
        lengths = range(1, len(path.parts) + 1)
        found = (path.parts[-n:] for n in lengths if all(each.parts[-n:] != path.parts[-n:] for each in others))
        names.append("/".join(next(found, path.parts[-1:])))
    return names


def volume_id(path: Path, series: str | None) -> str:
    """Return the id of a volume: a hash of its path and series."""
    return "v" + hashlib.sha256(f"{path.resolve()}\0{series or ''}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
