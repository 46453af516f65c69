"""Are measurements kept with their session, and wrong ones refused as a whole?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import Served, served

LENGTH = {"kind": "length", "plane": "axial", "points": [[3.25, 7, 13], [15, 20.5, 13]]}
ANGLE = {"kind": "angle", "plane": "coronal", "points": [[3, 9, 2], [5.5, 9, 4], [8, 9, 4]]}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


def put(web: Served, *measurements: Any) -> Any:
    return web.client.put(web.url("/measurements"), json={"measurements": list(measurements)})


def test_they_are_there_after_a_restart_and_go_with_their_session(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        assert web.client.get(web.url("/measurements")).json() == {"measurements": []}
        assert put(web, LENGTH, ANGLE).json() == {"measurements": [LENGTH, ANGLE]}
        session = web.session
    with served(tmp_path, session=False) as web:
        url = f"/api/sessions/{session}"
        assert web.client.get(f"{url}/measurements").json() == {"measurements": [LENGTH, ANGLE]}
        assert web.client.delete(url).status_code == 204
        assert web.client.get(f"{url}/measurements").status_code == 404
        assert web.service._store.measurements(session) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({**LENGTH, "points": [[3, 7, 13]]}, "at least 2"),
        ({**LENGTH, "points": LENGTH["points"] + [[1, 1, 13]]}, "A length has 2 points, not 3."),
        ({**ANGLE, "points": ANGLE["points"][:2]}, "An angle has 3 points, not 2."),
        ({**LENGTH, "points": [[3, 7, 13], [3, 7, 14]]}, "one axial slice: give all the same whole number as k"),
        ({**LENGTH, "points": [[3, 7, 13.5], [9, 7, 13.5]]}, "same whole number as k"),
        ({**LENGTH, "points": [[3, 7, 13], [3, 700, 13]]}, "lies outside the volume of"),
        ({**LENGTH, "points": [[3, 7, 13], [3, "x", 13]]}, "number"),
        ({**LENGTH, "kind": "area"}, "length, angle, ellipse, rectangle"),
        ({**LENGTH, "plane": "oblique"}, "axial"),
        ({**LENGTH, "text": "Doe^Jane"}, "text"),
    ],
)
def test_a_wrong_one_is_refused_and_none_is_changed(web: Served, wrong: dict[str, Any], message: str) -> None:
    put(web, ANGLE)
    response = put(web, LENGTH, wrong)
    assert response.status_code == 422
    assert message in response.json()["error"]["message"]
    assert web.client.get(web.url("/measurements")).json() == {"measurements": [ANGLE]}


def test_there_is_a_limit(web: Served) -> None:
    assert put(web, *[LENGTH] * 1000).status_code == 200
    response = put(web, *[LENGTH] * 1001)
    assert response.status_code == 422
    assert "1000" in response.json()["error"]["message"]
