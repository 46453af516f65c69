"""The volumes of a project's cases as volumes of the server: described and read when somebody opens one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from radsam.errors import RadsamError
from radsam.io.volume_read import read_info
from radsam.project.project import Project
from radsam.project.task_state import Case
from radsam.server.server_store import iso_time
from radsam.server.volume_listing import VolumeEntry
from radsam.server.volume_registry import VolumeRegistry
from radsam.volume import Modality, Volume


class CaseVolumes:
    """The volumes of the cases.

    Args:
        project: The project.
        volumes: Where they are added.
    """

    def __init__(self, project: Project, volumes: VolumeRegistry) -> None:
        self._project = project
        self._volumes = volumes
        self._cases = {self.id_of(case): case.id for case in project.cases()}
        volumes.on_missing = self._add_missing
        volumes.may_open = lambda volume, user: volume not in self._cases or project.role_of(user) is not None

    @staticmethod
    def id_of(case: Case) -> str:
        """Return the id of the volume of a case: a hash of where it is."""
        return "v" + hashlib.sha256(f"{case.source}\0{case.series or ''}\0case".encode()).hexdigest()[:16]

    def open(self, case: Case, user: str) -> tuple[VolumeEntry, Volume]:
        """Describe and read the volume of a case.

        Raises:
            VolumeError: It cannot be read.
            TooLargeError: It is larger than the limits allow.
        """
        entry = self._volumes.entry(self.id_of(case), user)
        return entry, self._volumes.load(entry)

    def _add_missing(self, volume: str) -> None:
        if (name := self._cases.get(volume)) is not None:
            case = self._project.case(name)
            self._volumes.add(self._described(case), lambda: self._project.volume(case.id))

    def _described(self, case: Case) -> VolumeEntry:
        """Describe the volume of a case from its header if that is enough, else by reading it."""
        path, local = Path(case.source), "://" not in case.source
        info = read_info(path, series=case.series) if local else None
        geometry = None if info is None else info.geometry
        try:
            stat = path.stat() if local else self._project.folder.stat()
        except OSError:
            stat = self._project.folder.stat()
        given = None if case.modality is None else _modality(case.modality)
        modality = given or (info.modality if info else "")
        return VolumeEntry(
            id=self.id_of(case),
            name=case.id,
            path=path if local else self._project.folder,
            series=case.series or (info.scan.uid if info is not None and info.scan else None),
            source="given",
            geometry=self._project.geometry(case.id) if geometry is None else geometry,
            modality=modality,
            modality_source="given" if given else info.modality_source if info else "",
            unit="HU" if modality == "CT" else "",
            dtype="float32" if info is None else info.dtype,
            notes=() if info is None else info.notes,
            file_bytes=0 if info is None else info.file_bytes,
            added=iso_time(stat.st_mtime),
            scan=None if info is None else info.scan,
        )


def _modality(name: str) -> str | None:
    try:
        return Modality(name).value
    except (ValueError, RadsamError):
        return None
