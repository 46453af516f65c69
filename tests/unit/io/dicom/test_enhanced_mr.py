"""Enhanced MR and PET: one file of many frames, several of them at each place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import EnhancedMRImageStorage, EnhancedPETImageStorage

from dicom_files import grouped, mr_values, write_enhanced, write_mr
from radsam.errors import SeriesError
from radsam.io.volume_read import read_info, read_volume

SLICES = 3
#: Double oblique: a plane that is turned about two axes of the patient.
DOUBLE_OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, 0.6)


def magnetic(dataset: FileDataset) -> None:
    dataset.Modality = "MR"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER", "NONE"]


def write(path: Path, groups: Sequence[Dataset], **written: object) -> np.ndarray:
    """Write `SLICES` frames for each of the groups, which alternate at every place; return their values."""
    count = len(groups)
    frames = mr_values((SLICES * count, 6, 5))

    def add(k: int, item: Dataset) -> None:
        # The frame's content has its own elements besides those of the group.
        content, extra = item.FrameContentSequence[0], groups[k % count]
        item.update({tag: each for tag, each in extra.items() if each.keyword != "FrameContentSequence"})
        content.update(dict(next(iter(extra.get("FrameContentSequence") or []), Dataset()).items()))

    places = [k // count for k in range(len(frames))]
    write_enhanced(path, frames, places=places, group=add, edit=magnetic, rescale=[(1.0, 0.0)], **written)
    return frames.reshape(SLICES, count, 6, 5).swapaxes(0, 1)


def _gradient(b: float, direction: Sequence[float] | None) -> Dataset:
    item = grouped(MRDiffusionSequence={"DiffusionBValue": b})
    if direction is not None:
        inner = Dataset()
        inner.DiffusionGradientOrientation = list(direction)
        item.MRDiffusionSequence[0].DiffusionGradientDirectionSequence = [inner]
    return item


def _kind(component: str) -> Dataset:
    frame_type = {"FrameType": ["ORIGINAL", "PRIMARY", "OTHER", "NONE"], "ComplexImageComponent": component}
    return grouped(MRImageFrameTypeSequence=frame_type)


@pytest.mark.parametrize(
    ("groups", "selectors"),
    [
        (
            [grouped(MREchoSequence={"EffectiveEchoTime": te}) for te in (4.6, 9.2)],
            ["te=4.6", "te=9.2"],
        ),
        (
            [grouped(FrameContentSequence={"TemporalPositionIndex": time}) for time in (1, 2, 3)],
            ["time=1", "time=2", "time=3"],
        ),
        (
            [_gradient(0.0, None), _gradient(800.0, (1, 0, 0)), _gradient(800.0, (0, 0.6, 0.8))],
            ["b=0", "b=800#dir=1", "b=800#dir=2"],
        ),
        ([_kind("MAGNITUDE"), _kind("PHASE")], ["type=MAGNITUDE", "type=PHASE"]),
        (
            [
                grouped(CardiacSynchronizationSequence={"NominalCardiacTriggerDelayTime": float(ms)})
                for ms in (0, 40)
            ],
            ["trigger=0", "trigger=40"],
        ),
        # Only the file's own dimensions tell them apart.
        (
            [grouped(FrameContentSequence={"DimensionIndexValues": [1, contrast]}) for contrast in (1, 2)],
            ["dim2=1", "dim2=2"],
        ),
    ],
)  # fmt: skip
def test_frames_of_one_place_are_chosen_by_what_differs(
    tmp_path: Path, groups: Sequence[Dataset], selectors: Sequence[str]
) -> None:
    path = tmp_path / "mr.dcm"
    values = write(path, groups, cosines=DOUBLE_OBLIQUE)
    with pytest.raises(SeriesError, match="several images of each place") as caught:
        read_volume(path)
    (series,) = read_info(path).series
    assert [each.selector for each in series.parts] == [f"1#{each}" for each in selectors]
    for selector, expected in zip(selectors, values, strict=True):
        assert f"1#{selector}: 3 slices" in str(caught.value)
        volume = read_volume(path, series=f"1#{selector}")
        assert volume.modality == "MR"
        np.testing.assert_array_equal(volume.values, expected)
    single = tmp_path / "single"
    write_mr(single, values[0], cosines=DOUBLE_OBLIQUE)
    assert volume.geometry.same_grid(read_volume(single).geometry)


def test_stacks_of_one_file_are_chosen_by_their_plane(tmp_path: Path) -> None:
    frames = mr_values((6, 6, 5))
    other = grouped(PlaneOrientationSequence={"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]})

    def add(k: int, item: Dataset) -> None:
        item.FrameContentSequence[0].StackID = str(1 + k // 3)
        if k >= 3:
            item.update(dict(other.items()))
            item.PlanePositionSequence[0].ImagePositionPatient = [5.0 - 2.5 * (k - 3), -20.0, 40.0]

    path = write_enhanced(tmp_path / "mr.dcm", frames, group=add, edit=magnetic, rescale=[(1.0, 0.0)])
    np.testing.assert_array_equal(read_volume(path, series="1#plane=axial").values, frames[:3])
    np.testing.assert_array_equal(read_volume(path, series="1#plane=sagittal").values, frames[3:])
    np.testing.assert_array_equal(read_volume(path, series="1#stack=1").values, frames[:3])


def test_scale_slopes_of_philips_are_found_in_each_frame(tmp_path: Path) -> None:
    tissue = mr_values((1, 6, 5))[0].astype(float) * 8.0
    slopes, private = [1.0, 2.0, 4.0], [0.5, 0.5, 0.25]

    def add(k: int, item: Dataset) -> None:
        inner = Dataset()
        inner.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", private[k])
        item.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
        item.add_new(0x2005140F, "SQ", [inner])

    rescaled = np.stack([tissue * slope * scale for slope, scale in zip(slopes, private, strict=True)])
    rescale = [(each, 0.0) for each in slopes]
    path = write_enhanced(tmp_path / "mr.dcm", rescaled, group=add, edit=magnetic, rescale=rescale)
    for slice_values in read_volume(path).values:
        np.testing.assert_allclose(slice_values, tissue, rtol=1e-6)


def test_an_enhanced_pet_is_read_in_suv_by_its_real_world_mapping(tmp_path: Path) -> None:
    """370 MBq of F-18, decay corrected to an hour later, in 74 kg; each frame has its own mapping to Bq/ml."""
    stored, slopes = mr_values((3, 6, 5)), [2.0, 3.0, 4.0]

    def add(k: int, item: Dataset) -> None:
        units = Dataset()
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = "Bq/ml", "UCUM", "Becquerels/milliliter"
        item.update(
            dict(
                grouped(
                    RealWorldValueMappingSequence={
                        "RealWorldValueSlope": slopes[k],
                        "RealWorldValueIntercept": 0.0,
                        "MeasurementUnitsCodeSequence": [units],
                    }
                ).items()
            )
        )

    def emitting(dataset: FileDataset) -> None:
        dataset.Modality = "PT"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedPETImageStorage
        dataset.ImageType, dataset.PatientWeight = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "74"
        dataset.DecayCorrectionDateTime = "20240131110000"
        item = Dataset()
        item.RadionuclideTotalDose, item.RadionuclideHalfLife = 370e6, 6588.0
        item.RadiopharmaceuticalStartDateTime = "20240131100000"
        dataset.RadiopharmaceuticalInformationSequence = [item]

    path = write_enhanced(tmp_path / "pet.dcm", stored, group=add, edit=emitting, rescale=[(1.0, 0.0)])
    volume = read_volume(path)
    assert (volume.modality, volume.unit) == ("PET", "SUV")
    expected = stored * np.array(slopes)[:, None, None] * 0.0002 * 2.0 ** (60 / 109.8)
    np.testing.assert_allclose(volume.values, expected, rtol=1e-5)


@pytest.mark.parametrize("cosines", [(0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1), DOUBLE_OBLIQUE])
def test_oblique_mr_lies_where_simpleitk_puts_it(tmp_path: Path, cosines: tuple[float, ...]) -> None:
    """Asymmetric values, unequal spacing, and a place off the axes: a mirrored or shifted grid does not pass."""
    values = mr_values((4, 9, 7))
    where = {"origin_lps": (-71.5, 33.25, 118.75), "spacing_mm_ijk": (0.4688, 0.9375, 5.5)}
    write_mr(tmp_path, values, cosines=cosines, names=["d", "b", "a", "c"], **where)
    volume = read_volume(tmp_path)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    np.testing.assert_array_equal(volume.values, sitk.GetArrayFromImage(image))
    for ijk in ((0, 0, 0), (6, 0, 0), (0, 8, 3), (5, 2, 1)):
        there = image.TransformIndexToPhysicalPoint(ijk)
        np.testing.assert_allclose(volume.geometry.index_to_mm(np.array(ijk, float)), there, atol=1e-4)
