"""Requests to a session: parsed, normalised and validated once, here; every way into a session builds one.

The command line, HTTP, batch manifests, the adapters of other programs, the benchmark and validation build a request
from Python values, or from JSON (`SegmentRequest.model_validate`; FastAPI takes the classes as bodies)::

    request = SegmentRequest(name="liver", prompt=Box(k=41, i0=120, j0=88, i1=210, j1=170), bounds=Bounds(30, 70))
    request.check(volume.geometry)           # needs no model: refuses a wrong prompt early
    edit = request.to_edit(session.context)  # checks the rest, and fills in what the request leaves open
    session.run(request)                     # does both and propagates

Types, ranges, numbers of points and names are checked when a request is built, all at once: a `RequestError` names
every wrong value. `check` compares a request with the volume, `to_edit` with the session. All errors are of the
`RadsamError` tree, never pydantic's. Deleting, removing, locking and the overlap policy need no request: their edits
leave nothing open, and `RequestContext.check` compares them with the session.

A new kind of correction (scribble, lasso, box, mask; positive or negative) is a JSON form in `prompt_json.py`, a
member of the points' type in `CorrectionRequest` or a field beside it, and a rule in `CorrectionRequest.check`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    model_validator,
)

from radsam.errors import PromptError, RequestError, SessionError
from radsam.preprocess import Window
from radsam.propagate import default_policy
from radsam.runtime import BundleSpec
from radsam.session.edit import Change, Correct, Delete, Edit, Lock, Remove, Segment, SetOverlap
from radsam.session.history import edits_of, locks_of, numbered_edits_of, require_object
from radsam.session.prompt_json import AnyPrompt, OnePoint, SliceBounds, WindowHu
from radsam.settings.value_errors import describe_errors
from radsam.volume import Geometry, Plane, Point, SliceGrid, slice_index


class PolicyName(StrEnum):
    """What a slice passes to the next; see `radsam.propagate.next_prompt`."""

    MASK = "mask"
    BOX = "box"
    POINT = "point"
    COPY = "copy"


@dataclass(frozen=True)
class RequestContext:
    """The context of a request: the volume, the model, and the edits of the session.

    Args:
        geometry: The volume's grid.
        window: The window of a request that names none.
        spec: The model: its policy and zoom apply where a request names none.
        edits: The edits in force.
    """

    geometry: Geometry
    window: Window
    spec: BundleSpec
    edits: tuple[Edit, ...] = ()

    def after(self, edit: Edit) -> RequestContext:
        """Return the context after one more edit."""
        return replace(self, edits=(*self.edits, edit))

    def require_unlocked(self, name: str) -> None:
        """Refuse to change a locked object.

        Raises:
            SessionError: The object is locked.
        """
        if name in locks_of(self.edits):
            raise SessionError(f"{name!r} is locked. Unlock it to change it.")

    def check(self, edit: Change) -> None:
        """Refuse a deletion, removal or lock that is not possible here.

        Raises:
            SessionError: The prompt or object does not exist, or is locked.
        """
        match edit:
            case Delete(number=number):
                deleted = self.edits[number] if 0 <= number < len(self.edits) else None
                if not isinstance(deleted, Segment | Correct) or number not in numbered_edits_of(
                    self.edits, deleted.name
                ):
                    raise SessionError(f"There is no prompt number {number} to delete.")
                self.require_unlocked(deleted.name)
            case Remove(name=name):
                require_object(self.edits, name)
                self.require_unlocked(name)
            case Lock(name=name):
                require_object(self.edits, name)
            case SetOverlap():
                pass


def _not_blank(name: str) -> str:
    if not name.strip():
        raise PromptError("An object needs a name.")
    return name


ObjectName = Annotated[str, AfterValidator(_not_blank)]


class Request(BaseModel):
    """A request; frozen, and well formed if it exists.

    Raises:
        RequestError: A value has the wrong type or lies outside its range; the message names every wrong value.
        PromptError: A prompt, bounds, a window or a name is impossible in itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _in_plain_words(cls, given: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(given)
        except ValidationError as error:
            raise RequestError(f"{describe_errors(error)}.") from error


class SegmentRequest(Request):
    """Start an object, or restart an existing one: one prompt on one slice, and the bounds (paper 4.1).

    Args:
        name: The object.
        prompt: A box, a positive point or a mask on one slice, in voxels of the volume as stored.
        plane: The plane of the propagation; the prompt lies on one of its slices.
        bounds: First and last slice, both included; None lets the stop rule find the ends.
        window_hu: The HU window of the model's input; None takes the session's window.
        policy: What a slice passes to the next; None takes what the model was trained for.
        zoom: Whether the model sees a crop around the object instead of whole slices; None takes what the model was
            trained for.
        alternative: 0 propagates the model's primary mask; 1 to 3 one of its three other masks of the prompt's slice.
    """

    name: ObjectName = "object"
    prompt: AnyPrompt
    plane: Plane = Plane.AXIAL
    bounds: SliceBounds | None = None
    window_hu: WindowHu | None = None
    policy: PolicyName | None = None
    zoom: StrictBool | None = None
    alternative: Annotated[StrictInt, Field(ge=0, le=3)] = 0

    @model_validator(mode="after")
    def _starts_positive(self) -> SegmentRequest:
        if isinstance(self.prompt, Point) and not self.prompt.positive:
            raise PromptError("An object starts with a positive point; negative ones correct it afterwards.")
        return self

    def check(self, geometry: Geometry) -> None:
        """Refuse a prompt or bounds that do not fit a volume.

        Raises:
            PromptError: The prompt does not lie on a slice of the plane, inside the volume, or the bounds leave the
                volume or exclude the prompt's slice.
        """
        grid = SliceGrid.of(geometry, self.plane)
        self.prompt.check(grid)
        if self.bounds is not None:
            self.bounds.check(grid, slice_index(self.prompt, grid))

    def to_edit(self, context: RequestContext) -> Segment:
        """Return the edit, with the prompt as given: `Session.to_edit` also applies `alternative`.

        Raises:
            PromptError: As for `check`.
            SessionError: The object is locked.
        """
        context.require_unlocked(self.name)
        self.check(context.geometry)
        return Segment(
            name=self.name,
            prompt=self.prompt,
            bounds=self.bounds,
            plane=self.plane,
            window=self.window_hu or context.window,
            policy=(self.policy or PolicyName(default_policy(context.spec))).value,
            zoom=context.spec.max_zoom > 1 if self.zoom is None else self.zoom,
        )


class CorrectionRequest(Request):
    """Correct an object on one slice, and propagate from there (paper 4.2).

    Args:
        name: The object.
        points: Positive or negative points, at least one, all on one slice of the object's plane.
    """

    name: ObjectName = "object"
    points: Annotated[tuple[OnePoint, ...], Field(min_length=1)]

    def check(self, geometry: Geometry, started: Segment | SegmentRequest | None = None) -> None:
        """Refuse points that do not fit a volume and, where it is known, the edit that started the object.

        Raises:
            PromptError: Points lie outside the volume, on several slices, or outside the object's bounds.
        """
        grid = SliceGrid.of(geometry, Plane.AXIAL if started is None else started.plane)
        outside = []
        for point in self.points:
            try:
                point.check(grid)
            except PromptError as error:
                outside.append(str(error))
        if outside:
            raise PromptError("\n".join(outside))
        if started is None:
            return
        indices = {slice_index(point, grid) for point in self.points}
        if len(indices) > 1:
            raise PromptError(
                f"The points lie on the {grid.plane} slices {', '.join(map(str, sorted(indices)))}; "
                "a correction starts from one slice. Correct them one after the other."
            )
        (index,) = indices
        if started.bounds is not None and index not in started.bounds:
            raise PromptError(
                f"The point {self.points[0].index_ijk} lies on slice {index}, outside the bounds {started.bounds.low} "
                f"to {started.bounds.high} of {self.name!r}. Segment it with wider bounds to let it grow there."
            )

    def to_edit(self, context: RequestContext) -> Correct:
        """Return the edit.

        Raises:
            PromptError: As for `check`.
            SessionError: The object does not exist, or is locked.
        """
        context.require_unlocked(self.name)
        require_object(context.edits, self.name)
        started = next(each for each in reversed(edits_of(context.edits, self.name)) if isinstance(each, Segment))
        self.check(context.geometry, started)
        return Correct(self.name, self.points)


def request_of(edit: Segment | Correct) -> SegmentRequest | CorrectionRequest:
    """Return the request for an edit, to do it again after a crash."""
    if isinstance(edit, Correct):
        return CorrectionRequest(name=edit.name, points=edit.points)
    return SegmentRequest(
        name=edit.name,
        prompt=edit.prompt,
        plane=edit.plane,
        bounds=edit.bounds,
        window_hu=edit.window,
        policy=PolicyName(edit.policy),
        zoom=edit.zoom,
    )
