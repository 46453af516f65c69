"""The windows that volumes and thumbnails are displayed in at first."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from radsam.preprocess import Window
from radsam.session import Engine
from radsam.volume import Modality, Volume

#: Of a CT, in HU; the model's own window may differ.
SOFT_TISSUE = Window(-160.0, 240.0)


class DisplayWindows:
    """Display windows: soft tissue of a CT, and what the model sees of other modalities.

    Args:
        engine: The models.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[Volume, Window] = WeakKeyDictionary()

    def of(self, volume: Volume) -> Window:
        """Return the window of a volume; it loads the model that opens it.

        Raises:
            BundleError: That model is missing or damaged.
        """
        if volume.modality is Modality.CT:
            return SOFT_TISSUE
        with self._lock:
            if volume not in self._known:
                self._known[volume] = self._engine.for_modality(volume.modality).bundle.spec.window_of(volume)
            return self._known[volume]

    def of_slice(self, middle: Volume) -> Window:
        """Return the window of a slice, a volume of its own, for a thumbnail."""
        return SOFT_TISSUE if middle.modality is Modality.CT else self._engine.bundle.spec.window_of(middle)
