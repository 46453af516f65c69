"""URLs of a PACS: what they mean, and which are refused."""

from __future__ import annotations

import pytest

from radsam.errors import PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, is_pacs_url

STUDY, SERIES, IMAGE = "1.2.840.1", "1.2.840.1.2", "1.2.840.1.2.3"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("dicomweb://pacs.example.org/dicom-web", "https://pacs.example.org/dicom-web"),
        ("dicomweb://pacs.example.org:8443/a/b/", "https://pacs.example.org:8443/a/b"),
        ("dicomweb+http://pacs.example.org/dicom-web", "http://pacs.example.org/dicom-web"),
        ("https://pacs.example.org", "https://pacs.example.org"),
        # On this machine nothing crosses a wire, and local servers speak HTTP.
        ("dicomweb://127.0.0.1:8042/dicom-web", "http://127.0.0.1:8042/dicom-web"),
        ("dicomweb://localhost:8042/dicom-web", "http://localhost:8042/dicom-web"),
        ("dicomweb://[::1]:8042/dicom-web", "http://[::1]:8042/dicom-web"),
        ("dicomweb+https://127.0.0.1:8043/dicom-web", "https://127.0.0.1:8043/dicom-web"),
        ("dimse://pacs.example.org:11112/MY-PACS_1", "dimse://pacs.example.org:11112/MY-PACS_1"),
    ],
)
def test_a_url_says_where_and_how(url: str, base: str) -> None:
    address = PacsAddress.parse(url)
    assert address.base == base
    assert address.level is Level.SERVER
    inside = PacsAddress.parse(f"{url.rstrip('/')}/studies/{STUDY}/series/{SERIES}/instances/{IMAGE}")
    assert (inside.base, inside.study_uid, inside.series_uid, inside.instance_uid) == (base, STUDY, SERIES, IMAGE)
    assert inside.level is Level.INSTANCE
    assert PacsAddress.parse(str(inside)) == inside


def test_levels() -> None:
    server = PacsAddress.parse("dicomweb://pacs/rs")
    study = PacsAddress.parse(f"dicomweb://pacs/rs/studies/{STUDY}/")
    series = PacsAddress.parse(f"dicomweb://pacs/rs/studies/{STUDY}/series/{SERIES}")
    assert [each.level for each in (server, study, series)] == [Level.SERVER, Level.STUDY, Level.SERIES]
    assert server.within(study=STUDY) == study
    assert study.within(series=SERIES) == series


def test_encryption_is_known() -> None:
    assert not PacsAddress.parse("dicomweb://pacs.example.org/rs").in_clear
    assert not PacsAddress.parse("dicomweb://localhost:8042/rs").in_clear
    assert PacsAddress.parse("dicomweb+http://pacs.example.org/rs").in_clear
    assert PacsAddress.parse("dimse://pacs.example.org:104/PACS").in_clear


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("dicomweb://", "not the address"),
        ("ftp://pacs/rs", "not the address"),
        ("dicomweb://pacs:port/rs", "cannot be read"),
        ("dicomweb://pacs:99999/rs", "cannot be read"),
        ("dicomweb://pacs/rs/studies/1.2.x", "not a DICOM UID"),
        ("dicomweb://pacs/rs/studies/..%2f", "not a DICOM UID"),
        (f"dicomweb://pacs/rs/studies/{'1' * 65}", "not a DICOM UID"),
        ("dicomweb://pacs/rs/series/1.2", "in this order"),
        ("dicomweb://pacs/rs/studies", "in this order"),
        ("dicomweb://pacs/rs?PatientName=x", r"\? or #"),
        ("dimse://pacs/AE", "the port and the AE title"),
        ("dimse://pacs:104", "the port and the AE title"),
        ("dimse://pacs:104/A_TITLE_OF_17_LETT", "the port and the AE title"),
    ],
)
def test_other_urls_are_refused(url: str, word: str) -> None:
    with pytest.raises(PacsRequestError, match=word):
        PacsAddress.parse(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(PacsRequestError) as refused:
        PacsAddress.parse("dicomweb://reader:hunter2@pacs/rs")
    assert "hunter2" not in str(refused.value)
    assert "radsam pacs login" in str(refused.value)


def test_paths_are_no_urls() -> None:
    assert is_pacs_url("dicomweb://pacs/rs")
    assert is_pacs_url("DIMSE://pacs:104/AE")
    assert not any(is_pacs_url(each) for each in ("ct.nii.gz", "/data/ct", r"C:\ct", "dicomweb", "folder://x"))
