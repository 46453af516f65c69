"""The volumes of the server: who may open which, and which are in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from radsam.errors import RadsamError, VolumeError
from radsam.io.volume_read import read_volume
from radsam.server.server_errors import NotFoundError, ServerFullError, TooLargeError
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore, UploadRow
from radsam.server.volume_listing import VolumeEntry, entries_of, paths_below
from radsam.volume import Volume

#: A listing of folders is not made again so soon.
_FRESH_SECONDS = 2.0


class VolumeRegistry:
    """A registry with a cache that is bounded in bytes.

    Args:
        given: Paths that were named at the start.
        data: Folders whose volumes are listed.
        store: Where uploads lie.
        limits: Bounds of sizes.
        named_by_path: Whether a volume may tell its path, as the session file of a local user should.

    Raises:
        VolumeError: A given path is no volume.
        TooLargeError: A given volume is larger than the limits allow.
    """

    def __init__(
        self, given: list[Path], data: list[Path], store: ServerStore, limits: Limits, *, named_by_path: bool = True
    ) -> None:
        self._data = data
        self._store = store
        self._limits = limits
        self._named_by_path = named_by_path
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._looking = threading.Lock()
        self._looked = float("-inf")
        self._kept: OrderedDict[str, Volume] = OrderedDict()
        #: Below the folders: what was found at a path, until it changes.
        self._seen: dict[Path, tuple[tuple[int, int], list[VolumeEntry]]] = {}
        self._entries: dict[str, VolumeEntry] = {}
        #: Volumes that sessions hold: their bytes are in use whatever the cache does.
        self.in_use: Callable[[], dict[str, Volume]] = dict
        #: Asked to let sessions go when the memory is used up.
        self.make_room: Callable[[], None] = lambda: None
        for path in given:
            for entry in entries_of(path.resolve(), "given", name=path.name):
                self._require_size(entry)
                self._entries[entry.id] = entry
        for row in store.every_upload():
            self.add_upload(row)

    def listed(self, user: str) -> list[VolumeEntry]:
        """List what a user may open: what was given, then the folders, then the user's uploads."""
        self._look()
        with self._lock:
            mine = [each for each in self._entries.values() if each.owner in (None, user)]
        order = ("given", "data", "upload")
        return sorted(mine, key=lambda each: (order.index(each.source), each.name))

    def entry(self, volume: str, user: str) -> VolumeEntry:
        """Return a volume that a user may open.

        Raises:
            NotFoundError: There is none of this id for this user.
        """
        if volume not in self._entries:
            self._look()
        entry = self._entries.get(volume)
        if entry is None or entry.owner not in (None, user):
            raise NotFoundError(
                f"There is no volume {volume!r}. It may have been moved or removed; list the volumes again."
            )
        return entry

    def load(self, entry: VolumeEntry) -> Volume:
        """Return the voxels, read where they are not in memory.

        Raises:
            VolumeError: The file cannot be read.
            TooLargeError: It is larger than the limits allow.
            ServerFullError: The memory is in use by other volumes.
        """
        with self._lock:
            reading = self._reading.setdefault(entry.id, threading.Lock())
        with reading:  # two who want the same volume read it once
            with self._lock:
                held = self._kept.get(entry.id) or self.in_use().get(entry.id)
                if held is not None:
                    self._keep(entry.id, held)
                    return held
            self._require_size(entry)
            self._require_room(entry)
            try:
                volume = read_volume(entry.path, series=entry.series)
            except VolumeError as error:
                raise VolumeError(str(error).replace(str(entry.path), entry.name)) from None
            if entry.owner is not None or not self._named_by_path:
                volume = replace(volume, source=entry.name)
            with self._lock:
                self._keep(entry.id, volume)
            return volume

    @property
    def bytes(self) -> int:
        """What the volumes in memory take, in the cache or in use."""
        return sum(each.hu.nbytes for each in (self._kept | self.in_use()).values())

    def add_upload(self, row: UploadRow) -> list[VolumeEntry]:
        """Take an upload into the registry; one that cannot be read any more is left out.

        Returns:
            Its volumes.
        """
        path = self._store.uploads / row.path
        try:
            found = entries_of(path, "upload", name=row.name, owner=row.owner)
        except (RadsamError, OSError):
            return []
        with self._lock:
            self._entries |= {each.id: each for each in found}
        return found

    def forget(self, entry: VolumeEntry) -> None:
        """Take a volume out of the registry and the memory."""
        with self._lock:
            self._entries.pop(entry.id, None)
            self._kept.pop(entry.id, None)

    def _look(self) -> None:
        """Bring the listing of the folders up to date."""
        with self._looking:
            if time.monotonic() - self._looked < _FRESH_SECONDS:
                return
            for folder in self._data:
                self._look_into(folder.resolve())
            self._looked = time.monotonic()

    def _look_into(self, folder: Path) -> None:
        present = set(paths_below(folder))
        for path in present:
            try:
                stat = path.stat()
            except OSError:
                continue
            stamp = stat.st_mtime_ns, stat.st_size
            if path in self._seen and self._seen[path][0] == stamp:
                continue
            name = path.name if path == folder else str(path.relative_to(folder))
            try:
                self._seen[path] = stamp, entries_of(path, "data", name=name)
            except (RadsamError, OSError):
                self._seen[path] = stamp, []  # not looked at again until it changes
        with self._lock:
            gone = [path for path in self._seen if path.is_relative_to(folder) and path not in present]
            for path in gone:
                for entry in self._seen.pop(path)[1]:
                    self._entries.pop(entry.id, None)
            for path in present & self._seen.keys():
                for entry in self._seen[path][1]:
                    self._entries.setdefault(entry.id, entry)

    def _require_size(self, entry: VolumeEntry) -> None:
        if entry.bytes_in_memory > self._limits.volume_bytes:
            raise TooLargeError(
                f"{entry.name} takes {entry.bytes_in_memory / 1e9:.1f} GB in memory; this server opens volumes of up "
                f"to {self._limits.volume_bytes / 1e9:.1f} GB. Crop it, or start the server with a higher limit."
            )

    def _require_room(self, entry: VolumeEntry) -> None:
        for attempt in range(2):
            with self._lock:
                used = self.in_use()
                for name in [each for each in self._kept if each not in used]:
                    if self._total() + entry.bytes_in_memory <= self._limits.cache_bytes:
                        break
                    del self._kept[name]
                if self._total() + entry.bytes_in_memory <= self._limits.cache_bytes or not self._total():
                    return
            if attempt == 0:
                self.make_room()
        raise ServerFullError(
            f"The memory for volumes ({self._limits.cache_bytes / 1e9:.1f} GB) is in use by other sessions. "
            "Close one, or try again later."
        )

    def _total(self) -> int:
        return sum(each.hu.nbytes for each in (self._kept | self.in_use()).values())

    def _keep(self, name: str, volume: Volume) -> None:
        self._kept[name] = volume
        self._kept.move_to_end(name)
        while len(self._kept) > 1 and self._total() > self._limits.cache_bytes:
            unused = next((each for each in self._kept if each not in self.in_use() and each != name), None)
            if unused is None:
                return
            del self._kept[unused]
