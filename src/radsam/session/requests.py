"""All requests that edit an object, and the request of an edit."""

from __future__ import annotations

from typing import Any

from radsam.session.edit import (
    CleanUp,
    Confirm,
    Continue,
    Correct,
    ObjectEdit,
    Paint,
    Segment,
    SetBounds,
    StartFromMask,
)
from radsam.session.edit_request import CorrectionRequest, PolicyName, SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, CleanUpRequest, ConfirmRequest, ContinueRequest, PaintRequest

ObjectRequest = (
    SegmentRequest
    | StartFromMaskRequest
    | CorrectionRequest
    | PaintRequest
    | BoundsRequest
    | ContinueRequest
    | ConfirmRequest
    | CleanUpRequest
)


def request_of(edit: ObjectEdit) -> ObjectRequest:
    """Return the request for an edit, to do it again after a crash."""
    match edit:
        case Segment() | StartFromMask():
            given: dict[str, Any] = {
                "name": edit.name,
                "plane": edit.plane,
                "bounds": edit.bounds,
                "window": edit.window,
                "policy": PolicyName(edit.policy),
                "zoom": edit.zoom,
            }
            if isinstance(edit, Segment):
                return SegmentRequest.model_validate(given | {"prompt": edit.prompt})
            given |= {"mask": edit.mask, "refine": edit.refine, "by_hand": edit.by_hand}
            return StartFromMaskRequest.model_validate(given)
        case Correct():
            return CorrectionRequest(name=edit.name, points=edit.prompts, reach=edit.reach)
        case Paint():
            return PaintRequest(name=edit.name, shape=edit.voxels, positive=edit.positive, reach=edit.reach)
        case SetBounds(bounds=bounds, given=ends):
            low, high = bounds.low if "low" in ends else None, bounds.high if "high" in ends else None
            return BoundsRequest(name=edit.name, low=low, high=high)
        case Continue():
            return ContinueRequest(name=edit.name)
        case Confirm():
            return ConfirmRequest(name=edit.name, slices=edit.slices, confirmed=edit.confirmed)
        case CleanUp():
            return CleanUpRequest(name=edit.name, step=edit.step)
