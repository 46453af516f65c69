"""Are Hounsfield units the stored values × slope + intercept, however the pixels are stored?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from dicom_files import COMPRESSED, ct_values, transcode, write_enhanced, write_series
from radsam.errors import SeriesError
from radsam.io.volume_read import read_volume


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2", ""])
@pytest.mark.parametrize("stored", ["explicit", "implicit", "big endian", "deflated", *COMPRESSED])
def test_the_display_of_an_image_does_not_change_its_values(tmp_path: Path, photometric: str, stored: str) -> None:
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.PhotometricInterpretation = photometric
        if stored == "deflated":
            dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    hu = ct_values()
    paths = write_series(tmp_path / "series", hu, implicit=stored == "implicit", edit=edit)
    for path in paths:
        if stored in COMPRESSED and photometric:  # GDCM does not compress an image without one
            transcode(path, COMPRESSED[stored])
        if stored == "big endian":
            dataset = pydicom.dcmread(path)
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
            pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, enforce_file_format=True)
    np.testing.assert_array_equal(read_volume(tmp_path / "series").values, hu)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("deflated", [False, True])
def test_nor_does_that_of_an_enhanced_image(tmp_path: Path, photometric: str, deflated: bool) -> None:
    hu = ct_values()
    path = write_enhanced(tmp_path / "ct.dcm", hu, rescale=[(1.0, -1024.0), (0.5, -1030.0)])
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = photometric
    if deflated:
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    np.testing.assert_array_equal(read_volume(path).values, hu)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bits=st.integers(8, 16).flatmap(lambda stored: st.tuples(st.just(stored), st.integers(0, 16 - stored))),
    signed=st.booleans(),
    slopes=st.lists(st.sampled_from([1.0, 2.0, 0.1, 0.25, -1.0, 40_000.0]), min_size=3, max_size=3),
    intercept=st.sampled_from([0.0, -1024.0, -1000.5, 1e6]),
    seed=st.integers(0, 2**16),
)
def test_only_the_stored_bits_count(
    tmp_path_factory: pytest.TempPathFactory,
    bits: tuple[int, int],
    signed: bool,
    slopes: list[float],
    intercept: float,
    seed: int,
) -> None:
    """Bits above and below, as old overlays use them, do not belong to the value; each slice has its own rescale."""
    stored_bits, below = bits
    numbers = np.random.default_rng(seed)
    low = -(1 << (stored_bits - 1)) if signed else 0
    values = numbers.integers(low, low + (1 << stored_bits), (3, 6, 5))
    values[:, 0, :2] = low, low + (1 << stored_bits) - 1
    kept = ((1 << stored_bits) - 1) << below
    pixels = ((values << below) & kept) | (numbers.integers(0, 1 << 16, values.shape) & ~kept & 0xFFFF)

    def edit(k: int, dataset: FileDataset) -> None:
        dataset.PixelData = pixels[k].astype("<u2").tobytes()
        dataset.PixelRepresentation = int(signed)
        dataset.BitsStored, dataset.HighBit = stored_bits, stored_bits + below - 1
        dataset.RescaleSlope, dataset.RescaleIntercept = slopes[k], intercept
        dataset.PixelPaddingValue = low

    folder = tmp_path_factory.mktemp("series")
    write_series(folder, np.zeros(values.shape, np.int16), edit=edit)
    expected = np.stack([each * slope + intercept for each, slope in zip(values, slopes, strict=True)])
    np.testing.assert_array_equal(read_volume(folder).values.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("high_bit", [3, 15, 40])
def test_a_high_bit_that_contradicts_the_stored_bits_is_not_used(tmp_path: Path, high_bit: int) -> None:
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.BitsStored, dataset.HighBit = 16, high_bit

    hu = ct_values()
    write_series(tmp_path, hu, edit=edit)
    np.testing.assert_array_equal(read_volume(tmp_path).values, hu)


def test_indices_of_a_palette_are_refused(tmp_path: Path) -> None:
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.PhotometricInterpretation = "PALETTE COLOR"

    write_series(tmp_path, ct_values(), edit=edit)
    with pytest.raises(SeriesError, match="colour images"):
        read_volume(tmp_path)
