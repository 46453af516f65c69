"""Warnings about an edit: a prompt that the model was not trained on, a correction that it did not follow."""

from __future__ import annotations

from radsam.runtime import BundleSpec, Capability
from radsam.session.edit import Correct, Segment
from radsam.volume import Box, Mask, Point


class CapabilityWarning(UserWarning):
    """The model gets a prompt that it was not trained on."""


class HuWarning(UserWarning):
    """The values of the volume are hardly Hounsfield units."""


def capability_warnings(edit: Segment | Correct, spec: BundleSpec) -> tuple[str, ...]:
    """Return a warning for each part of an edit that the model was not trained on."""
    if isinstance(edit, Correct):
        needed = {Capability.EDIT}
    else:
        needed = {{Point: Capability.POINT, Box: Capability.BOX, Mask: Capability.MASK}[type(edit.prompt)]}
        if edit.policy == "mask":
            needed.add(Capability.MASK)
    return tuple(_untrained(each, spec) for each in Capability if each in needed and not spec.can(each))


def not_followed(name: str) -> str:
    """Return the warning that the model did not follow a correction."""
    return (
        f"The model did not follow the correction of {name!r}: only the pixels around the click were changed. "
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
