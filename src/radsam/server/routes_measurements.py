"""Routes of what a user measures: lengths, angles and regions on slices."""

from __future__ import annotations

from fastapi import APIRouter

from radsam.server.measurement_store import MeasurementList
from radsam.server.route_dependencies import Id, Served, User, error_responses

router = APIRouter(prefix="/api/sessions", tags=["measurements"])


@router.get("/{session}/measurements", responses=error_responses())
def read_measurements(session: Id, service: Served, user: User) -> MeasurementList:
    """Return what was measured on the slices of a session."""
    return MeasurementList.model_validate({"measurements": service.measurements.read(user, session)})


@router.put("/{session}/measurements", responses=error_responses(413))
def write_measurements(session: Id, measurements: MeasurementList, service: Served, user: User) -> MeasurementList:
    """Replace what was measured on the slices of a session."""
    return MeasurementList.model_validate({"measurements": service.measurements.write(user, session, measurements)})
