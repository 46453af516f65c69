"""Thumbnails of volumes: drawn from one slice, one at a time and never on the model's thread, and stored on disk."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from radsam.disk.folder_cache import FolderCache
from radsam.errors import OutputError, VolumeError
from radsam.io.middle_slice import middle_of, read_middle_slice
from radsam.render.thumbnail import draw_thumbnail
from radsam.server.display_windows import DisplayWindows
from radsam.server.volume_listing import VolumeEntry
from radsam.server.volume_registry import VolumeRegistry
from radsam.volume import Modality, ModalitySource

#: Width and height in pixels: twice as large as the page shows them, for fine screens.
_SIZE = 192
_MAX_BYTES = 256 << 20


class Thumbnails:
    """Draws and stores thumbnails.

    Args:
        volumes: Where volumes in memory are found.
        windows: The windows that they are drawn in.
        folder: Where thumbnails are stored.
    """

    def __init__(self, volumes: VolumeRegistry, windows: DisplayWindows, folder: Path) -> None:
        self._volumes = volumes
        self._windows = windows
        self._cache = FolderCache(folder, r"v[0-9a-f]{16}-[0-9a-f]+-[0-9a-f]+(-[a-zA-Z]+)?\.webp", max_bytes=_MAX_BYTES)

    @staticmethod
    def etag(entry: VolumeEntry) -> str:
        """Changes when the file does, or what the user says that it is."""
        given = entry.modality if entry.modality_source == ModalitySource.GIVEN.value else ""
        return f'{entry.etag[:-1]}-{given}"' if given else entry.etag

    def stored(self, entry: VolumeEntry) -> bytes | None:
        """Return a thumbnail that was drawn before; None if there is none of the present file."""
        return self._cache.read(_name(entry), lambda file: file.read())

    def draw(self, entry: VolumeEntry) -> bytes:
        """Draw a thumbnail and store it.

        Raises:
            VolumeError: The slice in the middle cannot be read.
        """
        loaded = self._volumes.in_memory(entry)
        try:
            middle = middle_of(loaded) if loaded else read_middle_slice(entry.path, series=entry.series)
        except VolumeError as error:
            raise VolumeError(str(error).replace(str(entry.path), entry.name)) from None
        if entry.modality and entry.modality != middle.modality:  # one slice says less than what is known of all
            middle = replace(middle, modality=Modality(entry.modality))
        window = self._windows.of_slice(middle)
        drawn = draw_thumbnail(middle, _SIZE, (window.low, window.high))
        with suppress(OutputError):  # the disk is full: drawn again the next time
            self._cache.write(_name(entry), lambda file: file.write(drawn))
        return drawn

    def remove(self, entry: VolumeEntry) -> None:
        """Remove the thumbnails of a volume."""
        for path in self._cache.folder.glob(f"{entry.id}-*.webp"):
            path.unlink(missing_ok=True)


def _name(entry: VolumeEntry) -> str:
    return Thumbnails.etag(entry).strip('"') + ".webp"
