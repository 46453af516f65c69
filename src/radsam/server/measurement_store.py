"""What a user has measured on the slices of a session: lengths, angles and regions, kept beside the session's row."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt

from radsam.errors import PromptError
from radsam.server.server_errors import NotFoundError
from radsam.server.server_store import ServerStore
from radsam.server.volume_registry import VolumeRegistry
from radsam.session.edit_request import Request
from radsam.volume import Geometry, Plane, SliceGrid

#: No volume has more voxels along an axis.
_FARTHEST = 1e6
#: Number of points by kind.
_POINTS = {"length": 2, "angle": 3, "ellipse": 2, "rectangle": 2}

Coordinate = Annotated[StrictFloat | StrictInt, Field(ge=-_FARTHEST, le=_FARTHEST, allow_inf_nan=False)]
Position = Annotated[tuple[Coordinate, Coordinate, Coordinate], Field(examples=[[150.25, 120.5, 50]])]


class Measurement(Request):
    """A length (two ends), an angle (its vertex is the second point), or a region (two opposite corners) on a slice.

    Points are voxels (i, j, k) as stored, with fractions inside the slice; whole numbers are voxel centres.
    """

    kind: Literal["length", "angle", "ellipse", "rectangle"]
    plane: Plane
    points: Annotated[tuple[Position, ...], Field(min_length=2, max_length=3)]

    def check(self, geometry: Geometry) -> None:
        """Refuse a measurement that does not fit its kind or the volume.

        Raises:
            PromptError: It has the wrong number of points, or they do not lie on one slice of the volume.
        """
        if len(self.points) != _POINTS[self.kind]:
            article = "An" if self.kind[0] in "ae" else "A"
            raise PromptError(f"{article} {self.kind} has {_POINTS[self.kind]} points, not {len(self.points)}.")
        axis = SliceGrid.of(geometry, self.plane).axis
        slices = {point[axis] for point in self.points}
        if len(slices) > 1 or any(each != int(each) for each in slices):
            raise PromptError(
                f"The points of a measurement lie on one {self.plane} slice: "
                f"give all the same whole number as {'ijk'[axis]}."
            )
        for point in self.points:
            if not all(-0.5 <= at <= size - 0.5 for at, size in zip(point, geometry.shape_ijk, strict=True)):
                size = " × ".join(map(str, geometry.shape_ijk))
                raise PromptError(f"The point {list(point)} lies outside the volume of {size} voxels (i, j, k).")


class MeasurementList(Request):
    """The measurements of a session, in the order in which they were made."""

    measurements: Annotated[tuple[Measurement, ...], Field(max_length=1000)]


class MeasurementStore:
    """Reads and writes the measurements of sessions; needs neither the model nor voxels.

    Args:
        store: Where they are kept.
        volumes: The volumes, for their grids.
    """

    def __init__(self, store: ServerStore, volumes: VolumeRegistry) -> None:
        self._store = store
        self._volumes = volumes

    def read(self, user: str, session: str) -> list[dict[str, Any]]:
        """Return the measurements of a session.

        Raises:
            NotFoundError: The user has no session with this id.
        """
        self._volume_of(user, session)
        return list(json.loads(self._store.measurements(session) or "[]"))

    def write(self, user: str, session: str, measurements: MeasurementList) -> list[dict[str, Any]]:
        """Replace the measurements of a session.

        Raises:
            NotFoundError: The user has no session with this id.
            PromptError: One does not fit the volume; none is changed.
        """
        geometry = self._volumes.entry(self._volume_of(user, session), user).geometry
        for each in measurements.measurements:
            each.check(geometry)
        listed = measurements.model_dump(mode="json")["measurements"]
        self._store.put_measurements(session, json.dumps(listed))
        return list(listed)

    def _volume_of(self, user: str, session: str) -> str:
        row = self._store.session(session, user)
        if row is None:
            raise NotFoundError(f"There is no session {session!r}.")
        return row.volume
