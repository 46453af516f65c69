"""The policies, by name: the prompt that a slice gets from the mask of its neighbour.

A policy takes the mask that comes in from the neighbouring slice and the user's
prompt on this slice, and returns the prompt for the model, or the slice's mask itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from radsam.predictor import SlicePrompt
from radsam.runtime import BundleSpec, Capability
from radsam.volume import RunMask

Policy = Callable[[RunMask, SlicePrompt], SlicePrompt | RunMask]


def mask(incoming: RunMask, user_prompt: SlicePrompt) -> SlicePrompt:
    """Pass the mask on as a mask prompt (RadSAM, paper 4.1), with the slice's own points (4.2)."""
    return SlicePrompt(points_uv=user_prompt.points_uv, mask=incoming if incoming.area else None)


def box(incoming: RunMask, user_prompt: SlicePrompt) -> SlicePrompt:
    """Pass on the box around the mask (SAM and MedSAM, paper 4.1), with the slice's own points.

    The box grows to hold the slice's positive points. A box that the user drew on this
    slice replaces it.
    """
    around = user_prompt.box_uvuv or incoming.enclosing_box
    positive = [(u, v) for u, v, positive in user_prompt.points_uv if positive]
    if around is not None and positive:
        us, vs = zip(*positive, strict=True)
        u0, v0, u1, v1 = around
        around = min(u0, *us), min(v0, *vs), max(u1, *us), max(v1, *vs)
    return SlicePrompt(box_uvuv=around, points_uv=user_prompt.points_uv)


def moved_box(incoming: RunMask, user_prompt: SlicePrompt) -> SlicePrompt:
    """Pass on the box like `box`, for a model that was not trained on points: they only move the box.

    A positive point outside moves the nearest sides to it and as far again beyond it, since a
    user clicks inside the missing part. A negative point inside pushes one side past it,
    the side that loses the least area, unless that would cost half of the box.
    """
    around = user_prompt.box_uvuv or incoming.enclosing_box
    if around is None:
        return SlicePrompt(points_uv=user_prompt.points_uv)
    rows, cols = incoming.shape
    u0, v0, u1, v1 = around
    for u, v, positive in user_prompt.points_uv:
        if positive:
            u0, v0 = max(0, min(u0, 2 * u - u0)), max(0, min(v0, 2 * v - v0))
            u1, v1 = min(cols - 1, max(u1, 2 * u - u1)), min(rows - 1, max(v1, 2 * v - v1))
        elif u0 <= u <= u1 and v0 <= v <= v1:
            pushed = max(
                ((u + 1, v0, u1, v1), (u0, v0, u - 1, v1), (u0, v + 1, u1, v1), (u0, v0, u1, v - 1)), key=_area
            )
            if _area(pushed) * 2 >= _area((u0, v0, u1, v1)):
                u0, v0, u1, v1 = pushed
    return SlicePrompt(box_uvuv=(u0, v0, u1, v1))


def point(incoming: RunMask, user_prompt: SlicePrompt) -> SlicePrompt:
    """Pass on the deepest pixel of the mask as a positive point, with the slice's own points.

    For a model that was trained on points but not on masks, besides the box.
    """
    if not incoming.area:
        return SlicePrompt(points_uv=user_prompt.points_uv)
    depth = scipy.ndimage.distance_transform_edt(np.pad(incoming.decode(), 1))
    v, u = np.unravel_index(int(depth.argmax()), depth.shape)
    return SlicePrompt(points_uv=((int(u) - 1, int(v) - 1, True), *user_prompt.points_uv))


def copy(incoming: RunMask, user_prompt: SlicePrompt) -> RunMask:
    """Repeat the mask unchanged: the baseline that does not use the image."""
    return incoming


#: Policies by the name that `--policy` takes.
POLICIES: dict[str, Policy] = {"mask": mask, "box": box, "point": point, "copy": copy}


def policy_for(spec: BundleSpec, name: str) -> Policy:
    """Return a policy by name; a model that was trained on boxes only gets the form in which points move the box."""
    return moved_box if name == "box" and is_box_only(spec) else POLICIES[name]


def is_box_only(spec: BundleSpec) -> bool:
    """Whether a model was trained on boxes, but not on points of any kind."""
    return not (spec.can(Capability.POINT) or spec.can(Capability.EDIT))


def default_policy(spec: BundleSpec) -> str:
    """Name the policy that a model was trained for: masks where it can, else boxes (paper, Table 5)."""
    return "mask" if spec.can(Capability.MASK) else "box"


def _area(box_uvuv: tuple[int, int, int, int]) -> int:
    u0, v0, u1, v1 = box_uvuv
    return max(0, u1 - u0 + 1) * max(0, v1 - v0 + 1)
