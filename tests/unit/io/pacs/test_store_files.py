"""What is sent to a PACS, and what is refused before anything is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest

from dicom_files import ct_values, write_series
from pacs_servers import SERIES, STUDY, WebPacs, broken_off, status
from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.pacs_connection import connect
from radsam.io.pacs.store_files import check_files, store_files

HERE = PacsAddress.parse("dicomweb://127.0.0.1/rs")


def test_folders_are_searched_and_other_files_left_out(patient_files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    shutil.copy(patient_files[0], tmp_path / "deep" / "x")
    (tmp_path / "notes.txt").write_text("not DICOM")
    upload = check_files([tmp_path, patient_files[1]], HERE)
    assert upload.files == (tmp_path / "deep" / "x", patient_files[1])
    assert upload.skipped == 1


def test_bytes_are_sent_as_they_are(web: WebPacs, patient_files: list[Path]) -> None:
    address = PacsAddress.parse(web.url)
    with connect(address) as server:
        store_files(server, check_files(patient_files, address))
    for stored, path in zip(web.stored, patient_files, strict=True):
        assert stored == pydicom.dcmread(path)
        assert stored.file_meta.TransferSyntaxUID == pydicom.dcmread(path).file_meta.TransferSyntaxUID


def test_what_no_pacs_takes_is_refused_before_anything_is_sent(patient_files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM")
    with pytest.raises(PacsRequestError, match="is not a DICOM file"):
        check_files([*patient_files, tmp_path / "notes.txt"], HERE)
    with pytest.raises(PacsRequestError, match="There is no DICOM file"):
        check_files([tmp_path], HERE)
    with pytest.raises(PacsRequestError, match="does not exist"):
        check_files([tmp_path / "missing"], HERE)
    with pytest.raises(PacsRequestError, match=rf"belongs to study {STUDY}, not to 9\.9"):
        check_files(patient_files, HERE.within(study="9.9"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(patient_files[0].read_bytes()[:140])
    with pytest.raises(PacsRequestError, match=r"no SOPClassUID|cannot be read"):
        check_files([cut], HERE)


def test_emptied_uids_are_made_anew_on_request_and_always_the_same(web: WebPacs, tmp_path: Path) -> None:
    def empty(_: int, dataset: pydicom.Dataset) -> None:
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
            setattr(dataset, name, "")

    write_series(tmp_path, ct_values((3, 8, 8)), edit=empty)
    address = PacsAddress.parse(web.url)
    with pytest.raises(PacsRequestError, match="--assign-uids"):
        check_files([tmp_path], address)
    for _ in range(2):
        with connect(address) as server:
            (series,) = store_files(server, check_files([tmp_path], address, assign_uids=True))
    assert len(web.stored) == 6
    assert {each.SeriesInstanceUID for each in web.stored} == {series.series_uid}
    assert len({each.SOPInstanceUID for each in web.stored}) == 3
    assert all(each.SOPInstanceUID == each.file_meta.MediaStorageSOPInstanceUID for each in web.stored)


def test_a_death_in_the_middle_says_what_was_stored(web: WebPacs, patient_files: list[Path]) -> None:
    web.on_store.extend([None, status(500), broken_off])
    address = PacsAddress.parse(web.url)
    with connect(address) as server, pytest.raises(PacsError, match="1 of 4 files were stored"):
        store_files(server, check_files(patient_files, address))
    assert len(web.stored) == 1
    assert SERIES in str(web.stored[0].SOPInstanceUID)
