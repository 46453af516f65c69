"""Encodes slices before a prompt needs them, outward from the slice in view, while the model is idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from radsam.errors import RadsamError
from radsam.predictor import ObjectView, SlicePredictor
from radsam.volume import Volume

#: Slices to each side: as many embeddings of 64×64×256 as a cache of 384 MB holds.
_REACH = 90
#: A view older than this is ignored: the user has left.
_STALE_SECONDS = 300.0
#: Keys of encoded slices in memory; more than any volume has.
_MAX_DONE = 20_000


@dataclass(eq=False)
class SliceInView:
    """The slice that a user sees.

    Args:
        volume: The volume.
        predictor: The model.
        view: How the model sees the slices of its plane.
        index: The slice number.
        on_encoded: Called with plane and index of each encoded slice.
        since: When it came into view.
        missing: The slices still to encode, in order.
    """

    volume: Volume
    predictor: SlicePredictor
    view: ObjectView
    index: int
    on_encoded: Callable[[str, int], None]
    since: float = field(default_factory=time.monotonic)
    missing: Iterator[int] | None = None

    def outward(self) -> Iterator[int]:
        """Yield the slice numbers from the slice in view to both sides."""
        yield self.index
        for step in range(1, _REACH + 1):
            for index in (self.index + step, self.index - step):
                if 0 <= index < self.view.grid.count:
                    yield index


class EncodeAhead:
    """Encodes one slice per call, for each view in turn.

    Args:
        slices_in_view: Returns the slices in view.
        counted: Called per encoded slice.
    """

    def __init__(
        self,
        slices_in_view: Callable[[], list[SliceInView]],
        counted: Callable[[], None] = lambda: None,
    ) -> None:
        self._slices_in_view = slices_in_view
        self._counted = counted
        self._turn = 0
        self._done: dict[tuple[object, ...], None] = {}

    def step(self) -> bool:
        """Encode one slice, on the model's thread; return whether there may be more to do."""
        fresh = [each for each in self._slices_in_view() if time.monotonic() - each.since < _STALE_SECONDS]
        self._turn += 1
        return any(self._encode_next(fresh[(number + self._turn) % len(fresh)]) for number in range(len(fresh)))

    def _encode_next(self, shown: SliceInView) -> bool:
        if shown.missing is None:
            shown.missing = shown.outward()
        for index in shown.missing:
            view = shown.view
            key = (
                shown.volume.content_hash,
                shown.predictor.model_hash,
                view.grid.plane,
                index,
                view.normalisation,
                view.crop,
            )
            if key in self._done:
                continue
            try:
                shown.predictor.encode(shown.volume, view, index)
            except RadsamError:
                shown.missing = iter(())  # a prompt on the slice gets the error
                return False
            self._done[key] = None
            if len(self._done) > _MAX_DONE:
                del self._done[next(iter(self._done))]
            self._counted()
            shown.on_encoded(view.grid.plane.value, index)
            return True
        return False
