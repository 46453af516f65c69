"""Does the list of volumes and sessions tell apart what a user must tell apart, and show no more than allowed?"""

from __future__ import annotations

import io
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset
from test_uploads import two_series, upload, zip_of

from dicom_files import write_series
from fakes import FakeBackend, fake_engine
from phantoms import touching_balls
from radsam.io.volume_write import write_labels, write_volume
from radsam.server.access_tokens import TokenFile
from radsam.server.display_windows import DisplayWindows
from radsam.server.label_recognition import looks_like_labels
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore, SessionRow, UploadRow
from radsam.server.service import Service
from radsam.server.thumbnails import Thumbnails
from radsam.server.uploads import free_name
from radsam.server.volume_listing import distinct_names, entries_of
from radsam.server.volume_registry import VolumeRegistry
from radsam.volume import Geometry, LabelVolume, SliceGrid, Volume
from servers import Served, served


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, session=False) as it:
        yield it


def rows(web: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.client.get("/api/volumes").json()
    return found


# Names


def test_uploads_of_the_same_name_get_names_of_their_own(web: Served, tmp_path: Path) -> None:
    whole, series = web.path.read_bytes(), two_series(tmp_path)
    names = [upload(web, name, whole)[1]["name"] for name in ("ct.nii.gz", "ct.nii.gz", "b.nii.gz", "B.nii.gz")]
    assert names == ["ct (2).nii.gz", "ct (3).nii.gz", "b.nii.gz", "B.nii.gz"]  # the given one is ct.nii.gz
    assert all(upload(web, "scan.zip", series)[0] == 201 for _ in range(2))
    every = [each["name"] for each in rows(web)]
    assert len(set(every)) == len(every) == 9
    assert [each["name"] for each in web.client.get("/api/uploads").json()][-2:] == ["scan.zip", "scan (2).zip"]


def test_a_free_name_keeps_its_suffix() -> None:
    assert free_name("a.nii.gz", []) == "a.nii.gz"
    assert free_name("a.nii.gz", ["a.nii.gz", "a (2).nii.gz"]) == "a (3).nii.gz"
    assert free_name("a.zip", ["a.zip #1 arterial"]) == "a (2).zip"
    assert free_name("a.zip", ["a.zipped"]) == "a.zip"


def test_given_volumes_of_the_same_name_are_named_with_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / each for each in ("p1/ct.nii.gz", "p2/ct.nii.gz", "other.nii.gz")]
    for each in paths:
        each.parent.mkdir(exist_ok=True)
        write_volume(touching_balls().volume, each)
    volumes = VolumeRegistry(paths, [], ServerStore(tmp_path / "state"), Limits())
    assert sorted(each.name for each in volumes.listed("ada")) == ["other.nii.gz", "p1/ct.nii.gz", "p2/ct.nii.gz"]
    assert distinct_names([tmp_path / "x" / "a", tmp_path / "y" / "a"]) == ["x/a", "y/a"]
    assert distinct_names([tmp_path, tmp_path]) == [tmp_path.name] * 2


def test_acquisitions_of_a_series_have_names_and_times_of_their_own(web: Served, tmp_path: Path) -> None:
    def edit(time: str) -> Any:
        changed = {"SeriesDescription": "liver", "AcquisitionTime": time, "ContrastBolusAgent": "Iomeprol"}
        return lambda _, image: image.update(changed)

    hu = np.random.default_rng(0).integers(-900, 900, (5, 12, 10)).astype(np.int16)
    files = {}
    for number, time in ((1, "140231.500"), (2, "140301")):
        folder = tmp_path / str(number)
        write_series(folder, hu, series_uid="1.2.3", acquisition=number, edit=edit(time))
        files |= {f"{number}/{each.name}": each.read_bytes() for each in folder.iterdir()}
    assert upload(web, "scan.zip", zip_of(**files))[0] == 201
    first, second = (each for each in rows(web) if each["upload"])
    assert first["name"] == "scan.zip #1 acquisition 1 liver"
    assert second["name"] == "scan.zip #1 acquisition 2 liver"
    assert first["scan"] == {
        "uid": "1.2.3",
        "number": first["scan"]["number"],
        "description": "liver",
        "acquisition": "1",
        "time": "14:02:31",
        "contrast": "Iomeprol",
        "slices": 5,
        "part": "",
    }
    assert second["scan"]["time"] == "14:03:01"


# Patients


@pytest.mark.parametrize("shown", [False, True])
def test_patients_are_shown_where_the_operator_allows_it(tmp_path: Path, shown: bool) -> None:
    def edit(_: int, image: FileDataset) -> None:
        image.update({"PatientName": "Müller^Ada^Maria", "PatientID": "P-7", "StudyDate": "20260311"})
        image.SpecificCharacterSet = "ISO_IR 192"
        image.StudyDescription = "Abdomen"

    write_series(tmp_path / "scan", touching_balls().volume.values, edit=edit)
    store = ServerStore(tmp_path / "state")
    service = Service(fake_engine(FakeBackend()), store, given=[tmp_path / "scan"], show_patient=shown)
    (row,) = service.volume_rows("ada")
    patient = {"name": "Müller, Ada", "id": "P-7", "study_date": "2026-03-11", "study": "Abdomen"}
    assert row["patient"] == (patient if shown else None)
    service.create("ada", row["id"])
    service.close()
    if not shown:
        assert "ller" not in json.dumps(row)
    held = [each.read_bytes() for each in (tmp_path / "state").rglob("*") if each.is_file()]
    assert held
    assert not any("Müller".encode() in each or b"P-7" in each for each in held)


# Thumbnails


def picture(web: Served, volume: str) -> np.ndarray:
    response = web.client.get(f"/api/volumes/{volume}/thumbnail.webp")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp"), response.text
    return np.asarray(Image.open(io.BytesIO(response.content)).convert("L")).astype(float)


def marked(geometry: Geometry) -> Volume:
    """A volume whose middle slice is bright near its first column and row; the other slices are bright everywhere."""
    hu = np.full(geometry.shape_kji, 500, np.int16)
    middle = len(hu) // 2
    hu[middle] = -1000
    hu[middle, : hu.shape[1] // 3, : hu.shape[2] // 4] = 500
    return Volume(hu, geometry)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", "DICOM"])
@pytest.mark.parametrize("flip", [(1.0, 1.0), (-1.0, -1.0)])
def test_a_thumbnail_is_the_middle_slice_in_the_radiological_display(
    tmp_path: Path, suffix: str, flip: tuple[float, float]
) -> None:
    # 40 × 0.5 mm wide and 30 × 1 mm high, so that the picture is neither square nor stretched.
    direction = np.diag([flip[0], flip[1], flip[0] * flip[1]])
    volume = marked(Geometry.from_parts((9, 30, 40), (5.0, 6.0, 7.0), (0.5, 1.0, 4.0), direction))
    path = tmp_path / f"ct{suffix}"
    if suffix == "DICOM":
        cosines = (flip[0], 0.0, 0.0, 0.0, flip[1], 0.0)
        write_series(path, volume.values, spacing_mm_ijk=(0.5, 1.0, 4.0), cosines=cosines)
    else:
        write_volume(volume, path)
    (entry,) = entries_of(path, "given")
    registry = VolumeRegistry([], [], ServerStore(tmp_path / "state"), Limits())
    thumbnails = Thumbnails(registry, DisplayWindows(fake_engine()), tmp_path / "t")
    shown = np.asarray(Image.open(io.BytesIO(thumbnails.draw(entry))).convert("L"))
    assert shown.shape == (192, 128)
    grid = SliceGrid.across(entry.geometry, 2)
    expected = grid.to_display(volume.values[4])[np.ix_(range(2, 30, 4), range(2, 40, 4))] > 0
    seen = shown[
        np.ix_([int((r + 0.5) * 6.4) for r in range(2, 30, 4)], [int((c + 0.5) * 3.2) for c in range(2, 40, 4)])
    ]
    np.testing.assert_array_equal(seen > 128, expected)
    assert expected.any()


def test_thumbnails_are_stored_and_go_with_their_upload(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    _, volume = upload(web, "a.nii.gz", web.path.read_bytes())
    drawn = picture(web, volume["id"])
    monkeypatch.setattr("radsam.server.thumbnails.draw_thumbnail", lambda *_: b"drawn again")
    np.testing.assert_array_equal(picture(web, volume["id"]), drawn)
    folder = web.service.folder / "thumbnails"
    assert [each.name[:17] for each in folder.iterdir()] == [volume["id"]]
    assert folder.stat().st_mode & 0o77 == 0
    response = web.client.get(f"/api/volumes/{volume['id']}/thumbnail.webp")
    again = {"if-none-match": response.headers["etag"]}
    assert web.client.get(f"/api/volumes/{volume['id']}/thumbnail.webp", headers=again).status_code == 304
    assert web.client.delete(f"/api/uploads/{volume['upload']}").status_code == 204
    assert list(folder.iterdir()) == []
    assert web.client.get(f"/api/volumes/{volume['id']}/thumbnail.webp").status_code == 404


def test_a_thumbnail_neither_waits_for_the_model_nor_fills_the_memory(web: Served) -> None:
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        holding.set()
        release.wait()

    busy = web.service._thread.call(hold)
    assert holding.wait(60)
    try:
        before = web.service.volumes.bytes
        assert picture(web, web.volume).max() > 0
        assert web.service.volumes.bytes == before
    finally:
        release.set()
        busy.result()


def test_a_volume_without_a_readable_middle_says_why(web: Served, tmp_path: Path) -> None:
    whole = tmp_path / "cut.nii.gz"
    whole.write_bytes(web.path.read_bytes())
    (entry,) = entries_of(whole, "given", name="cut.nii.gz")
    web.service.volumes._entries[entry.id] = entry
    whole.write_bytes(web.path.read_bytes()[:2000])
    response = web.client.get(f"/api/volumes/{entry.id}/thumbnail.webp")
    assert response.status_code == 422
    assert "cut.nii.gz is damaged" in response.json()["error"]["message"]
    assert str(tmp_path) not in response.text


def test_thumbnails_of_another_user_do_not_exist(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    ada, bob = (tokens.add(each) for each in ("ada", "bob"))
    with served(tmp_path, authenticator=tokens, token=ada, session=False) as web:
        _, volume = upload(web, "a.nii.gz", web.path.read_bytes())
        url, other = f"/api/volumes/{volume['id']}/thumbnail.webp", {"authorization": f"Bearer {bob}"}
        assert web.client.get(url).status_code == 200
        assert web.client.get(url, headers=other).status_code == 404


# Label maps


def labels_like(shape: tuple[int, int, int], count: int) -> np.ndarray:
    values = np.zeros(shape, np.uint16)
    for number in range(count):
        values[1:-1, 2 + 6 * (number // 8) :, 2 + 6 * (number % 8) :][:, :5, :5] = number + 1
    return values


def test_label_maps_are_recognised_by_their_values() -> None:
    values, noise = labels_like((4, 60, 60), 40), np.random.default_rng(0).integers(0, 100, (4, 60, 60))
    assert looks_like_labels(values, "x.nii.gz")
    assert looks_like_labels(values.astype(np.float32), "x.nii.gz")
    assert looks_like_labels((values > 3).astype(np.int16), "x.nii.gz")
    assert looks_like_labels((noise == 7).astype(np.int16), "x.nii.gz")  # single voxels, as of small lesions
    assert not looks_like_labels(values - 1.0, "labels.nii.gz")  # -1 is not a label
    assert not looks_like_labels(values + 0.5, "labels.nii.gz")
    assert not looks_like_labels(np.where(values == 3, np.nan, values), "labels.nii.gz")
    assert not looks_like_labels(noise.astype(np.uint8), "mr.nii.gz")  # few values, but not in regions
    assert not looks_like_labels(np.zeros((4, 60, 60), np.int16), "empty.nii.gz")
    assert not looks_like_labels(touching_balls().volume.values, "seg.nii.gz")
    many = np.arange(400, dtype=np.uint16).repeat(36).reshape(4, 60, 60)
    assert not looks_like_labels(many, "ct.nii.gz")
    assert looks_like_labels(many, "atlas_labels.nii.gz")


def test_an_upload_says_whether_it_looks_like_a_label_map_also_after_a_restart(web: Served, tmp_path: Path) -> None:
    scene = touching_balls()
    labels = LabelVolume(scene.truth.astype(np.uint8), scene.volume.geometry)
    write_labels(labels, tmp_path / "organs.nii.gz")
    assert upload(web, "organs.nii.gz", (tmp_path / "organs.nii.gz").read_bytes())[1]["labels"] is True
    assert upload(web, "b.nii.gz", web.path.read_bytes())[1]["labels"] is False
    before = {each["name"]: each["labels"] for each in rows(web)}
    assert before == {"ct.nii.gz": False, "organs.nii.gz": True, "b.nii.gz": False}
    web.client.__exit__(None, None, None)
    with served(tmp_path, session=False) as again:
        assert {each["name"]: each["labels"] for each in rows(again)} == before
    web.client.__enter__()


# Sessions


def test_sessions_on_one_volume_are_told_apart_by_their_objects_and_start(web: Served) -> None:
    web.session = web.client.post("/api/sessions", json={"volume": web.volume}).json()["id"]
    web.segment("liver")
    web.client.post("/api/sessions", json={"volume": web.volume})
    empty, first = web.client.get("/api/sessions").json()
    assert (first["object_names"], empty["object_names"]) == (["liver"], [])
    assert first["created"] < first["changed"]
    assert first["created"] < empty["created"]


def test_the_database_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    with sqlite3.connect(folder / "server.sqlite") as old:
        old.executescript("""
            CREATE TABLE sessions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, volume TEXT NOT NULL, name TEXT NOT NULL,
                changed TEXT NOT NULL, revision INTEGER NOT NULL, objects INTEGER NOT NULL, shown TEXT NOT NULL);
            CREATE TABLE uploads (id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
                series TEXT, bytes INTEGER NOT NULL, created TEXT NOT NULL);
            INSERT INTO sessions VALUES ('s1', 'ada', 'v1', 'ct', '2026-01-02', 3, 1, '{}');
            INSERT INTO uploads VALUES ('u1', 'ada', 'ct', 'u1/volume.nii', NULL, 7, '2026-01-01');
        """)
    old.close()
    for _ in range(2):
        store = ServerStore(folder)
        assert store.sessions("ada") == [SessionRow("s1", "ada", "v1", "ct", "2026-01-02", 3, 1, {}, "", ())]
        assert store.every_upload() == [UploadRow("u1", "ada", "ct", "u1/volume.nii", None, 7, "2026-01-01", False)]
        store.close()
