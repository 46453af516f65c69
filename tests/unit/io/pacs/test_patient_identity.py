"""What a cached image keeps: all that its values follow from, and nothing that identifies the patient."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset

from dicom_files import grouped, mr_values, write_enhanced, write_mr
from radsam.io.dicom.slice_header import SliceHeader, read_headers
from radsam.io.pacs.patient_identity import without_identity


def _header(path: Path) -> tuple[SliceHeader, ...]:
    found = read_headers(path)
    assert isinstance(found, tuple)
    return found


def test_private_numbers_and_real_world_values_are_kept(tmp_path: Path) -> None:
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "800")
        scaling = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        scaling.add_new(0x0E, "FL", 0.25)
        scaling.add_new(0x37, "LO", "Doe^Jane")
        units = Dataset()
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = "ms", "UCUM", "ms"
        mapping = {"RealWorldValueSlope": 0.5, "RealWorldValueIntercept": 1.0, "MeasurementUnitsCodeSequence": [units]}
        dataset.update(dict(grouped(RealWorldValueMappingSequence=mapping).items()))

    (path, *_) = write_mr(tmp_path, mr_values((2, 6, 5)), edit=edit)
    (before,) = _header(path)
    kept = without_identity(pydicom.dcmread(path))
    assert "Doe^Jane" not in str(kept)
    assert "PatientName" not in kept
    kept.save_as(path)
    (after,) = _header(path)
    assert (after.traits, after.scaling) == (before.traits, before.scaling)
    assert (after.traits.stated["b"], after.scaling.philips_slope, after.scaling.real_world) == (
        "800",
        0.25,
        (0.5, 1.0),
    )


def test_so_are_those_of_each_frame(tmp_path: Path) -> None:
    def group(k: int, item: Dataset) -> None:
        inner = Dataset()
        block = inner.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", 0.25 * (k + 1))
        block.add_new(0x37, "LO", "Doe^Jane")
        item.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
        item.add_new(0x2005140F, "SQ", [inner])

    path = write_enhanced(tmp_path / "mr.dcm", mr_values((3, 6, 5)), group=group, rescale=[(1.0, 0.0)])
    kept = without_identity(pydicom.dcmread(path))
    assert "Doe^Jane" not in str(kept)
    kept.save_as(path)
    assert [each.scaling.philips_slope for each in _header(path)] == [0.25, 0.5, 0.75]
