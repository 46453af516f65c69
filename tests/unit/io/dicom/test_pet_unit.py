"""PET in SUV by body weight, compared with numbers that were computed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from dicom_files import mr_values, stating, write_pet
from radsam.io.dicom.value_scaling import UnitWarning
from radsam.io.middle_slice import read_middle_slice
from radsam.io.volume_read import read_info, read_volume

SHAPE = (3, 6, 5)
#: 74,000 g / 370,000,000 Bq at the time of the injection; an hour is 60 / 109.8 of a half-life of F-18.
AT_INJECTION, HOUR = 0.0002, 2.0 ** (60 / 109.8)


def check(folder: Path, bq_ml: np.ndarray, factor: float) -> None:
    volume = read_volume(folder)
    assert (volume.modality, volume.unit) == ("PET", "SUV")
    assert volume.values.dtype == np.float32
    np.testing.assert_allclose(volume.values, bq_ml * factor, rtol=1e-5)
    middle = read_middle_slice(folder)
    assert middle.unit == "SUV"
    np.testing.assert_allclose(middle.values[0], volume.values[1], rtol=1e-6)
    info = read_info(folder)
    assert (info.notes, info.to_dict()["unit"]) == ((), "SUV")


def test_activity_is_divided_by_the_dose_that_is_left(tmp_path: Path) -> None:
    """5000 Bq/ml are 1.46 SUV: after an hour, 253.3 of 370 MBq are left in 74 kg."""
    values = mr_values(SHAPE)
    values[0, 0, 0] = 5000
    write_pet(tmp_path, values)
    check(tmp_path, values, AT_INJECTION * HOUR)
    assert float(read_volume(tmp_path).values[0, 0, 0]) == pytest.approx(1.46046, abs=1e-4)


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    values = np.rint(mr_values(SHAPE) / 4) * 4.0
    write_pet(tmp_path, values, rescale=[(0.5, 0.0), (2.0, 0.0), (0.25, 0.0)])
    check(tmp_path, values, AT_INJECTION * HOUR)


@pytest.mark.parametrize(
    ("edit", "tracer", "factor"),
    [
        (stating(DecayCorrection="ADMIN"), {}, AT_INJECTION),
        (stating(DecayCorrection="ADMIN"), {"RadionuclideHalfLife": None}, AT_INJECTION),
        # The day before, by its date or because it would be later than the scan.
        (
            stating(SeriesTime="003000", AcquisitionTime="003100"),
            {"RadiopharmaceuticalStartTime": "233000"},
            AT_INJECTION * HOUR,
        ),
        (
            stating(SeriesTime="003000", AcquisitionTime="003100"),
            {"RadiopharmaceuticalStartDateTime": "20240130233000.000+0100", "RadiopharmaceuticalStartTime": None},
            AT_INJECTION * HOUR,
        ),
        # A date that another anonymiser moved.
        ({}, {"RadiopharmaceuticalStartDateTime": "20190101100000"}, AT_INJECTION * HOUR),
        # Two days after the injection of Zr-89.
        (
            {},
            {"RadiopharmaceuticalStartDateTime": "20240129110000", "RadionuclideHalfLife": "172800"},
            AT_INJECTION * 2,
        ),
        # Made again later, or without its time: the first image counts, at 11:00:30.5.
        (stating(SeriesTime="170000"), {}, AT_INJECTION * 2.0 ** (3630.5 / 6588)),
        (stating(SeriesTime=""), {}, AT_INJECTION * 2.0 ** (3630.5 / 6588)),
        # Without a time of acquisition, that of the series.
        (stating(AcquisitionTime="", AcquisitionDate=""), {}, AT_INJECTION * HOUR),
        # All dates removed.
        (stating(SeriesDate="", AcquisitionDate="", StudyDate=""), {}, AT_INJECTION * HOUR),
        # A series made later, whose only bed position was measured from 11:10:30.5 on, for an hour: its mean counts
        # were those at half the time less λ t² / 24, 1743.25 s, which the scanner puts 2343.25 s after its start.
        (
            stating(
                SeriesTime="170000", AcquisitionTime="111030.5", ActualFrameDuration=3600000,
                FrameReferenceTime="2343.25e3",
            ),
            {},
            AT_INJECTION * 2.0 ** (3630.5 / 6588),
        ),
        (stating(Units="GML"), {"RadionuclideTotalDose": None}, 1.0),
        (stating(Units="GML", SUVType="BW"), {}, 1.0),
    ],
)  # fmt: skip
def test_the_headers_say_how_activity_becomes_suv(tmp_path: Path, edit, tracer, factor: float) -> None:
    values = mr_values(SHAPE)
    values[0, 0, 0] = 1
    write_pet(tmp_path, values, edit=edit or None, tracer=tracer, rescale=[(1.0, 0.0)])
    volume = read_volume(tmp_path)
    assert volume.unit == "SUV"
    np.testing.assert_allclose(volume.values, values * factor, rtol=2e-4 if factor != 1.0 else 0)


def _philips(suv: float, activity: float):
    def edit(k: int, dataset: FileDataset) -> None:
        dataset.Units = "CNTS"
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", str(suv))
        block.add_new(0x09, "DS", str(activity))

    return edit


@pytest.mark.parametrize(
    ("suv", "activity", "factor"), [(0.000341, 0, 0.000341), (0, 1.5, 1.5 * AT_INJECTION * HOUR), (0.5, 1.5, 0.5)]
)
def test_counts_of_philips_have_private_factors(tmp_path: Path, suv: float, activity: float, factor: float) -> None:
    values = mr_values(SHAPE)
    write_pet(tmp_path, values, edit=_philips(suv, activity))
    np.testing.assert_allclose(read_volume(tmp_path).values, values * factor, rtol=1e-5)
    assert read_volume(tmp_path).unit == "SUV"


@pytest.mark.parametrize(
    ("edit", "tracer", "unit", "words"),
    [
        ({}, {"RadionuclideTotalDose": None}, "Bq/ml", ["not SUV", "do not state the injected dose"]),
        ({}, {"RadionuclideHalfLife": None}, "Bq/ml", ["half-life"]),
        ({}, {"RadiopharmaceuticalStartTime": None}, "Bq/ml", ["time of the injection"]),
        (stating(PatientWeight=""), {"RadionuclideTotalDose": None}, "Bq/ml", ["dose", "body weight"]),
        (stating(PatientWeight="0"), {}, "Bq/ml", ["body weight (PatientWeight)"]),
        ({}, {"RadionuclideTotalDose": "370"}, "Bq/ml", ["370 Bq, which looks like another unit"]),
        (stating(DecayCorrection="NONE"), {}, "Bq/ml", ["decay correction is NONE"]),
        (stating(CorrectedImage=["DECY"]), {}, "Bq/ml", ["not corrected for attenuation"]),
        (stating(SeriesTime="", AcquisitionTime=""), {}, "Bq/ml", ["time of the scan"]),
        ({}, {"RadionuclideHalfLife": "122"}, "Bq/ml", ["injection at 10:00 and the scan at 11:00"]),
        (stating(Units="CNTS"), {}, "", ["unit CNTS"]),
        (stating(Units=""), {}, "", ["have no unit"]),
    ],
)
def test_what_is_missing_is_named_and_the_values_stay(tmp_path: Path, edit, tracer, unit: str, words) -> None:
    values = mr_values(SHAPE)
    write_pet(tmp_path, values, edit=edit or None, tracer=tracer)
    with pytest.warns(UnitWarning) as caught:
        volume = read_volume(tmp_path)
    assert volume.unit == unit
    np.testing.assert_array_equal(volume.values, values)
    (warning,) = caught
    assert read_info(tmp_path).notes == (str(warning.message),)
    for word in words:
        assert word in str(warning.message)


def test_suv_of_another_kind_are_named(tmp_path: Path) -> None:
    write_pet(tmp_path, mr_values(SHAPE), edit=stating(Units="GML", SUVType="LBM"))
    with pytest.warns(UnitWarning, match="type LBM, not by body weight"):
        assert read_volume(tmp_path).unit == "SUV"


def test_a_pet_that_the_user_takes_for_something_else_stays_as_stored(tmp_path: Path) -> None:
    values = mr_values(SHAPE)
    write_pet(tmp_path, values)
    volume = read_volume(tmp_path, modality="other")
    assert volume.unit == ""
    np.testing.assert_array_equal(volume.values, values)
