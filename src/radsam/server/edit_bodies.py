"""JSON bodies of the routes that edit objects: the requests of `radsam.session`, with names that fit a page."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from radsam.errors import PromptError
from radsam.server.api_schemas import Name
from radsam.session import edit_request, hand_request
from radsam.session.edit import Reach
from radsam.session.edit_request import CorrectionRequest, PolicyName, Request
from radsam.session.prompt_json import WINDOW_NAMES, AnyPrompt, Index, ValueWindow
from radsam.session.requests import ObjectRequest
from radsam.volume import Plane

_MOST_SLICES = 1 << 16
_Prompts = Annotated[tuple[AnyPrompt, ...], Field(max_length=1000)]


class SegmentRequest(edit_request.SegmentRequest):
    """One prompt on one slice, and the bounds."""

    name: Name


class StartFromMaskRequest(edit_request.StartFromMaskRequest):
    """A mask of the whole object."""

    name: Name


class CorrectRequest(CorrectionRequest):
    """Prompts of any kind on one slice of an object."""

    name: Name
    points: Annotated[_Prompts, Field(min_length=1)]


class PaintRequest(hand_request.PaintRequest):
    """Voxels to paint or to erase."""

    name: Name


class BoundsRequest(hand_request.BoundsRequest):
    """New ends of an object."""

    name: Name


class ContinueRequest(hand_request.ContinueRequest):
    """A stopped object."""

    name: Name


class ConfirmRequest(hand_request.ConfirmRequest):
    """Slices of an object that are right."""

    name: Name
    slices: Annotated[tuple[StrictInt, ...], Field(min_length=1, max_length=_MOST_SLICES)]


class CleanUpRequest(hand_request.CleanUpRequest):
    """One step of a clean-up."""

    name: Name


class DeleteSlicesRequest(Request):
    """Slices of an object's plane on which the object is not."""

    name: Name
    slices: Annotated[tuple[Index, ...], Field(min_length=1, max_length=_MOST_SLICES)]


class PreviewRequest(Request):
    """What to predict on one slice: a prompt, corrections of an object, or the body of any other edit."""

    prompt: AnyPrompt | None = None
    plane: Plane = Plane.AXIAL
    points: _Prompts = ()
    window: Annotated[ValueWindow | None, Field(validation_alias=WINDOW_NAMES)] = None
    policy: PolicyName | None = None
    zoom: StrictBool | None = None
    name: Name | None = None
    reach: Reach = "next"
    paint: PaintRequest | None = None
    bounds: BoundsRequest | None = None
    confirm: ConfirmRequest | None = None
    clean_up: CleanUpRequest | None = None
    start_from_mask: StartFromMaskRequest | None = None

    def to_requests(self) -> tuple[ObjectRequest, CorrectionRequest | None]:
        """Return the request to preview, and the correction that follows it.

        Raises:
            PromptError: There is neither a prompt, nor a name with points, nor an edit; or there are several.
        """
        others = (self.paint, self.bounds, self.confirm, self.clean_up, self.start_from_mask)
        edits = [each for each in others if each is not None]
        if len(edits) > 1 or (edits and (self.prompt is not None or self.points)):
            raise PromptError("Preview one edit at a time.")
        if edits:
            return edits[0], None
        name = self.name or "preview"
        correction = CorrectionRequest(name=name, points=self.points, reach=self.reach) if self.points else None
        if self.prompt is None:
            if self.name is None or correction is None:
                raise PromptError("Give a prompt, the name of an object and points that correct it, or an edit.")
            return correction, None
        segment = edit_request.SegmentRequest(
            name=name,
            prompt=self.prompt,
            plane=self.plane,
            window=self.window,
            policy=self.policy,
            zoom=self.zoom,
        )
        return segment, correction
