"""Encoding slices before they are asked for, outward from the slice in view, while nothing else is to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from radsam.errors import RadsamError
from radsam.predictor import SlicePredictor
from radsam.preprocess import Crop, Window
from radsam.volume import SliceGrid, Volume

#: How far it looks to each side: what a cache of 384 MB holds of 64×64×256 embeddings.
_REACH = 90
#: Whoever has not looked for so long has gone away.
_FORGOTTEN_SECONDS = 300.0
#: Slices remembered as done; more than any volume has.
_REMEMBERED = 20_000


@dataclass(eq=False)
class SliceInView:
    """What a user looks at.

    Args:
        volume: The CT.
        grid: The plane.
        index: The slice in view.
        window: What the model sees.
        crop: The part of the slice that the model looks at; None for all of it.
        encoded: Told of each slice.
        since: When the user looked.
        missing: The slices still to do, in order.
    """

    volume: Volume
    grid: SliceGrid
    index: int
    window: Window
    crop: Crop | None
    encoded: Callable[[str, int], None]
    since: float = field(default_factory=time.monotonic)
    missing: Iterator[int] | None = None

    def outward(self) -> Iterator[int]:
        """Name the slices from the one in view to both sides."""
        yield self.index
        for step in range(1, _REACH + 1):
            for index in (self.index + step, self.index - step):
                if 0 <= index < self.grid.count:
                    yield index


class EncodeAhead:
    """Encodes one slice per call, in turn for everybody who looks at something.

    Args:
        predictor: The model.
        focuses: What is looked at now.
        counted: Called per slice.
    """

    def __init__(
        self,
        predictor: SlicePredictor,
        slices_in_view: Callable[[], list[SliceInView]],
        counted: Callable[[], None] = lambda: None,
    ) -> None:
        self._predictor = predictor
        self._slices_in_view = slices_in_view
        self._counted = counted
        self._turn = 0
        self._done: dict[tuple[object, ...], None] = {}

    def step(self) -> bool:
        """Encode one slice; return whether there may be more to do. Runs on the model's thread."""
        fresh = [each for each in self._slices_in_view() if time.monotonic() - each.since < _FORGOTTEN_SECONDS]
        self._turn += 1
        for number in range(len(fresh)):
            focus = fresh[(number + self._turn) % len(fresh)]
            if self._encode_next(focus):
                return True
        return False

    def _encode_next(self, focus: SliceInView) -> bool:
        if focus.missing is None:
            focus.missing = focus.outward()
        for index in focus.missing:
            window = focus.window.low_hu, focus.window.high_hu
            key = (focus.volume.content_hash, focus.grid.plane, index, window, focus.crop)
            if key in self._done:
                continue
            try:
                view = self._predictor.view(focus.grid, focus.window).with_crop(focus.crop)
                self._predictor.encode(focus.volume, view, index)
            except RadsamError:
                focus.missing = iter(())  # whoever asks for the slice is told why
                return False
            self._done[key] = None
            if len(self._done) > _REMEMBERED:
                del self._done[next(iter(self._done))]
            self._counted()
            focus.encoded(focus.grid.plane.value, index)
            return True
        return False
