"""Masks that others made, sent to a session of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from radsam.io.volume_read import read_volume
from radsam.io.volume_write import write_labels
from radsam.server.security_middleware import takes_upload
from radsam.server.server_limits import Limits
from radsam.volume import Geometry, LabelVolume
from servers import Served, served


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


def labels(web: Served) -> LabelVolume:
    right, left = web.scene.truths["right"], web.scene.truths["left"] & ~web.scene.truths["right"]
    return LabelVolume(np.where(left, 7, np.where(right, 3, 0)).astype(np.uint8), read_volume(web.path).geometry)


def send(web: Served, path: Path, name: str = "", **query: Any) -> httpx.Response:
    return web.client.post(
        web.url("/objects"), params={"filename": name or path.name} | query, content=path.read_bytes()
    )


def test_a_label_map_becomes_objects_without_a_model(web: Served, tmp_path: Path) -> None:
    write_labels(labels(web), tmp_path / "organs.nrrd")
    response = send(web, tmp_path / "organs.nrrd", "C:\\patient\\organs.nrrd")
    assert response.status_code == 201, response.text
    state = response.json()
    assert [each["name"] for each in state["objects"]] == ["label 3", "label 7"]
    assert state == web.state() | {"notes": state["notes"]}
    found = np.zeros_like(labels(web).ids)
    for (number, _, index), mask in web.masks()[1].items():
        found[index][mask] = number
    np.testing.assert_array_equal(found, labels(web).ids)
    assert not web.backend.encoded
    web.post("/undo", status=200)
    assert [each["name"] for each in web.state()["objects"]] == ["label 3"]
    again = send(web, tmp_path / "organs.nrrd", roi=["7"])
    assert [each["name"] for each in again.json()["objects"]] == ["label 3", "label 7"]


def test_another_grid_is_resampled_on_request_and_noted(web: Served, tmp_path: Path) -> None:
    whole = labels(web)
    coarse = whole.geometry.affine_lps @ np.diag([1.0, 1.0, 2.0, 1.0])
    ids = np.ascontiguousarray(whole.ids[::2])
    write_labels(LabelVolume(ids, Geometry(ids.shape, coarse)), tmp_path / "early.nii.gz")
    refused = send(web, tmp_path / "early.nii.gz")
    assert 400 <= refused.status_code < 500
    assert "early.nii.gz lies on another grid" in refused.json()["error"]["message"]
    done = send(web, tmp_path / "early.nii.gz", resample=True)
    assert done.status_code == 201, done.text
    assert "early.nii.gz was resampled from" in done.json()["notes"][-1]
    assert str(tmp_path) not in done.text


def test_what_cannot_be_opened_is_refused_and_changes_nothing(web: Served, tmp_path: Path) -> None:
    before = web.state()
    write_labels(labels(web), tmp_path / "a.nii.gz")
    (tmp_path / "a.dcm").write_bytes(b"no DICOM")
    for path, name, query, words in [
        (tmp_path / "a.nii.gz", "a.txt", {}, "is not a mask"),
        (web.path, "ct.nii.gz", {}, "not a label map"),
        (tmp_path / "a.dcm", "", {}, "a.dcm"),
        (tmp_path / "a.nii.gz", "", {"roi": "liver"}, "no labels named 'liver'"),
    ]:
        response = send(web, path, name, **query)
        assert 400 <= response.status_code < 500, response.text
        assert words in response.json()["error"]["message"]
        assert "radsam-" not in response.json()["error"]["message"]
    assert send(web, tmp_path / "a.nii.gz").status_code == 201
    taken = send(web, tmp_path / "a.nii.gz")
    assert "already has 'label 3', 'label 7'" in taken.json()["error"]["message"]
    web.post("/undo")
    web.post("/undo")
    assert web.state()["objects"] == before["objects"] == []


def test_the_limits_hold(tmp_path: Path) -> None:
    with served(tmp_path, limits=Limits(objects=1, upload_bytes=10_000, body_bytes=1000)) as web:
        write_labels(labels(web), tmp_path / "a.nii.gz")
        response = send(web, tmp_path / "a.nii.gz")
        assert "may have 1 objects; this file has 2 more" in response.json()["error"]["message"]
        (tmp_path / "b.nii.gz").write_bytes(bytes(20_000))
        assert send(web, tmp_path / "b.nii.gz").status_code == 413
    assert takes_upload("POST", "/api/sessions/s1/objects")
    assert not takes_upload("POST", "/api/sessions/s1/objects/liver")
    assert not takes_upload("PATCH", "/api/sessions/s1/objects")
