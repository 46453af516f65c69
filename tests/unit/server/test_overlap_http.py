"""Objects that overlap, over HTTP: state, warnings, the policy, and exports."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicom_files import write_series
from fakes import fake_engine, fake_session
from radsam.io.volume_read import read_labels, read_volume
from radsam.server.server_store import ServerStore
from radsam.server.service import Service
from radsam.session import Overlap, OverlapWarning
from radsam.session.edit import SetOverlap
from radsam.session.edit_request import SegmentRequest
from radsam.volume import Mask
from servers import BOUNDS, LEFT, RIGHT, Served, served


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


def test_the_state_says_what_an_object_takes(web: Served, tmp_path: Path) -> None:
    engine = fake_session(read_volume(web.path, modality="ct"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        for name, prompt in (("right", RIGHT), ("left", LEFT | {"box": {**LEFT["box"], "i0": RIGHT["box"]["i0"] + 6}})):
            engine.segment(SegmentRequest.model_validate({"name": name, "prompt": prompt, "bounds": BOUNDS}))
            state = web.segment(name, prompt)
    assert state["overlaps"] == [
        each.to_dict(engine.volume.geometry.voxel_volume_mm3 / 1000) for each in engine.covered
    ]
    assert [(each["name"], each["by"]) for each in state["overlaps"]] == [("right", "left")]
    for each in state["objects"]:
        assert each["voxels"] == engine.mask(each["name"]).sum()
        assert each["whole_voxels"] == engine.mask(each["name"], whole=True).sum()
    both = web.client.patch(web.url(""), json={"overlap": "keep both"}).json()
    assert (both["overlap"], both["overlaps"]) == ("keep both", state["overlaps"])
    refused = web.client.get(web.url("/export"), params={"format": "nii.gz"})
    assert refused.status_code == 422
    assert "Export one object at a time" in refused.json()["error"]["message"]
    only = web.client.get(web.url("/export"), params={"format": "nrrd", "objects": "right"})
    (tmp_path / "right.nrrd").write_bytes(only.content)
    np.testing.assert_array_equal(read_labels(tmp_path / "right.nrrd").ids > 0, engine.mask("right", whole=True))


def test_order_and_values_are_chosen(web: Served, tmp_path: Path) -> None:
    for name, prompt in (("right", RIGHT), ("left", LEFT | {"box": {**LEFT["box"], "i0": RIGHT["box"]["i0"] + 6}})):
        state = web.segment(name, prompt)
    assert (state["order"], [each["by"] for each in state["overlaps"]]) == ([], ["left"])
    ordered = web.client.patch(web.url(""), json={"order": ["right", "left"]}).json()
    assert (ordered["order"], [each["by"] for each in ordered["overlaps"]]) == (["right", "left"], ["right"])
    refused = [
        web.client.patch(web.url(""), json={"order": ["right", "lung"]}),
        web.client.patch(web.url(""), json={"order": ["left", "left"]}),
        web.client.patch(web.url(""), json={}),
        web.client.patch(web.url("/objects/left"), json={"id": 1, "new_name": "spleen"}),
        web.client.patch(web.url("/objects/left"), json={"id": 0}),
        web.client.patch(web.url("/objects/left"), json={"id": 65536}),
        web.client.patch(web.url("/objects/left"), json={"id": True}),
    ]
    assert [each.status_code for each in refused] == [409, 409, 422, 409, 422, 422, 422]
    assert "The value 1 belongs to 'right'" in refused[3].json()["error"]["message"]
    now = web.client.get(web.url("")).json()
    assert ([each["name"] for each in now["objects"]], now["revision"]) == (["right", "left"], ordered["revision"])

    changed = web.client.patch(web.url("/objects/left"), json={"id": 300, "new_name": "spleen"}).json()
    assert {each["name"]: each["id"] for each in changed["objects"]} == {"right": 1, "spleen": 300}
    assert changed["order"] == ["right", "spleen"]
    (tmp_path / "all.nrrd").write_bytes(web.client.get(web.url("/export"), params={"format": "nrrd"}).content)
    assert read_labels(tmp_path / "all.nrrd").present_ids == [1, 300]
    undone = web.client.post(web.url("/undo")).json()
    assert {each["name"]: each["id"] for each in undone["objects"]} == {"right": 1, "spleen": 2}


def test_dicom_exports_hold_objects_whole(tmp_path: Path) -> None:
    hu = np.full((6, 40, 40), -100, np.int16)
    hu[1:5, 6:34, 6:34] = 100
    write_series(tmp_path / "ct", hu)
    service = Service(fake_engine(), ServerStore(tmp_path / "state"), given=[tmp_path / "ct"])
    try:
        session = service.create("me", service.volume_rows("me")[0]["id"])["id"]
        sizes = {"liver": np.s_[6:34, 6:34], "tumour": np.s_[14:24, 14:24]}
        for name, where in sizes.items():
            pixels = np.zeros((40, 40), bool)
            pixels[where] = True
            request = SegmentRequest(name=name, prompt=Mask(pixels=pixels, k=2), bounds=(1, 4), policy="copy")
            job = service.edit("me", session, request)
            job.future.result()
            assert len(job.warnings) == (name == "tumour")
        assert "'tumour' takes 400 voxels" in job.warnings[0]  # sent with the event at its end
        for policy, liver in ((None, 784), (Overlap.KEEP_BOTH, 784), (Overlap.LAST_WINS, 684)):
            if policy is not None:
                service.change("me", session, SetOverlap(policy)).result()
            for file_format in ("seg", "rtstruct"):
                folder = tmp_path / f"{policy}{file_format}"
                folder.mkdir()
                path = service.export("me", session, file_format, None, folder).path
                found = read_labels(path, on=read_volume(tmp_path / "ct"), names=["liver"])
                assert np.count_nonzero(found.ids) == 4 * liver
                if file_format == "seg":
                    assert pydicom.dcmread(path).SegmentsOverlap == ("NO" if liver == 684 else "YES")
    finally:
        service.close()
