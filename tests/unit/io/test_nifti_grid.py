from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from radsam.errors import VolumeError
from radsam.io.stated_grid import GridWarning
from radsam.io.volume_read import read_info, read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume

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
    write_labels(LabelVolume((volume.values > 100).astype(np.uint8), volume.geometry), mask)
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turn=st.integers(0, 2**20),
    signs=st.tuples(*[st.sampled_from([1, -1])] * 3),
    handed=st.sampled_from([1, -1, 0]),
    units=st.sampled_from([("unknown", 1), ("mm", 1), ("meter", 1000), ("micron", 0.001)]),
    sform=st.booleans(),
)
def test_signs_of_pixdim_mirror_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    turn: int,
    signs: tuple[int, ...],
    handed: int,
    units: tuple[str, float],
    sform: bool,
) -> None:
    """As in nibabel, spacings count without their sign, and pixdim[0] is the handedness of the qform."""
    name, mm = units
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(random_state=turn).as_matrix() * (0.7, 0.8, 2.5)
    affine[:3, 3] = 10, -30, 100
    image = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), None)
    image.set_qform(affine, 1)
    image.set_sform(affine if sform else None, int(sform))
    image.header.set_xyzt_units(name)
    path = tmp_path_factory.mktemp("n") / "ct.nii"
    nib.save(image, path)
    content = bytearray(path.read_bytes())
    pixdim = np.frombuffer(content, "<f4", 4, 76)
    pixdim[:] = handed, *(pixdim[1:] * signs)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridWarning)  # a sform of the other handedness
        found = read_volume(path).geometry
    np.testing.assert_allclose(
        RAS_TO_LPS @ found.affine_lps, np.diag([mm, mm, mm, 1]) @ nib.load(path).affine, rtol=1e-4
    )


@pytest.mark.parametrize("wrong", [0.0, np.nan, np.inf])
def test_a_spacing_that_is_not_given_is_reported(tmp_path: Path, wrong: float) -> None:
    path = nifti(tmp_path / "ct.nii", TURNED, 0, TURNED, 1)
    content = bytearray(path.read_bytes())
    np.frombuffer(content, "<f4", 4, 76)[3] = wrong
    path.write_bytes(content)
    for read in (read_info, read_volume, read_labels):
        with pytest.warns(GridWarning, match="does not state the size of its voxels"):
            assert read(path).geometry.spacing_mm_ijk == pytest.approx((0.7, 0.8, 1.0))


@pytest.mark.parametrize("where", [256, 268, 280, 292])
def test_a_form_with_nan_counts_as_not_given(tmp_path: Path, where: int) -> None:
    path = nifti(tmp_path / "ct.nii", TURNED, 2, TURNED, 1)
    content = bytearray(path.read_bytes())
    np.frombuffer(content, "<f4", 1, where)[0] = np.nan
    path.write_bytes(content)
    np.testing.assert_allclose(RAS_TO_LPS @ read_volume(path).geometry.affine_lps, TURNED, atol=1e-5)


def test_lengths_that_cannot_be_millimetres_are_reported(tmp_path: Path) -> None:
    path = nifti(tmp_path / "ct.nii", TURNED / 1000, 1, TURNED / 1000, 1)
    with pytest.warns(GridWarning, match="does not state its unit of length"):
        read_volume(path)


def test_cosines_of_few_digits_are_made_perpendicular(tmp_path: Path) -> None:
    affine = TURNED.copy()
    affine[:3, :3] = Rotation.from_euler("xyz", (11, -8, 14), degrees=True).as_matrix().round(3) * (0.7, 0.8, 2.5)
    path = nifti(tmp_path / "ct.nii", affine, 1, TURNED, 0)
    volume = read_volume(path)
    assert volume.geometry.shear < 1e-12
    assert volume.geometry.moved_voxels(Geometry(volume.geometry.shape_kji, RAS_TO_LPS @ affine)) < 0.1
    labels = LabelVolume((volume.values > 100).astype(np.uint8), volume.geometry)
    for name in ("m.nii.gz", "m.nii", "m.nrrd"):
        write_labels(labels, tmp_path / name)
        assert read_labels(tmp_path / name).geometry.same_grid(volume.geometry)


def test_a_sheared_sform_alone_is_refused(tmp_path: Path) -> None:
    sheared = TURNED.copy()
    sheared[0, 2] = 1.0
    with pytest.raises(VolumeError, match="not perpendicular"):
        read_volume(nifti(tmp_path / "ct.nii", sheared, 2, TURNED, 0))


def test_a_spacing_keeps_the_digits_that_pixdim_has(tmp_path: Path) -> None:
    rotation = Rotation.from_euler("xyz", [4.0, -3.0, 5.0], degrees=True).as_matrix()
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), None)
    affine = np.eye(4)
    affine[:3, :3] = rotation * (3.3, 9.0, 3.6)
    image.set_sform(affine, 1)  # as float32: its columns have other lengths in the seventh digit
    image.header["pixdim"][1:4] = (3.3, 9.0, 3.6)
    nib.save(image, tmp_path / "ct.nii")

    spacing = read_volume(tmp_path / "ct.nii").geometry.spacing_mm_ijk

    np.testing.assert_allclose(spacing, np.float32([3.3, 9.0, 3.6]), rtol=1e-12, atol=0)


@pytest.mark.parametrize("value", [3e30, 0.25])
def test_an_sform_that_is_damaged_is_reported(tmp_path: Path, value: float) -> None:
    path = nifti(tmp_path / "ct.nii", TURNED, 1, TURNED, 1)
    content = bytearray(path.read_bytes())
    content[280:328] = np.full(12, value, "<f4").tobytes()
    path.write_bytes(content)
    with pytest.warns(GridWarning, match="a damaged one in its sform.*The qform is used"):
        volume = read_volume(path)
    np.testing.assert_allclose(RAS_TO_LPS @ volume.geometry.affine_lps, TURNED, atol=1e-5)
