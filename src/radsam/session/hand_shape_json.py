"""Shapes of hand edits as JSON: HTTP and the command line read and write these forms.

::

    brush   {"brush": {"path": [[i, j, k], …], "radius_mm": 4, "ball": false, "plane": "axial"}}
    lasso   {"lasso": {"k": 41}, "polygon": [[i, j], …]}
    box     {"box": {"k": 41, "i0": 120, "j0": 88, "i1": 210, "j1": 170}}
    mask    {"mask": {"k": 41}, "shape": [rows, columns], "runs": [background, object, background, …]}
    voxels  {"voxels": {"axis": "k", "shape": [k, j, i], "slices": {"41": "<base64>"}}}

Lasso, box and mask are written as the prompts are; whether their voxels are set or erased is the request's to say.
Voxels are those of `radsam.session.voxel_json`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, Tag

from radsam.errors import PromptError
from radsam.session.prompt_json import (
    BoxPrompt,
    JsonForm,
    LassoPrompt,
    MaskPrompt,
    Path,
    prompt_to_json,
    to_prompt,
)
from radsam.session.voxel_json import voxels_from_json, voxels_to_json
from radsam.volume import Box, Brush, HandShape, Lasso, Mask, Plane, SparseMask

_Millimetres = Annotated[float, Field(allow_inf_nan=False, examples=[4])]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BrushStroke(_Form):
    """A path of voxels on one slice of a plane, and the radius of the brush; a ball reaches over further slices."""

    path: Path
    radius_mm: _Millimetres
    ball: StrictBool = False
    plane: Plane = Plane.AXIAL


class BrushShape(_Form):
    """A brush stroke."""

    brush: BrushStroke


class SparseVoxels(_Form):
    """Voxels of the volume: a slice's number to its run lengths, as base64 of zlib of little-endian uint32."""

    axis: Literal["i", "j", "k"]
    shape: Annotated[list[int], Field(min_length=3, max_length=3, examples=[[120, 512, 512]])]
    slices: dict[str, str]


class VoxelsShape(_Form):
    """Given voxels."""

    voxels: SparseVoxels


_ShapeForm = BrushShape | LassoPrompt | BoxPrompt | MaskPrompt | VoxelsShape
_KINDS = ("brush", "lasso", "box", "mask", "voxels")


def _kind(given: Any) -> str | None:
    keys = given if isinstance(given, dict) else ()
    return next((kind for kind in _KINDS if kind in keys), None)


_AnyForm = Annotated[
    Annotated[BrushShape, Tag("brush")]
    | Annotated[LassoPrompt, Tag("lasso")]
    | Annotated[BoxPrompt, Tag("box")]
    | Annotated[MaskPrompt, Tag("mask")]
    | Annotated[VoxelsShape, Tag("voxels")],
    Discriminator(
        _kind,
        custom_error_type="hand_shape",
        custom_error_message="A shape is an object with the key brush, lasso, box, mask or voxels",
    ),
]


def _to_shape(form: _ShapeForm) -> HandShape:
    """Make the shape of its JSON form.

    Raises:
        PromptError: The values make no shape: an empty path, a polygon without an area, damaged voxels.
    """
    match form:
        case BrushShape(brush=stroke):
            path = tuple((i, j, k) for i, j, k in stroke.path)
            return Brush(path_ijk=path, radius_mm=stroke.radius_mm, ball=stroke.ball, plane=stroke.plane)
        case VoxelsShape():
            return voxels_from_json(form.voxels.model_dump())
        case LassoPrompt() | BoxPrompt() | MaskPrompt():
            if not form.positive:
                raise PromptError('A shape has no "positive": the request says whether its voxels are set or erased.')
            shape = to_prompt(form)
            if isinstance(shape, Lasso | Box | Mask):
                return shape
    raise TypeError(f"{form!r} is not the form of a shape.")


def hand_shape_to_json(shape: HandShape) -> dict[str, Any]:
    """Turn a shape into plain JSON values."""
    match shape:
        case Brush():
            path = [[int(each) for each in voxel] for voxel in shape.path_ijk]
            radius, ball, plane = float(shape.radius_mm), bool(shape.ball), str(shape.plane)
            return {"brush": {"path": path, "radius_mm": radius, "ball": ball, "plane": plane}}
        case SparseMask():
            return {"voxels": voxels_to_json(shape)}
        case Lasso() | Box() | Mask():
            return {key: each for key, each in prompt_to_json(shape).items() if key != "positive"}


#: A shape of any kind.
AnyHandShape = Annotated[HandShape, JsonForm(HandShape, _AnyForm, _to_shape, hand_shape_to_json)]
