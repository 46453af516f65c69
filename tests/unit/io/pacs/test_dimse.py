"""DIMSE against an application entity that misbehaves on purpose."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from dicom_files import ct_values, write_series
from pacs_servers import PATIENT, PATIENT_ID, SERIES, STUDY, DimsePacs
from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.fetch_files import fetch_files
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_connection import connect
from radsam.io.pacs.pacs_search import list_instances
from radsam.io.pacs.store_files import check_files, store_files


def find(url: str, level: Level = Level.STUDY, limit: int | None = None, **where: str) -> list[Dataset]:
    address = PacsAddress.parse(url)
    with connect(address) as server:
        return server.find(address, level, where, limit)


def fetch(url: str) -> list[Dataset]:
    address = PacsAddress.parse(url)
    with connect(address) as server:
        return list(server.fetch(list_instances(server, address)))


def test_search(dimse: DimsePacs) -> None:
    (study,) = find(dimse.url, PatientName="Sécret*")
    assert study.StudyInstanceUID == STUDY
    assert find(f"{dimse.url}/studies/{STUDY}", Level.SERIES)[0].SeriesInstanceUID == SERIES
    assert len(find(dimse.series, Level.INSTANCE)) == 4
    assert len(find(dimse.series, Level.INSTANCE, limit=2)) == 2


def test_instances_come_as_they_are_stored(dimse: DimsePacs) -> None:
    images = fetch(dimse.series)
    assert {each.SOPInstanceUID for each in images} == {f"{SERIES}.{k}" for k in (1, 2, 3, 4)}
    assert {each.file_meta.TransferSyntaxUID.name for each in images} == {"JPEG 2000 Image Compression (Lossless Only)"}
    assert len(dimse.requested) == 1


def test_without_lists_of_uids_instances_are_fetched_one_by_one(dimse: DimsePacs) -> None:
    dimse.takes_lists = False
    assert len(fetch(dimse.series)) == 4
    assert [len(each) for each in dimse.requested] == [4, 1, 1, 1, 1]


def test_after_a_broken_association_the_rest_is_fetched(dimse: DimsePacs, tmp_path: Path) -> None:
    dimse.aborts_after = 2
    address = PacsAddress.parse(dimse.series)
    with connect(address) as server:
        done = fetch_files(server, tmp_path / "got")
    assert (done.instances, done.new) == (4, 4)
    assert len(list((tmp_path / "got").iterdir())) == 4
    assert [len(each) for each in dimse.requested] == [4, 2]


def test_store(dimse: DimsePacs, patient_files: list[Path]) -> None:
    address = PacsAddress.parse(dimse.url)
    with connect(address) as server:
        store_files(server, check_files(patient_files, address))
        assert len(dimse.stored) == 4
        dimse.store_status = 0xA900
        with pytest.raises(PacsRequestError, match=r"does not match its SOP class \(status A900\).*0 of 4 files"):
            store_files(server, check_files(patient_files, address))
        dimse.store_status = 0xA700
        with pytest.raises(PacsError, match="out of resources"):
            store_files(server, check_files(patient_files, address))


def test_store_in_implicit_vr_where_nothing_else_is_taken(dimse: DimsePacs, tmp_path: Path) -> None:
    """DICOM's default syntax, which every server has to take; a file in Explicit VR is sent in it."""
    path = write_series(tmp_path, ct_values((1, 12, 10)))[0]
    dimse.takes_only_implicit(CTImageStorage)
    address = PacsAddress.parse(dimse.url)
    with connect(address) as server:
        store_files(server, check_files([path], address))
    assert dimse.stored[0].PixelData == pydicom.dcmread(path).PixelData


def test_ae_titles(patient_files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with DimsePacs(patient_files, caller="FRIEND").running() as pacs:
        with pytest.raises(PacsRequestError, match=r"does not accept the AE titles: ours is RADSAM"):
            find(pacs.url)
        monkeypatch.setenv("RADSAM_PACS_AET", "FRIEND")
        assert len(find(pacs.url)) == 1
    monkeypatch.setenv("RADSAM_PACS_AET", "A TITLE THAT IS TOO LONG")
    with pytest.raises(PacsRequestError, match="not an AE title"):
        find("dimse://127.0.0.1:104/X")


def test_a_kind_that_is_not_taken(dimse: DimsePacs, patient_files: list[Path]) -> None:
    address = PacsAddress.parse(dimse.url)
    from pydicom.uid import SegmentationStorage

    other = pydicom.dcmread(patient_files[0])
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    with connect(address) as server, pytest.raises(PacsRequestError, match="does not offer this operation"):
        server.store(other)


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(PacsError, match="cannot be reached"):
        find(f"dimse://127.0.0.1:{port}/PACS")


def test_waiting_is_bounded(dimse: DimsePacs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSAM_PACS_TIMEOUT", "0.5")
    monkeypatch.setenv("RADSAM_PACS_ATTEMPTS", "1")
    dimse.silent_s = 1.5
    with pytest.raises(PacsError, match=r"stopped responding for 0\.5 s"):
        find(dimse.url)


def test_an_unknown_series_is_named(dimse: DimsePacs) -> None:
    with pytest.raises(PacsRequestError, match="has nothing at"):
        fetch(f"{dimse.url}/studies/9.9/series/9.9.9")


def test_logs_hold_no_patients(dimse: DimsePacs, patient_files: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    find(dimse.url, PatientName=PATIENT, PatientID=PATIENT_ID)
    fetch(dimse.series)
    assert "Secret" not in caplog.text
    assert PATIENT_ID not in caplog.text
