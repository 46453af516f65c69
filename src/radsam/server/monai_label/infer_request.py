"""Inference requests of MONAI Label's clients, and the edits that carry them out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from radsam.errors import PromptError
from radsam.server.api_schemas import Name, RoundedIndex
from radsam.server.service import Service
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
        positive = self.foreground if self.roi is not None else self.foreground[1:]
        signs = [(voxel, True) for voxel in positive] + [(voxel, False) for voxel in self.background]
        return tuple(Point(i=i, j=j, k=k, positive=sign) for (i, j, k), sign in signs)


async def apply_request(service: Service, user: str, session: str, wanted: InferRequest, geometry: Geometry) -> None:
    """Bring an object to the state of a request: new points correct it; if earlier points are missing, it starts anew.

    Raises:
        RadsamError: An edit failed.
    """
    start = wanted.segmentation(geometry)
    corrections = {each: CorrectionRequest(name=wanted.label, points=(each,)) for each in wanted.corrections()}
    for request in corrections.values():
        request.check(geometry)  # all of them before the first edit
    known = _known_corrections(service, user, session, start)
    if known is None or not known <= corrections.keys():
        known = set()
        await asyncio.wrap_future(service.edit(user, session, start).future)
    for point, request in corrections.items():
        if point not in known:
            await asyncio.wrap_future(service.edit(user, session, request).future)


def _known_corrections(service: Service, user: str, session: str, start: SegmentRequest) -> set[Point] | None:
    """Return the corrections that an object has already; None if it does not exist or started differently."""
    objects: list[dict[str, Any]] = service.state(user, session)["objects"]
    found = next((each for each in objects if each["name"] == start.name), None)
    if found is None:
        return None
    first, *others = found["prompts"]
    bounds = None if start.bounds is None else [start.bounds.low, start.bounds.high]
    if found["plane"] != start.plane.value or found["bounds"] != bounds:
        return None
    if any(first.get(key) != value for key, value in prompt_to_json(start.prompt).items()):
        return None
    return {Point(i=i, j=j, k=k, positive=each["positive"]) for each in others for i, j, k in [each["point"]]}
