"""Warnings about an edit: a prompt that the model was not trained on, a correction that it did not follow."""

from __future__ import annotations

from collections.abc import Sequence

from radsam.runtime import BundleSpec, Capability
from radsam.session.edit import Correct, ObjectEdit, Segment, StartFromMask
from radsam.volume import Box, Lasso, Mask, Point, Scribble

#: What a model needs to be trained on for a prompt that starts an object.
_NEEDED = {
    Point: Capability.POINT,
    Scribble: Capability.POINT,
    Box: Capability.BOX,
    Mask: Capability.MASK,
    Lasso: Capability.MASK,
}


class CapabilityWarning(UserWarning):
    """The model gets a prompt that it was not trained on."""


class ModalityWarning(UserWarning):
    """The volume may be another modality than it is taken for."""


def capability_warnings(edit: ObjectEdit, spec: BundleSpec) -> tuple[str, ...]:
    """Return a warning for each part of an edit that the model was not trained on."""
    needed = set()
    match edit:
        case Correct():
            anchors = {type(each) for each in edit.prompts if each.positive and isinstance(each, Box | Mask)}
            needed = {_NEEDED[each] for each in anchors} or {Capability.EDIT}
        case Segment():
            needed = {_NEEDED[type(edit.prompt)], *([Capability.MASK] if edit.policy == "mask" else [])}
        case StartFromMask(refine=True):
            needed = {Capability.MASK}
    return tuple(_untrained(each, spec) for each in Capability if each in needed and not spec.can(each))


def not_followed(name: str, unfollowed: Sequence[tuple[int, int, int]]) -> str:
    """Return the warning that the model did not follow the clicks at some voxels (i, j, k)."""
    at = ", ".join(str(each) for each in unfollowed)
    clicks, around = ("the click at", "it") if len(unfollowed) == 1 else ("the clicks at", "them")
    return (
        f"The model did not follow {clicks} {at} in {name!r}: only the pixels around {around} were changed. "
        "Where more is wrong, click deeper in the wrong part, or start the object again with a prompt on this slice."
    )


def _untrained(capability: Capability, spec: BundleSpec) -> str:
    prompts = {"edit": "correction points", "point": "a point", "mask": "masks", "box": "boxes"}[capability]
    expect = "expect a rough mask."
    if capability is Capability.EDIT and not spec.can(Capability.POINT):
        expect = (
            "a point only moves the box of its slice, and the correction is propagated onwards, not back to the prompt."
        )
    return f"The model {spec.name!r} was not trained on {prompts} (only on: {', '.join(spec.capabilities)}); {expect}"
