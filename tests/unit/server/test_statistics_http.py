"""Do the statistics over HTTP belong to the label map as it is, and are they computed once per change?"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radsam.io.volume_read import read_volume
from radsam.server import statistics_service
from radsam.volume import Volume
from servers import LEFT, Served, served

pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


def statistics(web: Served, name: str) -> dict[str, Any]:
    response = web.client.get(web.url(f"/objects/{name}/statistics"))
    assert response.status_code == 200, response.text
    return response.json()


def rows(web: Served) -> list[dict[str, str]]:
    response = web.client.get(web.url("/statistics.csv"))
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == 'attachment; filename="statistics.csv"'
    return list(csv.DictReader(io.StringIO(response.text)))


def ids_of(web: Served) -> np.ndarray:
    ids = np.zeros(read_volume(web.path).geometry.shape_kji, int)
    for (number, plane, index), mask in web.masks()[1].items():
        assert plane == 0
        ids[index][mask] = number
    return ids


def test_they_are_those_of_the_label_map(web: Served) -> None:
    web.segment("right")
    web.segment("left", LEFT)
    hu, ids = read_volume(web.path).values, ids_of(web)
    for name, number in (("right", 1), ("left", 2)):
        found, values = statistics(web, name), hu[ids == number]
        assert (found["name"], found["id"], found["unit"], found["voxels"]) == (name, number, "HU", values.size)
        assert found["mean"] == pytest.approx(values.mean(), abs=1e-3)
        assert found["sd"] == pytest.approx(values.std(), abs=1e-3)
        assert (found["minimum"], found["maximum"]) == (values.min(), values.max())
        assert found["median"] == np.median(values)
        shown = found["histogram"]
        assert sum(shown["counts"]) + shown["below"] + shown["above"] == values.size
        longest = found["longest_axial"]
        areas = (ids == number).sum(axis=(1, 2))
        assert areas[longest["index"]] > 0.8 * areas.max()
        assert found["perpendicular"]["mm"] <= longest["mm"]
        assert {end[2] for end in longest["ends_ijk"]} == {longest["index"]}
    table = rows(web)
    assert [row["object"] for row in table] == ["right", "left"]
    assert [float(row["mean"]) for row in table] == [statistics(web, name)["mean"] for name in ("right", "left")]
    assert float(table[0]["longest_axial_mm"]) == statistics(web, "right")["longest_axial"]["mm"]


def test_only_a_changed_object_is_measured_again(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    compute = statistics_service.object_statistics

    def counted(volume: Volume, mask: Any) -> Any:
        measured.append(mask.voxels)
        return compute(volume, mask)

    monkeypatch.setattr(statistics_service, "object_statistics", counted)
    web.segment("right")
    web.segment("left", LEFT)
    before = rows(web)
    assert rows(web) == before
    assert len(measured) == 2
    for number, corner in enumerate(({"i0": 0, "j0": 0, "i1": 1, "j1": 1}, {"i0": 0, "j0": 2, "i1": 1, "j1": 3})):
        web.post("/paint", {"name": "other", "shape": {"box": {"k": 1, **corner}}}, 202)
        web.settled()
        after = rows(web)
        assert measured[2:] == [4, 8][: number + 1]
        assert after[:2] == before
        assert int(after[2]["voxels"]) == measured[-1]
    web.client.patch(web.url("/objects/other"), json={"new_name": "+tumour"})
    assert rows(web)[2] == after[2] | {"object": "'+tumour"}, "no spreadsheet program takes a name for a formula"
    web.post("/undo", None, 200)
    web.post("/undo", None, 200)
    assert rows(web) == before


def test_an_object_without_voxels_and_one_that_does_not_exist(web: Served) -> None:
    assert rows(web) == []
    web.segment("right")
    state = web.state()["objects"][0]
    box = {"box": {"k": 13, "i0": 0, "j0": 0, "i1": 27, "j1": 27}}
    for index in range(state["slices"][0], state["slices"][1] + 1):
        shape = {"shape": {"box": box["box"] | {"k": index}}}
        web.post("/paint", {"name": "cover", **shape}, 202)
        web.settled()
    found = statistics(web, "right")
    assert (found["voxels"], found["volume_ml"], found["mean"], found["longest_axial"]) == (0, 0, None, None)
    assert rows(web)[0]["mean"] == ""
    response = web.client.get(web.url("/objects/spleen/statistics"))
    assert response.status_code == 404
    assert "There is no object 'spleen' in this session; its objects: right, cover." in response.text


def test_values_of_a_pet_have_no_unit(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        web.segment("right")
        user = web.client.get("/api/info").json()["user"]
        volume = web.service._open(user, web.session).session.volume
        object.__setattr__(volume, "modality", "PT")  # a NIfTI file states none
        assert statistics(web, "right")["unit"] is None
        assert rows(web)[0]["unit"] == ""
