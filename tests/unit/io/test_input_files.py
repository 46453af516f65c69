"""Is every result refused that would replace a file which is read, before anything is written?"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dicom_files import ct_values, write_series
from fakes import fake_session
from phantoms import ball
from radsam.errors import OutputError
from radsam.io.dicom.source_series import read_source
from radsam.io.input_files import refuse_inputs, refuse_same
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels, write_volume
from radsam.volume import LabelVolume


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A series of three images in ``ct``, a label map, a MetaImage with its voxels, a zip, and links."""
    write_series(tmp_path / "ct", ct_values((3, 12, 10)))
    image = sitk.GetImageFromArray(np.eye(4, dtype=np.int16)[None].repeat(3, 0))
    for name in ("a.nii.gz", "a.mhd", "a.nhdr", "b.mhd"):
        sitk.WriteImage(image, str(tmp_path / name))
    shutil.make_archive(str(tmp_path / "ct"), "zip", tmp_path / "ct")
    first = sorted((tmp_path / "ct").iterdir())[0]
    (tmp_path / "soft.dcm").symlink_to(first)
    (tmp_path / "hard.dcm").hardlink_to(first)
    (tmp_path / "voxels.nii").symlink_to("a.raw")
    (tmp_path / "sub").mkdir()
    (tmp_path / "linked").symlink_to("ct", target_is_directory=True)
    (tmp_path / "ct" / "loop").symlink_to("..", target_is_directory=True)
    return tmp_path


@pytest.mark.parametrize(
    ("output", "read"),
    [
        ("a.nii.gz", "a.nii.gz"),
        ("sub/../a.nii.gz", "a.nii.gz"),
        ("a.raw", "a.mhd"),
        ("a.raw", "a.nhdr"),
        ("voxels.nii", "a.mhd"),
        ("ct.zip", "ct.zip"),
        ("ct/FIRST", "ct"),
        ("ct/FIRST", "linked"),
        ("linked/FIRST", "ct"),
        ("soft.dcm", "ct"),
        ("hard.dcm", "ct"),
        ("soft.dcm", "hard.dcm"),
    ],
)
def test_a_file_that_is_read_is_refused_by_any_name(folder: Path, output: str, read: str) -> None:
    first = sorted(each.name for each in (folder / "ct").iterdir() if each.is_file())[0]
    with pytest.raises(OutputError, match=r"one of the inputs.*Choose another path"):
        refuse_inputs(
            [folder / "new.nii.gz", folder / output.replace("FIRST", first)], [folder / "b.mhd", folder / read]
        )


def test_other_files_may_be_written(folder: Path) -> None:
    session = fake_session(ball().volume)
    session.save(folder / "ct" / "s.radsam")
    source = read_source(folder / "ct")
    labels = LabelVolume(np.ones(source.stacked.geometry.shape_kji, np.uint8), source.stacked.geometry, {1: "a"})
    write_labels(labels, folder / "ct" / "seg.dcm", source=source)
    for name in ("ct/seg.dcm", "ct/s.radsam", "ct/new.dcm", "b.raw", "gone/x.nii"):
        refuse_inputs([folder / name], [folder / "ct", folder / "a.mhd", folder / "gone", Path("dicomweb://a/b")])
    # An object beside the images is not one of them.
    assert read_volume(folder / "ct").geometry.shape_kji == (3, 12, 10)


def test_a_series_keeps_its_images_where_labels_are_written(folder: Path) -> None:
    volume = read_volume(folder / "ct")
    source = read_source(folder / "ct")
    target = source.slices[1].path
    before = target.read_bytes()
    labels = LabelVolume(np.ones(volume.geometry.shape_kji, np.uint8), volume.geometry, {1: "a"})
    (folder / "link.dcm").symlink_to(target)
    for path in (target, folder / "link.dcm"):
        with pytest.raises(OutputError, match="one of the inputs"):
            write_labels(labels, path, source=source)
    assert target.read_bytes() == before


def test_what_was_made_on_a_volume_never_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii.gz"
    write_volume(ball().volume, path)
    before = path.read_bytes()
    volume = read_volume(path)
    session = fake_session(volume)
    for write in (
        lambda: write_labels(session.labels, path),
        lambda: write_volume(volume, path),
        lambda: session.save(path),
    ):
        with pytest.raises(OutputError, match="one of the inputs"):
            write()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_labels_may_replace_the_file_that_they_were_read_from(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    labels = LabelVolume(np.ones((2, 3, 4), np.uint8), ball().volume.geometry.__class__((2, 3, 4), np.eye(4)))
    write_labels(labels, path)
    write_labels(read_labels(path), path)
    np.testing.assert_array_equal(read_labels(path).ids, labels.ids)


def test_two_results_need_two_files(folder: Path) -> None:
    refuse_same([folder / "x.nii.gz", folder / "x.png", folder / "a.raw"])
    for one, other in (
        ("x.nii", "X.nii"),
        ("a.raw", "voxels.nii"),
        ("x.nii", "sub/../x.nii"),
        ("soft.dcm", "hard.dcm"),
    ):
        with pytest.raises(OutputError, match="same path"):
            refuse_same([folder / one, folder / other])
