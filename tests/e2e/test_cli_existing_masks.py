"""`radsam segment --from`: are the objects of existing masks opened, corrected and written again?"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine, Finished, PhantomFile
from dicom_files import ct_values, write_series
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume

LEGEND = '1 255 0 0 1 1 1 "spleen"\n4 0 255 0 1 1 1 "left kidney"\n'


@pytest.fixture
def folder(phantom_ct: PhantomFile, tmp_path: Path) -> Path:
    """A folder with a CT, and masks.nrrd with the labels 1 and 4, which have names beside it."""
    shutil.copy(phantom_ct.path, tmp_path / "ct.nii.gz")
    geometry = read_volume(tmp_path / "ct.nii.gz").geometry
    ids = np.zeros(geometry.shape_kji, np.uint8)
    ids[10:17, 15:39, 57:71], ids[8:12, 40:50, 20:33] = 1, 4
    write_labels(LabelVolume(ids, geometry), tmp_path / "masks.nrrd")
    (tmp_path / "masks.txt").write_text(LEGEND)
    return tmp_path


def opened(run: CommandLine, folder: Path, bundle: Path, *more: object, out: str = "out.nii.gz") -> Finished:
    return run.here(
        *("segment", "ct.nii.gz", "--from", "masks.nrrd", *more, "--model", bundle, "-o", out, "--json"), cwd=folder
    )


def test_objects_are_opened_as_they_are_and_corrected(run_radsam: CommandLine, folder: Path, tiny_bundle: Path) -> None:
    found = opened(run_radsam, folder, tiny_bundle, "--session", "s.radsam", "--preview", "p.png").done().json
    assert [(each["name"], each["started_from"]) for each in found["objects"]] == [
        ("spleen", "3D mask"),
        ("left kidney", "3D mask"),
    ]
    before, out = read_labels(folder / "masks.nrrd").ids, read_labels(folder / "out.nii.gz").ids
    np.testing.assert_array_equal(out, before)
    assert (folder / "p.png").stat().st_size > 10_000

    line = ("edit", "s.radsam", "--name", "spleen", "--fix-not", 58, 16, 13, "-o", "edited.nii.gz", "--json")
    edited = run_radsam.here(*line, cwd=folder).done().json
    assert [each["started_from"] for each in edited["objects"]] == ["3D mask", "3D mask"]
    whole = [[each["whole_voxels"] for each in report["objects"]] for report in (found, edited)]
    assert whole[0][0] != whole[1][0]
    assert whole[0][1] == whole[1][1] == (before == 4).sum()


def test_objects_are_added_to_a_session_refined_and_named(
    run_radsam: CommandLine, folder: Path, tiny_bundle: Path
) -> None:
    session = ("--session", "s.radsam")
    opened(run_radsam, folder, tiny_bundle, *session, "--roi", "1", "--name", "my spleen").done()
    found = opened(run_radsam, folder, tiny_bundle, *session, "--roi", "left kidney", "--refine").done().json
    assert [(each["name"], each["started_from"]) for each in found["objects"]] == [
        ("my spleen", "3D mask"),
        ("left kidney", "3D mask, refined"),
    ]
    again = opened(run_radsam, folder, tiny_bundle, *session)
    assert again.returncode == 3
    assert "already has 'left kidney'" in again.stderr
    assert opened(run_radsam, folder, tiny_bundle, *session, "--roi", "spleen").done()


def test_masks_of_another_grid_are_resampled_on_request(
    run_radsam: CommandLine, folder: Path, tiny_bundle: Path
) -> None:
    whole = read_labels(folder / "masks.nrrd")
    part = np.ascontiguousarray(whole.ids[:12, :, ::-1])  # fewer slices, stored the other way round
    turned = np.diag([-1.0, 1.0, 1.0, 1.0])
    turned[0, 3] = whole.ids.shape[2] - 1
    write_labels(LabelVolume(part, Geometry(part.shape, whole.geometry.affine_lps @ turned)), folder / "masks.nrrd")
    refused = opened(run_radsam, folder, tiny_bundle)
    assert refused.returncode == 3
    assert "masks.nrrd lies on another grid" in refused.stderr
    assert "--resample-masks" in refused.stderr
    assert not (folder / "out.nii.gz").exists()
    done = opened(run_radsam, folder, tiny_bundle, "--resample-masks").done()
    assert any("masks.nrrd was resampled from" in each for each in done.json["notes"])
    cut = np.where(np.arange(24)[:, None, None] < 12, whole.ids, 0)
    np.testing.assert_array_equal(read_labels(folder / "out.nii.gz").ids > 0, cut > 0)


@pytest.mark.parametrize("file_format", ["seg", "rtstruct"])
def test_dicom_objects_that_overlap_stay_whole(
    run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path, file_format: str
) -> None:
    write_series(tmp_path / "ct", ct_values((6, 40, 48)), spacing_mm_ijk=(2, 2.2, 5), series_uid="1.2.3")
    volume = read_volume(tmp_path / "ct")
    liver, tumour = np.zeros((2, 6, 40, 48), bool)
    liver[1:5, 5:30, 5:30], tumour[2:4, 25:35, 20:40] = True, True
    ids = np.where(tumour, 2, liver).astype(np.uint8)
    labels = LabelVolume(ids, volume.geometry, {1: "liver", 2: "tumour"}, {1: np.flatnonzero(liver & tumour)})
    write_labels(labels, tmp_path / "in.dcm", file_format=file_format, source=read_source(tmp_path / "ct"))
    line = ("segment", "ct", "--from", "in.dcm", "--model", tiny_bundle, "-o", "out.dcm", "--json")
    found = run_radsam.here(*line, cwd=tmp_path).done().json
    assert [each["voxels"] for each in found["objects"]] == [liver.sum(), tumour.sum()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = read_labels(tmp_path / "out.dcm", on=volume)
    np.testing.assert_array_equal(back.mask(1), liver)
    np.testing.assert_array_equal(back.mask(2), tumour)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--slice", 3, "--box", 1, 2, 9, 9), 2, "leave --slice, --box out"),
        (("--fix", 1, 2, 3), 2, "leave --fix out"),
        (("--name", "it"), 2, "masks.nrrd has 2"),
        (("--roi", "lung"), 3, "no labels named 'lung'"),
        (("--from", "masks.nrrd"), 3, "already has 'spleen'"),
        (("--from", "masks.nrrd", "--roi", "1"), 2, "--roi chooses from one file"),
        (("--session", "masks.nrrd"), 3, "masks.nrrd"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run_radsam: CommandLine, folder: Path, tiny_bundle: Path, more: tuple, code: int, words: str
) -> None:
    before = sorted(each.name for each in folder.iterdir())
    refused = opened(run_radsam, folder, tiny_bundle, *more)
    assert refused.returncode == code, refused.stderr
    assert words in refused.stderr_line
    assert sorted(each.name for each in folder.iterdir()) == before


def test_a_prompt_needs_its_slice(run_radsam: CommandLine, folder: Path) -> None:
    for line, words in [
        (("--box", 1, 2, 9, 9), "--slice"),
        (("--slice", 3), "exactly one prompt"),
        (("--slice", 3, "--box", 1, 2, 9, 9, "--refine"), "--refine lets"),
        (("--slice", 3, "--box", 1, 2, 9, 9, "--roi", "a"), "--roi chooses"),
    ]:
        refused = run_radsam.here("segment", "ct.nii.gz", *line, "-o", "out.nii.gz", cwd=folder)
        assert refused.returncode == 2
        assert words in refused.stderr_line
