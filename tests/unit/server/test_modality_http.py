"""Does the server say what a volume is, and does a user's correction hold for everything that follows from it?"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_uploads import upload

from dicom_files import write_series
from fakes import FakeBackend, fake_engine, fake_spec
from phantoms import touching_balls
from radsam.io.volume_write import write_volume
from radsam.preprocess import Percentiles
from radsam.server.access_tokens import TokenFile
from radsam.server.server_store import ServerStore
from radsam.server.service import Service
from radsam.session import Engine, read_session
from radsam.session.edit_request import SegmentRequest
from radsam.volume import Bounds, Box, Geometry, Modality, Volume
from servers import BOUNDS, LEFT, RIGHT, Served, SlowBackend, propagating, served
from waiting import wait_for

SOFT_TISSUE = [-160.0, 240.0]


def mr_volume() -> Volume:
    """The two balls as an MR: no negative values, and another range."""
    ct = touching_balls().volume
    return Volume((ct.values - ct.values.min()) * np.int16(3), ct.geometry, Modality.MR)


def own_window(volume: Volume) -> list[float]:
    window = Percentiles().window(volume.values)
    return [window.low, window.high]


def details(web: Served) -> dict[str, Any]:
    return web.client.get(f"/api/volumes/{web.volume}").json()


def correct(web: Served, modality: object) -> Any:
    return web.client.patch(f"/api/volumes/{web.volume}", json={"modality": modality})


def test_a_file_that_does_not_say_what_it_is_gets_a_guess_when_it_is_opened(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=None, session=False) as web:
        (row,) = web.client.get("/api/volumes").json()
        assert (row["modality"], row["modality_source"], row["unit"]) == (None, None, None)
        described = details(web)
        assert (described["modality"], described["modality_source"], described["unit"]) == ("MR", "values", None)
        assert described["modality_doubt"].startswith("The file does not say what it is. It is taken for an MR")
        assert described["default_window"] == own_window(mr_volume())
        (row,) = web.client.get("/api/volumes").json()
        assert row == {key: described[key] for key in row}
        state = web.client.post("/api/sessions", json={"volume": web.volume}).json()
        assert (state["modality"], state["unit"], state["window"]) == ("MR", None, own_window(mr_volume()))
        assert [each["modality"] for each in web.client.get("/api/sessions").json()] == ["MR"]


def test_a_ct_with_air_is_sure(tmp_path: Path) -> None:
    hu = touching_balls().volume.values.copy()
    hu[0] = -1000
    with served(tmp_path, volume=Volume(hu, touching_balls().volume.geometry), modality=None) as web:
        described = details(web)
    assert (described["modality"], described["modality_source"], described["modality_doubt"]) == ("CT", "values", "")
    assert (described["unit"], described["default_window"]) == ("HU", SOFT_TISSUE)


def test_dicom_says_what_it_is_without_being_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 900, (5, 12, 14), dtype=np.int16)
    write_series(tmp_path / "mr", values, edit=lambda _, image: setattr(image, "Modality", "MR"))
    service = Service(fake_engine(), ServerStore(tmp_path / "state"), given=[tmp_path / "mr"])
    (row,) = service.volume_rows("local")
    service.close()
    assert (row["modality"], row["modality_source"], row["modality_doubt"]) == ("MR", "header", "")


def test_a_server_is_told_what_its_volumes_are(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=Modality.PET, session=False) as web:
        (row,) = web.client.get("/api/volumes").json()
        assert (row["modality"], row["modality_source"]) == ("PET", "given")
        status, sent = upload(web, "other.nii.gz", web.path.read_bytes())
        assert (status, sent["modality"], sent["modality_source"]) == (201, "PET", "given")  # it does not say it itself
        header = "NDims = 3\nDimSize = 4 4 4\nModality = MET_MOD_CT\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        content = f"ObjectType = Image\n{header}".encode() + np.arange(64, dtype="<i2").tobytes()
        status, sent = upload(web, "ct.mha", content)
        assert (status, sent["modality"], sent["modality_source"]) == (201, "CT", "header")


def test_a_correction_holds_for_details_sessions_and_statistics_and_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=None) as web:
        answer = correct(web, "ct")
        assert answer.status_code == 200, answer.text
        described = answer.json()
        assert (described["modality"], described["modality_source"], described["unit"]) == ("CT", "given", "HU")
        assert described["default_window"] == SOFT_TISSUE
        assert "hardly Hounsfield units" in described["modality_doubt"]
        state = wait_for(web.state, lambda each: each["modality"] == "CT")
        assert (state["window"], state["unit"]) == (SOFT_TISSUE, "HU")  # it had no object yet
        web.segment()
        assert web.client.get(web.url("/objects/right/statistics")).json()["unit"] == "HU"
        session, volume = web.session, web.volume
    with served(tmp_path, modality=None, session=False) as web:
        (row,) = web.client.get("/api/volumes").json()
        assert (row["id"], row["modality"], row["modality_source"]) == (volume, "CT", "given")
        web.session = session
        assert (web.state()["modality"], web.state()["window"]) == ("CT", SOFT_TISSUE)
        saved = read_session(tmp_path / "state" / "sessions" / session / "session.radsam")
        assert (saved.modality, saved.modality_given) == (Modality.CT, True)


def test_objects_keep_their_masks_and_windows_when_the_modality_is_corrected(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=Modality.CT) as web:
        web.segment("left", LEFT | {}, window=[0.0, 900.0])
        before = web.masks()[1]
        correct(web, "MR")
        state = wait_for(web.state, lambda each: each["modality"] == "MR")
        assert state["window"] == own_window(mr_volume())
        after = web.masks()[1]
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[key], after[key]) for key in before)
        assert web.segment("right", RIGHT)["objects"][1]["voxels"] > 0  # in the new window, with the old one of "left"
        assert web.client.post(web.url("/undo")).status_code == 200
        assert web.client.get(web.url("/objects/left/statistics")).json()["unit"] is None


def test_a_window_that_a_user_chose_stays(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=None, session=False) as web:
        body = {"volume": web.volume, "window_hu": [10, 700]}  # the name of the first releases
        web.session = web.client.post("/api/sessions", json=body).json()["id"]
        correct(web, "pet")
        assert wait_for(web.state, lambda each: each["modality"] == "PET")["window"] == [10.0, 700.0]


def test_a_session_that_is_not_in_memory_follows_when_it_is_opened(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=None) as web:
        session = web.session
    with served(tmp_path, modality=None, session=False) as web:
        web.session = session
        correct(web, "ct")
        assert (web.state()["modality"], web.state()["window"]) == ("CT", SOFT_TISSUE)


def test_a_running_edit_is_not_disturbed(tmp_path: Path) -> None:
    backend = SlowBackend()
    with served(tmp_path, volume=mr_volume(), modality=None, backend=backend) as web:
        web.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
        for _ in range(4):
            backend.one_more.release()
        propagating(web)
        assert correct(web, "ct").status_code == 200
        assert web.state()["modality"] == "MR"  # until the edit is done
        backend.hold.set()
        state = wait_for(web.state, lambda each: each["modality"] == "CT")
        assert [each["slices"] for each in state["objects"]] == [BOUNDS]


@pytest.mark.parametrize("given", ["xray", "", None, 3, ["mr"], {"mr": 1}])
def test_a_modality_that_does_not_exist_is_refused_with_a_sentence(tmp_path: Path, given: object) -> None:
    with served(tmp_path, session=False) as web:
        answer = correct(web, given)
        assert answer.status_code == 422
        message = answer.json()["error"]["message"]
        assert "modality" in message
        assert all(name in message for name in ("CT", "MR", "PET", "other"))
        assert details(web)["modality"] == "CT"


def test_the_volume_of_another_user_cannot_be_corrected(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    ada, eve = tokens.add("ada"), tokens.add("eve")
    with served(tmp_path, authenticator=tokens, token=ada) as web:
        _, sent = upload(web, "mine.nii.gz", web.path.read_bytes())
        web.volume = sent["id"]
        answer = web.client.patch(
            f"/api/volumes/{web.volume}", json={"modality": "mr"}, headers={"authorization": f"Bearer {eve}"}
        )
        assert answer.status_code == 404
        assert details(web)["modality_source"] != "given" or details(web)["modality"] == "CT"
        assert correct(web, "mr").json()["modality"] == "MR"


def test_the_thumbnail_follows_a_correction(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=None, session=False) as web:
        url = f"/api/volumes/{web.volume}/thumbnail.webp"
        first = web.client.get(url)
        correct(web, "ct")
        second = web.client.get(url, headers={"if-none-match": first.headers["etag"]})
        assert second.status_code == 200
        means = [np.asarray(Image.open(io.BytesIO(each.content)).convert("L")).mean() for each in (first, second)]
        assert means[1] > means[0] + 20  # most values are above the soft-tissue window


def test_an_imported_session_says_what_its_volume_is(tmp_path: Path) -> None:
    engine = fake_engine(FakeBackend())
    with served(tmp_path, volume=mr_volume(), modality=None, session=False) as web:
        guessed = web.service.volumes.load(web.service.volumes.entry(web.volume, "local"))
        web.service.set_modality("local", web.volume, Modality.OTHER)
        given = web.service.volumes.load(web.service.volumes.entry(web.volume, "local"))
        web.service.volumes._corrected.clear()
        web.service.volumes._cache[web.volume] = guessed
        web.service.volumes._read.clear()
        engine.open(given).save(tmp_path / "mr.radsam")
        answer = web.client.post(
            f"/api/sessions/import?volume={web.volume}", content=(tmp_path / "mr.radsam").read_bytes()
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["modality"] == "other"
        assert details(web)["modality_source"] == "given"


def test_requests_take_the_names_of_the_first_releases(tmp_path: Path) -> None:
    with served(tmp_path, volume=mr_volume(), modality=Modality.MR) as web:
        web.segment("right", window_hu=[0, 800])
        web.post("/preview", {"prompt": LEFT, "window_hu": [0, 800]}, 200)
        shape = {"brush": {"path": [[9, 14, 13]], "radius_mm": 3}}
        web.post("/paint", {"name": "right", "shape": shape, "positive": False, "within_hu": [0, 5000]}, 202)
        assert web.settled()["objects"][0]["by_hand"] is not None
        schemas = web.client.get("/api/openapi.json").json()["components"]["schemas"]
    for name in ("NewSession", "SegmentRequest", "PreviewRequest"):
        assert "window" in schemas[name]["properties"], name
    assert "within" in schemas["PaintRequest"]["properties"]
    assert not any("hu" in each.split("_") for schema in schemas.values() for each in schema.get("properties", {}))


def two_models(folder: Path) -> Service:
    """A service with a model of CT and another one of other volumes, on an MR that does not say what it is."""
    ct, mr = (
        fake_engine(FakeBackend(spec=fake_spec(name="of-ct"))),
        fake_engine(FakeBackend(spec=fake_spec(name="of-mr"))),
    )
    other = Engine(replace(mr.bundle, sha256="d" * 64), mr.backend)
    engine = Engine(ct.bundle, ct.backend, load_other=lambda: other)
    path = folder / "mr.nii.gz"
    if not path.exists():
        write_volume(mr_volume(), path)
    return Service(engine, ServerStore(folder / "state"), given=[path])


def test_a_session_without_edits_gets_the_model_of_the_modality_and_another_one_keeps_its_own(tmp_path: Path) -> None:
    service = two_models(tmp_path)
    try:
        (volume,) = (each["id"] for each in service.volume_rows("ada"))
        empty, drawn = (service.create("ada", volume)["id"] for _ in range(2))
        service.edit(
            "ada", drawn, SegmentRequest(name="right", prompt=Box(**RIGHT["box"]), bounds=Bounds(*BOUNDS))
        ).future.result(60)
        assert [service.state("ada", each)["model"] for each in (empty, drawn)] == ["of-mr", "of-mr"]
        service.set_modality("ada", volume, Modality.CT)
        models = [
            wait_for(lambda each=each: service.state("ada", each), lambda state: state["modality"] == "CT")["model"]
            for each in (empty, drawn)
        ]
        assert models == ["of-ct", "of-mr"]
        edit = SegmentRequest(name="left", prompt=Box(**LEFT["box"]), bounds=Bounds(*BOUNDS))
        for each in (empty, drawn):
            service.edit("ada", each, edit).future.result(60)
    finally:
        service.close()
    service = two_models(tmp_path)  # saved with their models, and opened with them
    try:
        states = [service.state("ada", each) for each in (empty, drawn)]
        assert [each["model"] for each in states] == ["of-ct", "of-mr"]
        assert [len(each["objects"]) for each in states] == [1, 2]
    finally:
        service.close()


def test_a_volume_of_fractions_is_served_with_its_fractions(tmp_path: Path) -> None:
    values = (np.arange(6 * 7 * 8, dtype=np.float32) / 30.7).reshape(6, 7, 8)
    geometry = Geometry.from_parts((6, 7, 8), (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), np.eye(3))
    with served(tmp_path, volume=Volume(values, geometry), modality=Modality.PET) as web:
        assert web.state()["window"][1] < 12
        assert details(web)["unit"] is None  # a NIfTI file has no SUV unless its header says so
