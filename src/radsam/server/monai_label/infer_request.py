"""Inference requests of MONAI Label's clients, and the edits that bring a session to what a request describes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radsam.errors import InputError, PromptError
from radsam.server.questions import Question
from radsam.server.service import Service
from radsam.session.prompt_json import prompt_to_json
from radsam.volume import Box, Geometry, Point, SliceGrid

Voxel = tuple[int, int, int]
Roi = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

#: Name of an object without a label, as OHIF sends it.
_DEFAULT_NAME = "object"
_MAX_POINTS = 1000
_MAX_NAME_LENGTH = 64


@dataclass(frozen=True)
class InferRequest:
    """All points and the box of an object.

    Args:
        name: The object.
        foreground: Voxels that belong to it, in the order of their clicks.
        background: Voxels that do not.
        roi: First and last voxel along i, j and k of a box around it.
        index: The slice of the box.
    """

    name: str
    foreground: tuple[Voxel, ...] = ()
    background: tuple[Voxel, ...] = ()
    roi: Roi | None = None
    index: int | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> InferRequest:
        """Parse the `params` of a request.

        Raises:
            InputError: A parameter has the wrong type or length.
        """
        name = params.get("label") or _DEFAULT_NAME
        if not isinstance(name, str) or len(name) > _MAX_NAME_LENGTH or not name.isprintable():
            raise InputError(f"label is the name of the object: give up to {_MAX_NAME_LENGTH} printable characters.")
        index = params.get("slice")
        return cls(
            name,
            _voxels(params, "foreground"),
            _voxels(params, "background"),
            _roi(params.get("roi")),
            None if index is None else _whole_number(index, "slice"),
        )

    def segmentation(self, geometry: Geometry) -> Question:
        """Return the request that starts the object: with the box, or with the first point.

        Raises:
            PromptError: There is neither, or the box lies outside the volume.
        """
        grid = SliceGrid.across(geometry, 2)
        if self.roi is None:
            if not self.foreground:
                raise PromptError("An object starts with a foreground point or a roi; background points correct it.")
            i, j, k = self.foreground[0]
            return Question(Point(i=i, j=j, k=k), grid.plane, self.name)
        (i0, i1), (j0, j1), (k0, k1) = (
            (max(0, low), min(size - 1, high)) for (low, high), size in zip(self.roi, geometry.shape_ijk, strict=True)
        )
        if i0 > i1 or j0 > j1 or k0 > k1:
            raise PromptError(f"The roi {self.roi} has no voxel inside the volume of {geometry.shape_ijk}.")
        clicked = self.foreground[0][2] if self.foreground and k0 <= self.foreground[0][2] <= k1 else (k0 + k1) // 2
        index = clicked if self.index is None else self.index
        bounds = (k0, k1) if k0 < k1 and k0 <= index <= k1 else None
        return Question(Box.on(grid, index, i0, j0, i1, j1), grid.plane, self.name, bounds)

    def corrections(self) -> list[Point]:
        """Return the points that correct the object."""
        positive = self.foreground if self.roi is not None else self.foreground[1:]
        return [Point(i=i, j=j, k=k) for i, j, k in positive] + [
            Point(i=i, j=j, k=k, positive=False) for i, j, k in self.background
        ]


async def apply_request(service: Service, user: str, session: str, wanted: InferRequest, geometry: Geometry) -> None:
    """Bring an object to what a request describes: new points correct it; if others are gone, it starts anew.

    Raises:
        RadsamError: An edit failed.
    """
    start, corrections = wanted.segmentation(geometry), wanted.corrections()
    for point in corrections:
        point.check(SliceGrid.of(geometry, start.plane))
    known = _known_corrections(service, user, session, start)
    if known is None or not known <= set(corrections):
        known = set()
        await asyncio.wrap_future(service.segment(user, session, start).future)
    for point in corrections:
        if point not in known:
            await asyncio.wrap_future(service.correct(user, session, wanted.name, [point]).future)


def _known_corrections(service: Service, user: str, session: str, start: Question) -> set[Point] | None:
    """Return the corrections that an object has already; None if it does not exist or started differently."""
    objects = service.state(user, session)["objects"]
    found = next((each for each in objects if each["name"] == start.name), None)
    if found is None:
        return None
    first, *others = found["prompts"]
    bounds = None if start.bounds is None else list(start.bounds)
    if found["plane"] != start.plane.value or found["bounds"] != bounds:
        return None
    if any(first.get(key) != value for key, value in prompt_to_json(start.prompt).items()):
        return None
    return {Point(i=i, j=j, k=k, positive=each["positive"]) for each in others for i, j, k in [each["point"]]}


def _voxels(params: Mapping[str, Any], name: str) -> tuple[Voxel, ...]:
    given = params.get(name) or []
    if not isinstance(given, list) or len(given) > _MAX_POINTS:
        raise InputError(f"{name} needs a list of up to {_MAX_POINTS} voxels [i, j, k].")
    for each in given:
        if not isinstance(each, list) or len(each) != 3:
            raise InputError(f"{name} holds {str(each)[:80]!r}, which is not a voxel [i, j, k].")
    voxels = [tuple(_whole_number(each, name) for each in voxel) for voxel in given]
    return tuple(dict.fromkeys((i, j, k) for i, j, k in voxels))


def _roi(given: Any) -> Roi | None:
    if not given:
        return None
    if not isinstance(given, list) or len(given) != 6:
        raise InputError(f"roi is [i0, i1, j0, j1, k0, k1], not {str(given)[:80]!r}.")
    i0, i1, j0, j1, k0, k1 = (_whole_number(each, "roi") for each in given)
    # Either end may come first: Slicer counts along the patient's axes.
    return (min(i0, i1), max(i0, i1)), (min(j0, j1), max(j0, j1)), (min(k0, k1), max(k0, k1))


def _whole_number(given: Any, name: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or abs(given) > 1e9:
        raise InputError(f"{name} holds {str(given)[:80]!r}, which is not a voxel index.")
    return math.floor(given + 0.5)
