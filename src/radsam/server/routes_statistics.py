"""Routes of the objects' statistics: values, volume, histogram and diameters."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from radsam.server.route_dependencies import Id, ObjectName, Served, User, error_responses

router = APIRouter(prefix="/api/sessions", tags=["statistics"])


class HistogramOfValues(BaseModel):
    """How often values occur: bin n begins at `low` + n × `width`; `below` and `above` are the voxels beside it."""

    low: float
    width: float
    counts: list[int]
    below: int
    above: int


class AxialDiameter(BaseModel):
    """A diameter on the axial slice `index`: its length, and its ends as (i, j, k) with fractions."""

    index: int
    mm: float
    ends_ijk: list[list[float]]


class Statistics(BaseModel):
    """Statistics of an object as the label map has it; values that need a voxel are null if it has none.

    `unit` is that of the values: "HU" in a CT, "SUV" or "Bq/ml" in a PET, and null where they have none. The
    diameters are the longest one on any axial slice, and the longest perpendicular to it on the same slice.
    """

    name: str
    id: int
    unit: str | None
    voxels: int
    volume_ml: float
    mean: float | None = None
    sd: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    median: float | None = None
    histogram: HistogramOfValues | None = None
    longest_axial: AxialDiameter | None = None
    perpendicular: AxialDiameter | None = None


@router.get("/{session}/objects/{name:path}/statistics", responses=error_responses(409, 413))
def object_statistics(session: Id, name: ObjectName, service: Served, user: User) -> Statistics:
    """Return the statistics of an object: values, volume, histogram and axial diameters."""
    return Statistics(**service.statistics.of_object(user, session, name))


@router.get(
    "/{session}/statistics.csv",
    response_class=Response,
    responses=error_responses(409, 413) | {200: {"description": "CSV.", "content": {"text/csv": {}}}},
)
def statistics_table(session: Id, service: Served, user: User) -> Response:
    """Return the statistics of all objects as CSV, a row for each."""
    return Response(
        service.statistics.table(user, session),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="statistics.csv"'},
    )
