"""The methods of a session for edits by hand, of ends, marks and clean-up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from radsam.errors import SessionError
from radsam.preprocess import Window
from radsam.propagate import SliceDone
from radsam.session.edit import Reach
from radsam.session.hand_request import (
    BoundsRequest,
    CleanUpRequest,
    ConfirmRequest,
    ContinueRequest,
    PaintRequest,
    without_slices,
)
from radsam.session.label_objects import mask_of_array
from radsam.session.requests import ObjectRequest
from radsam.session.segmented_object import SegmentedObject
from radsam.volume import Volume
from radsam.volume.clean_up import CleanUpStep
from radsam.volume.hand_shape import HandShape

Progress = Callable[[SliceDone], None]


class HandEdits(ABC):
    """Changes of an object that a person decides alone.

    Every method returns the object as it is now; `Session.outcome` says what has changed. All of them raise
    `SessionError` where the object does not exist or is locked, and `PromptError` or `RequestError` for a value that
    does not fit; the session is then as before.
    """

    volume: Volume

    @abstractmethod
    def _do(self, request: ObjectRequest, progress: Progress | None = None) -> SegmentedObject:
        """Carry out a request, with its warnings."""

    @property
    @abstractmethod
    def objects(self) -> dict[str, SegmentedObject]:
        """The objects by name."""

    def paint(
        self,
        shape: HandShape | Bool[np.ndarray, "k j i"],
        *,
        name: str = "object",
        positive: bool = True,
        reach: Reach = "slice",
        within: Window | tuple[float, float] | None = None,
        alike: float | None = None,
        progress: Progress | None = None,
    ) -> SegmentedObject:
        """Set voxels by hand: no propagation changes them afterwards. An object that does not exist is started.

        Args:
            shape: A brush stroke, lasso, box or mask of one slice, in any plane; or voxels of the whole volume.
            name: The object.
            positive: Whether the voxels belong to the object from now on, or do not.
            reach: How far the painted slices propagate: "slice" (not at all), a number of slices, "next", or "ends".
            within: Sets only voxels in this range, both ends included.
            alike: Sets only voxels within ± this value of the mean under the stroke's first point, and connected to
                it.
            progress: Called after each slice of the propagation.
        """
        given = mask_of_array(shape, 2) if isinstance(shape, np.ndarray) else shape
        request = {"name": name, "shape": given, "positive": positive, "reach": reach}
        return self._do(PaintRequest.model_validate(request | {"within": within, "alike": alike}), progress)

    def erase(
        self,
        shape: HandShape | Bool[np.ndarray, "k j i"],
        *,
        name: str = "object",
        reach: Reach = "slice",
        within: Window | tuple[float, float] | None = None,
        alike: float | None = None,
        progress: Progress | None = None,
    ) -> SegmentedObject:
        """Set voxels as not part of the object; the arguments are those of `paint`."""
        return self.paint(shape, name=name, positive=False, reach=reach, within=within, alike=alike, progress=progress)

    def delete_slice(self, *slices: int, name: str = "object") -> SegmentedObject:
        """Delete the object's mask on slices of its plane: it is not there, and no propagation puts it there again."""
        if name not in tuple(self.objects):
            raise SessionError(f"There is no object {name!r} in this session.")
        return self._do(without_slices(name, slices, self.volume.geometry, self.objects[name].grid.plane))

    def trim(self, low: int | None = None, high: int | None = None, *, name: str = "object") -> SegmentedObject:
        """Drop the slices before `low` and after `high`; None leaves that end. Nothing is computed."""
        return self._do(BoundsRequest(name=name, low=low, high=high, change="trim"))

    def extend(
        self,
        low: int | None = None,
        high: int | None = None,
        *,
        name: str = "object",
        progress: Progress | None = None,
    ) -> SegmentedObject:
        """Propagate from the object's ends to a new first or last slice; None leaves that end."""
        return self._do(BoundsRequest(name=name, low=low, high=high, change="extend"), progress)

    def continue_object(self, name: str = "object", *, progress: Progress | None = None) -> SegmentedObject:
        """Continue a propagation that was stopped: to its requested bounds, or until the stop rule ends it."""
        return self._do(ContinueRequest(name=name), progress)

    def confirm(self, *slices: int, name: str = "object", confirmed: bool = True) -> SegmentedObject:
        """Mark slices as right: no propagation changes them afterwards. `confirmed=False` opens them again."""
        return self._do(ConfirmRequest.model_validate({"name": name, "slices": slices, "confirmed": confirmed}))

    def clean_up(self, step: CleanUpStep, *, name: str = "object") -> SegmentedObject:
        """Clean up the object's mask with one of the steps of `radsam.volume.clean_up`.

        Voxels set by hand and slices marked right stay.
        """
        return self._do(CleanUpRequest(name=name, step=step))
