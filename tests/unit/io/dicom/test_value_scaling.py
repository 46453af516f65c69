"""Values of MR: the rescale of each slice, and what makes the slices of a volume comparable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset

from dicom_files import mr_values, write_mr
from radsam.io.volume_read import read_volume

SHAPE = (3, 6, 5)


def _mapped(slopes: list[float], intercept: float, unit: str, items: int = 1) -> Callable[[int, FileDataset], None]:
    def edit(k: int, dataset: FileDataset) -> None:
        units = Dataset()
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
        mapping = Dataset()
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slopes[k % len(slopes)], intercept
        mapping.MeasurementUnitsCodeSequence = [units]
        dataset.RealWorldValueMappingSequence = [mapping] * items

    return edit


def _philips(slopes: list[float]) -> Callable[[int, FileDataset], None]:
    def edit(k: int, dataset: FileDataset) -> None:
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", slopes[k % len(slopes)])

    return edit


def test_a_rescale_that_differs_between_slices_is_applied(tmp_path: Path) -> None:
    values = mr_values(SHAPE) * 2.0
    write_mr(tmp_path, values, rescale=[(1.0, 0.0), (0.5, 0.0), (2.0, 0.0)])
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)


def test_without_a_rescale_a_real_world_mapping_counts(tmp_path: Path) -> None:
    values = mr_values(SHAPE)
    write_mr(tmp_path / "t2", values, edit=_mapped([0.1, 0.2, 0.1], -5.0, "ms"))
    expected = values * np.array([0.1, 0.2, 0.1])[:, None, None] - 5.0
    np.testing.assert_allclose(read_volume(tmp_path / "t2").values, expected, rtol=1e-6)


@pytest.mark.parametrize(("unit", "items"), [("ms", 2), ("", 1)])
def test_several_mappings_or_one_without_a_unit_do_not_count(tmp_path: Path, unit: str, items: int) -> None:
    values = mr_values(SHAPE)
    write_mr(tmp_path, values, edit=_mapped([0.1], -5.0, unit, items))
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)


def test_a_rescale_comes_before_a_real_world_mapping(tmp_path: Path) -> None:
    values = mr_values(SHAPE) * 2.0
    write_mr(tmp_path, values, rescale=[(2.0, 0.0)], edit=_mapped([7.0], 0.0, "ms"))
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)


def test_a_private_slope_that_is_the_same_everywhere_changes_nothing(tmp_path: Path) -> None:
    values = mr_values(SHAPE) * 2.0
    write_mr(tmp_path, values, rescale=[(2.0, 0.0)], edit=_philips([0.0125]))
    volume = read_volume(tmp_path)
    assert volume.values.dtype == np.int16
    np.testing.assert_array_equal(volume.values, values)


def test_a_private_slope_that_differs_makes_slices_comparable(tmp_path: Path) -> None:
    """The same tissue in every slice, which the scanner stored with another slope each."""
    tissue = mr_values((1, 6, 5))[0].astype(float) * 8.0
    slopes, private = [1.0, 2.0, 4.0], [0.5, 0.5, 0.25]
    rescaled = np.stack([tissue * slope * scale for slope, scale in zip(slopes, private, strict=True)])
    write_mr(tmp_path, rescaled, rescale=[(each, 0.0) for each in slopes], edit=_philips(private))
    values = read_volume(tmp_path).values
    for k in range(3):
        np.testing.assert_allclose(values[k], tissue, rtol=1e-6)


def test_a_slope_of_zero_is_none(tmp_path: Path) -> None:
    values = mr_values(SHAPE)
    for path in write_mr(tmp_path, values):
        dataset = pydicom.dcmread(path)
        dataset.RescaleSlope, dataset.RescaleIntercept = 0, 0
        dataset.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path).values, values)
