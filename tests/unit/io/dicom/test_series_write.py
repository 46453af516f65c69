"""Is a synthetic CT the same volume after it was written as a DICOM series, and can labels refer to it?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import radsam
from dicom_files import check_with_dciodvfy
from radsam.data.adapters.phantom import make_phantom
from radsam.errors import OutputError
from radsam.io.dicom.series_write import write_series
from radsam.volume import Modality, Volume


@pytest.fixture(scope="module")
def phantom() -> Volume:
    """Tilted, with three different spacings and sizes, and columns that grow to the patient's left."""
    return make_phantom(shape_ijk=(40, 34, 7), spacing_mm_ijk=(8.0, 9.0, 25.0), axes="LPS").volume


@pytest.fixture(scope="module")
def series(phantom: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_series(phantom, tmp_path_factory.mktemp("dicom") / "ct")


def test_it_is_read_back_as_it_was(phantom: Volume, series: Path):
    read = radsam.read_volume(series)
    assert read.modality is Modality.CT
    np.testing.assert_array_equal(read.values, phantom.values)
    assert read.geometry.shape_kji == phantom.geometry.shape_kji
    # Ten decimals are written of each coordinate.
    np.testing.assert_allclose(read.geometry.affine_lps, phantom.geometry.affine_lps, atol=1e-6)


def test_a_slice_is_valid_dicom(series: Path):
    check_with_dciodvfy(series / "0003.dcm")


def test_labels_are_written_as_a_seg_on_it(series: Path, tmp_path: Path):
    volume = radsam.read_volume(series)
    ids = np.zeros(volume.geometry.shape_kji, np.uint16)
    ids[2:5, 10:20, 4:9] = 1
    labels = radsam.LabelVolume(ids, volume.geometry, {1: "liver"})
    radsam.write_labels(labels, tmp_path / "liver.dcm", source=radsam.read_source(series))
    np.testing.assert_array_equal(radsam.read_labels(tmp_path / "liver.dcm", on=volume).ids > 0, ids > 0)


def test_a_grid_that_no_series_has_is_refused(tmp_path: Path):
    mirrored = make_phantom(shape_ijk=(12, 10, 3), spacing_mm_ijk=(30.0, 30.0, 60.0), axes="LPI").volume
    with pytest.raises(OutputError, match="turn the volume over"):
        write_series(mirrored, tmp_path / "ct")
    assert not (tmp_path / "ct").exists()
