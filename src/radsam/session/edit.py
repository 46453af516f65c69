"""What a user did: plain data, in order. Undo is replay without the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from radsam.errors import PromptError, SessionError
from radsam.preprocess import Window
from radsam.volume import Bounds, Box, Mask, Plane, Point, Prompt, RunMask


class Overlap(StrEnum):
    """Who owns a voxel that two objects claim; a locked object never loses one."""

    LAST_WINS = "last wins"
    KEEP_FIRST = "keep first"


@dataclass(frozen=True)
class Segment:
    """Start an object, or start it anew: one prompt on one slice, and the bounds.

    Args:
        name: The object.
        prompt: Point, box or mask on one slice.
        bounds: First and last slice, or None for the stop rule.
        plane: The plane to walk in.
        window: What the model sees.
        policy: Name of the next-prompt policy.
        zoom: Whether the model looks at a crop around the object instead of whole slices.
    """

    name: str
    prompt: Prompt
    bounds: Bounds | None
    plane: Plane
    window: Window
    policy: str
    zoom: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise PromptError("An object needs a name.")


@dataclass(frozen=True)
class Correct:
    """Correct an object with points on one slice (paper 4.2).

    Args:
        name: The object.
        points: Positive or negative points, all on one slice of the object's plane.
    """

    name: str
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise PromptError("A correction needs at least one point.")


@dataclass(frozen=True)
class Delete:
    """Take back one earlier prompt or correction, wherever it stands in the history.

    Args:
        number: The edit's number, counted from 0.
    """

    number: int


@dataclass(frozen=True)
class Remove:
    """Remove an object with all its prompts.

    Args:
        name: The object.
    """

    name: str


@dataclass(frozen=True)
class Lock:
    """Lock an object, so that later edits cannot take voxels from it, or unlock it.

    Args:
        name: The object.
        locked: Whether it is locked from now on.
    """

    name: str
    locked: bool = True


@dataclass(frozen=True)
class SetOverlap:
    """Choose who owns a voxel that two objects claim.

    Args:
        overlap: The policy.
    """

    overlap: Overlap


Edit = Segment | Correct | Delete | Remove | Lock | SetOverlap


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """Turn an edit into plain JSON values."""
    match edit:
        case Segment():
            return {
                "edit": "segment",
                "name": edit.name,
                "prompt": prompt_to_json(edit.prompt),
                "bounds": None if edit.bounds is None else [edit.bounds.low, edit.bounds.high],
                "plane": edit.plane.value,
                "window_hu": [edit.window.low_hu, edit.window.high_hu],
                "policy": edit.policy,
                "zoom": edit.zoom,
            }
        case Correct():
            return {"edit": "correct", "name": edit.name, "points": [prompt_to_json(each) for each in edit.points]}
        case Delete():
            return {"edit": "delete", "number": edit.number}
        case Remove():
            return {"edit": "remove", "name": edit.name}
        case Lock():
            return {"edit": "lock", "name": edit.name, "locked": edit.locked}
        case SetOverlap():
            return {"edit": "overlap", "overlap": edit.overlap.value}


def edit_from_json(stored: Mapping[str, Any]) -> Edit:
    """Turn JSON values back into an edit; the inverse of `edit_to_json`.

    Raises:
        SessionError: The values are not those of an edit.
    """
    try:
        match stored["edit"]:
            case "segment":
                return Segment(
                    name=stored["name"],
                    prompt=prompt_from_json(stored["prompt"]),
                    bounds=None if stored["bounds"] is None else Bounds(*stored["bounds"]),
                    plane=Plane(stored["plane"]),
                    window=Window(*stored["window_hu"]),
                    policy=stored["policy"],
                    zoom=stored["zoom"],
                )
            case "correct":
                return Correct(stored["name"], tuple(_point_from_json(each) for each in stored["points"]))
            case "delete":
                return Delete(stored["number"])
            case "remove":
                return Remove(stored["name"])
            case "lock":
                return Lock(stored["name"], stored["locked"])
            case "overlap":
                return SetOverlap(Overlap(stored["overlap"]))
            case kind:
                raise SessionError(f"The session holds an edit of an unknown kind: {kind!r}.")
    except (KeyError, TypeError, ValueError) as error:
        raise SessionError(f"The session holds a damaged edit: {error!r}.") from error


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """Turn a prompt into plain JSON values."""
    match prompt:
        case Point():
            return {"point": list(prompt.index_ijk), "positive": prompt.positive}
        case Box():
            return {"box": {name: value for name, value in vars(prompt).items() if value is not None}}
        case Mask():
            runs = RunMask.encode(prompt.pixels)
            return {"mask": {"ijk"[prompt.axis]: prompt.index}, "shape": list(runs.shape), "runs": runs.runs.tolist()}


def prompt_from_json(stored: Mapping[str, Any]) -> Prompt:
    """Turn JSON values back into a prompt; the inverse of `prompt_to_json`."""
    if "point" in stored:
        return _point_from_json(stored)
    if "box" in stored:
        return Box(**stored["box"])
    rows, cols = stored["shape"]
    runs = RunMask((rows, cols), np.array(stored["runs"], np.uint32))
    return Mask(pixels=runs.decode(), **stored["mask"])


def _point_from_json(stored: Mapping[str, Any]) -> Point:
    i, j, k = stored["point"]
    return Point(i=i, j=j, k=k, positive=stored["positive"])
