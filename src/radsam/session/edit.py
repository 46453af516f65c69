"""Edits: a user's changes of a session, as plain data. Undo is a replay without the last edit.

`Segment` and `Correct` are made of requests (`radsam.session.edit_request`), with nothing left open.
Its JSON form is that of session files and of the server's journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictBool, StrictInt, TypeAdapter, ValidationError

from radsam.errors import PromptError, RadsamError, SessionError
from radsam.session.prompt_json import AnyPrompt, OnePoint, SliceBounds, WindowHu
from radsam.settings.value_errors import describe_errors
from radsam.volume import Plane


class Overlap(StrEnum):
    """Which object owns a voxel that two objects claim; a locked object never loses one.

    `KEEP_BOTH` gives it to both. A label map, which holds one object per voxel, then follows `LAST_WINS`, and is
    not written to a file.
    """

    LAST_WINS = "last wins"
    KEEP_FIRST = "keep first"
    KEEP_BOTH = "keep both"

    @classmethod
    def _missing_(cls, value: object) -> Overlap | None:
        """Take the spelling of the command line: "keep-first"."""
        spaced = str(value).replace("-", " ")
        return next((each for each in cls if each.value == spaced), None)


@dataclass(frozen=True)
class Segment:
    """Start an object, or restart an existing one: one prompt on one slice, and the bounds.

    Args:
        name: The object.
        prompt: Point, box or mask on one slice.
        bounds: First and last slice, or None for the stop rule.
        plane: The plane of the propagation.
        window: The HU window of the model's input.
        policy: Name of the next-prompt policy.
        zoom: Whether the model sees a crop around the object instead of whole slices.

    Raises:
        PromptError: The name is empty.
    """

    name: str
    prompt: AnyPrompt
    bounds: SliceBounds | None
    plane: Plane
    window: Annotated[WindowHu, Field(alias="window_hu")]
    policy: str
    zoom: bool = False
    edit: Literal["segment"] = field(default="segment", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise PromptError("An object needs a name.")


@dataclass(frozen=True)
class Correct:
    """Correct an object with points on one slice (paper 4.2).

    Args:
        name: The object.
        points: Positive or negative points, all on one slice of the object's plane.

    Raises:
        PromptError: There is no point.
    """

    name: str
    points: tuple[OnePoint, ...]
    edit: Literal["correct"] = field(default="correct", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.points:
            raise PromptError("A correction needs at least one point.")


@dataclass(frozen=True)
class Delete:
    """Delete one earlier prompt or correction, at any position of the history.

    Args:
        number: The edit's number, counted from 0.
    """

    number: StrictInt
    edit: Literal["delete"] = field(default="delete", repr=False, kw_only=True)


@dataclass(frozen=True)
class Remove:
    """Remove an object with all its prompts.

    Args:
        name: The object.
    """

    name: str
    edit: Literal["remove"] = field(default="remove", repr=False, kw_only=True)


@dataclass(frozen=True)
class Lock:
    """Lock an object, so that later edits cannot take voxels from it, or unlock it.

    Args:
        name: The object.
        locked: Whether it is locked from now on.
    """

    name: str
    locked: StrictBool = True
    edit: Literal["lock"] = field(default="lock", repr=False, kw_only=True)


@dataclass(frozen=True)
class SetOverlap:
    """Choose which object owns a voxel that two objects claim.

    Args:
        overlap: The policy.
    """

    overlap: Overlap
    edit: Literal["overlap"] = field(default="overlap", repr=False, kw_only=True)


#: Edits that are their own requests: they leave nothing open, and propagate nothing new.
Change = Delete | Remove | Lock | SetOverlap
Edit = Segment | Correct | Change

_EDIT: TypeAdapter[Edit] = TypeAdapter(Annotated[Edit, Discriminator("edit")])


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """Turn an edit into plain JSON values."""
    written: dict[str, Any] = _EDIT.dump_python(edit, mode="json", by_alias=True)
    return written


def edit_from_json(stored: Mapping[str, Any]) -> Edit:
    """Turn JSON values back into an edit; the inverse of `edit_to_json`.

    Raises:
        SessionError: The values are not those of an edit.
    """
    try:
        return _EDIT.validate_python(stored)
    except ValidationError as error:
        raise SessionError(f"The session holds a damaged edit: {describe_errors(error)}.") from error
    except RadsamError as error:
        raise SessionError(f"The session holds a damaged edit: {error}") from error
