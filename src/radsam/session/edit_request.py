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

Requests by hand, of ends, marks and clean-up are in `radsam.session.hand_request`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Shaped
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
from radsam.predictor import SlicePrompt
from radsam.preprocess import Window
from radsam.propagate import default_policy
from radsam.runtime import BundleSpec
from radsam.session.edit import (
    Change,
    Correct,
    Delete,
    Edit,
    Lock,
    ObjectEdit,
    Reach,
    Remove,
    Segment,
    SetId,
    SetOrder,
    SetOverlap,
    StartEdit,
    StartFromMask,
)
from radsam.session.history import edits_of, locks_of, numbered_edits_of, require_object
from radsam.session.object_ids import require_free_id
from radsam.session.prompt_json import WINDOW_NAMES, AnyPrompt, SliceBounds, ValueWindow
from radsam.session.replay import ObjectResult
from radsam.session.user_state import UserState, state_of
from radsam.session.voxel_json import Voxels
from radsam.settings.value_errors import describe_errors
from radsam.volume import Bounds, Geometry, Lasso, Mask, Plane, Point, Scribble, SliceGrid, slice_index


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
        values: The volume's values, for strokes that are limited by them.
        present: Returns the present masks of an object, and what the user has set on it.
        unit: Unit of the values, for messages.
    """

    geometry: Geometry
    window: Window
    spec: BundleSpec
    edits: tuple[Edit, ...] = ()
    values: Shaped[np.ndarray, "k j i"] | None = None
    present: Callable[[str], ObjectResult] | None = None
    unit: str = ""

    def after(self, edit: Edit) -> RequestContext:
        """Return the context after one more edit."""
        return replace(self, edits=(*self.edits, edit), present=None)

    def state(self, name: str) -> UserState:
        """Return what the user has set on an object."""
        known = self.present(name).state if self.present else None
        return known or state_of(edits_of(self.edits, name), self.geometry)

    def started(self, name: str) -> StartEdit:
        """Return the edit that started an object which can be changed.

        Raises:
            SessionError: The object does not exist, or is locked.
        """
        require_object(self.edits, name)
        self.require_unlocked(name)
        return next(each for each in reversed(edits_of(self.edits, name)) if isinstance(each, StartEdit))

    def require_unlocked(self, name: str) -> None:
        """Refuse to change a locked object.

        Raises:
            SessionError: The object is locked.
        """
        if name in locks_of(self.edits):
            raise SessionError(f"{name!r} is locked. Unlock it to change it.")

    def check(self, edit: Change) -> None:
        """Refuse a deletion, removal, lock, order or id that is not possible here.

        Raises:
            SessionError: The prompt or object does not exist, or is locked, or another object has the id.
        """
        match edit:
            case Delete(number=number):
                deleted = self.edits[number] if 0 <= number < len(self.edits) else None
                if not isinstance(deleted, ObjectEdit) or number not in numbered_edits_of(self.edits, deleted.name):
                    raise SessionError(f"There is no edit number {number} to delete; radsam edit --list shows them.")
                self.require_unlocked(deleted.name)
            case Remove(name=name):
                require_object(self.edits, name)
                self.require_unlocked(name)
            case Lock(name=name):
                require_object(self.edits, name)
            case SetOverlap():
                pass
            case SetOrder(names=names):
                for name in names:
                    require_object(self.edits, name)
            case SetId(name=name, id=number):
                require_object(self.edits, name)
                require_free_id(self.edits, name, number)


def _not_blank(name: str) -> str:
    if not name.strip():
        raise PromptError("An object needs a name.")
    return name


ObjectName = Annotated[str, AfterValidator(_not_blank)]


def _without_numpy(given: Any) -> Any:
    """Return the values of a request with Python's own numbers in place of NumPy's."""
    match given:
        case np.generic():
            return given.item()
        case dict():
            return {name: _without_numpy(each) for name, each in given.items()}
        case tuple():
            return tuple(_without_numpy(each) for each in given)
        case _:
            return given


class Request(BaseModel):
    """A request; frozen, and well formed if it exists.

    Raises:
        RequestError: A value has the wrong type or lies outside its range; the message names every wrong value.
        PromptError: A prompt, bounds, a window or a name is impossible in itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def check(self, geometry: Geometry) -> None:
        """Refuse what does not fit a volume, whatever the session; see the requests themselves."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_plain_words(cls, given: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(_without_numpy(given))
        except ValidationError as error:
            raise RequestError(f"{describe_errors(error)}.") from error


class SegmentRequest(Request):
    """Start an object, or restart an existing one: one prompt on one slice, and the bounds (paper 4.1).

    Args:
        name: The object.
        prompt: A box, a positive point or a mask on one slice, in voxels of the volume as stored.
        plane: The plane of the propagation; the prompt lies on one of its slices.
        bounds: First and last slice, both included; None lets the stop rule find the ends.
        window: The window of the model's input, in the volume's unit; None takes the session's window.
        policy: What a slice passes to the next; None takes what the model was trained for.
        zoom: Whether the model sees a crop around the object instead of whole slices; None takes what the model was
            trained for.
        alternative: 0 propagates the model's primary mask; 1 to 3 one of its three other masks of the prompt's slice.
    """

    name: ObjectName = "object"
    prompt: AnyPrompt
    plane: Plane = Plane.AXIAL
    bounds: SliceBounds | None = None
    window: ValueWindow | None = Field(default=None, validation_alias=WINDOW_NAMES)
    policy: PolicyName | None = None
    zoom: StrictBool | None = None
    alternative: Annotated[StrictInt, Field(ge=0, le=3)] = 0

    @model_validator(mode="after")
    def _starts_positive(self) -> SegmentRequest:
        if not self.prompt.positive:
            what = type(self.prompt).__name__.lower()
            raise PromptError(f"An object starts with a positive {what}; negative ones correct it afterwards.")
        return self

    def check(self, geometry: Geometry) -> None:
        """Refuse a prompt or bounds that do not fit a volume.

        Raises:
            PromptError: The prompt does not lie on a slice of the plane, inside the volume, or the bounds leave the
                volume or exclude the prompt's slice.
        """
        grid = SliceGrid.of(geometry, self.plane)
        self.prompt.check(grid)
        if isinstance(self.prompt, Scribble) and len(self.prompt.pixels_by_slice(grid)) > 1:
            raise PromptError(f"The scribble lies on several {grid.plane} slices: start the object on one slice.")
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
        prompt, grid = self.prompt, SliceGrid.of(context.geometry, self.plane)
        if isinstance(prompt, Lasso):
            prompt = Mask.on(grid, prompt.index, prompt.pixels(grid.shape_vu))
        return Segment(
            name=self.name,
            prompt=prompt,
            bounds=self.bounds,
            plane=self.plane,
            window=self.window or context.window,
            policy=(self.policy or PolicyName(default_policy(context.spec))).value,
            zoom=context.spec.max_zoom > 1 if self.zoom is None else self.zoom,
        )


class StartFromMaskRequest(Request):
    """Start an object, or restart an existing one, from a mask of the whole object.

    Args:
        name: The object.
        mask: Its voxels.
        plane: The plane of later propagations.
        bounds: First and last slice; None takes those of the mask.
        window: The window of the model's input, in the volume's unit; None takes the session's window.
        policy: What a slice passes to the next later; None takes what the model was trained for.
        zoom: Whether the model sees a crop around the object instead of whole slices; None takes what the model was
            trained for.
        refine: Whether the model predicts each slice, with the mask's own slice as the prompt.
        by_hand: Whether its voxels count as painted by hand.
    """

    name: ObjectName = "object"
    mask: Voxels
    plane: Plane = Plane.AXIAL
    bounds: SliceBounds | None = None
    window: ValueWindow | None = Field(default=None, validation_alias=WINDOW_NAMES)
    policy: PolicyName | None = None
    zoom: StrictBool | None = None
    refine: StrictBool = False
    by_hand: StrictBool = False

    def check(self, geometry: Geometry) -> None:
        """Refuse a mask or bounds that do not fit a volume.

        Raises:
            PromptError: The mask is of another volume or empty, or the bounds leave the volume or hold none of it.
        """
        self.mask.check(geometry.shape_kji)
        grid = SliceGrid.of(geometry, self.plane)
        slices = self.mask.along(grid.axis).slices
        if not slices:
            raise PromptError(f"The mask of {self.name!r} is empty: give one with at least one voxel.")
        if self.bounds is not None:
            inside = [index for index in slices if index in self.bounds]
            if not inside:
                raise PromptError(
                    f"The bounds {self.bounds.low} to {self.bounds.high} hold no voxel of the mask of {self.name!r}, "
                    f"which lies on the slices {min(slices)} to {max(slices)}."
                )
            self.bounds.check(grid, inside[0])

    def to_edit(self, context: RequestContext) -> StartFromMask:
        """Return the edit.

        Raises:
            PromptError: As for `check`.
            SessionError: The object is locked.
        """
        context.require_unlocked(self.name)
        self.check(context.geometry)
        return StartFromMask(
            name=self.name,
            mask=self.mask,
            bounds=self.bounds,
            plane=self.plane,
            window=self.window or context.window,
            policy=(self.policy or PolicyName(default_policy(context.spec))).value,
            zoom=context.spec.max_zoom > 1 if self.zoom is None else self.zoom,
            refine=self.refine,
            by_hand=self.by_hand,
        )


class CorrectionRequest(Request):
    """Correct an object on one slice, and propagate from there (paper 4.2).

    Args:
        name: The object.
        points: Prompts of any kind, positive or negative, at least one, all on one slice of the object's plane. A
            scribble may be drawn in another plane. A positive box or mask predicts the slice anew.
        reach: How far the correction propagates.
    """

    name: ObjectName = "object"
    points: Annotated[tuple[AnyPrompt, ...], Field(min_length=1)]
    reach: Reach = "next"

    def check(self, geometry: Geometry, started: StartEdit | SegmentRequest | None = None) -> None:
        """Refuse prompts that do not fit a volume and, where it is known, the edit that started the object.

        Raises:
            PromptError: Prompts lie outside the volume, on several slices, or outside the object's bounds, or say
                both yes and no to a pixel.
        """
        grid = SliceGrid.of(geometry, Plane.AXIAL if started is None else started.plane)
        outside = []
        for prompt in self.points:
            try:
                prompt.check(grid)
            except PromptError as error:
                outside.append(str(error))
        if outside:
            raise PromptError("\n".join(outside))
        self._check_signs(grid)
        if started is None:
            return
        indices = sorted({index for prompt in self.points for index in SlicePrompt.by_slice(prompt, grid)})
        if len(indices) > 1 and len(self.points) > 1:
            raise PromptError(
                f"The points lie on the {grid.plane} slices {', '.join(map(str, indices))}; "
                "a correction starts from one slice. Correct them one after the other."
            )
        if isinstance(started, SegmentRequest):
            self.check_bounds(grid, started.bounds)  # those of an object of a session may have moved since

    def check_bounds(self, grid: SliceGrid, bounds: Bounds | None) -> None:
        """Refuse prompts outside the present bounds of the object.

        Raises:
            PromptError: A prompt lies outside.
        """
        for prompt in self.points:
            for index in SlicePrompt.by_slice(prompt, grid):
                if bounds is not None and index not in bounds:
                    what = f"The point {prompt.index_ijk}" if isinstance(prompt, Point) else "The prompt"
                    raise PromptError(
                        f"{what} lies on slice {index}, outside the bounds {bounds.low} to {bounds.high} of "
                        f"{self.name!r}. Extend its bounds to let it grow there."
                    )

    def _check_signs(self, grid: SliceGrid) -> None:
        """Refuse two boxes or masks of the object on one slice, and a pixel as part of the object and as not part."""
        boxes: dict[int, tuple[int, int, int, int]] = {}
        masked: set[int] = set()
        given: dict[tuple[int, bool], Bool[np.ndarray, "v u"]] = {}
        for prompt in self.points:
            for index, on_slice in SlicePrompt.by_slice(prompt, grid).items():
                for positive, region in ((True, on_slice.inside), (False, on_slice.outside)):
                    pixels = given.setdefault((index, positive), np.zeros(grid.shape_vu, bool))
                    if region:
                        pixels |= region.decode()
                for u, v, positive in on_slice.drawn_uv:
                    given[index, positive][v, u] = True
                if on_slice.mask and index in masked:
                    raise PromptError(f"Two masks of {self.name!r} lie on slice {index}: give one that holds both.")
                masked |= {index} if on_slice.mask else set()
                if on_slice.box_uvuv and boxes.setdefault(index, on_slice.box_uvuv) != on_slice.box_uvuv:
                    raise PromptError(f"Two boxes of {self.name!r} lie on slice {index}: give one around both.")
        for index, (u0, v0, u1, v1) in boxes.items():
            if given[index, False][v0 : v1 + 1, u0 : u1 + 1].all():
                raise PromptError(
                    f"The box on slice {index} is given as holding {self.name!r}, and all of it as not part of it. "
                    "Give one of them."
                )
        for index in dict.fromkeys(index for index, _ in given):
            both_vu = np.argwhere(given[index, True] & given[index, False])
            if both_vu.size:
                v, u = both_vu[0].tolist()
                raise PromptError(
                    f"The voxel {grid.join(index, u, v)} is given as part of {self.name!r} and as not "
                    "part of it. Give it once, or correct one after the other."
                )

    def to_edit(self, context: RequestContext) -> Correct:
        """Return the edit.

        Raises:
            PromptError: As for `check` and `check_bounds`.
            SessionError: The object does not exist, or is locked.
        """
        started = context.started(self.name)
        self.check(context.geometry, started)
        state = context.state(self.name)
        self.check_bounds(state.grid, state.bounds)
        return Correct(self.name, self.points, self.reach)
