"""Names and colours of objects in exported files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from radsam.io.volume_read import read_labels
from servers import LEFT, Served, served


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        it.segment("right")
        it.segment("kidney_left", LEFT)
        changed = it.client.patch(it.url("/objects/right"), json={"color": "#ff8000", "id": 9})
        assert changed.status_code == 200, changed.text
        yield it


def test_nrrd_holds_names_and_chosen_colours(web: Served, tmp_path: Path) -> None:
    response = web.client.get(web.url("/export"), params={"format": "nrrd"})
    (tmp_path / "out.seg.nrrd").write_bytes(response.content)
    found = read_labels(tmp_path / "out.seg.nrrd")
    assert found.names == {2: "kidney_left", 9: "right"}
    assert found.colours == {2: (230, 159, 0), 9: (255, 128, 0)}
    assert found.present_ids == [2, 9]


def test_nifti_with_its_legends_is_a_zip_that_reads_back_with_names(web: Served, tmp_path: Path) -> None:
    plain = web.client.get(web.url("/export"), params={"format": "nii.gz"})
    (tmp_path / "plain.nii.gz").write_bytes(plain.content)
    response = web.client.get(web.url("/export"), params={"format": "nii.gz", "legend": True})
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="ct-labels.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as packed:
        assert sorted(packed.namelist()) == ["ct-labels.json", "ct-labels.labels.txt", "ct-labels.nii.gz"]
        packed.extractall(tmp_path)
    found = read_labels(tmp_path / "ct-labels.nii.gz")
    assert found.names == {2: "kidney_left", 9: "right"}
    np.testing.assert_array_equal(found.ids, read_labels(tmp_path / "plain.nii.gz").ids)
    assert '9  255 128 0  1 1 1  "right"' in (tmp_path / "ct-labels.labels.txt").read_text()
    kidney, right = json.loads((tmp_path / "ct-labels.json").read_text())["labels"]
    assert kidney == {
        "value": 2,
        "name": "kidney_left",
        "color": "#e69f00",
        "code": {"scheme": "SCT", "value": "64033007", "meaning": "Kidney", "side": "Left"},
    }
    assert right == {"value": 9, "name": "right", "color": "#ff8000"}


def test_chosen_objects_alone_are_in_the_file_and_its_legend(web: Served) -> None:
    params = {"format": "nii.gz", "legend": True, "objects": "right"}
    with zipfile.ZipFile(io.BytesIO(web.client.get(web.url("/export"), params=params).content)) as packed:
        assert [each["name"] for each in json.loads(packed.read("ct-labels.json"))["labels"]] == ["right"]


def test_other_formats_take_no_legend(web: Served) -> None:
    response = web.client.get(web.url("/export"), params={"format": "nrrd", "legend": True})
    assert response.status_code == 422
    assert "which holds the names itself. Leave the legend out" in response.json()["error"]["message"]
