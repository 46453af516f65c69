"""Edits: a user's changes of a session, as plain data. Undo is a replay without the last edit.

The edits of an object are made of requests (`radsam.session.edit_request`), with nothing left open: a brush stroke has
become voxels. The JSON form is that of session files and of the server's journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from radsam.errors import PromptError, RadsamError, SessionError
from radsam.session.clean_up_json import AnyCleanUpStep
from radsam.session.prompt_json import WINDOW_NAMES, AnyPrompt, SliceBounds, ValueWindow
from radsam.session.stopped import ENDS, End, Stopped
from radsam.session.voxel_json import Voxels
from radsam.settings.value_errors import describe_errors
from radsam.volume import Plane


def _check_reach(given: object) -> object:
    whole = isinstance(given, int) and not isinstance(given, bool) and given >= 0
    if not whole and given not in ("slice", "next", "ends"):
        raise PydanticCustomError("reach", "no reach")
    return given


#: How far a correction propagates: this slice only, a number of slices to each side, half-way to the next slices that
#: the user has set, or to both ends of the object.
Reach = Annotated[
    Literal["slice", "next", "ends"] | Annotated[StrictInt, Field(ge=0)],
    BeforeValidator(_check_reach),
]
#: The largest value of an object in a label map, which has 16 bits.
LARGEST_ID = 65535


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
        window: The window of the model's input, in the volume's unit.
        policy: Name of the next-prompt policy.
        zoom: Whether the model sees a crop around the object instead of whole slices.
        stopped: Up to where the propagation came that the user has stopped; None of a whole one.

    Raises:
        PromptError: The name is empty.
    """

    name: str
    prompt: AnyPrompt
    bounds: SliceBounds | None
    plane: Plane
    window: Annotated[ValueWindow, Field(validation_alias=WINDOW_NAMES)]
    policy: str
    zoom: bool = False
    stopped: Stopped | None = None
    edit: Literal["segment"] = field(default="segment", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise PromptError("An object needs a name.")


@dataclass(frozen=True)
class StartFromMask:
    """Start an object, or restart an existing one, from a mask of the whole object.

    Args:
        name: The object.
        mask: Its voxels.
        bounds: First and last slice; None takes those of the mask.
        plane: The plane of later propagations.
        window: The window of the model's input, in the volume's unit.
        policy: Name of the next-prompt policy of later propagations.
        zoom: Whether the model sees a crop around the object instead of whole slices.
        refine: Whether the model predicts each slice, with the mask's own slice as the prompt, instead of taking
            the mask as it is.
        by_hand: Whether its voxels count as painted by hand, so that no model changes them.
        stopped: The slices that were refined before the user stopped it; the other ones are as given.

    Raises:
        PromptError: The name or the mask is empty.
    """

    name: str
    mask: Voxels
    bounds: SliceBounds | None
    plane: Plane
    window: Annotated[ValueWindow, Field(validation_alias=WINDOW_NAMES)]
    policy: str
    zoom: bool = False
    refine: StrictBool = False
    by_hand: StrictBool = False
    stopped: Stopped | None = None
    edit: Literal["start_from_mask"] = field(default="start_from_mask", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise PromptError("An object needs a name.")
        if not self.mask:
            raise PromptError(f"The mask of {self.name!r} is empty: give one with at least one voxel.")


@dataclass(frozen=True)
class Correct:
    """Correct an object with prompts on one slice, and propagate from there (paper 4.2).

    A positive box or mask is an anchor: the slice is predicted anew from it. Points, scribbles and lassos, and
    negative boxes and masks, change the slice's present mask.

    Args:
        name: The object.
        prompts: Prompts, all on one slice of the object's plane; a scribble of another plane lies on several.
        reach: How far it propagates.
        stopped: The slices that it had changed when the user stopped it; the other ones are as before.

    Raises:
        PromptError: There is no prompt.
    """

    name: str
    prompts: Annotated[tuple[AnyPrompt, ...], Field(alias="points")]
    reach: Reach = "next"
    stopped: Stopped | None = None
    edit: Literal["correct"] = field(default="correct", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.prompts:
            raise PromptError("A correction needs at least one point, stroke, box or mask.")


@dataclass(frozen=True)
class Paint:
    """Set voxels by hand: no propagation changes them afterwards.

    Args:
        name: The object.
        voxels: The voxels.
        positive: Whether they belong to the object from now on, or do not.
        reach: How far the painted slices propagate.
        stopped: As for `Correct`.

    Raises:
        PromptError: There is no voxel.
    """

    name: str
    voxels: Voxels
    positive: StrictBool = True
    reach: Reach = "slice"
    stopped: Stopped | None = None
    edit: Literal["paint"] = field(default="paint", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.voxels:
            raise PromptError("There is no voxel to set: the stroke or mask is empty, or lies outside the volume.")

    def __hash__(self) -> int:
        # A history may have a thousand strokes, and is the key of what it gives.
        return hash(self.voxels)


@dataclass(frozen=True)
class SetBounds:
    """Trim or extend an object: slices outside the bounds are dropped, new ones inside are propagated to.

    Args:
        name: The object.
        bounds: First and last slice.
        given: The ends that the user has set; the other one only stays as it is.
        stopped: Up to where the extension came that the user has stopped; None of a whole one.
    """

    name: str
    bounds: SliceBounds
    given: tuple[End, ...] = ENDS
    stopped: Stopped | None = None
    edit: Literal["bounds"] = field(default="bounds", repr=False, kw_only=True)


@dataclass(frozen=True)
class Continue:
    """Propagate on from where it was stopped: to the requested bounds, or until the stop rule ends it.

    Args:
        name: The object.
        stopped: Up to where it came if it was stopped again.
    """

    name: str
    stopped: Stopped | None = None
    edit: Literal["continue"] = field(default="continue", repr=False, kw_only=True)


@dataclass(frozen=True)
class Confirm:
    """Mark slices of an object as right: no propagation changes them afterwards.

    Args:
        name: The object.
        slices: Slices of its plane.
        confirmed: Whether they are right from now on, or open again.

    Raises:
        PromptError: There is no slice.
    """

    name: str
    slices: tuple[StrictInt, ...]
    confirmed: StrictBool = True
    edit: Literal["confirm"] = field(default="confirm", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.slices:
            raise PromptError("Name at least one slice to mark as right.")


@dataclass(frozen=True)
class CleanUp:
    """Clean up an object's mask; voxels set by hand and slices marked right stay.

    Args:
        name: The object.
        step: What to do; see `radsam.volume.clean_up`.
    """

    name: str
    step: AnyCleanUpStep
    edit: Literal["clean_up"] = field(default="clean_up", repr=False, kw_only=True)


@dataclass(frozen=True)
class Delete:
    """Delete one earlier edit of an object, at any position of the history; the edits after it are replayed.

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


@dataclass(frozen=True)
class SetOrder:
    """Choose the priority order of objects: of two that claim a voxel, the one named first has it.

    Objects that are not named come after them, by the overlap policy.

    Args:
        names: The objects; none takes the order back.

    Raises:
        SessionError: A name is repeated.
    """

    names: tuple[str, ...]
    edit: Literal["order"] = field(default="order", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        repeated = next((name for at, name in enumerate(self.names) if name in self.names[:at]), None)
        if repeated is not None:
            raise SessionError(f"The order names {repeated!r} twice; name each object once.")


@dataclass(frozen=True)
class SetId:
    """Choose the value of an object in the label map.

    Args:
        name: The object.
        id: The value, 1 to 65535.

    Raises:
        SessionError: The value lies outside this range.
    """

    name: str
    id: StrictInt
    edit: Literal["id"] = field(default="id", repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.id, int) or isinstance(self.id, bool) or not 1 <= self.id <= LARGEST_ID:
            raise SessionError(
                f"The value of an object in the label map is a whole number from 1 to {LARGEST_ID}, not {self.id}; "
                "0 is the background."
            )


#: Edits that start an object.
StartEdit = Segment | StartFromMask
#: Edits that make an object's masks.
ObjectEdit = Segment | StartFromMask | Correct | Paint | SetBounds | Continue | Confirm | CleanUp
#: Edits that are their own requests: they leave nothing open, and propagate nothing new.
Change = Delete | Remove | Lock | SetOverlap | SetOrder | SetId
Edit = ObjectEdit | Change

#: Each kind of edit, as "edit" names it in JSON.
_KINDS = frozenset(kind.__dataclass_fields__["edit"].default for kind in get_args(ObjectEdit | Change))
#: Built when the first edit is read, which takes longer than all else of this module.
_EDIT: TypeAdapter[Edit] = TypeAdapter(Annotated[Edit, Discriminator("edit")], config=ConfigDict(defer_build=True))


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """Turn an edit into plain JSON values."""
    written: dict[str, Any] = _EDIT.dump_python(edit, mode="json", by_alias=True)
    if written.get("stopped", ...) is None:
        del written["stopped"]
    return written


def edit_from_json(stored: Mapping[str, Any]) -> Edit:
    """Turn JSON values back into an edit; the inverse of `edit_to_json`.

    Raises:
        SessionError: The values are not those of an edit.
    """
    kind = stored.get("edit") if isinstance(stored, Mapping) else None
    if isinstance(kind, str) and kind not in _KINDS:
        raise SessionError(
            f"The session holds an edit of the kind {kind!r}, which this program does not know: a newer version of "
            "RadSAM made it. Upgrade RadSAM."
        )
    try:
        return _EDIT.validate_python(stored)
    except ValidationError as error:
        raise SessionError(f"The session holds a damaged edit: {describe_errors(error)}.") from error
    except RadsamError as error:
        raise SessionError(f"The session holds a damaged edit: {error}") from error
