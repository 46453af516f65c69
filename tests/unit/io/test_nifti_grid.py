from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radsam.io.nifti_grid import GridWarning
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: A turned grid of 0.7 × 0.8 × 2.5 mm, and one that lies elsewhere.
TURNED = np.array([[0.0, -0.8, 0.0, 10.0], [0.7, 0.0, 0.0, -30.0], [0.0, 0.0, 2.5, 100.0], [0.0, 0.0, 0.0, 1.0]])
ELSEWHERE = np.array([[2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 2.0], [0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 0.0, 1.0]])


def nifti(path: Path, sform: np.ndarray, sform_code: int, qform: np.ndarray, qform_code: int) -> Path:
    values = np.random.default_rng(0).integers(0, 200, (9, 8, 7)).astype(np.int16)
    image = nib.Nifti1Image(values, None)
    image.set_qform(qform, qform_code)  # sets pixdim too
    image.set_sform(sform, sform_code)
    nib.save(image, path)
    return path


@pytest.mark.parametrize(
    ("sform_code", "qform_code"), [codes for codes in itertools.product((0, 1, 2, 4), (0, 1, 2)) if codes != (0, 0)]
)
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_the_grid_is_the_one_of_nibabel_whichever_forms_are_set(
    tmp_path: Path, sform_code: int, qform_code: int, suffix: str
) -> None:
    path = nifti(tmp_path / f"ct.{suffix}", TURNED, sform_code, ELSEWHERE, qform_code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridWarning)
        volume = read_volume(path)
    affine_ras = nib.load(path).affine
    np.testing.assert_allclose(RAS_TO_LPS @ volume.geometry.affine_lps, affine_ras, atol=1e-5)
    # A mask on that grid lies on the CT in both, and says so in either form.
    mask = tmp_path / "mask.nii.gz"
    write_labels(LabelVolume((volume.hu > 100).astype(np.uint8), volume.geometry), mask)
    for affine in (nib.load(mask).affine, nib.load(mask).get_qform()):
        np.testing.assert_allclose(affine, affine_ras, atol=1e-5)
    assert read_labels(mask).geometry.same_grid(volume.geometry)


def test_two_grids_that_differ_are_both_reported(tmp_path: Path) -> None:
    path = nifti(tmp_path / "ct.nii.gz", TURNED, 2, ELSEWHERE, 1)
    for read in (read_info, read_volume, read_labels):
        with pytest.warns(GridWarning, match=r"0\.7×0\.8×2\.5 mm .* in its sform, .* 2×2×2 mm .*The sform is used"):
            read(path)


def test_a_grid_that_is_not_given_is_reported(tmp_path: Path) -> None:
    path = nifti(tmp_path / "ct.nii.gz", TURNED, 0, ELSEWHERE, 0)
    with pytest.warns(GridWarning, match="compare left and right"):
        read_volume(path)


def test_rounding_is_not_worth_a_warning(tmp_path: Path) -> None:
    path = nifti(tmp_path / "ct.nii.gz", TURNED.round(3), 1, TURNED, 1)
    np.testing.assert_allclose(RAS_TO_LPS @ read_volume(path).geometry.affine_lps, TURNED, atol=1e-3)


def test_the_qform_stands_in_for_an_sform_that_is_no_grid(tmp_path: Path) -> None:
    sheared = TURNED.copy()
    sheared[0, 2] = 1.0
    path = nifti(tmp_path / "sheared.nii", sheared, 2, ELSEWHERE, 1)
    with pytest.warns(GridWarning, match="The qform is used"):
        volume = read_volume(path)
    np.testing.assert_allclose(RAS_TO_LPS @ volume.geometry.affine_lps, ELSEWHERE, atol=1e-5)
    path = nifti(tmp_path / "zeros.nii", TURNED * 0, 2, ELSEWHERE, 1)
    np.testing.assert_allclose(RAS_TO_LPS @ read_volume(path).geometry.affine_lps, ELSEWHERE, atol=1e-5)
