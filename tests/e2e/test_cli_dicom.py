"""DICOM in and out of the command line: series in, SEG and RTSTRUCT out and in again, no patient's name."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from command_line import CommandLine
from dicom_files import check_with_dciodvfy, ct_values, write_series
from radsam.io.volume_read import read_labels, read_volume

#: Values that identify the patient or the study in the files of `write_series`.
NAMES = (b"Nobody", b"secret-7", b"19500102", b"Somebody")
LINE = ("--slice", 3, "--box", 8, 10, 30, 28, "--bounds", 2, 5, "--name", "spleen")


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dicom") / "ct"
    write_series(folder / "a", ct_values((7, 40, 48), seed=1), spacing_mm_ijk=(2, 2.2, 5), series_uid="1.2.3")
    write_series(folder / "b", ct_values((4, 40, 48), seed=2), spacing_mm_ijk=(2, 2.2, 5), series_uid="1.2.4")
    return folder


@pytest.fixture(scope="module")
def segmented(run_radsam: CommandLine, tiny_bundle: Path, ct: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same spleen as SEG, RTSTRUCT, NIfTI and session; the messages are in ``messages``."""
    folder = tmp_path_factory.mktemp("segmented")
    model = ("--series", 1, "--model", tiny_bundle)
    first = run_radsam(
        "segment", ct, *LINE, *model, "-o", "seg.dcm", "--session", "s.radsam", "--json", cwd=folder
    ).done()
    # The session knows the series that was chosen.
    second = run_radsam("edit", "s.radsam", "-o", "rt.dcm", "--format", "rtstruct", cwd=folder).done()
    third = run_radsam.here("edit", "s.radsam", "-o", "mask.nii.gz", cwd=folder).done()
    (folder / "messages").write_text("".join(each.stdout + each.stderr for each in (first, second, third)))
    assert first.json["objects"][0]["voxels"] > 0
    return folder


def test_seg_rtstruct_and_nifti_are_the_same_voxels(segmented: Path, ct: Path) -> None:
    volume = read_volume(ct, series="1")
    nifti = sitk.GetArrayFromImage(sitk.ReadImage(str(segmented / "mask.nii.gz")))
    for name in ("seg.dcm", "rt.dcm"):
        check_with_dciodvfy(segmented / name)
        found = read_labels(segmented / name, on=volume)
        assert list(found.names.values()) == ["spleen"]
        np.testing.assert_array_equal(found.ids, nifti)


def test_the_seg_names_the_model(segmented: Path) -> None:
    (segment,) = pydicom.dcmread(segmented / "seg.dcm").SegmentSequence
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == segment.SegmentAlgorithmName == "tiny"
    assert algorithm.AlgorithmVersion.startswith("SHA-256 ")


def test_sessions_caches_and_messages_hold_no_patient(run_radsam: CommandLine, segmented: Path, ct: Path) -> None:
    listing = run_radsam.here("info", ct, cwd=segmented).done()
    cached = [path for path in run_radsam.cache.rglob("*") if path.is_file()]
    assert cached
    texts = [
        path.read_bytes()
        for path in (*cached, segmented / "s.radsam", segmented / "messages", segmented / "mask.nii.gz")
    ]
    for text in (*texts, listing.stdout.encode()):
        assert not [name for name in NAMES if name in text]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (run_radsam.cache,))
    # DICOM results carry the patient's name on purpose.
    assert b"Nobody" in (segmented / "seg.dcm").read_bytes()


@pytest.mark.parametrize("name", ["seg.dcm", "rt.dcm"])
def test_a_seg_and_contours_can_be_the_mask_prompt(
    run_radsam: CommandLine, tiny_bundle: Path, ct: Path, segmented: Path, tmp_path: Path, name: str
) -> None:
    line = ("segment", ct, "--series", 1, "--slice", 3, "--bounds", 3, 4, "--mask", segmented / name)
    result = run_radsam.here(*line, "--roi", "spleen", "--model", tiny_bundle, "-o", "m.nrrd", "--json", cwd=tmp_path)
    assert result.done().json["objects"][0]["voxels"] > 0
    refused = run_radsam.here(*line, "--roi", "liver", "--model", tiny_bundle, "-o", "m.nrrd", cwd=tmp_path)
    assert refused.returncode == 3
    assert "no objects named 'liver'" in refused.stderr_line
    other = ("segment", ct, "--series", 2, "--slice", 2, "--mask", segmented / name, "--model", tiny_bundle)
    refused = run_radsam.here(*other, "-o", "m.nrrd", cwd=tmp_path)
    assert refused.returncode == 3
    assert "another series" in refused.stderr_line


def test_labels_are_converted_all_the_way_round(
    run_radsam: CommandLine, ct: Path, segmented: Path, tmp_path: Path
) -> None:
    start = sitk.GetArrayFromImage(sitk.ReadImage(str(segmented / "mask.nii.gz")))
    on = ("--ct", ct, "--series", 1)
    run_radsam.here("convert", segmented / "mask.nii.gz", *on, "-o", "a.dcm", "--name", "1=spleen", cwd=tmp_path).done()
    run_radsam.here("convert", "a.dcm", *on, "-o", "b.dcm", "--format", "rtstruct", cwd=tmp_path).done()
    result = run_radsam.here("convert", "b.dcm", *on, "-o", "c.nrrd", "--json", cwd=tmp_path).done()
    assert result.json["objects"] == [{"id": 1, "name": "spleen"}]
    for name in ("a.dcm", "b.dcm"):
        check_with_dciodvfy(tmp_path / name)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "c.nrrd"))), start)
    # A SEG has a grid of its own; slices without an object are not on it.
    run_radsam.here("convert", "a.dcm", "-o", "d.nii.gz", cwd=tmp_path).done()
    assert np.count_nonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "d.nii.gz")))) == start.sum()


def test_dicom_output_needs_a_dicom_series_before_anything_is_computed(
    run_radsam: CommandLine, segmented: Path, ct: Path, tmp_path: Path
) -> None:
    refused = run_radsam.here("segment", segmented / "mask.nii.gz", *LINE, "-o", "seg.dcm", cwd=tmp_path)
    assert refused.returncode == 3
    assert "is not DICOM. Give the series" in refused.stderr_line
    refused = run_radsam.here("convert", segmented / "mask.nii.gz", "-o", "seg.dcm", cwd=tmp_path)
    assert refused.returncode == 2
    refused = run_radsam.here("convert", segmented / "rt.dcm", "-o", "a.nii.gz", cwd=tmp_path)
    assert refused.returncode == 3
    assert "Give the CT" in refused.stderr_line
    refused = run_radsam.here("segment", ct, "--series", 1, *LINE, "-o", "x.dcm", "--format", "nrrd", cwd=tmp_path)
    assert refused.returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_a_tilted_series_is_refused_and_segmented_on_request(
    run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path
) -> None:
    def tilt(k: int, dataset) -> None:
        dataset.ImagePositionPatient[1] += 1.3 * k

    write_series(tmp_path / "ct", ct_values((7, 40, 48)), spacing_mm_ijk=(2, 2.2, 5), edit=tilt)
    line = ("segment", "ct", *LINE, "--model", tiny_bundle, "-o", "seg.dcm")
    refused = run_radsam.here(*line, cwd=tmp_path)
    assert refused.returncode == 3
    assert "tilted gantry" in refused.stderr_line
    assert "--resample" in refused.stderr_line
    done = run_radsam.here(*line, "--resample", "--session", "s.radsam", cwd=tmp_path).done()
    assert "Resampled to 48×44×7 voxels" in done.stderr_line
    check_with_dciodvfy(tmp_path / "seg.dcm")
    # The session knows that it was resampled.
    run_radsam.here("edit", "s.radsam", "-o", "rt.dcm", "--format", "rtstruct", cwd=tmp_path).done()


def test_a_zip_can_be_segmented_to_a_seg(run_radsam: CommandLine, tiny_bundle: Path, ct: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "ct"), "zip", ct)
    line = ("segment", "ct.zip", "--series", "1.2.3", *LINE, "--model", tiny_bundle, "-o", "seg.dcm")
    run_radsam.here(*line, cwd=tmp_path).done()
    assert read_labels(tmp_path / "seg.dcm", on=read_volume(ct, series="1")).ids.any()


def test_real_contours_seed_a_mask_prompt(
    run_radsam: CommandLine, tiny_bundle: Path, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "dicom" / "lung_rtstruct"
    line = ("segment", folder, "--slice", 12, "--bounds", 12, 12, "--mask", folder / "RTSTRUCT.dcm")
    line = (*line, "--model", tiny_bundle, "-o", "seg.dcm", "--json")
    several = run_radsam.here(*line, cwd=tmp_path)
    assert several.returncode == 2
    assert "Tumor_c40, LN_c40, Carina_c40, Vertebra_c40" in several.stderr_line
    done = run_radsam.here(*line, "--roi", "Tumor_c40", cwd=tmp_path).done()
    assert done.json["objects"][0]["prompts"] == [{"number": 0, "slice": 12, "kind": "mask"}]
    check_with_dciodvfy(tmp_path / "seg.dcm")


def test_convert_brings_the_labels_of_another_series_to_this_one(
    segmented: Path, run_radsam: CommandLine, tmp_path: Path
) -> None:
    write_series(tmp_path / "venous", ct_values((14, 40, 48)), spacing_mm_ijk=(2, 2.2, 2.5), series_uid="1.2.5")
    line = ("convert", segmented / "seg.dcm", "--ct", "venous", "-o", "there.nrrd")
    refused = run_radsam.here(*line, cwd=tmp_path)
    assert refused.returncode == 3
    assert "--resample-masks" in refused.stderr
    done = run_radsam.here(*line, "--resample-masks", "--json", cwd=tmp_path).done()
    (note,) = done.json["notes"]
    before = read_labels(segmented / "mask.nii.gz").ids
    after = read_labels(tmp_path / "there.nrrd").ids
    np.testing.assert_array_equal(after[::2], before)
    assert f"spleen {before.sum()} voxels before, {after.sum()} after" in note
    alone = run_radsam.here("convert", segmented / "seg.dcm", "--resample-masks", "-o", "a.nrrd", cwd=tmp_path)
    assert alone.returncode == 2
