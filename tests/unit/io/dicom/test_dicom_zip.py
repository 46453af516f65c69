from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dicom_files import ct_values, write_series
from radsam.errors import SeriesError, VolumeError
from radsam.io.dicom import dicom_zip
from radsam.io.volume_read import read_info, read_volume


@pytest.fixture
def temp_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place for temporary files, so that a test can see what is left in it."""
    root = tmp_path / "temp"
    root.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def series_files(folder: Path, hu: np.ndarray) -> list[bytes]:
    return [path.read_bytes() for path in write_series(folder, hu)]


def test_a_zip_reads_like_its_folder_and_leaves_nothing(tmp_path: Path, temp_root: Path) -> None:
    hu = ct_values()
    contents = series_files(tmp_path / "series", hu)
    files = {f"study/{'ab'[k % 2]}/{k // 2}.dcm": content for k, content in enumerate(contents)}
    path = zipped(tmp_path / "Series.ZIP", {**files, "study/readme.txt": b"text", "study/a/": b""})
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.values, hu)
    assert volume.source == str(path)
    info = read_info(path)
    assert info.format == "DICOM (zip)"
    assert info.geometry is not None
    assert list(temp_root.iterdir()) == []


def test_names_in_a_zip_cannot_leave_its_folder(tmp_path: Path, temp_root: Path) -> None:
    hu = ct_values()
    names = ["../../evil.dcm", "/etc/evil.dcm", "..\\evil.dcm", "a/../../..", "C:\\evil:stream.dcm"]
    path = zipped(tmp_path / "evil.zip", dict(zip(names, series_files(tmp_path / "series", hu), strict=True)))
    before = set(tmp_path.rglob("*"))
    np.testing.assert_array_equal(read_volume(path).values, hu)
    assert set(tmp_path.rglob("*")) == before


def test_a_failure_inside_a_zip_names_the_zip_and_leaves_nothing(tmp_path: Path, temp_root: Path) -> None:
    path = zipped(tmp_path / "text.zip", {"a.txt": b"hello", "ct.nii.gz": b"\x1f\x8b"})
    with pytest.raises(SeriesError, match=r"text\.zip holds no"):
        read_volume(path)
    assert list(temp_root.iterdir()) == []


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "bomb.zip", {"a.dcm": b"\0" * 128 + b"DICM" + b"\0" * 5_000_000})
    monkeypatch.setattr(dicom_zip, "MAX_UNPACKED_BYTES", 4_000_000)
    with pytest.raises(VolumeError, match="unpacks to 1 files"):
        read_volume(path)


def test_a_zip_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "many.zip", {f"{n}": b"" for n in range(12)})
    monkeypatch.setattr(dicom_zip, "MAX_FILES", 10)
    with pytest.raises(VolumeError, match="unpacks to 12 files"):
        read_volume(path)


@pytest.mark.parametrize("damage", ["cut", "altered", "empty"])
def test_a_damaged_zip_is_refused(tmp_path: Path, temp_root: Path, damage: str) -> None:
    path = zipped(tmp_path / "a.zip", {"a.dcm": series_files(tmp_path / "series", ct_values((2, 40, 40)))[0]})
    content = bytearray(path.read_bytes())
    content[1000:1010] = b"\xff" * 10
    path.write_bytes({"cut": path.read_bytes()[:2000], "altered": bytes(content), "empty": b""}[damage])
    with pytest.raises(VolumeError, match="damaged zip"):
        read_volume(path)
    assert list(temp_root.iterdir()) == []


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.dcm": b"x" * 200})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the encryption flag, locally …
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # … and in the directory
    path.write_bytes(content)
    with pytest.raises(VolumeError, match="encrypted"):
        read_volume(path)
