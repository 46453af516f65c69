"""A PACS with one small series, for DICOMweb and for DIMSE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("dicomweb_client", reason="needs the extra dicom")
pytest.importorskip("pynetdicom", reason="needs the extra dicom")

from pacs_servers import DimsePacs, WebPacs, write_patient


@pytest.fixture(autouse=True)
def _no_logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No login, keyring, certificate or cache of this machine, and little waiting."""
    for name in ("RADSAM_PACS_USER", "RADSAM_PACS_PASSWORD", "RADSAM_PACS_TOKEN", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("RADSAM_PACS_ATTEMPTS", "2")
    monkeypatch.setenv("RADSAM_PACS_TIMEOUT", "2")
    monkeypatch.setenv("RADSAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("radsam.io.pacs.retry_policy.RetryPolicy.pause_s", 0.01)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def patient_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_patient(tmp_path_factory.mktemp("patient"))


@pytest.fixture
def web(patient_files: list[Path]) -> Iterator[WebPacs]:
    with WebPacs(patient_files).running() as pacs:
        yield pacs


@pytest.fixture
def dimse(patient_files: list[Path]) -> Iterator[DimsePacs]:
    with DimsePacs(patient_files).running() as pacs:
        yield pacs
