"""What a client asks in one request, and the edits that bring the session there."""

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

#: What an object is called that the client does not name, as OHIF does not.
_UNNAMED = "object"
_MOST_POINTS = 1000
_LONGEST_NAME = 64


@dataclass(frozen=True)
class InferRequest:
    """A request.

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
    roi: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = None
    index: int | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> InferRequest:
        """Read the `params` of a request.

        Raises:
            InputError: They are not what a client of MONAI Label sends.
        """
        name = params.get("label") or _UNNAMED
        if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InputError(f"label is the name of the object, of up to {_LONGEST_NAME} printable characters.")
        index = params.get("slice")
        return cls(
            name,
            _voxels(params, "foreground"),
            _voxels(params, "background"),
            _roi(params.get("roi")),
            None if index is None else _number(index, "slice"),
        )

    def question(self, geometry: Geometry) -> Question:
        """Say what starts the object: the box, or the first click.

        Raises:
            PromptError: There is neither, or it lies outside the volume.
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
        """Return the clicks that do not start the object."""
        positive = self.foreground if self.roi is not None else self.foreground[1:]
        return [Point(i=i, j=j, k=k) for i, j, k in positive] + [
            Point(i=i, j=j, k=k, positive=False) for i, j, k in self.background
        ]


async def bring(service: Service, user: str, session: str, asked: InferRequest, geometry: Geometry) -> None:
    """Bring an object of a session to what is asked: new clicks correct it, others start it anew.

    Raises:
        RadsamError: It cannot be done.
    """
    question, corrections = asked.question(geometry), asked.corrections()
    for point in corrections:
        point.check(SliceGrid.of(geometry, question.plane))
    known = _known(service, user, session, question)
    if known is None or not known <= set(corrections):
        known = set()
        await asyncio.wrap_future(service.segment(user, session, question).future)
    for point in corrections:
        if point not in known:
            await asyncio.wrap_future(service.correct(user, session, asked.name, [point]).future)


def _known(service: Service, user: str, session: str, question: Question) -> set[Point] | None:
    """Return the corrections that an object has already; None where it was started otherwise, or not at all."""
    objects = service.state(user, session)["objects"]
    found = next((each for each in objects if each["name"] == question.name), None)
    if found is None:
        return None
    first, *others = found["prompts"]
    start = prompt_to_json(question.prompt)
    bounds = None if question.bounds is None else list(question.bounds)
    if found["plane"] != question.plane.value or found["bounds"] != bounds:
        return None
    if any(first.get(key) != value for key, value in start.items()):
        return None
    return {Point(i=i, j=j, k=k, positive=each["positive"]) for each in others for i, j, k in [each["point"]]}


def _voxels(params: Mapping[str, Any], name: str) -> tuple[Voxel, ...]:
    given = params.get(name) or []
    if not isinstance(given, list) or len(given) > _MOST_POINTS:
        raise InputError(f"{name} is a list of up to {_MOST_POINTS} voxels [i, j, k].")
    for each in given:
        if not isinstance(each, list) or len(each) != 3:
            raise InputError(f"{name} holds {str(each)[:80]!r}, which is no voxel [i, j, k].")
    voxels = [tuple(_number(each, name) for each in voxel) for voxel in given]
    return tuple(dict.fromkeys((i, j, k) for i, j, k in voxels))


def _roi(given: Any) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None:
    if not given:
        return None
    if not isinstance(given, list) or len(given) != 6:
        raise InputError(f"roi is [i0, i1, j0, j1, k0, k1], not {str(given)[:80]!r}.")
    i0, i1, j0, j1, k0, k1 = (_number(each, "roi") for each in given)
    # Either end may come first: Slicer counts along the patient's axes.
    return (min(i0, i1), max(i0, i1)), (min(j0, j1), max(j0, j1)), (min(k0, k1), max(k0, k1))


def _number(given: Any, name: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or abs(given) > 1e9:
        raise InputError(f"{name} holds {str(given)[:80]!r}, which is no voxel.")
    return math.floor(given + 0.5)
