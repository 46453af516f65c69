"""A series of a PACS as a folder: what is cached, what is not, and the patient's data."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pydicom
import pytest

from pacs_servers import PATIENT, PATIENT_ID, SERIES, DimsePacs, WebPacs, broken_off
from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.remote_series import series_folder
from radsam.io.pacs.series_cache import series_cache
from radsam.io.volume_read import read_volume

SECRETS = [b"Secret", b"SECRET", PATIENT_ID.encode()]


def cached_files() -> list[Path]:
    return [each for each in series_cache().folder.rglob("*") if each.is_file()]


def test_the_volume_is_that_of_the_files(web: WebPacs, patient_files: list[Path]) -> None:
    with series_folder(web.series) as folder:
        volume = read_volume(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    from_files = read_volume(patient_files[0].parent)
    np.testing.assert_array_equal(volume.values, from_files.values)
    assert volume.geometry.same_grid(from_files.geometry)


def test_the_folder_holds_the_patients_data_and_the_cache_does_not(web: WebPacs) -> None:
    with series_folder(web.series) as folder:
        for path in folder.iterdir():
            image = pydicom.dcmread(path)
            assert (image.PatientName, image.PatientID) == (PATIENT, PATIENT_ID)
            assert image.InstitutionName == "Secret Hospital"
    assert len(cached_files()) == 4
    for path in cached_files():
        assert not any(each in path.read_bytes() for each in SECRETS)
        assert "1.2.3" not in str(path.relative_to(series_cache().folder))
        assert pydicom.dcmread(path).DerivationCodeSequence[0].CodeValue == "T-1"
    if os.name != "nt":
        assert {stat.S_IMODE(each.stat().st_mode) for each in cached_files()} == {0o600}
        assert stat.S_IMODE(series_cache().folder.stat().st_mode) == 0o700


def test_again_fetches_one_image_only(web: WebPacs) -> None:
    with series_folder(web.series):
        pass
    web.requests.clear()
    with series_folder(web.series) as folder:
        assert len(list(folder.iterdir())) == 4
        assert all(pydicom.dcmread(each).PatientName == PATIENT for each in folder.iterdir())
    assert web.fetched() == [f"{SERIES}.1"]


def test_after_an_interruption_it_continues(web: WebPacs) -> None:
    web.on_fetch.extend([None, None, None, broken_off, broken_off])
    with pytest.raises(PacsError, match=r"3 of 4 images are cached"), series_folder(web.series):
        pass
    web.requests.clear()
    with series_folder(web.series) as folder:
        assert len(list(folder.iterdir())) == 4
    assert web.fetched() == [f"{SERIES}.1", f"{SERIES}.4"]


def test_a_damaged_cached_image_is_fetched_again(web: WebPacs) -> None:
    with series_folder(web.series):
        pass
    for path in cached_files():
        path.write_bytes(path.read_bytes()[:200])
    with series_folder(web.series) as folder:
        assert read_volume(folder).values.shape[0] == 4


def test_over_dimse(dimse: DimsePacs, patient_files: list[Path]) -> None:
    with series_folder(dimse.series) as folder:
        np.testing.assert_array_equal(read_volume(folder).values, read_volume(patient_files[0].parent).values)


def test_the_cache_is_measured_bounded_and_removed(web: WebPacs) -> None:
    with series_folder(web.series):
        pass
    with series_folder(f"{web.series}/instances/{SERIES}.1"):
        pass
    assert series_cache().size_bytes() == sum(each.stat().st_size for each in cached_files()) > 0
    older = series_cache().folder / ("0" * 32)
    older.mkdir()
    (older / "x.dcm").write_bytes(b"0" * 1000)
    os.utime(older, (0, 0))
    series_cache(series_cache().size_bytes() - 1).prune()
    assert not older.exists()
    assert len(cached_files()) == 4
    (series_cache().folder / "mine.txt").write_text("not ours")
    freed = series_cache().size_bytes()
    assert series_cache().clear() == freed
    assert [each.name for each in cached_files()] == ["mine.txt"]


@pytest.mark.parametrize("inside", ["", "/studies/1.2.3.4"])
def test_a_server_or_a_study_is_not_a_series(web: WebPacs, inside: str) -> None:
    with pytest.raises(PacsRequestError, match=r"is not one series.*radsam pacs find"), series_folder(web.url + inside):
        pass
