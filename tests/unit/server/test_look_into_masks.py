"""What a mask file holds, before its objects are opened; and opening some of them under chosen names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from radsam.io.volume_read import read_volume
from radsam.io.volume_write import write_labels
from radsam.server.access_tokens import TokenFile
from radsam.server.security_middleware import takes_upload
from radsam.session.label_set import read_label_set
from radsam.volume import Geometry, LabelVolume
from servers import Served, served


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


@pytest.fixture
def file(web: Served, tmp_path: Path) -> Path:
    """Three objects, one without a name, one with a colour."""
    geometry = read_volume(web.path).geometry
    ids = np.zeros(geometry.shape_kji, np.uint8)
    ids[2:4, 3:6, 2:7], ids[5, 5, 5:7], ids[6, 6, 6] = 1, 4, 9
    labels = LabelVolume(ids, geometry, {1: "liver", 9: "tumour"}, colours={9: (255, 0, 128)})
    write_labels(labels, tmp_path / "model.nrrd")
    return tmp_path / "model.nrrd"


def look(web: Served, path: Path) -> httpx.Response:
    params = {"filename": path.name}
    return web.client.post(web.url("/look-into-masks"), params=params, content=path.read_bytes())


def send(web: Served, path: Path, **query: Any) -> httpx.Response:
    params = {"filename": path.name} | query
    return web.client.post(web.url("/objects"), params=params, content=path.read_bytes())


def moved(web: Served, path: Path, step_mm: float) -> Path:
    """Write masks on every second slice of the volume, moved along x."""
    grid = read_volume(web.path).geometry
    affine = grid.affine_lps @ np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 3] += step_mm
    ids = np.zeros((grid.shape_kji[0] // 2, *grid.shape_kji[1:]), np.uint8)
    ids[3:5, 8:12, 4:9] = 7
    write_labels(LabelVolume(ids, Geometry(ids.shape, affine)), path)
    return path


def test_objects_are_listed_and_nothing_is_opened(web: Served, file: Path) -> None:
    response = look(web, file)
    assert response.status_code == 200, response.text
    found = response.json()
    shown = [(each["number"], each["name"], each["voxels"]) for each in found["objects"]]
    assert shown == [(1, "liver", 2 * 3 * 5), (4, "label 4", 2), (9, "tumour", 1)]
    assert (found["objects"][2]["color"], found["resampled"], found["notes"]) == ("#ff0080", None, [])
    assert web.state()["objects"] == []
    assert not web.state()["can_undo"]


def test_chosen_objects_get_the_given_names_and_their_colours(web: Served, file: Path) -> None:
    response = send(web, file, objects=["tumour", "label 4"], names=["GTV, left", "spleen"])
    assert response.status_code == 201, response.text
    objects = {each["name"]: each for each in response.json()["objects"]}
    assert {name: each["voxels"] for name, each in objects.items()} == {"spleen": 2, "GTV, left": 1}
    assert objects["GTV, left"]["color"] == web.state()["objects"][-1]["color"] == "#ff0080"
    assert send(web, file, objects=["liver"]).status_code == 201
    assert send(web, file, objects=["liver"]).status_code == 409  # the name is taken
    assert send(web, file, objects=["liver"], names=["liver of the model"]).status_code == 201


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"objects": ["kidney"]}, "no object 'kidney'. Choose from: 'liver', 'label 4', 'tumour'"),
        ({"objects": ["liver"], "names": ["a", "b"]}, "2 names for 1 objects"),
        ({"names": ["a"]}, "1 names for 0 objects"),
        ({"objects": ["liver"], "names": [" "]}, "printable"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(web: Served, file: Path, query: dict[str, Any], message: str) -> None:
    response = send(web, file, **query)
    assert response.status_code == 422
    assert message in response.json()["error"]["message"]
    assert web.state()["objects"] == []


def test_another_grid_is_resampled_with_what_will_happen(web: Served, tmp_path: Path) -> None:
    found = look(web, moved(web, tmp_path / "early.nii.gz", 0.4)).json()
    assert [(each["name"], each["voxels"]) for each in found["objects"]] == [("label 7", 4 * 4 * 5)]
    assert "was resampled from" in found["resampled"]
    assert "early.nii.gz" in found["resampled"]
    assert str(tmp_path) not in found["resampled"]
    apart = look(web, moved(web, tmp_path / "apart.nii.gz", 5000.0))
    assert apart.status_code == 422
    assert "apart.nii.gz" in apart.json()["error"]["message"]


def test_names_are_suggested_by_the_values_of_a_label_set(tmp_path: Path) -> None:
    (tmp_path / "labels.toml").write_text(
        '[[label]]\nname = "spleen"\nvalue = 7\n[[label]]\nname = "aorta"\nvalue = 2\n'
    )
    with served(tmp_path, label_set=read_label_set(tmp_path / "labels.toml")) as web:
        (only,) = look(web, moved(web, tmp_path / "a.nii.gz", 0.0)).json()["objects"]
        assert (only["name"], only["suggested"]) == ("label 7", "spleen")


def test_a_volume_is_no_mask(web: Served) -> None:
    response = look(web, web.path)
    assert response.status_code == 422
    assert "is not a label map" in response.json()["error"]["message"]
    assert str(web.path.parent) not in response.text
    text = web.client.post(web.url("/look-into-masks"), params={"filename": "a.txt"}, content=b"x")
    assert text.status_code == 415


def test_another_users_session_does_not_exist(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    ada, bob = tokens.add("ada"), tokens.add("bob")
    with served(tmp_path, authenticator=tokens, token=ada) as web:
        params = {"filename": "a.nrrd"}
        answer = web.client.post(
            web.url("/look-into-masks"), params=params, content=b"x", headers={"authorization": f"Bearer {bob}"}
        )
        assert answer.status_code == 404


def test_the_body_may_be_as_large_as_an_upload() -> None:
    assert takes_upload("POST", "/api/sessions/s1/look-into-masks")
    assert not takes_upload("POST", "/api/sessions/s1/look-into-masks/more")


@pytest.mark.parametrize("name", ["x" * 300, "a/b", "..", "a\x01b", 'li"ver', "Leber 肝", "=1+1"])
def test_an_object_of_any_name_can_be_opened_measured_and_removed(web: Served, tmp_path: Path, name: str) -> None:
    geometry = read_volume(web.path).geometry
    ids = np.zeros(geometry.shape_kji, np.uint8)
    ids[2:4, 3:6, 2:7] = 1
    write_labels(LabelVolume(ids, geometry, {1: name}), tmp_path / "model.nrrd")
    (found,) = look(web, tmp_path / "model.nrrd").json()["objects"]
    answer = send(web, tmp_path / "model.nrrd", objects=[found["name"]], names=[found["suggested"]])
    assert answer.status_code == 201, answer.text
    (opened,) = answer.json()["objects"]
    at = web.url(f"/objects/{quote(opened['name'], safe='')}")
    assert web.client.get(f"{at}/statistics").json()["voxels"] == 30
    assert not web.client.patch(at, json={"visible": False}).json()["objects"][0]["visible"]
    assert web.client.delete(at).json()["objects"] == []


def test_a_value_of_thousands_of_digits_is_no_label(web: Served, file: Path) -> None:
    data = file.read_bytes()
    assert b"Segment0_LabelValue:=1\n" in data
    file.write_bytes(data.replace(b"Segment0_LabelValue:=1\n", b"Segment0_LabelValue:=" + b"9" * 5000 + b"\n"))
    assert [each["name"] for each in look(web, file).json()["objects"]] == ["label 1", "label 4", "tumour"]
