"""Routes of the server's PACS: search, retrieve a series, send a result."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from radsam.server.api_schemas import Name
from radsam.server.pacs_service import PacsService, search_values
from radsam.server.route_dependencies import Served, User, error_responses
from radsam.server.server_errors import NotFoundError
from radsam.server.service import Service
from radsam.session.edit_request import Request

router = APIRouter(prefix="/api/pacs", tags=["pacs"])

Uid = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9.]+$", examples=["1.2.826.0.1.3680043.8.498"])]
_Text = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f\\]*$")]
_Day = Annotated[str, Field(pattern=r"^(\d{8})?$", examples=["20240131"])]
_ERRORS = error_responses(409, 413, 507)


class Search(Request):
    """What to search for; empty values match everything. In the body, as URLs end up in the logs of proxies."""

    patient_id: _Text = ""
    patient_name: _Text = ""
    date_from: _Day = ""
    date_to: _Day = ""
    modality: Annotated[str, Field(max_length=16, pattern=r"^[A-Z]*$")] = ""


class Study(BaseModel):
    """A study of the PACS."""

    uid: str
    date: str | None
    modalities: str | None
    description: str | None
    series: int | None
    instances: int | None
    patient_id: str | None
    patient_name: str | None


class Series(BaseModel):
    """A series of a study."""

    uid: str
    number: int | None
    modality: str | None
    description: str | None
    instances: int | None


class Studies(BaseModel):
    """The studies that were found; `more` says that there are more than these."""

    found: list[Study]
    more: bool


class SeriesList(BaseModel):
    """The series of a study."""

    found: list[Series]
    more: bool


class RetrievalRequest(Request):
    """A series to retrieve."""

    study: Uid
    series: Uid


class RetrievalState(BaseModel):
    """A series on its way; `volume` is the volume that it became."""

    id: str
    state: Literal["running", "done", "failed", "cancelled"]
    done: int
    total: int | None
    volume: str | None
    message: str


class ResultRequest(Request):
    """A result to send: the objects of a session, all of them if none is named."""

    session: Annotated[str, Field(max_length=64)]
    format: Literal["seg", "rtstruct"]
    objects: Annotated[tuple[Name, ...], Field(max_length=1000)] | None = None


class Sent(BaseModel):
    """Where a result was stored."""

    pacs: str
    series: list[str]


RetrievalId = Annotated[str, InPath(max_length=64)]


@router.post("/search", responses=_ERRORS)
def search(wanted: Search, service: Served, user: User) -> Studies:
    """Search for studies by patient, name, date and modality. The answer names patients; nothing else does."""
    return Studies(**_pacs(service).studies(search_values(**wanted.model_dump())))


@router.get("/studies/{study}/series", responses=_ERRORS)
def list_series(study: Annotated[str, InPath(max_length=64)], service: Served, user: User) -> SeriesList:
    """List the series of a study."""
    return SeriesList(**_pacs(service).series(study))


@router.post("/retrievals", status_code=202, responses=_ERRORS)
def retrieve(wanted: RetrievalRequest, service: Served, user: User) -> RetrievalState:
    """Begin to retrieve a series: it becomes a volume of this user, stored as an upload is."""
    return RetrievalState(**_pacs(service).retrieve(user, wanted.study, wanted.series).to_dict())


@router.get("/retrievals/{retrieval}", responses=_ERRORS)
def show_retrieval(retrieval: RetrievalId, service: Served, user: User) -> RetrievalState:
    """Return how far a retrieval is."""
    return RetrievalState(**_pacs(service).retrieval(user, retrieval).to_dict())


@router.delete("/retrievals/{retrieval}", status_code=204, responses=_ERRORS)
def cancel_retrieval(retrieval: RetrievalId, service: Served, user: User) -> None:
    """Stop a retrieval; nothing of it stays."""
    _pacs(service).cancel(user, retrieval)


@router.post("/results", status_code=201, responses=_ERRORS)
def send_result(wanted: ResultRequest, service: Served, user: User) -> Sent:
    """Store the objects of a session in the PACS, as a DICOM SEG or RTSTRUCT of the patient's study."""
    pacs, folder = _pacs(service), Path(tempfile.mkdtemp(prefix="radsam-"))
    try:
        return Sent(**pacs.send(service.export(user, wanted.session, wanted.format, wanted.objects, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pacs(service: Service) -> PacsService:
    """Return the PACS of the server.

    Raises:
        NotFoundError: It has none.
    """
    if service.pacs is None:
        raise NotFoundError("This server has no PACS. It has one if it is started with: radsam serve --pacs URL")
    return service.pacs
