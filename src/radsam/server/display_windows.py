"""The windows that volumes and thumbnails are displayed in at first."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from radsam.preprocess import Window
from radsam.runtime import BundleSpec
from radsam.volume import Modality, Volume

#: Of a CT, in HU; the model's own window may differ.
SOFT_TISSUE = Window(-160.0, 240.0)


class DisplayWindows:
    """Display windows: soft tissue of a CT, and what the model sees of other modalities.

    Args:
        spec: The model's spec.
    """

    def __init__(self, spec: BundleSpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[Volume, Window] = WeakKeyDictionary()

    def of(self, volume: Volume) -> Window:
        """Return the window of a volume, or of a slice as a volume of its own."""
        if volume.modality is Modality.CT:
            return SOFT_TISSUE
        with self._lock:
            if volume not in self._known:
                self._known[volume] = self._spec.window_of(volume)
            return self._known[volume]
