"""The server's PACS: search, retrieve in the background, send back; and no patient data elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dicomweb_client", reason="needs the extra dicom")
pytest.importorskip("pynetdicom", reason="needs the extra dicom")

from dicom_files import ct_values
from pacs_servers import PATIENT, PATIENT_ID, SERIES, STUDY, WebPacs, status, write_patient
from radsam.errors import PacsRequestError
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.server.access_tokens import TokenFile
from radsam.server.pacs_service import search_values
from servers import Served, served
from waiting import wait_for


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RADSAM_PACS_USER", "RADSAM_PACS_PASSWORD", "RADSAM_PACS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("RADSAM_PACS_ATTEMPTS", "1")
    monkeypatch.setattr("radsam.io.pacs.retry_policy.RetryPolicy.pause_s", 0.01)
    monkeypatch.setenv("RADSAM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[WebPacs]:
    with WebPacs(write_patient(tmp_path / "archive", ct_values((6, 24, 20)))).running() as it:
        yield it


@pytest.fixture
def web(tmp_path: Path, pacs: WebPacs) -> Iterator[Served]:
    with served(tmp_path, pacs=PacsAddress.parse(pacs.url)) as it:
        yield it


def retrieve(web: Served) -> dict[str, Any]:
    response = web.client.post("/api/pacs/retrievals", json={"study": STUDY, "series": SERIES})
    assert response.status_code == 202, response.text
    url = f"/api/pacs/retrievals/{response.json()['id']}"
    return wait_for(lambda: web.client.get(url).json(), lambda each: each["state"] != "running")


def test_studies_are_found_and_their_series_listed(web: Served, pacs: WebPacs) -> None:
    assert web.client.get("/api/info").json()["pacs"] == "127.0.0.1"
    response = web.client.post("/api/pacs/search", json={"patient_id": PATIENT_ID, "modality": "CT"})
    assert response.status_code == 200, response.text
    (study,) = response.json()["found"]
    assert (study["uid"], study["patient_id"], study["patient_name"]) == (STUDY, PATIENT_ID, PATIENT)
    listed = web.client.get(f"/api/pacs/studies/{STUDY}/series").json()
    assert [each["uid"] for each in listed["found"]] == [SERIES]


def test_a_series_becomes_a_volume_and_its_result_goes_back(web: Served, pacs: WebPacs) -> None:
    found = retrieve(web)
    assert (found["state"], found["done"], found["total"], found["message"]) == ("done", 6, 6, "")
    volume = web.client.get(f"/api/volumes/{found['volume']}").json()
    assert volume["shape_ijk"] == [20, 24, 6]
    assert volume["dicom"]
    web.session = web.client.post("/api/sessions", json={"volume": found["volume"]}).json()["id"]
    web.segment("liver", {"box": {"k": 3, "i0": 3, "j0": 4, "i1": 12, "j1": 15}}, bounds=[2, 4])
    for kind, modality in (("seg", "SEG"), ("rtstruct", "RTSTRUCT")):
        response = web.client.post("/api/pacs/results", json={"session": web.session, "format": kind})
        assert response.status_code == 201, response.text
        stored = pacs.stored[-1]
        assert (stored.Modality, stored.StudyInstanceUID, str(stored.PatientName)) == (modality, STUDY, PATIENT)
        assert response.json() == {"pacs": "127.0.0.1", "series": [str(stored.SeriesInstanceUID)]}


def test_nothing_but_the_search_names_the_patient(
    web: Served, pacs: WebPacs, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    found = retrieve(web)
    session = web.client.post("/api/sessions", json={"volume": found["volume"]}).json()
    pacs.on_fetch.extend([status(500)] * 3)
    failed = retrieve(web)
    shown = [
        caplog.text,
        str(session),
        str(failed),
        web.client.get("/api/volumes").text,
        web.client.get("/metrics").text,
    ]
    for each in shown:
        assert "Secret" not in each
        assert PATIENT_ID not in each
    for file in (tmp_path / "state").rglob("*"):
        if file.is_file() and "uploads" not in file.parts:  # a retrieved series is whole, as an upload is
            assert b"Secret" not in file.read_bytes(), file


def test_a_failure_is_a_sentence_and_leaves_nothing(web: Served, pacs: WebPacs, tmp_path: Path) -> None:
    pacs.on_fetch.extend([None, status(404)])
    found = retrieve(web)
    assert found["state"] == "failed"
    assert found["message"].endswith(".")
    assert str(tmp_path) not in found["message"]
    assert not list((tmp_path / "state" / "uploads").iterdir())
    pacs.on_fetch.clear()
    assert retrieve(web)["state"] == "done"


def test_a_refused_search_is_a_sentence(web: Served, pacs: WebPacs) -> None:
    pacs.on_find.append(status(401))
    response = web.client.post("/api/pacs/search", json={})
    assert response.status_code in (422, 503)
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/pacs/search", {"date_from": "2024-01-02"}),
        ("/api/pacs/search", {"modality": "CT\\MR"}),
        ("/api/pacs/search", {"patient_name": "a\\b"}),
        ("/api/pacs/search", {"name": "x"}),
        ("/api/pacs/retrievals", {"study": "../..", "series": SERIES}),
        ("/api/pacs/retrievals", {"study": STUDY, "series": "1..2"}),
        ("/api/pacs/results", {"session": "s1", "format": "nrrd"}),
    ],
)
def test_bad_values_are_refused_before_anything_is_sent(
    web: Served, pacs: WebPacs, path: str, body: dict[str, Any]
) -> None:
    assert web.client.post(path, json=body).status_code == 422
    assert not pacs.requests


def test_a_result_of_another_file_is_refused(web: Served, pacs: WebPacs) -> None:
    web.segment("right")
    response = web.client.post("/api/pacs/results", json={"session": web.session, "format": "seg"})
    assert response.status_code == 422
    assert "is not a DICOM series" in response.json()["error"]["message"]
    assert not pacs.stored


def test_retrievals_and_sessions_belong_to_their_user(tmp_path: Path, pacs: WebPacs) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    ada, bob = tokens.add("ada"), tokens.add("bob")
    with served(tmp_path, authenticator=tokens, token=ada, pacs=PacsAddress.parse(pacs.url)) as web:
        mine = retrieve(web)
        other = {"authorization": f"Bearer {bob}"}
        url = f"/api/pacs/retrievals/{mine['id']}"
        assert web.client.get(url, headers=other).status_code == 404
        assert web.client.delete(url, headers=other).status_code == 404
        body = {"session": web.session, "format": "seg"}
        assert web.client.post("/api/pacs/results", json=body, headers=other).status_code == 404
        assert mine["volume"] not in web.client.get("/api/volumes", headers=other).text


def test_a_server_without_a_pacs_says_how_to_have_one(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        assert web.client.get("/api/info").json()["pacs"] is None
        response = web.client.post("/api/pacs/search", json={})
        assert response.status_code == 404
        assert "radsam serve --pacs URL" in response.json()["error"]["message"]


def test_an_address_of_a_study_is_no_pacs(tmp_path: Path, pacs: WebPacs) -> None:
    with (
        pytest.raises(PacsRequestError, match="not a whole PACS"),
        served(tmp_path, pacs=PacsAddress.parse(f"{pacs.url}/studies/1.2")),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (("", "", "", "", ""), {}),
        (("4711", "Meier", "", "", "CT"), {"PatientID": "4711", "PatientName": "Meier*", "ModalitiesInStudy": "CT"}),
        (("", "M?ier", "20240101", "", ""), {"PatientName": "M?ier", "StudyDate": "20240101-"}),
        (("", "", "", "20240131", ""), {"StudyDate": "-20240131"}),
        (("", "", "20240101", "20240101", ""), {"StudyDate": "20240101"}),
    ],
)
def test_values_to_search_for(given: tuple[str, ...], values: dict[str, str]) -> None:
    assert search_values(*given) == values
