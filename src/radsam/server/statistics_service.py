"""Statistics of the objects of sessions: computed from the label map, without the model's thread, once per change."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from radsam.disk.utf8_path import printable
from radsam.server.live_session import LiveSession
from radsam.server.server_errors import NotFoundError
from radsam.session.label_map import LabelMap
from radsam.volume import SparseMask
from radsam.volume.axial_diameters import Diameter
from radsam.volume.object_statistics import ObjectStatistics, object_statistics

#: Of values and lengths in tables and answers.
_DECIMALS = 3
_COLUMNS = (
    *("object", "id", "unit", "voxels", "volume_ml", "mean", "sd", "minimum", "maximum", "median"),
    *("longest_axial_mm", "perpendicular_mm", "axial_slice"),
)
#: A spreadsheet program takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@")


class StatisticsService:
    """Statistics of objects, as the label map has them: after the overlap policy.

    Args:
        open_session: Returns a session of a user.
    """

    def __init__(self, open_session: Callable[[str, str], LiveSession]) -> None:
        self._open = open_session
        #: Of each session in memory, by the id of an object: the revision of its masks, and its statistics then.
        self._known: WeakKeyDictionary[LiveSession, dict[int, tuple[int, ObjectStatistics | None]]] = (
            WeakKeyDictionary()
        )

    def of_object(self, user: str, session: str, name: str) -> dict[str, Any]:
        """Return the statistics of an object.

        Raises:
            NotFoundError: The user has no such session, or it has no such object.
        """
        live = self._open(user, session)
        label_map = live.label_map
        if name not in label_map.ids:
            known = ", ".join(label_map.ids) or "none yet"
            raise NotFoundError(f"There is no object {name!r} in this session; its objects: {known}.")
        statistics = self._statistics(live, label_map, name)
        return {
            "name": name,
            "id": label_map.ids[name],
            "unit": live.session.volume.unit or None,
            "voxels": 0,
            "volume_ml": 0.0,
            **({} if statistics is None else _values(statistics) | _shapes(statistics)),
        }

    def table(self, user: str, session: str) -> str:
        """Return the statistics of all objects as CSV.

        Raises:
            NotFoundError: The user has no such session.
        """
        live = self._open(user, session)
        label_map, text = live.label_map, io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(self._rows(live, label_map))
        return text.getvalue()

    def _rows(self, live: LiveSession, label_map: LabelMap) -> Iterator[dict[str, Any]]:
        unit = live.session.volume.unit
        for name, number in label_map.ids.items():
            shown = f"'{name}" if name.startswith(_FORMULA) else name
            row = {"object": printable(shown), "id": number, "unit": unit, "voxels": 0, "volume_ml": 0}
            statistics = self._statistics(live, label_map, name)
            if statistics is not None:
                diameters = statistics.diameters
                row |= _values(statistics) | {
                    "longest_axial_mm": round(diameters.longest.mm, _DECIMALS),
                    "perpendicular_mm": round(diameters.perpendicular.mm, _DECIMALS),
                    "axial_slice": diameters.index,
                }
            yield row

    def _statistics(self, live: LiveSession, label_map: LabelMap, name: str) -> ObjectStatistics | None:
        number = label_map.ids[name]
        revision = live.masks.revision_of(number)
        known = self._known.setdefault(live, {})
        if number not in known or known[number][0] != revision:
            slices = {k: each.owned[name] for k, each in enumerate(label_map.slices) if name in each.owned}
            mask = SparseMask(2, label_map.geometry.shape_kji, slices)
            known[number] = revision, object_statistics(live.session.volume, mask)
        return known[number][1]


def _values(statistics: ObjectStatistics) -> dict[str, Any]:
    names = ("volume_ml", "mean", "sd", "minimum", "maximum", "median")
    return {"voxels": statistics.voxels} | {name: round(getattr(statistics, name), _DECIMALS) for name in names}


def _shapes(statistics: ObjectStatistics) -> dict[str, Any]:
    diameters = statistics.diameters
    return {
        "histogram": vars(statistics.histogram),
        "longest_axial": {"index": diameters.index, **_diameter(diameters.longest)},
        "perpendicular": {"index": diameters.index, **_diameter(diameters.perpendicular)},
    }


def _diameter(diameter: Diameter) -> dict[str, Any]:
    ends = [[round(at, _DECIMALS) for at in end] for end in diameter.ends_ijk]
    return {"mm": round(diameter.mm, _DECIMALS), "ends_ijk": ends}
