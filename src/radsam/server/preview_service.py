"""Previews on single slices, and which slices to encode ahead. Nothing here changes a session."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from radsam.errors import PromptError
from radsam.predictor import ObjectView, SliceMask
from radsam.server.encode_ahead import SliceInView
from radsam.server.live_session import LiveSession
from radsam.server.model_thread import ModelThread
from radsam.server.server_errors import TooManyError
from radsam.server.server_limits import Limits
from radsam.server.server_metrics import ServerMetrics
from radsam.session.edit import Segment
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.session.requests import ObjectRequest
from radsam.session.started_object import StartedObject
from radsam.volume import Bounds, Plane, SliceGrid


@dataclass(frozen=True)
class Preview:
    """The prediction of one slice.

    Args:
        masks: The primary mask and, for a prompt without corrections, the three other masks; of an edit by hand, each
            slice that it changes by itself.
        seconds: Time from request to prediction.
        reach: The first and the last slice that a correction reaches; None of an edit that does not propagate so.
    """

    masks: tuple[SliceMask, ...]
    seconds: float
    reach: Bounds | None = None


class PreviewService:
    """Predicts single slices for previews.

    Args:
        thread: The model's thread.
        sessions: Returns the sessions in memory.
        limits: How many previews may wait.
        metrics: Where previews are measured.
    """

    def __init__(
        self,
        thread: ModelThread,
        sessions: Callable[[], list[LiveSession]],
        limits: Limits,
        metrics: ServerMetrics,
    ) -> None:
        self._thread = thread
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def slices_in_view(self) -> list[SliceInView]:
        """The slices in view, for `EncodeAhead`."""
        return [each.in_view for each in self._sessions() if each.in_view is not None]

    def view(self, live: LiveSession, plane: Plane, index: int, zoom_request: SegmentRequest | None) -> None:
        """Set the slice in view, cropped as a request will crop it.

        Raises:
            PromptError: The slice lies outside the volume, or the prompt does not fit.
        """
        grid = SliceGrid.of(live.session.volume.geometry, plane)
        if not 0 <= index < grid.count:
            raise PromptError(
                f"There is no {plane} slice {index}: this volume has {grid.count}, numbered 0 to {grid.count - 1}."
            )
        edit = None if zoom_request is None else zoom_request.to_edit(live.session.context)
        if edit is not None and edit.zoom:
            self._thread.call(lambda: self._view_crop(live, edit, index))
        else:
            self._set_view(live, live.session.predictor.view(grid, live.session.window), index)

    def preview(self, live: LiveSession, request: ObjectRequest, then: CorrectionRequest | None) -> Future[Preview]:
        """Predict the slice of a request as its propagation will, after a further correction if `then` is given."""
        with self._lock:
            if self._waiting[live.owner] >= self._limits.previews:
                raise TooManyError("Too many previews wait already. Request the next one after the last has arrived.")
            self._waiting[live.owner] += 1
        requested = time.monotonic()

        def run() -> Preview:
            edit = live.session.to_edit(request)
            masks = live.session.preview(edit, then)
            if isinstance(edit, Segment):
                self._view_crop(live, edit)
            return Preview(masks, time.monotonic() - requested, live.session.reach(edit))

        def count(done: Future[Preview]) -> None:
            with self._lock:
                self._waiting[live.owner] -= 1
            if not done.cancelled() and done.exception() is None:
                self._metrics.previews.observe(done.result().seconds)

        preview = self._thread.call(run)
        preview.add_done_callback(count)
        return preview

    def _view_crop(self, live: LiveSession, edit: Segment, index: int | None = None) -> None:
        """Encode ahead the crop that an edit will use. Runs on the model's thread."""
        started = StartedObject(live.session.volume, live.session.predictor, edit)
        self._set_view(live, started.view, started.index if index is None else index)

    def _set_view(self, live: LiveSession, view: ObjectView, index: int) -> None:
        def on_encoded(plane: str, encoded: int) -> None:
            live.encoded.setdefault(plane, set()).add(encoded)
            live.channel.publish("encoded", {"plane": plane, "index": encoded})

        before = live.in_view.view if live.in_view else None
        if before is None or (before.normalisation, before.crop) != (view.normalisation, view.crop):
            live.encoded = {}
        live.in_view = SliceInView(live.session.volume, live.session.predictor, view, index, on_encoded)
        self._thread.wake()
