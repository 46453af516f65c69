"""Inference requests of MONAI Label's clients, and the edits that carry them out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from radsam.errors import PromptError
from radsam.server.api_schemas import Name, RoundedIndex
from radsam.server.service import Service
from radsam.session.edit import Delete
from radsam.session.edit_request import CorrectionRequest, Request, SegmentRequest
from radsam.session.prompt_json import prompt_to_json
from radsam.volume import Bounds, Box, Geometry, Point, SliceGrid

Voxel = tuple[RoundedIndex, RoundedIndex, RoundedIndex]
#: Clients send null, "" or [] for absent values.
_Voxels = Annotated[
    tuple[Voxel, ...],
    Field(max_length=1000),
    BeforeValidator(lambda given: given or ()),
    AfterValidator(lambda voxels: tuple(dict.fromkeys(voxels))),
]
_Roi = tuple[RoundedIndex, RoundedIndex, RoundedIndex, RoundedIndex, RoundedIndex, RoundedIndex]


class InferRequest(Request):
    """All points and the box of an object.

    Args:
        label: The object; "object" if the client names none, as OHIF does.
        foreground: Voxels that belong to it, in the order of their clicks.
        background: Voxels that do not.
        roi: A box around it, [i0, i1, j0, j1, k0, k1], both ends included. Either end may come first: Slicer counts
            along the patient's axes.
        slice: The slice of the box.
    """

    model_config = ConfigDict(extra="ignore")

    label: Annotated[Name, BeforeValidator(lambda given: given or "object")] = "object"
    foreground: _Voxels = ()
    background: _Voxels = ()
    roi: Annotated[_Roi | None, BeforeValidator(lambda given: given or None)] = None
    slice: RoundedIndex | None = None

    def on_slice(self) -> InferRequest:
        """Return the request without the points of other slices than `slice`, if that is given."""
        if self.slice is None:
            return self
        points = {"foreground": self.foreground, "background": self.background}
        here = {key: tuple(each for each in voxels if each[2] == self.slice) for key, voxels in points.items()}
        return self.model_copy(update=here)

    def segmentation(self, geometry: Geometry) -> SegmentRequest:
        """Return the request that starts the object: with the box, or with the first point.

        Raises:
            PromptError: There is neither, or the box lies outside the volume.
        """
        grid = SliceGrid.across(geometry, 2)
        if self.roi is None:
            if not self.foreground:
                raise PromptError("An object starts with a foreground point or a roi; background points correct it.")
            i, j, k = self.foreground[0]
            return SegmentRequest(name=self.label, prompt=Point(i=i, j=j, k=k), plane=grid.plane)
        ends = zip(self.roi[::2], self.roi[1::2], geometry.shape_ijk, strict=True)
        (i0, i1), (j0, j1), (k0, k1) = ((max(0, min(a, b)), min(size - 1, max(a, b))) for a, b, size in ends)
        if i0 > i1 or j0 > j1 or k0 > k1:
            raise PromptError(f"The roi {self.roi} has no voxel inside the volume of {geometry.shape_ijk}.")
        clicked = self.foreground[0][2] if self.foreground and k0 <= self.foreground[0][2] <= k1 else (k0 + k1) // 2
        index = clicked if self.slice is None else self.slice
        bounds = Bounds(k0, k1) if k0 < k1 and k0 <= index <= k1 else None
        box = Box.on(grid, index, i0, j0, i1, j1)
        return SegmentRequest(name=self.label, prompt=box, plane=grid.plane, bounds=bounds)

    def corrections(self) -> tuple[Point, ...]:
        """Return the points that correct the object."""
        return self._points(self.foreground if self.roi is not None else self.foreground[1:])

    def all_points(self) -> tuple[Point, ...]:
        """Return every point, that of the start included: they correct an object that no prompt has started."""
        return self._points(self.foreground)

    def _points(self, positive: tuple[Voxel, ...]) -> tuple[Point, ...]:
        signs = [(voxel, True) for voxel in positive] + [(voxel, False) for voxel in self.background]
        return tuple(Point(i=i, j=j, k=k, positive=sign) for (i, j, k), sign in signs)


async def apply_request(service: Service, user: str, session: str, wanted: InferRequest, geometry: Geometry) -> None:
    """Bring an object to the state of a request: new points correct it; if earlier points are missing, it starts anew.

    Raises:
        RadsamError: An edit failed.
    """
    objects: list[dict[str, Any]] = service.state(user, session)["objects"]
    found = next((each for each in objects if each["name"] == wanted.label), None)
    if found is not None and found["start"] == "start_from_mask":
        await _correct_mask(service, user, session, wanted, found, geometry)
        return
    start = wanted.segmentation(geometry)
    corrections = _corrections(wanted.label, wanted.corrections(), geometry)
    known = _known_corrections(found, start)
    if known is None or not known <= corrections.keys():
        known = set()
        await asyncio.wrap_future(service.edit(user, session, start).future)
    for point, request in corrections.items():
        if point not in known:
            await asyncio.wrap_future(service.edit(user, session, request).future)


async def _correct_mask(
    service: Service, user: str, session: str, wanted: InferRequest, found: dict[str, Any], geometry: Geometry
) -> None:
    """Correct an object that was painted or started from a mask: a prompt would replace what a person has made."""
    corrections = _corrections(wanted.label, wanted.all_points(), geometry)
    known = _points_of(found["prompts"])
    for number in sorted({number for point, number in known.items() if point not in corrections}):
        await asyncio.wrap_future(service.change(user, session, Delete(number)))
    for point, request in corrections.items():
        if point not in known:
            await asyncio.wrap_future(service.edit(user, session, request).future)


def _corrections(name: str, points: tuple[Point, ...], geometry: Geometry) -> dict[Point, CorrectionRequest]:
    """Return the request of each point, all of them checked before the first edit."""
    corrections = {each: CorrectionRequest(name=name, points=(each,)) for each in points}
    for request in corrections.values():
        request.check(geometry)
    return corrections


def _known_corrections(found: dict[str, Any] | None, start: SegmentRequest) -> set[Point] | None:
    """Return the points that correct an object already; None if it does not exist or started differently."""
    if found is None:
        return None
    first, *others = found["prompts"]
    bounds = None if start.bounds is None else [start.bounds.low, start.bounds.high]
    if found["plane"] != start.plane.value or found["bounds"] != bounds:
        return None
    if any(first.get(key) != value for key, value in prompt_to_json(start.prompt).items()):
        return None
    return set(_points_of(others))


def _points_of(prompts: list[dict[str, Any]]) -> dict[Point, int]:
    """Return the points among an object's prompts, with their edits' numbers.

    The page may have corrected the object in other ways, which the client does not know of: these stay.
    """
    points = ((each, *each["point"]) for each in prompts if each["kind"] == "point")
    return {Point(i=i, j=j, k=k, positive=each["positive"]): each["number"] for each, i, j, k in points}
