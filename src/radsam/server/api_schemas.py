"""JSON bodies of requests and responses of the API, with examples: the OpenAPI document is built from them."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from radsam.errors import RequestError
from radsam.session import Overlap
from radsam.session.edit import LARGEST_ID, SetOrder, SetOverlap
from radsam.session.edit_request import Request
from radsam.session.prompt_json import WINDOW_NAMES, AnyPrompt, Index, ValueWindow
from radsam.volume import Modality, Plane

_NAME = r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"


def _named(name: str) -> str:
    if re.fullmatch(_NAME, name) is None:  # unlike search, takes no newline after $
        raise PydanticCustomError("name", "give printable characters, at least one of them not a space")
    if name in (".", ".."):  # browsers take them out of addresses
        raise PydanticCustomError("name", "give another name: '.' and '..' cannot be part of an address")
    return name


#: Of the name of an object.
LONGEST_NAME = 64
Name = Annotated[
    str, Field(min_length=1, max_length=LONGEST_NAME, json_schema_extra={"pattern": _NAME}), AfterValidator(_named)
]
ModalityName = Literal["CT", "MR", "PET", "other"]
PlaneName = Literal["axial", "coronal", "sagittal"]


def _rounded(given: Any) -> Any:
    return math.floor(given + 0.5) if isinstance(given, float) and math.isfinite(given) else given


#: A voxel index, given as a finite number.
RoundedIndex = Annotated[Index, BeforeValidator(_rounded)]


class NewSession(Request):
    """The volume of a new session."""

    volume: Annotated[str, Field(max_length=64, examples=["v0123456789abcdef"])]
    window: Annotated[ValueWindow | None, Field(validation_alias=WINDOW_NAMES)] = None


def _known_modality(given: Any) -> Any:
    return next((each for each in Modality if str(given).lower() == each.value.lower()), given)


class VolumeChange(Request):
    """What a volume is, where its file or the guess from its values is wrong: in lower or upper case."""

    modality: Annotated[Modality, BeforeValidator(_known_modality), Field(examples=["mr"])]


class View(Request):
    """The slice in view."""

    plane: Plane
    index: Index
    zoom_prompt: AnyPrompt | None = None


class ObjectChange(Request):
    """A change of how an object is shown, locked or named, or of its value in the label map."""

    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#e69f00"])] | None = None
    visible: StrictBool | None = None
    locked: StrictBool | None = None
    new_name: Name | None = None
    id: Annotated[StrictInt, Field(ge=1, le=LARGEST_ID)] | None = None


class SessionChange(Request):
    """Which object has a voxel that two objects claim: the first one of `order`, else by the policy `overlap`."""

    overlap: Literal["last wins", "keep first", "keep both"] | None = None
    order: Annotated[tuple[Name, ...], Field(max_length=LARGEST_ID)] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> SessionChange:
        if self.overlap is None and self.order is None:
            raise RequestError("Give the overlap policy (overlap), the priority order (order), or both.")
        return self

    def to_edits(self) -> tuple[SetOverlap | SetOrder, ...]:
        """Return the edits."""
        overlap = () if self.overlap is None else (SetOverlap(Overlap(self.overlap)),)
        return overlap + (() if self.order is None else (SetOrder(self.order),))


# Responses


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
    """The model of CT and its capabilities; `window` is in HU. `State.model` names that of a session."""

    name: str
    capabilities: list[str]
    max_zoom: float
    window: list[float]
    backend: str
    precision: str


class Info(BaseModel):
    """Version, model and limits of the server."""

    version: str
    model: Model
    limits: dict[str, float]
    formats: list[str]
    pacs: str | None
    user: str
    #: Whether a project of many cases is served, under `/api/project`.
    project: bool = False


class Scan(BaseModel):
    """What tells a DICOM volume from others of its folder: another series, or another phase or echo (`part`) of it."""

    uid: str
    number: int
    description: str
    acquisition: str
    time: str
    contrast: str
    slices: int
    part: str


class Patient(BaseModel):
    """Patient and study of a DICOM volume."""

    name: str
    id: str
    study_date: str
    study: str


class VolumeRow(BaseModel):
    """A volume in a listing; `notes` say what was left out of it, and what its file does not state about its grid.

    `bytes` is its size on disk, `added` the time of the upload or of the file's last change, `upload` the upload that
    it belongs to, and `labels` whether that looks like a label map. `scan` is null for a file, and `patient` is null
    unless the server was started with --show-patient.

    `modality` is null where the file does not state it and the volume has not been opened yet; opening guesses it from
    the values ("values"), unless the file ("header") or a user ("given") says it. `modality_doubt` says why it may be
    another one, and is empty where it is sure. `unit` is that of the values, null where there is none.
    """

    id: str
    name: str
    shape_ijk: list[int]
    spacing_mm_ijk: list[float]
    modality: ModalityName | None
    modality_source: Literal["header", "given", "values"] | None
    modality_doubt: str
    unit: str | None
    source: Literal["given", "data", "upload"]
    notes: list[str]
    bytes: int
    added: str
    upload: str | None
    labels: bool
    scan: Scan | None
    patient: Patient | None


class UploadListed(BaseModel):
    """An upload in a listing, with its size on disk and its volumes; a damaged one has none."""

    id: str
    name: str
    bytes: int
    created: str
    volumes: list[str]


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
    default_window: list[float]
    dicom: bool
    planes: dict[PlaneName, PlaneDetails]


class SessionListed(BaseModel):
    """A session in a listing; where an earlier version of the server changed it last, `object_names` is empty.

    `modality` is what its volume was taken for, and null in a session of an earlier version.
    """

    id: str
    volume: str
    name: str
    objects: int
    object_names: list[str]
    modality: ModalityName | None
    created: str
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
    kind: Literal["box", "point", "mask", "scribble", "lasso"]
    box: dict[str, int] | None = None
    point: list[int] | None = None
    positive: bool | None = None
    scribble: list[list[int]] | None = None
    lasso: dict[str, int] | None = None
    polygon: list[list[float]] | None = None


class PlacedEdit(BaseModel):
    """An edit of an object: its number in the history, and the slices that it names or touches."""

    number: int
    kind: Literal["segment", "start_from_mask", "correct", "paint", "bounds", "continue", "confirm", "clean_up"]
    slices: list[int]


class ObjectState(BaseModel):
    """An object of a session: `voxels` has it in the label map, `whole_voxels` before the overlap policy applies.

    `unfinished` names the ends at which its propagation was stopped, each with the requested slice; null
    where the stop rule was to find it. `other_ends` has the slices at which it may end instead, where the model was
    unsure of an end that it has found itself. `scores` are the model's predicted IoU, `expected_dice` what they say
    about the masks together.
    """

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
    whole_volume_ml: float
    whole_voxels: int
    prompts: list[PlacedPrompt]
    scores: dict[str, float]
    expected_dice: dict[str, float]
    by_hand: bool
    unfollowed: list[list[int]]
    start: Literal["segment", "start_from_mask"]
    confirmed: list[int]
    unfinished: dict[Literal["low", "high"], int | None]
    other_ends: dict[Literal["low", "high"], list[int]]
    edits: list[PlacedEdit]


class Overlapping(BaseModel):
    """Voxels of the object `name` that the label map gives to the object `by`."""

    name: str
    by: str | None
    voxels: int
    volume_ml: float


class State(BaseModel):
    """A session; `window`, in the unit of the values, is the one in which the model sees new objects."""

    id: str
    volume: str
    revision: int
    window: list[float]
    model: str
    modality: ModalityName
    unit: str | None
    can_undo: bool
    can_redo: bool
    overlap: str
    overlaps: list[Overlapping]
    order: list[str]
    busy: Busy | None
    interrupted: Interrupted | None
    encoded: dict[PlaneName, list[int]]
    precision: str
    precisions: list[str]
    notes: list[str]
    objects: list[ObjectState]


class StartOfObject(BaseModel):
    """The prompt that started an object; `bounds` is null where the stop rule found the ends."""

    plane: PlaneName
    index: int
    prompt: dict[str, Any]
    bounds: tuple[int, int] | None


class JobStarted(BaseModel):
    """The id of a queued edit; its progress is sent as events."""

    job: str


class PackedMask(BaseModel):
    """The mask of a slice as run lengths, background first."""

    shape: list[int]
    runs: list[int]
    score: float


class PreviewMask(PackedMask):
    """The mask of a slice of the object's plane."""

    index: int


class PreviewAnswer(BaseModel):
    """The masks of the slice `index`, the primary one first; of an edit by hand, each slice that it changes.

    `reach` are the first and the last slice to which the edit would propagate, if it is a correction.
    """

    index: int | None
    masks: list[PreviewMask]
    reach: list[int] | None
    ms: float


class SliceToReview(BaseModel):
    """A slice to review; `score` is its expected Dice."""

    plane: PlaneName
    index: int
    name: str
    score: float
    cursor: str
