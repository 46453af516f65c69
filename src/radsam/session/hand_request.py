"""Requests that ask no model: voxels by hand, slices marked right, ends, and clean-up."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import numpy as np
from pydantic import AliasChoices, Field, StrictBool, StrictInt, model_validator

from radsam.errors import PromptError, SessionError
from radsam.session.clean_up_json import AnyCleanUpStep
from radsam.session.edit import CleanUp, Confirm, Continue, Paint, Reach, Segment, SetBounds, StartFromMask
from radsam.session.edit_request import ObjectName, Request, RequestContext, StartFromMaskRequest
from radsam.session.hand_shape_json import AnyHandShape
from radsam.session.history import present_objects
from radsam.session.prompt_json import ValueWindow
from radsam.session.stopped import ENDS
from radsam.session.user_state import UserState
from radsam.volume import Bounds, Geometry, Plane, RunMask, SliceGrid, SparseMask, slice_index
from radsam.volume.clean_up import CopySlice, check_clean_up
from radsam.volume.hand_shape import alike, sampled_voxel, shape_voxels, within_range


class PaintRequest(Request):
    """Paint or erase voxels by hand; no propagation changes them afterwards.

    Args:
        name: The object. Painting starts one that does not exist.
        shape: A brush stroke, a lasso, a box, a mask of one slice, or voxels.
        positive: Whether the voxels belong to the object from now on, or do not.
        reach: How far the painted slices propagate.
        within: Sets only voxels in this range of values, both ends included.
        alike: Sets only voxels within ± this value of the mean under the stroke's first point, and connected to it.
    """

    name: ObjectName = "object"
    shape: AnyHandShape
    positive: StrictBool = True
    reach: Reach = "slice"
    within: ValueWindow | None = Field(default=None, validation_alias=AliasChoices("within", "within_hu"))
    alike: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def check(self, geometry: Geometry) -> None:
        """Refuse a shape without a voxel in the volume.

        Raises:
            PromptError: The shape lies outside the volume.
        """
        shape_voxels(self.shape, geometry)

    def to_edit(self, context: RequestContext) -> Paint | StartFromMask:
        """Return the edit; of an object that does not exist, the one that starts it by hand.

        Raises:
            PromptError: The shape lies outside the volume, or no voxel of it lies in the range of values.
            SessionError: The object is locked, or there is none to erase from.
        """
        voxels = self._limited(shape_voxels(self.shape, context.geometry), context)
        if self.name in present_objects(context.edits) or not self.positive:
            context.started(self.name)
            return Paint(self.name, voxels, self.positive, self.reach)
        grid = SliceGrid.across(context.geometry, voxels.axis)
        return StartFromMaskRequest(name=self.name, mask=voxels, plane=grid.plane, by_hand=True).to_edit(context)

    def _limited(self, voxels: SparseMask, context: RequestContext) -> SparseMask:
        if self.within is None and self.alike is None:
            return voxels
        if context.values is None:
            raise SessionError("The values of the volume are needed for a stroke that is limited by them.")
        unit = f" {context.unit}" if context.unit else ""
        if self.within is not None:
            low, high = self.within.low, self.within.high
            voxels = within_range(voxels, context.values, (low, high))
            if not voxels:
                raise PromptError(f"No voxel of the stroke lies between {low:g} and {high:g}{unit}: nothing was set.")
        if self.alike is not None:
            at, spacing_mm = sampled_voxel(self.shape, voxels), context.geometry.spacing_mm_ijk
            voxels = alike(voxels, context.values, at, self.alike, spacing_mm)
            if not voxels:
                raise PromptError(
                    f"No voxel at {at} lies within ±{self.alike:g}{unit} of the mean around it: nothing was set."
                )
        return voxels


class BoundsRequest(Request):
    """Trim or extend an object to new ends.

    Args:
        name: The object.
        low: Its first slice; None leaves it.
        high: Its last slice; None leaves it.
        change: "trim" only takes slices away, "extend" only adds some, "set" does both.
    """

    name: ObjectName = "object"
    low: StrictInt | None = None
    high: StrictInt | None = None
    change: Literal["set", "trim", "extend"] = "set"

    @model_validator(mode="after")
    def _moves_an_end(self) -> BoundsRequest:
        if self.low is None and self.high is None:
            raise PromptError("Give the first slice, the last slice, or both.")
        return self

    def to_edit(self, context: RequestContext) -> SetBounds:
        """Return the edit.

        Raises:
            PromptError: The ends are reversed, lie outside the volume, cut off the slice of the object's prompt, or do
                not trim or extend it.
            SessionError: The object does not exist, or is locked.
        """
        started = context.started(self.name)
        grid = SliceGrid.of(context.geometry, started.plane)
        now = self._ends(context)
        low, high = now.low if self.low is None else self.low, now.high if self.high is None else self.high
        bounds = Bounds(low, high)
        self._check_change(now)
        if not 0 <= low <= high < grid.count:
            raise PromptError(
                f"The bounds {low} to {high} leave the volume: its {grid.plane} slices are numbered 0 to "
                f"{grid.count - 1}."
            )
        if isinstance(started, Segment):
            at = slice_index(started.prompt, grid)
            if at not in bounds:
                raise PromptError(
                    f"The bounds {low} to {high} cut off slice {at}, on which {self.name!r} was prompted. Keep that "
                    "slice, or start the object again on another one."
                )
        elif high < now.low or low > now.high:
            raise PromptError(f"The bounds {low} to {high} leave nothing of {self.name!r} ({now.low} to {now.high}).")
        given = tuple(end for end, at in zip(ENDS, (self.low, self.high), strict=True) if at is not None)
        return SetBounds(self.name, bounds, given)

    def _check_change(self, now: Bounds) -> None:
        """Refuse an end that is extended where it should be trimmed, and the other way round."""
        for end, present, side in ((self.low, now.low, -1), (self.high, now.high, 1)):
            if end is None or end == present or self.change == "set":
                continue
            if ((end - present) * side > 0) != (self.change == "extend"):
                does = "extend" if self.change == "trim" else "trim"
                raise PromptError(
                    f"{self.name!r} goes from slice {now.low} to {now.high}: an end at slice {end} would {does} it, "
                    f"not {self.change} it. Use {does} for that end."
                )

    def _ends(self, context: RequestContext) -> Bounds:
        """Return the present first and last slice."""
        state = context.state(self.name)
        if state.bounds is not None:
            return state.bounds
        if context.present is None:
            raise SessionError(f"The ends of {self.name!r} are found by its propagation: segment it first.")
        slices = context.present(self.name).slice_masks
        return Bounds(min(slices), max(slices))


class ContinueRequest(Request):
    """Continue a propagation that was stopped.

    Args:
        name: The object.
    """

    name: ObjectName = "object"

    def to_edit(self, context: RequestContext) -> Continue:
        """Return the edit.

        Raises:
            SessionError: The object does not exist, is locked, or is finished.
        """
        context.started(self.name)
        if not context.state(self.name).unfinished:
            raise SessionError(
                f"{self.name!r} is finished: no propagation of it was stopped. Give it a new first or last slice to "
                "extend it."
            )
        return Continue(self.name)


class ConfirmRequest(Request):
    """Mark slices of an object as right, so that no propagation changes them; or open them again.

    Args:
        name: The object.
        slices: Slices of its plane.
        confirmed: Whether they are right from now on.
    """

    name: ObjectName = "object"
    slices: Annotated[tuple[StrictInt, ...], Field(min_length=1)]
    confirmed: StrictBool = True

    def to_edit(self, context: RequestContext) -> Confirm:
        """Return the edit.

        Raises:
            PromptError: A slice lies outside the volume, or outside the object's bounds.
            SessionError: The object does not exist, or is locked.
        """
        context.started(self.name)
        state = context.state(self.name)
        for index in self.slices:
            if not 0 <= index < state.grid.count or (state.bounds is not None and index not in state.bounds):
                ends = state.bounds or Bounds(0, state.grid.count - 1)
                raise PromptError(
                    f"Slice {index} lies outside {self.name!r}, whose {state.grid.plane} slices go from {ends.low} to "
                    f"{ends.high}."
                )
        return Confirm(self.name, tuple(sorted(set(self.slices))), self.confirmed)


class CleanUpRequest(Request):
    """Clean up an object's mask.

    Args:
        name: The object.
        step: What to do; see `radsam.volume.clean_up`.
    """

    name: ObjectName = "object"
    step: AnyCleanUpStep

    def to_edit(self, context: RequestContext) -> CleanUp:
        """Return the edit.

        Raises:
            PromptError: The step does not fit the volume, or a chosen slice is empty or outside the object's bounds.
            SessionError: The object does not exist, or is locked.
        """
        context.started(self.name)
        shape_kji = context.geometry.shape_kji
        if context.present is None:
            self.step.check(shape_kji)
        else:
            check_clean_up(context.present(self.name).sparse(shape_kji), self.step)
        self._check_bounds(context.state(self.name))
        return CleanUp(self.name, self.step)

    def _check_bounds(self, state: UserState) -> None:
        """Refuse to copy a slice to where the object has none."""
        step, bounds = self.step, state.bounds
        if not isinstance(step, CopySlice) or step.axis != state.grid.axis or bounds is None:
            return
        if outside := [index for index in step.to if index not in bounds]:
            raise PromptError(
                f"Slice {outside[0]} lies outside {self.name!r}, which goes from slice {bounds.low} to {bounds.high}: "
                "extend it first."
            )


def without_slices(name: str, slices: Collection[int], geometry: Geometry, plane: Plane) -> PaintRequest:
    """Return the request that erases whole slices of an object: it is not there.

    Args:
        name: The object.
        slices: Slices of its plane.
        geometry: The volume's grid.
        plane: Its plane.

    Raises:
        PromptError: A slice lies outside the volume, or there is none.
    """
    grid = SliceGrid.of(geometry, plane)
    for index in slices:
        if not 0 <= index < grid.count:
            raise PromptError(
                f"There is no {plane} slice {index} to delete: this volume has {grid.count}, numbered 0 to "
                f"{grid.count - 1}."
            )
    whole = RunMask.encode(np.ones(grid.shape_vu, bool))
    return PaintRequest(
        name=name, shape=SparseMask(grid.axis, geometry.shape_kji, dict.fromkeys(slices, whole)), positive=False
    )
