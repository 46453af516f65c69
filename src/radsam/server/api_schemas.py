"""JSON bodies and answers of the API, with examples: the OpenAPI document is built from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from radsam.session.prompt_json import BoxPrompt, Index, MaskPrompt, PointPrompt
from radsam.volume import Point

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
Hu = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
WindowHu = Annotated[list[Hu], Field(min_length=2, max_length=2, examples=[[-160, 240]])]
Bounds = Annotated[list[Index], Field(min_length=2, max_length=2, examples=[[30, 70]])]
PlaneName = Literal["axial", "coronal", "sagittal"]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


AnyPrompt = BoxPrompt | PointPrompt | MaskPrompt


def to_point(given: PointPrompt) -> Point:
    """Turn a point into the engine's."""
    i, j, k = given.point
    return Point(i=i, j=j, k=k, positive=given.positive)


class NewSession(_Given):
    """The volume of a new session."""

    volume: Annotated[str, Field(max_length=64, examples=["v0123456789abcdef"])]
    window_hu: WindowHu | None = None


class View(_Given):
    """The slice in view."""

    plane: PlaneName
    index: Index
    zoom_prompt: AnyPrompt | None = None


class PreviewRequest(_Given):
    """A prompt, or corrections of an object, to predict on one slice."""

    prompt: AnyPrompt | None = None
    plane: PlaneName = "axial"
    points: Annotated[list[PointPrompt], Field(max_length=1000)] = []
    window_hu: WindowHu | None = None
    policy: Literal["mask", "box", "copy"] | None = None
    zoom: StrictBool | None = None
    name: Name | None = None


class SegmentRequest(_Given):
    """One prompt on one slice, and the bounds."""

    name: Name
    prompt: AnyPrompt
    plane: PlaneName = "axial"
    bounds: Bounds | None = None
    alternative: Annotated[StrictInt, Field(ge=0, le=3)] = 0
    window_hu: WindowHu | None = None
    policy: Literal["mask", "box", "copy"] | None = None
    zoom: StrictBool | None = None


class CorrectRequest(_Given):
    """Points on one slice of an object."""

    name: Name
    points: Annotated[list[PointPrompt], Field(min_length=1, max_length=1000)]


class ObjectChange(_Given):
    """A change of how an object is shown, locked or named."""

    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#e69f00"])] | None = None
    visible: StrictBool | None = None
    locked: StrictBool | None = None
    new_name: Name | None = None


class SessionChange(_Given):
    """The overlap policy: which object owns a voxel that two objects claim."""

    overlap: Literal["last wins", "keep first"]


# Answers


class ErrorBody(BaseModel):
    """The kind of an error, a word for programs, and its message, a sentence for users."""

    kind: str
    message: str


class Error(BaseModel):
    """The error answer of every route."""

    error: ErrorBody


class Health(BaseModel):
    """The server runs."""

    status: Literal["ok"] = "ok"
    version: str


class Model(BaseModel):
    """The model and its capabilities."""

    name: str
    capabilities: list[str]
    max_zoom: float
    window_hu: list[float]
    backend: str


class Info(BaseModel):
    """Version, model and limits of the server."""

    version: str
    model: Model
    limits: dict[str, float]
    formats: list[str]
    user: str


class VolumeRow(BaseModel):
    """A volume in a listing."""

    id: str
    name: str
    shape_ijk: list[int]
    spacing_mm_ijk: list[float]
    modality: str
    source: Literal["given", "data", "upload"]


class PlaneDetails(BaseModel):
    """The layout of the slices of a plane in the stored array; see `radsam.volume.plane`."""

    axis: Literal["i", "j", "k"]
    count: int
    uv_axes: list[Literal["i", "j", "k"]]
    transpose: bool
    flip_rows: bool
    flip_cols: bool
    spacing_mm_vu: list[float]


class VolumeDetails(VolumeRow):
    """A volume."""

    affine_lps: list[list[float]]
    default_window_hu: list[float]
    dicom: bool
    planes: dict[PlaneName, PlaneDetails]


class SessionListed(BaseModel):
    """A session in a listing."""

    id: str
    volume: str
    name: str
    objects: int
    changed: str
    interrupted: bool


class Busy(BaseModel):
    """The running edit."""

    job: str
    name: str
    done: int
    total: int | None


class Interrupted(BaseModel):
    """An edit that a crash interrupted."""

    name: str
    finished: list[int]
    what: Literal["segment", "correct"]


class PlacedPrompt(BaseModel):
    """A prompt of an object; the pixels of a mask prompt are left out."""

    number: int
    index: int
    kind: Literal["box", "point", "mask"]
    box: dict[str, int] | None = None
    point: list[int] | None = None
    positive: bool | None = None


class ObjectState(BaseModel):
    """An object of a session."""

    id: int
    name: str
    color: str
    visible: bool
    locked: bool
    plane: PlaneName
    bounds: list[int] | None
    low_end: str
    high_end: str
    slices: list[int]
    volume_ml: float
    voxels: int
    prompts: list[PlacedPrompt]
    scores: dict[str, float]
    by_hand: bool


class State(BaseModel):
    """A session."""

    id: str
    volume: str
    revision: int
    window_hu: list[float]
    can_undo: bool
    can_redo: bool
    overlap: str
    busy: Busy | None
    interrupted: Interrupted | None
    encoded: dict[PlaneName, list[int]]
    objects: list[ObjectState]


class JobStarted(BaseModel):
    """The id of a queued edit; its progress is sent as events."""

    job: str


class PackedMask(BaseModel):
    """The mask of a slice as run lengths, background first."""

    shape: list[int]
    runs: list[int]
    score: float


class PreviewAnswer(BaseModel):
    """The masks of a slice, the primary one first."""

    index: int
    masks: list[PackedMask]
    ms: float


class SliceToReview(BaseModel):
    """A slice to review."""

    plane: PlaneName
    index: int
    name: str
    score: float
    cursor: str
