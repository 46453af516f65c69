"""A series among other files: each slice is read, or a sentence names the file that is in the way."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_files import check_with_dciodvfy, ct_values, write_object, write_series
from radsam.errors import SeriesError
from radsam.io.dicom.dicom_series import SeriesWarning
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_paths import paths_below
from radsam.io.volume_read import read_info, read_volume
from radsam.io.volume_write import write_labels
from radsam.server.volume_listing import entries_of
from radsam.volume import LabelVolume

HU = ct_values()
UID = "1.2.3.4"


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", HU, series_uid=UID)
    return tmp_path / "ct"


def zipped(folder: Path) -> Path:
    path = folder.parent / "ct.zip"
    with zipfile.ZipFile(path, "w") as out:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                out.write(each, each.relative_to(folder.parent))
    return path


def changed(path: Path, change: Callable[[Dataset], None], name: str | None = None) -> None:
    with warnings.catch_warnings(action="ignore"):  # of values that break a rule on purpose
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path if name is None else path.with_name(name))


def scout(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.99"


def capture(dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.98"


def unplaced(dataset: Dataset) -> None:
    capture(dataset)
    del dataset.ImagePositionPatient


LEFT_OUT: dict[str, tuple[Callable[[Path], object], str]] = {
    "raw data": (
        lambda ct: write_object(ct / "raw.dcm", "1.2.840.10008.5.1.4.1.1.66", "CT", UID),
        "raw.dcm (Raw Data Storage)",
    ),
    "a private object": (
        lambda ct: write_object(ct / "csa", "1.3.12.2.1107.5.9.1", "CT", UID),
        "csa (a private object)",
    ),
    "a presentation state": (
        lambda ct: write_object(ct / "pr.dcm", "1.2.840.10008.5.1.4.1.1.11.1", "PR", UID),
        "pr.dcm (Grayscale Softcopy Presentation State Storage)",
    ),
    "a localizer": (lambda ct: changed(ct / "IM000.dcm", scout, "s.dcm"), "s.dcm (a localizer, or scout image)"),
    "a capture": (lambda ct: changed(ct / "IM000.dcm", capture, "c.dcm"), "c.dcm (a secondary capture)"),
    "an image without a place": (
        lambda ct: changed(ct / "IM000.dcm", unplaced, "c.dcm"),
        "c.dcm (without a position in space)",
    ),
    "a copy": (lambda ct: shutil.copy(ct / "IM001.dcm", ct / "copy"), "copy (a copy of another file)"),
    "a copy, saved anew": (
        lambda ct: changed(ct / "IM001.dcm", lambda dataset: setattr(dataset, "InstitutionName", "x"), "copy"),
        "copy (a copy of another file)",
    ),
    "text called DICOM": (lambda ct: (ct / "notes.dcm").write_text("text"), "notes.dcm (not DICOM)"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_not_a_slice_is_left_out_and_named_once(ct: Path, case: str, packed: bool) -> None:
    add, named = LEFT_OUT[case]
    add(ct)
    path = zipped(ct) if packed else ct
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        volume = read_volume(path)
    np.testing.assert_array_equal(volume.values, HU)
    assert [(each.category, str(each.message)) for each in caught] == [(SeriesWarning, f"Left out of {path}: {named}.")]
    assert f"Left out: {named}." in read_info(path).to_dict()["notes"]
    (entry,) = entries_of(path, "given")
    assert f"Left out: {named}." in entry.notes


UNSEEN: dict[str, Callable[[Path], object]] = {
    "macOS": lambda ct: (ct / ".DS_Store").write_bytes(bytes(300)),
    "a report of another series": lambda ct: write_object(ct / "sr.dcm", "1.2.840.10008.5.1.4.1.1.88.11", "SR", "1.2"),
    "a DICOMDIR": lambda ct: write_object(ct / "DICOMDIR", "1.2.840.10008.1.3.10", "", ""),
    "text": lambda ct: (ct / "README").write_text("text"),
    "an empty file": lambda ct: (ct / "LOCK").write_bytes(b""),
    "bytes like those of old DICOM": lambda ct: (ct / "thumbs.bin").write_bytes(b"\x08\x00" + bytes(range(256)) * 9),
    "others": lambda ct: (ct / "more.bin").write_bytes(b"\x02\x00" + bytes(300)),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_what_belongs_to_no_series_needs_no_word(ct: Path, case: str) -> None:
    UNSEEN[case](ct)
    for path in (ct, zipped(ct)):
        np.testing.assert_array_equal(read_volume(path).values, HU)


IN_THE_WAY: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut within the header": (
        lambda ct: (ct / "IM004.dcm").write_bytes((ct / "IM004.dcm").read_bytes()[:400]),
        "IM004.dcm begins like a DICOM file but cannot be read",
    ),
    "cut within the file header": (
        lambda ct: (ct / "IM004.dcm").write_bytes((ct / "IM004.dcm").read_bytes()[:180]),
        "IM004.dcm begins like a DICOM file but cannot be read",
    ),
    "empty": (lambda ct: (ct / "IM005.dcm").write_bytes(b""), "IM005.dcm is empty, but named like the slices"),
    "a web page": (lambda ct: (ct / "IM005.dcm").write_text("<html>" * 99), "IM005.dcm is not DICOM, but named like"),
    "without its place": (
        lambda ct: changed(ct / "IM004.dcm", lambda dataset: dataset.__delattr__("ImagePositionPatient")),
        "IM004.dcm has no position in space",
    ),
    "a broken link": (
        lambda ct: (ct / "IM005.dcm").symlink_to("/nowhere/IM005.dcm"),
        "IM005.dcm is a link that leads nowhere, but named like the slices",
    ),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_may_be_a_slice_is_not_left_out(ct: Path, case: str) -> None:
    """The last slice: without it the others are a regular volume, which would be too short."""
    add, named = IN_THE_WAY[case]
    add(ct)
    with pytest.raises(SeriesError, match=f"{named}.*copy the file again, or take it out"):
        read_volume(ct)
    with pytest.raises(SeriesError, match=named):
        read_source(ct)
    assert named in read_info(ct).problem
    write_series(ct.parent / "alone", HU)
    (ct.parent / "alone").rename(ct / "other")
    assert len(read_info(ct).series) == 2


def test_a_damaged_slice_is_only_in_the_way_of_its_own_series(ct: Path) -> None:
    path = write_series(ct / "other", ct_values((4, 8, 8)), series_uid="1.2.9")[3]
    changed(path, lambda dataset: dataset.__delattr__("ImagePositionPatient"))
    np.testing.assert_array_equal(read_volume(ct, series=UID).values, HU)
    with pytest.raises(SeriesError, match=r"IM003\.dcm has no position"):
        read_volume(ct, series="1.2.9")


def test_linked_folders_are_followed_also_in_circles(ct: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for name in ("IM003.dcm", "IM004.dcm"):
        (ct / name).rename(more / name)
    (ct / "linked").symlink_to(more)
    (ct / "again").symlink_to(more)
    (ct / "IM103.dcm").symlink_to(more / "IM003.dcm")
    (ct / "loop").symlink_to(ct)
    (more / "back").symlink_to(ct)
    np.testing.assert_array_equal(read_volume(ct).values, HU)
    (ct / "up").symlink_to(tmp_path)
    np.testing.assert_array_equal(read_volume(ct).values, HU)
    assert read_info(ct).notes == ("Left out: up (a link to a folder above).",)


def raw(name: str, vr: str, value: bytes) -> Callable[[Dataset], None]:
    """Give an element these bytes, whatever they mean."""

    def change(dataset: Dataset) -> None:
        padded = value + b" " * (len(value) % 2)
        dataset[Tag(name)] = RawDataElement(Tag(name), vr, len(padded), padded, 0, False, True)

    return change


@pytest.mark.parametrize(
    ("name", "vr", "value"),
    [
        ("SeriesNumber", "IS", b"CT12"),
        ("InstanceNumber", "IS", b"1.5"),
        ("AcquisitionNumber", "IS", b"A1"),
        ("NumberOfFrames", "IS", b"one"),
        ("SliceThickness", "DS", b"1,25"),
        ("PatientWeight", "DS", b"70,5"),
        ("PatientAge", "AS", b"fifty"),
        ("StudyDate", "DA", b"31.01.2024"),
        ("StudyTime", "TM", b"noon"),
        ("SpecificCharacterSet", "CS", b"ISO 8859-1"),
        ("SpecificCharacterSet", "CS", b"KLINGON"),
        ("SeriesDescription", "LO", b"Sch\xe4del \xff"),
    ],
)
def test_an_unreadable_element_that_nobody_needs_is_absent(
    ct: Path, tmp_path: Path, name: str, vr: str, value: bytes
) -> None:
    for path in ct.iterdir():
        changed(path, raw(name, vr, value))
    volume = read_volume(ct)
    np.testing.assert_array_equal(volume.values, HU)
    assert not read_info(ct).problem
    write_labels(LabelVolume((HU > 0).astype(np.uint8), volume.geometry), tmp_path / "seg.dcm", source=read_source(ct))
    check_with_dciodvfy(tmp_path / "seg.dcm")


def test_an_unreadable_element_that_is_needed_is_named(ct: Path) -> None:
    for path in ct.iterdir():
        changed(path, raw("PixelSpacing", "DS", b"0,7\\0,7"))
    with pytest.raises(
        SeriesError, match=r"5 of 5 images are without a position, orientation or pixel spacing that can"
    ):
        read_volume(ct)


def test_uids_that_break_the_rules_are_kept_without_a_word(ct: Path, tmp_path: Path) -> None:
    for path in ct.iterdir():
        changed(path, raw("StudyInstanceUID", "UI", b"1.2.abc"))
    volume = read_volume(ct)
    labels = LabelVolume((HU > 0).astype(np.uint8), volume.geometry)
    write_labels(labels, tmp_path / "seg.dcm", source=read_source(ct))
    with warnings.catch_warnings(action="ignore"):
        assert pydicom.dcmread(tmp_path / "seg.dcm").StudyInstanceUID == "1.2.abc"


def test_a_foreign_file_hides_no_volume_from_the_server(ct: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "ct.nii.gz").write_bytes(b"x")
    write_object(tmp_path / "data" / "report.dcm", "1.2.840.10008.5.1.4.1.1.88.11", "SR", "1.2")
    ct.rename(tmp_path / "data" / "ct")
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data")
    found = [path.relative_to(tmp_path / "data").as_posix() for path in paths_below(tmp_path / "data")]
    assert found == [".", "a/ct.nii.gz"]
    assert [entry.geometry.shape_kji for entry in entries_of(tmp_path / "data", "data")] == [HU.shape]
