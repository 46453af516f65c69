"""What a user should know of an edit: what the model was not trained on, and what it did not follow."""

from __future__ import annotations

from radsam.runtime import BundleSpec, Capability
from radsam.session.edit import Correct, Segment
from radsam.volume import Box, Mask, Point


class CapabilityWarning(UserWarning):
    """The model is asked something that it was not trained on."""


def capability_warnings(edit: Segment | Correct, spec: BundleSpec) -> tuple[str, ...]:
    """Say what of an edit the model was not trained on; empty where all is as it should be."""
    if isinstance(edit, Correct):
        asked = {Capability.EDIT}
    else:
        asked = {{Point: Capability.POINT, Box: Capability.BOX, Mask: Capability.MASK}[type(edit.prompt)]}
        if edit.policy == "mask":
            asked.add(Capability.MASK)
    return tuple(_untrained(each, spec) for each in Capability if each in asked and not spec.can(each))


def not_followed(name: str) -> str:
    """Say that the model did not follow a correction."""
    return (
        f"The model did not follow the correction of {name!r}: only the spot around it was set. Where "
        "more is wrong, click deeper in the wrong part, or prompt the object anew on this slice."
    )


def _untrained(capability: Capability, spec: BundleSpec) -> str:
    what = {"edit": "correction points", "point": "a point", "mask": "masks", "box": "boxes"}[capability]
    expect = "expect a rough answer."
    if capability is Capability.EDIT and not spec.can(Capability.POINT):
        expect = "a point only moves the box of its slice, and the correction walks on, not back to the prompt."
    return f"The model {spec.name!r} was not trained on {what} (only on: {', '.join(spec.capabilities)}); {expect}"
