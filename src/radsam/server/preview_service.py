"""Looking at a session: previews, and what is encoded ahead because of them. Changes nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from radsam.errors import PromptError
from radsam.predictor import SliceMask, SlicePredictor
from radsam.preprocess import Crop, Window
from radsam.server.encode_ahead import SliceInView
from radsam.server.live_session import LiveSession
from radsam.server.model_thread import ModelThread
from radsam.server.questions import Preview, Question, edit_of
from radsam.server.server_errors import TooManyError
from radsam.server.server_limits import Limits
from radsam.server.server_metrics import ServerMetrics
from radsam.session.edit import Correct, Segment
from radsam.session.started_object import StartedObject
from radsam.volume import Plane, Point, SliceGrid, slice_index


class PreviewService:
    """Answers on single slices.

    Args:
        predictor: The model.
        thread: Where it runs.
        sessions: The sessions in memory.
        limits: How many previews may wait.
        metrics: What is counted.
    """

    def __init__(
        self,
        predictor: SlicePredictor,
        thread: ModelThread,
        sessions: Callable[[], list[LiveSession]],
        limits: Limits,
        metrics: ServerMetrics,
    ) -> None:
        self._predictor = predictor
        self._thread = thread
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def slices_in_view(self) -> list[SliceInView]:
        """What is looked at now, for `EncodeAhead`."""
        return [each.focus for each in self._sessions() if each.focus is not None]

    def view(self, live: LiveSession, plane: Plane, index: int, zoomed: Question | None) -> None:
        """Note what is on screen.

        Raises:
            PromptError: There is no such slice, or the prompt does not fit.
        """
        grid = SliceGrid.of(live.session.volume.geometry, plane)
        if not 0 <= index < grid.count:
            raise PromptError(
                f"There is no {plane} slice {index}: this volume has {grid.count}, numbered 0 to {grid.count - 1}."
            )
        edit = None if zoomed is None else edit_of(zoomed, live.session)
        if edit is not None and edit.zoom:
            self._thread.call(lambda: self._look(live, edit, index))
        else:
            self._focus(live, grid, index, live.session.window, None)

    def preview(self, live: LiveSession, question: Question, points: Sequence[Point]) -> Future[Preview]:
        """Answer a prompt, and further points, on its slice alone, as the walk will."""
        edit = edit_of(replace(question, bounds=None), live.session)
        then = Correct(edit.name, tuple(points)) if points else None
        return self._answer(live, lambda: live.session.preview(edit, then), lambda: self._look(live, edit))

    def preview_correction(self, live: LiveSession, edit: Correct) -> Future[Preview]:
        """Answer a correction on its slice alone, as its walk will."""
        return self._answer(live, lambda: live.session.preview(edit), lambda: None)

    def _answer(
        self, live: LiveSession, ask: Callable[[], tuple[SliceMask, ...]], then: Callable[[], None]
    ) -> Future[Preview]:
        with self._lock:
            if self._waiting[live.owner] >= self._limits.previews:
                raise TooManyError("Too many previews wait already. Ask for the next one when the last has come.")
            self._waiting[live.owner] += 1
        asked = time.monotonic()

        def answer() -> Preview:
            masks = ask()
            then()
            return Preview(masks, time.monotonic() - asked)

        def count(done: Future[Preview]) -> None:
            with self._lock:
                self._waiting[live.owner] -= 1
            if not done.cancelled() and done.exception() is None:
                self._metrics.previews.observe(done.result().seconds)

        answered = self._thread.call(answer)
        answered.add_done_callback(count)
        return answered

    def _look(self, live: LiveSession, edit: Segment, index: int | None = None) -> None:
        """Encode ahead as an edit will need it. Runs on the model's thread."""
        grid = SliceGrid.of(live.session.volume.geometry, edit.plane)
        crop = StartedObject(live.session.volume, self._predictor, edit).view.crop
        at = slice_index(edit.prompt, grid) if index is None else index
        self._focus(live, grid, at, edit.window, crop)

    def _focus(self, live: LiveSession, grid: SliceGrid, index: int, window: Window, crop: Crop | None) -> None:
        def encoded(plane: str, which: int) -> None:
            live.encoded.setdefault(plane, set()).add(which)
            live.channel.publish("encoded", {"plane": plane, "index": which})

        known = live.focus
        if known is None or (known.window, known.crop) != (window, crop):
            live.encoded = {}
        live.focus = SliceInView(live.session.volume, grid, index, window, crop, encoded)
        self._thread.wake()
