"""What the mask of one slice says to the next: the policies, by name.

A policy takes the mask that comes in from the neighbouring slice and what the user said
on this slice, and returns what to ask the model, or the answer itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from radsam.predictor import SlicePrompt
from radsam.runtime import BundleSpec, Capability
from radsam.volume import RunMask

Policy = Callable[[RunMask, SlicePrompt], SlicePrompt | RunMask]


def mask(incoming: RunMask, said: SlicePrompt) -> SlicePrompt:
    """Pass the mask on as a mask prompt (RadSAM, paper 4.1), with the slice's own points (4.2)."""
    return SlicePrompt(points_uv=said.points_uv, mask=incoming if incoming.area else None)


def box(incoming: RunMask, said: SlicePrompt) -> SlicePrompt:
    """Pass on the box around the mask (SAM and MedSAM, paper 4.1), with the slice's own points.

    The box grows to hold the slice's positive points; a box that the user drew on this
    slice stands.
    """
    around = said.box_uvuv or enclosing_box(incoming)
    if around is not None:
        around = _grown(around, said)
    return SlicePrompt(box_uvuv=around, points_uv=said.points_uv)


def copy(incoming: RunMask, said: SlicePrompt) -> RunMask:
    """Repeat the mask unchanged: the baseline that never looks at the image."""
    return incoming


#: Policies by the name that `--policy` takes.
POLICIES: dict[str, Policy] = {"mask": mask, "box": box, "copy": copy}


def default_policy(spec: BundleSpec) -> str:
    """Name the policy that a model was trained for: masks where it can, else boxes (paper, Table 5)."""
    return "mask" if spec.can(Capability.MASK) else "box"


def enclosing_box(mask: RunMask) -> tuple[int, int, int, int] | None:
    """Return the inclusive box u0, v0, u1, v1 around a mask, None around an empty one."""
    pixels = mask.decode()
    rows, cols = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if rows.size == 0:
        return None
    return int(cols[0]), int(rows[0]), int(cols[-1]), int(rows[-1])


def _grown(around: tuple[int, int, int, int], said: SlicePrompt) -> tuple[int, int, int, int]:
    u0, v0, u1, v1 = around
    for u, v, positive in said.points_uv:
        if positive:
            u0, v0, u1, v1 = min(u0, u), min(v0, v), max(u1, u), max(v1, v)
    return u0, v0, u1, v1
