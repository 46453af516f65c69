"""The server's label set: names, values and colours over HTTP and in exported files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicom_files import ct_values, write_series
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.session.label_set import read_label_set
from radsam.volume import LabelVolume
from servers import LEFT, Served, served

SET = """
[[label]]
name = "implant"
value = 7
color = "#0080ff"
code = { value = "40388003", meaning = "Implant" }

[[label]]
name = "spleen"
value = 1
"""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "labels.toml").write_text(SET)
    with served(tmp_path, label_set=read_label_set(tmp_path / "labels.toml")) as it:
        yield it


def looks(web: Served) -> dict[str, tuple[int, str]]:
    return {each["name"]: (each["id"], each["color"]) for each in web.state()["objects"]}


def test_the_set_comes_with_every_name_that_has_a_code(web: Served) -> None:
    found = web.client.get("/api/labels").json()
    implant = {"scheme": "SCT", "value": "40388003", "meaning": "Implant", "side": None}
    assert found["labels"][0] == {"name": "implant", "value": 7, "color": "#0080ff", "code": implant}
    assert (found["labels"][1]["color"], found["labels"][1]["code"]["value"]) == ("#9d6ca2", "78961009")
    coded = {each["name"]: each for each in found["coded"]}
    assert {"liver", "spleen", "kidney", "kidney_left", "kidney_right", "inferior_vena_cava", "metastasis"} <= set(
        coded
    )
    assert coded["kidney_left"]["code"]["side"] == "Left"
    assert "ivc" in coded["inferior_vena_cava"]["others"]


def test_without_a_set_only_names_with_codes_are_listed(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        found = web.client.get("/api/labels").json()
        assert (found["set_name"], found["labels"]) == (None, [])
        assert len(found["coded"]) > 50


def test_an_object_of_the_set_gets_value_and_colour_and_a_user_may_change_them(web: Served) -> None:
    web.segment("implant")
    web.segment("something", LEFT)
    assert looks(web)["implant"] == (7, "#0080ff")
    assert looks(web)["something"][0] == 2  # 1 is the spleen's
    (number,) = {key[0] for key in web.masks()[1]} - {2}
    assert number == 7
    web.client.patch(web.url("/objects/something"), json={"new_name": "spleen"})
    assert looks(web)["spleen"] == (1, "#9d6ca2")
    web.client.patch(web.url("/objects/implant"), json={"color": "#ff0000"})
    assert looks(web)["implant"] == (7, "#ff0000")
    web.post("/undo", status=200)  # the spleen's value
    web.post("/undo", status=200)
    assert list(looks(web)) == ["implant"]
    web.post("/undo", status=200)
    assert not web.state()["can_undo"]


def test_slices_are_sent_with_the_value_of_the_set(web: Served) -> None:
    web.segment("implant")
    assert {key[0] for key in web.masks()[1]} == {7}


def test_opened_masks_get_the_values_of_the_set(web: Served, tmp_path: Path) -> None:
    volume = read_volume(web.path)
    ids = np.zeros(volume.geometry.shape_kji, np.uint8)
    ids[2:4, 3:6, 2:7], ids[5, 5, 5], ids[6, 6, 6] = 1, 7, 9
    labels = LabelVolume(ids, volume.geometry, {1: "implant", 7: "other", 9: "spleen"})
    write_labels(labels, tmp_path / "a.nrrd")
    content = (tmp_path / "a.nrrd").read_bytes()
    response = web.client.post(web.url("/objects"), params={"filename": "a.nrrd"}, content=content)
    assert response.status_code == 201, response.text
    assert {name: number for name, (number, _) in looks(web).items()} == {"implant": 7, "other": 2, "spleen": 1}


def test_files_have_the_sets_colours_and_codes(tmp_path: Path) -> None:
    (tmp_path / "labels.toml").write_text(SET)
    with served(tmp_path, label_set=read_label_set(tmp_path / "labels.toml")) as web:
        web.segment("implant")
        nrrd = web.client.get(web.url("/export"), params={"format": "nrrd"})
        (tmp_path / "out.nrrd").write_bytes(nrrd.content)
        assert read_labels(tmp_path / "out.nrrd").colours == {7: (0, 128, 255)}
        assert b"~SCT^40388003^Implant~" in nrrd.content


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_dicom_has_the_sets_codes(tmp_path: Path, kind: str) -> None:
    (tmp_path / "labels.toml").write_text(SET)
    codes = read_label_set(tmp_path / "labels.toml").codes
    write_series(tmp_path / "ct", ct_values((4, 16, 12)), series_uid="1.2.3.4.5")
    volume = read_volume(tmp_path / "ct")
    labels = LabelVolume((volume.values > 0).astype(np.uint8), volume.geometry, {1: "implant"})
    write_labels(labels, tmp_path / "out.dcm", file_format=kind, source=read_source(tmp_path / "ct"), codes=codes)
    written = pydicom.dcmread(tmp_path / "out.dcm")
    code = (
        written.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
        if kind == "seg"
        else written.RTROIObservationsSequence[0].RTROIIdentificationCodeSequence[0]
    )
    assert (code.CodeValue, code.CodeMeaning, code.CodingSchemeDesignator) == ("40388003", "Implant", "SCT")
