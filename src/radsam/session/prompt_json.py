"""Prompts, bounds and windows as JSON, written once: session files, the journal and HTTP read and write these forms.

::

    point     {"point": [i, j, k], "positive": true}
    box       {"box": {"k": 41, "i0": 120, "j0": 88, "i1": 210, "j1": 170}}
    mask      {"mask": {"k": 41}, "shape": [rows, columns], "runs": [background, object, background, …]}
    scribble  {"scribble": [[i, j, k], …], "positive": true}
    lasso     {"lasso": {"k": 41}, "polygon": [[i, j], …], "positive": true}
    bounds    [first slice, last slice]
    window    [low, high], in the volume's unit

Every prompt may be negative; boxes and masks say so only then, so that older programs read them.
A field annotated with one of the types below holds the value of `radsam.volume` or `radsam.preprocess`; it takes
that value or its JSON form, and is described and written as JSON. Errors of the values themselves (a box without an
area, reversed bounds) are `PromptError`; pydantic does not catch those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StrictInt,
    Tag,
)
from pydantic_core import CoreSchema, core_schema

from radsam.errors import PromptError
from radsam.preprocess import Window
from radsam.volume import Bounds, Box, Lasso, Mask, Point, Prompt, RunMask, Scribble

#: No slice has more pixels.
_MOST_PIXELS = 1 << 26
#: A stroke drawn with a mouse has some hundreds of points.
MOST_DRAWN_POINTS = 10_000


def _integer(given: Any) -> Any:
    """Take integers of NumPy, and 9.0 for 9 as JSON does and as old session files may hold."""
    return int(given) if isinstance(given, np.integer | float) and given == given // 1 else given


#: A voxel index. The range only bounds the number: a request refuses an index outside the volume by itself.
Index = Annotated[StrictInt, Field(ge=-(2**31), le=2**31 - 1), BeforeValidator(_integer)]


#: A voxel as [i, j, k].
VoxelIndex = Annotated[list[Index], Field(min_length=3, max_length=3, examples=[[150, 120, 50]])]
#: A position on a slice, in voxels along its two stored axes; whole numbers are voxel centres.
_OnSlice = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]],
    Field(min_length=2, max_length=2, examples=[[150.5, 120.25]]),
]
Polygon = Annotated[list[_OnSlice], Field(min_length=1, max_length=MOST_DRAWN_POINTS)]
Path = Annotated[list[VoxelIndex], Field(min_length=1, max_length=MOST_DRAWN_POINTS)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PointPrompt(_Form):
    """One voxel that belongs to the object, or does not."""

    point: VoxelIndex
    positive: StrictBool = True


class MaskOnSlice(_Form):
    """The slice of a mask: exactly one of the three indices."""

    i: Index | None = None
    j: Index | None = None
    k: Index | None = None


class BoxOnSlice(MaskOnSlice):
    """A box: one index names the slice, the two other axes have a range; both ends belong to it."""

    i0: Index | None = None
    i1: Index | None = None
    j0: Index | None = None
    j1: Index | None = None
    k0: Index | None = None
    k1: Index | None = None


class BoxPrompt(_Form):
    """A box on one slice."""

    box: Annotated[BoxOnSlice, Field(examples=[{"k": 41, "i0": 120, "j0": 88, "i1": 210, "j1": 170}])]
    positive: StrictBool = True


class MaskPrompt(_Form):
    """A rough mask of a whole slice: run lengths, background first, rows of [v, u]."""

    mask: MaskOnSlice
    shape: Annotated[list[Annotated[StrictInt, Field(ge=1, le=65535)]], Field(min_length=2, max_length=2)]
    runs: Annotated[list[Annotated[StrictInt, Field(ge=0, le=2**32 - 1)]], Field(min_length=1, max_length=2_000_000)]
    positive: StrictBool = True


class ScribblePrompt(_Form):
    """A stroke on one slice: the voxels on the lines between its points."""

    scribble: Path
    positive: StrictBool = True


class LassoPrompt(_Form):
    """A closed polygon on one slice, in voxels along the slice's two stored axes."""

    lasso: MaskOnSlice
    polygon: Polygon
    positive: StrictBool = True


def _kind(given: Any) -> str | None:
    """Name the form of a prompt by the key that only it has."""
    keys = given if isinstance(given, dict) else ()
    return next((kind for kind in ("point", "box", "mask", "scribble", "lasso") if kind in keys), None)


_PromptForm = PointPrompt | BoxPrompt | MaskPrompt | ScribblePrompt | LassoPrompt
_AnyPrompt = Annotated[
    Annotated[PointPrompt, Tag("point")]
    | Annotated[BoxPrompt, Tag("box")]
    | Annotated[MaskPrompt, Tag("mask")]
    | Annotated[ScribblePrompt, Tag("scribble")]
    | Annotated[LassoPrompt, Tag("lasso")],
    Discriminator(
        _kind,
        custom_error_type="prompt",
        custom_error_message="A prompt is an object with the key point, box, mask, scribble or lasso",
    ),
]


def to_prompt(form: _PromptForm) -> Prompt:
    """Make the prompt of its JSON form.

    Raises:
        PromptError: The values make no valid prompt: a box without an area, runs that do not fill the mask.
    """
    match form:
        case PointPrompt(point=[i, j, k]):
            return Point(i=i, j=j, k=k, positive=form.positive)
        case BoxPrompt():
            return Box(**form.box.model_dump(), positive=form.positive)
        case MaskPrompt(shape=[rows, cols]):
            if rows * cols > _MOST_PIXELS or sum(form.runs) != rows * cols:
                raise PromptError(f"The runs of the mask do not fill {rows}×{cols} pixels.")
            pixels = RunMask((rows, cols), np.array(form.runs, np.uint32)).decode()
            return Mask(pixels=pixels, **form.mask.model_dump(), positive=form.positive)
        case ScribblePrompt():
            return Scribble(voxels_ijk=tuple((i, j, k) for i, j, k in form.scribble), positive=form.positive)
        case LassoPrompt():
            polygon = tuple((u, v) for u, v in form.polygon)
            return Lasso(polygon=polygon, **form.lasso.model_dump(), positive=form.positive)
    raise TypeError(f"{form!r} is not the form of a prompt.")  # pydantic has checked the lengths above


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """Turn a prompt into plain JSON values."""
    match prompt:
        case Point():
            return {"point": [int(each) for each in prompt.index_ijk], "positive": bool(prompt.positive)}
        case Box():
            sides = {
                name: int(value) for name, value in vars(prompt).items() if name != "positive" and value is not None
            }
            return {"box": sides, **_if_negative(prompt)}
        case Mask():
            runs = RunMask.encode(prompt.pixels)
            form = {"mask": {"ijk"[prompt.axis]: prompt.index}, "shape": list(runs.shape), "runs": runs.runs.tolist()}
            return {**form, **_if_negative(prompt)}
        case Scribble():
            path = [[int(each) for each in voxel] for voxel in prompt.voxels_ijk]
            return {"scribble": path, "positive": bool(prompt.positive)}
        case Lasso():
            polygon = [[float(each) for each in corner] for corner in prompt.polygon]
            return {"lasso": {"ijk"[prompt.axis]: prompt.index}, "polygon": polygon, "positive": bool(prompt.positive)}


def _if_negative(prompt: Box | Mask) -> dict[str, Any]:
    return {} if prompt.positive else {"positive": False}


@dataclass(frozen=True)
class JsonForm:
    """Makes a field of a value that has a JSON form.

    Args:
        value: The value's class.
        form: The pydantic type of its JSON form.
        read: Makes the value of the form.
        write: Makes plain JSON of the value.
    """

    value: Any
    form: Any
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(given: Any, validate: Callable[[Any], Any]) -> Any:
            return given if isinstance(given, self.value) else self.read(validate(given))

        return core_schema.no_info_wrap_validator_function(
            parse,
            handler.generate_schema(self.form),
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )


_Value = Annotated[float, Field(allow_inf_nan=False)]
_Pair = Annotated[list[Index], Field(min_length=2, max_length=2, examples=[[30, 70]])]
_Values = Annotated[list[_Value], Field(min_length=2, max_length=2, examples=[[-160, 240]])]

#: JSON's names of a window; the second is that of files and programs of the first releases.
WINDOW_NAMES = AliasChoices("window", "window_hu")

#: A prompt of any kind.
AnyPrompt = Annotated[Prompt, JsonForm(Prompt, _AnyPrompt, to_prompt, prompt_to_json)]
#: A point.
OnePoint = Annotated[Point, JsonForm(Point, PointPrompt, to_prompt, prompt_to_json)]
#: First and last slice, both included.
SliceBounds = Annotated[
    Bounds, JsonForm(Bounds, _Pair, lambda pair: Bounds(*pair), lambda bounds: [int(bounds.low), int(bounds.high)])
]
#: A window in the volume's unit.
ValueWindow = Annotated[
    Window, JsonForm(Window, _Values, lambda pair: Window(*pair), lambda window: [window.low, window.high])
]
