"""DICOMweb against a server that misbehaves on purpose."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from pacs_servers import (
    PASSWORD,
    PATIENT,
    PATIENT_ID,
    SERIES,
    STUDY,
    USER,
    Fault,
    WebPacs,
    broken_off,
    cut_silently,
    failed,
    other_bytes,
    self_signed,
    silent_for,
    status,
)
from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_connection import connect
from radsam.io.pacs.pacs_search import list_instances
from radsam.io.pacs.pacs_server import Instance
from radsam.io.pacs.store_files import check_files, store_files


def find(url: str, level: Level = Level.STUDY, **where: str) -> list[Dataset]:
    address = PacsAddress.parse(url)
    with connect(address) as server:
        return server.find(address, level, where, None)


def fetch(url: str) -> list[Dataset]:
    address = PacsAddress.parse(url)
    with connect(address) as server:
        return list(server.fetch(list_instances(server, address)))


def test_search(web: WebPacs) -> None:
    (study,) = find(web.url)
    assert study.StudyInstanceUID == STUDY
    (series,) = find(f"{web.url}/studies/{STUDY}", Level.SERIES)
    assert series.SeriesInstanceUID == SERIES
    assert len(find(web.series, Level.INSTANCE)) == 4


@pytest.mark.parametrize("ignores_offset", [False, True])
def test_a_list_is_read_to_its_end(web: WebPacs, ignores_offset: bool) -> None:
    web.page, web.ignores_offset = (10, True) if ignores_offset else (3, False)
    assert len(find(web.series, Level.INSTANCE)) == 4


def test_instances_come_as_they_are_stored(web: WebPacs) -> None:
    images = fetch(web.series)
    assert [each.SOPInstanceUID for each in images] == [f"{SERIES}.{k}" for k in (1, 2, 3, 4)]
    assert {each.file_meta.TransferSyntaxUID.name for each in images} == {"JPEG 2000 Image Compression (Lossless Only)"}
    accepted = [headers["Accept"] for _, path, headers in web.requests if "/instances/" in path]
    assert all("transfer-syntax=*" in each for each in accepted)


@pytest.mark.parametrize(
    "fault",
    [broken_off, cut_silently, status(503), status(500), status(429), silent_for(2.5)],
    ids=["broken off", "cut silently", "503", "500", "429", "silent"],
)
def test_a_transient_failure_is_repeated(web: WebPacs, fault: Fault) -> None:
    web.on_fetch.extend([None, fault])
    assert len(fetch(web.series)) == 4
    assert len(web.fetched()) == 5


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (status(403), PacsRequestError, "does not allow you"),
        (status(404), PacsRequestError, "does not have"),
        (status(400), PacsRequestError, "HTTP status 400"),
        (status(500), PacsError, "HTTP status 500"),
        (status(302, Location="https://elsewhere.example.org/x?PatientID=1"), PacsRequestError, "has moved to"),
        (other_bytes(b"<html>Log in</html>", "text/html"), PacsError, "not DICOM"),
        (broken_off, PacsError, "broke off"),
        (cut_silently, PacsError, "broke off"),
    ],
    ids=["403", "404", "400", "500", "redirect", "HTML", "broken off", "cut silently"],
)
def test_lasting_errors_are_explained(web: WebPacs, fault: Fault, kind: type[Exception], words: str) -> None:
    web.on_fetch.extend([fault] * 2)
    with pytest.raises(kind, match=words) as raised:
        fetch(web.series)
    assert "PatientID" not in str(raised.value)


def test_a_page_to_log_in_is_not_dicomweb(web: WebPacs) -> None:
    web.on_find.append(other_bytes(b"<html>Log in</html>", "text/html"))
    with pytest.raises(PacsRequestError, match="not as DICOMweb"):
        find(web.url)
    web.on_find.append(other_bytes(b'[{"00100010": {"vr": "PN", "Value": [5]}, "x": 3}]', "application/json"))
    with pytest.raises(PacsError, match="not DICOM"):
        find(web.url)


def test_attempts_and_waiting_are_bounded(web: WebPacs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSAM_PACS_TIMEOUT", "0.2")
    monkeypatch.setenv("RADSAM_PACS_ATTEMPTS", "3")
    web.on_find.extend([silent_for(0.5)] * 5)
    with pytest.raises(PacsError, match=r"stopped responding for 0\.2 s"):
        find(web.url)
    assert len(web.requests) == 3


def test_another_instance_than_the_requested_one_is_refused(web: WebPacs) -> None:
    first, second = f"{SERIES}.1", f"{SERIES}.2"
    web.files[second] = web.files[first]
    address = PacsAddress.parse(f"{web.series}/instances/{second}")
    with connect(address) as server, pytest.raises(PacsError, match="something else"):
        list(server.fetch([Instance(address, "")]))


def test_a_uid_that_is_a_path_is_refused(web: WebPacs) -> None:
    evil = b'[{"00080018": {"vr": "UI", "Value": ["../../.bashrc"]}}]'
    web.on_find.append(other_bytes(evil, "application/dicom+json"))
    with pytest.raises(PacsError, match="not a DICOM UID"):
        fetch(web.series)


def test_an_unknown_series_is_named(web: WebPacs) -> None:
    with pytest.raises(PacsRequestError, match=r"has nothing at .*radsam pacs find"):
        fetch(f"{web.url}/studies/{STUDY}/series/9.9.9")


def test_logins(web: WebPacs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    web.login = True
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password other\n")
    with pytest.raises(PacsRequestError, match=r"needs a login"):
        find(web.url)
    assert "Authorization" not in web.requests[-1][2], "a login out of ~/.netrc was sent"
    monkeypatch.setenv("RADSAM_PACS_USER", USER)
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", "wrong-one")
    with pytest.raises(PacsRequestError, match=r"refused the login from RADSAM_PACS_USER") as refused:
        find(web.url)
    assert "wrong-one" not in str(refused.value)
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", PASSWORD)
    assert len(find(web.url)) == 1
    monkeypatch.setenv("RADSAM_PACS_TOKEN", "abc")
    with pytest.raises(PacsRequestError, match="refused"):
        find(web.url)
    assert web.requests[-1][2]["Authorization"] == "Bearer abc"
    assert web.requests[-1][2]["Host"] == f"127.0.0.1:{web.port}"


def test_a_certificate_that_nobody_signed_is_refused(
    patient_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography", reason="makes the certificate")
    certificate, key = self_signed(tmp_path)
    monkeypatch.setenv("RADSAM_PACS_TOKEN", "abc")
    with WebPacs(patient_files, tls=(certificate, key)).running() as pacs:
        with pytest.raises(PacsError, match=r"cannot be verified \(self-signed certificate\).*REQUESTS_CA_BUNDLE"):
            find(pacs.url)
        assert pacs.requests == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert len(fetch(pacs.series)) == 4
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        with pytest.raises(PacsRequestError, match=r"missing\.pem cannot be read"):
            find(pacs.url)


def test_a_server_without_tls_and_a_bad_certificate_differ(web: WebPacs) -> None:
    with pytest.raises(PacsError, match=r"does not use TLS.*dicomweb\+http://"):
        find(web.url.replace("+http:", "+https:"))


def test_no_server_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"dicomweb://127.0.0.1:{unused.getsockname()[1]}/rs"
    with pytest.raises(PacsError, match="No server listens"):
        find(url)
    with pytest.raises(PacsError, match=r"host name in .* is unknown"):
        find("dicomweb://pacs.invalid/rs")


def test_store(web: WebPacs, patient_files: list[Path]) -> None:
    web.on_store.extend([None, status(503)])
    address = PacsAddress.parse(web.url)
    with connect(address) as server:
        series = store_files(server, check_files(patient_files, address))
    assert series == [PacsAddress.parse(web.series)]
    assert len(web.stored) == 4


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ((200, failed(0xA700)), "out of resources"),
        ((202, failed(0x0122)), "this kind of object"),
        ((409, failed(0xC122)), "does not understand"),
        ((409, {}), "HTTP status 409"),
    ],
)
def test_a_refused_file_is_explained(
    web: WebPacs, patient_files: list[Path], response: tuple[int, dict[str, object]], words: str
) -> None:
    web.store_response = response
    address = PacsAddress.parse(web.url)
    with connect(address) as server, pytest.raises(PacsRequestError, match=rf"{words}.*0 of 4 files were stored"):
        store_files(server, check_files(patient_files, address))


def test_logs_hold_no_patients_and_no_logins(
    web: WebPacs, patient_files: list[Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    web.login = True
    monkeypatch.setenv("RADSAM_PACS_USER", USER)
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", PASSWORD)
    find(web.url, PatientName=PATIENT, PatientID=PATIENT_ID)
    fetch(web.series)
    address = PacsAddress.parse(web.url)
    with connect(address) as server:
        store_files(server, check_files(patient_files, address))
    logged = caplog.text
    assert not any(each in logged for each in ("Secret", PATIENT_ID, PASSWORD, "Basic "))


@pytest.mark.parametrize("variable", ["RADSAM_PACS_TIMEOUT", "RADSAM_PACS_ATTEMPTS"])
@pytest.mark.parametrize("value", ["0", "-1", "soon", "inf"])
def test_settings_are_checked(web: WebPacs, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(PacsRequestError, match=variable):
        find(web.url)
