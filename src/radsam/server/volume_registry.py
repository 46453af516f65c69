"""The volumes of the server: which user may open them, and which are in memory."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from radsam.disk.utf8_path import printable
from radsam.errors import RadsamError, VolumeError
from radsam.io.stated_grid import grid_notes
from radsam.io.volume_paths import paths_below
from radsam.io.volume_read import read_volume, taken_for
from radsam.server.server_errors import NotFoundError, ServerFullError, TooLargeError
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore, UploadRow
from radsam.server.volume_listing import VolumeEntry, distinct_names, entries_of
from radsam.volume import Modality, ModalitySource, Volume

_log = logging.getLogger(__name__)

#: Most volumes of a folder that are listed.
_MOST_VOLUMES = 2_000
#: The folders are not scanned again within this time.
_FRESH_SECONDS = 2.0


@dataclass(frozen=True)
class _Known:
    """What a volume is taken for."""

    modality: Modality
    source: ModalitySource
    doubt: str
    unit: str


class VolumeRegistry:
    """A registry with a cache that is bounded in bytes.

    Args:
        given: Paths from the command line.
        data: Folders whose volumes are listed.
        store: Where uploads are stored.
        limits: Size limits.
        named_by_path: Whether a volume carries its path, which a session file of a local user stores.
        show_patient: Whether listings show patient and study of DICOM volumes.
        modality: What the given volumes and those of folders are, whatever their files say, and what uploads are
            whose files do not say it.

    Raises:
        VolumeError: A given path is not a volume.
        TooLargeError: A given volume is larger than the limits allow.
    """

    def __init__(
        self,
        given: list[Path],
        data: list[Path],
        store: ServerStore,
        limits: Limits,
        *,
        named_by_path: bool = True,
        show_patient: bool = False,
        modality: Modality | None = None,
    ) -> None:
        self._data = data
        self._store = store
        self._limits = limits
        self._named_by_path = named_by_path
        self._show_patient = show_patient
        self._modality = modality
        #: What users say that volumes are, and what is known of volumes that were read.
        self._corrected = {volume: Modality(name) for volume, name in store.modalities().items()}
        self._read: dict[str, _Known] = {}
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._scanning = threading.Lock()
        self._scanned = float("-inf")
        self._cache: OrderedDict[str, Volume] = OrderedDict()
        #: The volumes below the folders by path, with the stamp of the file.
        self._found: dict[Path, tuple[tuple[int, int], list[VolumeEntry]]] = {}
        self._entries: dict[str, VolumeEntry] = {}
        #: Volumes of sessions in memory: the cache cannot free them.
        self.in_use: Callable[[], dict[str, Volume]] = dict
        #: Called to close unused sessions when the memory is used up.
        self.make_room: Callable[[], None] = lambda: None
        #: Whether a user may open a volume that was not uploaded.
        self.may_open: Callable[[str, str], bool] = lambda volume, user: True
        #: Called with an id that is not known, to add the volume.
        self.on_missing: Callable[[str], None] = lambda volume: None
        self._readers: dict[str, Callable[[], Volume]] = {}
        paths = [path.resolve() for path in given]
        for path, name in zip(paths, distinct_names(paths), strict=True):
            for entry in entries_of(path, "given", name=name, show_patient=show_patient):
                self.require_size(entry)
                self._entries[entry.id] = entry
        for row in store.every_upload():
            self.add_upload(row)

    def listed(self, user: str) -> list[VolumeEntry]:
        """List the volumes that a user may open: given ones, then those in folders, then the user's uploads."""
        self._scan()
        with self._lock:
            known = list(self._entries.values())
        mine = [self._with_modality(each) for each in known if self._is_for(each, user)]
        order = ("given", "data", "upload")
        return sorted(mine, key=lambda each: (order.index(each.source), each.name))

    def entry(self, volume: str, user: str) -> VolumeEntry:
        """Return a volume that a user may open.

        Raises:
            NotFoundError: There is no volume with this id for this user.
        """
        if volume not in self._entries:
            self.on_missing(volume)
        if volume not in self._entries:
            self._scan()
        entry = self._entries.get(volume)
        if entry is None or not self._is_for(entry, user):
            raise NotFoundError(
                f"There is no volume {volume!r}. It may have been moved or removed; list the volumes again."
            )
        return self._with_modality(entry)

    def _is_for(self, entry: VolumeEntry, user: str) -> bool:
        return entry.owner == user or (entry.owner is None and self.may_open(entry.id, user))

    def add(self, entry: VolumeEntry, read: Callable[[], Volume]) -> None:
        """Add a volume that is read in a way of its own.

        Raises:
            TooLargeError: It is larger than the limits allow.
        """
        self.require_size(entry)
        with self._lock:
            self._readers[entry.id] = read
            self._entries[entry.id] = entry

    def set_modality(self, entry: VolumeEntry, modality: Modality) -> None:
        """Take a volume for what a user says that it is, from now on and after a restart."""
        self._store.put_modality(entry.id, modality.value)
        with self._lock:
            self._corrected[entry.id] = modality
            self._read.pop(entry.id, None)

    def _given_modality(self, entry: VolumeEntry) -> Modality | None:
        """Return what a user says that it is: in the page, else where the server was started."""
        if entry.id in self._corrected:
            return self._corrected[entry.id]
        stated = (self._entries.get(entry.id) or entry).modality_source == "header"
        return None if entry.source == "upload" and stated else self._modality

    def _with_modality(self, entry: VolumeEntry) -> VolumeEntry:
        """Describe a volume with its modality, as far as it is known without reading it."""
        known = self._read.get(entry.id)
        given = self._given_modality(entry)
        if known is None and given is not None:
            unit = "HU" if given is Modality.CT else ""
            known = _Known(given, ModalitySource.GIVEN, "", unit)
        if known is None:
            return entry
        return replace(
            entry,
            modality=known.modality.value,
            modality_source=known.source.value,
            modality_doubt=known.doubt,
            unit=known.unit,
        )

    def _as_given(self, entry: VolumeEntry, volume: Volume) -> Volume:
        """Return a volume that was read as what it is taken for now."""
        given = self._given_modality(entry)
        if given is not None and (volume.modality, volume.modality_source) != (given, ModalitySource.GIVEN):
            volume = taken_for(volume, given)
        known = self._read.get(entry.id)
        if known is None or (known.modality, known.source) != (volume.modality, volume.modality_source):
            self._read[entry.id] = _Known(volume.modality, volume.modality_source, volume.modality_doubt, volume.unit)
        return volume

    def load(self, entry: VolumeEntry) -> Volume:
        """Return a volume, from memory or from its file.

        Raises:
            VolumeError: The file cannot be read.
            TooLargeError: It is larger than the limits allow.
            ServerFullError: The memory is in use by other volumes.
        """
        with self._lock:
            reading = self._reading.setdefault(entry.id, threading.Lock())
        with reading:  # concurrent requests read a volume once
            with self._lock:
                loaded = self._cache.get(entry.id) or self.in_use().get(entry.id)
            if loaded is not None:
                loaded = self._as_given(entry, loaded)
                with self._lock:
                    self._put_into_cache(entry.id, loaded)
                return loaded
            self.require_size(entry)
            self._require_room(entry)
            try:
                with grid_notes():  # the entry has them
                    volume = self._read_from_disk(entry)
            except VolumeError as error:
                raise VolumeError(str(error).replace(str(entry.path), entry.name)) from None
            if entry.owner is not None or not self._named_by_path:
                volume = replace(volume, source=entry.name)
            volume = self._as_given(entry, volume)
            with self._lock:
                self._put_into_cache(entry.id, volume)
            return volume

    def _read_from_disk(self, entry: VolumeEntry) -> Volume:
        if (read := self._readers.get(entry.id)) is not None:
            return read()
        return read_volume(entry.path, series=entry.series, modality=self._given_modality(entry))

    def in_memory(self, entry: VolumeEntry) -> Volume | None:
        """Return a volume if it is in memory."""
        with self._lock:
            loaded = self._cache.get(entry.id) or self.in_use().get(entry.id)
        return None if loaded is None else self._as_given(entry, loaded)

    @property
    def bytes(self) -> int:
        """Bytes of all volumes in memory, in the cache or in use."""
        return sum(each.values.nbytes for each in (self._cache | self.in_use()).values())

    def add_upload(self, row: UploadRow) -> list[VolumeEntry]:
        """Register an upload, if it can still be read.

        Returns:
            Its volumes.
        """
        path = self._store.uploads / row.path
        try:
            found = entries_of(path, "upload", upload=row, show_patient=self._show_patient)
        except (RadsamError, OSError):
            return []
        with self._lock:
            self._entries |= {each.id: each for each in found}
        return [self._with_modality(each) for each in found]

    def remove(self, entry: VolumeEntry) -> None:
        """Remove a volume from the registry and the cache."""
        with self._lock:
            self._entries.pop(entry.id, None)
            self._cache.pop(entry.id, None)
            self._read.pop(entry.id, None)
            self._corrected.pop(entry.id, None)
        self._store.delete_modality(entry.id)

    def _scan(self) -> None:
        """Update the list of the volumes in folders."""
        with self._scanning:
            if time.monotonic() - self._scanned < _FRESH_SECONDS:
                return
            folders = [folder.resolve() for folder in self._data]
            for folder, name in zip(folders, distinct_names(folders), strict=True):
                self._scan_folder(folder, f"{name}/" if len(folders) > 1 else "")
            self._scanned = time.monotonic()

    def _scan_folder(self, folder: Path, prefix: str) -> None:
        present = set(paths_below(folder, _MOST_VOLUMES))
        for path in present:
            try:
                stat = path.stat()
            except OSError:
                continue
            stamp = stat.st_mtime_ns, stat.st_size
            if path in self._found and self._found[path][0] == stamp:
                continue
            name = path.name if path == folder else f"{prefix}{path.relative_to(folder)}"
            try:
                self._found[path] = stamp, entries_of(path, "data", name=name, show_patient=self._show_patient)
            except Exception as error:  # whatever one file provokes, the others are listed
                if isinstance(error, RadsamError | OSError):
                    _log.warning("%s is not offered: %s", printable(path), printable(str(error)))
                else:
                    _log.warning("%s cannot be listed", printable(path), exc_info=error)
                self._found[path] = stamp, []  # not read again until it changes
        with self._lock:
            gone = [path for path in self._found if path.is_relative_to(folder) and path not in present]
            for path in gone:
                for entry in self._found.pop(path)[1]:
                    self._entries.pop(entry.id, None)
            for path in present & self._found.keys():
                for entry in self._found[path][1]:
                    self._entries.setdefault(entry.id, entry)

    def require_size(self, entry: VolumeEntry) -> None:
        """Refuse a volume that is larger in memory than the limits allow.

        Raises:
            TooLargeError: It is larger.
        """
        if entry.bytes_in_memory > self._limits.volume_bytes:
            raise TooLargeError(
                f"{entry.name} takes {entry.bytes_in_memory / 1e9:.1f} GB in memory; the limit of this server is "
                f"{self._limits.volume_bytes / 1e9:.1f} GB. Crop it, or start the server with a higher limit."
            )

    def _require_room(self, entry: VolumeEntry) -> None:
        for attempt in range(2):
            with self._lock:
                used = self.in_use()
                for name in [each for each in self._cache if each not in used]:
                    if self.bytes + entry.bytes_in_memory <= self._limits.cache_bytes:
                        break
                    del self._cache[name]
                if self.bytes + entry.bytes_in_memory <= self._limits.cache_bytes or not self.bytes:
                    return
            if attempt == 0:
                self.make_room()
        raise ServerFullError(
            f"Other sessions use the memory for volumes ({self._limits.cache_bytes / 1e9:.1f} GB). "
            "Close one, or try again later."
        )

    def _put_into_cache(self, name: str, volume: Volume) -> None:
        self._cache[name] = volume
        self._cache.move_to_end(name)
        while len(self._cache) > 1 and self.bytes > self._limits.cache_bytes:
            unused = next((each for each in self._cache if each not in self.in_use() and each != name), None)
            if unused is None:
                return
            del self._cache[unused]
