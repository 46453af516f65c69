"""What is written is read back in the same place, whatever the grid."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicom_files import ct_values, write_series
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import LABEL_SUFFIXES, write_labels
from radsam.volume import Geometry, LabelVolume

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

spacings = st.floats(0.2, 8.0)
angles = st.floats(-180.0, 180.0)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Any grid of perpendicular axes: oblique, mirrored, permuted, anisotropic."""
    shape_kji = tuple(draw(st.integers(2, 7)) for _ in range(3))
    turn = Rotation.from_euler("xyz", [draw(angles) for _ in range(3)], degrees=True).as_matrix()
    axes = np.eye(3)[:, draw(st.permutations(range(3)))] * [draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)]
    origin_lps = tuple(draw(st.floats(-900, 900)) for _ in range(3))
    return Geometry.from_parts(shape_kji, origin_lps, tuple(draw(spacings) for _ in range(3)), turn @ axes)


def corners_ijk(geometry: Geometry) -> np.ndarray:
    i, j, k = (n - 1.0 for n in geometry.shape_ijk)
    return np.array([[a, b, c] for a in (0, i) for b in (0, j) for c in (0, k)])


@settings(max_examples=25)
@given(geometry=geometries(), suffix=st.sampled_from(LABEL_SUFFIXES), seed=st.integers(0, 99))
def test_labels_survive_writing_and_reading_on_any_grid(geometry: Geometry, suffix: str, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 300, geometry.shape_kji).astype(np.uint16)
    ids.flat[0] = 299
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mask{suffix}"
        write_labels(LabelVolume(ids, geometry), path)
        back = read_labels(path)
        np.testing.assert_array_equal(back.ids, ids)
        assert back.geometry.same_grid(geometry)
        if suffix != ".nrrd":
            image = nib.load(path)
            np.testing.assert_array_equal(np.asanyarray(image.dataobj), ids.T)
            seen_lps = nib.affines.apply_affine(RAS_FROM_LPS @ image.affine, corners_ijk(geometry))
            np.testing.assert_allclose(seen_lps, geometry.index_to_mm(corners_ijk(geometry)), atol=2e-3)


@settings(max_examples=25)
@given(geometry=geometries(), seed=st.integers(0, 99))
def test_a_nifti_by_nibabel_is_read_in_the_place_nibabel_means(geometry: Geometry, seed: int) -> None:
    hu = np.random.default_rng(seed).integers(-1000, 1000, geometry.shape_kji).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nii.gz"
        nib.save(nib.Nifti1Image(hu.T, RAS_FROM_LPS @ geometry.affine_lps), path)
        volume = read_volume(path)
    np.testing.assert_array_equal(volume.values, hu)
    assert volume.geometry.same_grid(geometry)


@settings(max_examples=15)
@given(geometry=geometries(), seed=st.integers(0, 99))
def test_a_dicom_series_is_read_as_simpleitk_reads_it(geometry: Geometry, seed: int) -> None:
    hu = ct_values(geometry.shape_kji, seed)
    direction = geometry.direction
    with tempfile.TemporaryDirectory() as name:
        write_series(
            Path(name),
            hu,
            origin_lps=geometry.origin_lps,
            spacing_mm_ijk=[round(s, 4) for s in geometry.spacing_mm_ijk],
            cosines=[round(c, 8) for c in direction[:, :2].T.ravel()],
            names=[f"{(k * 5 + seed) % 97:02d}" for k in range(len(hu))],
            edit=_with_short_decimals,
        )
        volume = read_volume(name)
        image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(name))
        theirs = Geometry.from_parts(
            image.GetSize()[::-1],
            image.GetOrigin(),
            image.GetSpacing(),
            np.array(image.GetDirection()).reshape(3, 3),
        )
        np.testing.assert_array_equal(volume.values, sitk.GetArrayFromImage(image))
        assert volume.geometry.same_grid(theirs)


def _with_short_decimals(k: int, dataset) -> None:
    """A decimal string has at most 16 characters."""
    dataset.ImagePositionPatient = [round(float(x), 6) for x in dataset.ImagePositionPatient]
