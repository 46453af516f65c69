"""Steps of a clean-up as JSON: session files, the journal and HTTP read and write these forms.

::

    {"step": "keep_largest"}
    {"step": "keep_at", "voxel_ijk": [150, 120, 50]}
    {"step": "remove_islands", "smallest_ml": 0.5}
    {"step": "fill_holes"}                            also "in_slices": true, "axis": "k"
    {"step": "smooth", "mm": 2}                       also "axis": "k"
    {"step": "grow", "mm": -1.5}
    {"step": "interpolate", "slices": [30, 35, 40], "axis": "k"}
    {"step": "copy_slice", "index": 41, "to": [42, 43], "axis": "k"}

An axis is named as in the JSON of prompts and voxels: slices across k are the usual axial ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, Tag

from radsam.session.prompt_json import Index, JsonForm
from radsam.volume.clean_up import (
    CleanUpStep,
    CopySlice,
    FillHoles,
    Grow,
    Interpolate,
    KeepAt,
    KeepLargest,
    RemoveIslands,
    Smooth,
)

_AXES = "ijk"
_Axis = Literal["i", "j", "k"]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Slices = Annotated[list[Index], Field(min_length=1, max_length=1 << 16)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeepLargestStep(_Form):
    """Keep the largest part."""

    step: Literal["keep_largest"]


class KeepAtStep(_Form):
    """Keep the part that holds a voxel, or the nearest one."""

    step: Literal["keep_at"]
    voxel_ijk: Annotated[list[Index], Field(min_length=3, max_length=3, examples=[[150, 120, 50]])]


class RemoveIslandsStep(_Form):
    """Remove the parts smaller than a volume."""

    step: Literal["remove_islands"]
    smallest_ml: Annotated[_Number, Field(examples=[0.5])]


class FillHolesStep(_Form):
    """Fill holes in the volume, or in each slice."""

    step: Literal["fill_holes"]
    in_slices: StrictBool = False
    axis: _Axis = "k"


class SmoothStep(_Form):
    """Smooth the surface and keep the volume."""

    step: Literal["smooth"]
    mm: Annotated[_Number, Field(examples=[2])]
    axis: _Axis = "k"


class GrowStep(_Form):
    """Grow, or shrink where the distance is negative."""

    step: Literal["grow"]
    mm: Annotated[_Number, Field(examples=[-1.5])]


class InterpolateStep(_Form):
    """Replace the slices between chosen ones by the shapes between them."""

    step: Literal["interpolate"]
    slices: Annotated[_Slices, Field(examples=[[30, 35, 40]])]
    axis: _Axis


class CopySliceStep(_Form):
    """Copy a slice to others."""

    step: Literal["copy_slice"]
    index: Index
    to: Annotated[_Slices, Field(examples=[[42, 43]])]
    axis: _Axis


_STEPS: dict[str, Callable[..., CleanUpStep]] = {
    "keep_largest": KeepLargest,
    "keep_at": KeepAt,
    "remove_islands": RemoveIslands,
    "fill_holes": FillHoles,
    "smooth": Smooth,
    "grow": Grow,
    "interpolate": Interpolate,
    "copy_slice": CopySlice,
}


def _kind(given: Any) -> str | None:
    kind = given.get("step") if isinstance(given, dict) else None
    return kind if isinstance(kind, str) else None


_AnyForm = Annotated[
    Annotated[KeepLargestStep, Tag("keep_largest")]
    | Annotated[KeepAtStep, Tag("keep_at")]
    | Annotated[RemoveIslandsStep, Tag("remove_islands")]
    | Annotated[FillHolesStep, Tag("fill_holes")]
    | Annotated[SmoothStep, Tag("smooth")]
    | Annotated[GrowStep, Tag("grow")]
    | Annotated[InterpolateStep, Tag("interpolate")]
    | Annotated[CopySliceStep, Tag("copy_slice")],
    Discriminator(
        _kind,
        custom_error_type="clean_up_step",
        custom_error_message=f"A clean-up is an object with the key step, one of {', '.join(_STEPS)}",
    ),
]


def _to_step(form: _Form) -> CleanUpStep:
    """Make the step of its JSON form.

    Raises:
        PromptError: A value is not possible: a negative volume, fewer than two slices to interpolate between.
    """
    values = form.model_dump()
    made = _STEPS[values.pop("step")]
    if "axis" in values:
        values["axis"] = _AXES.index(values["axis"])
    return made(**{name: tuple(each) if isinstance(each, list) else each for name, each in values.items()})


def clean_up_to_json(step: CleanUpStep) -> dict[str, Any]:
    """Turn a step into plain JSON values."""
    # NumPy makes plain numbers and lists of its own ones and of tuples.
    values = {each.name: np.asarray(getattr(step, each.name)).tolist() for each in fields(step)}
    if "axis" in values:
        values["axis"] = _AXES[values["axis"]]
    return {"step": next(name for name, made in _STEPS.items() if made is type(step)), **values}


#: A step of any kind.
AnyCleanUpStep = Annotated[CleanUpStep, JsonForm(CleanUpStep, _AnyForm, _to_step, clean_up_to_json)]
