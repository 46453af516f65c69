"""Synthetic DICOM series for tests, written with pydicom and recompressed with GDCM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
#: Every series of a test is of this study and in this frame of reference, unless its `edit` says otherwise.
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
    for k, slice_hu in enumerate(hu):
        slope, intercept = rescale[k % len(rescale)]
        stored = np.rint((slice_hu - intercept) / slope).astype(np.int16 if signed else np.uint16)
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


def write_report(path: Path, modality: str = "RTSTRUCT") -> None:
    """Write a DICOM object that is not an image."""
    dataset = _dataset("1.2.840.10008.5.1.4.1.1.481.3", implicit=False)
    dataset.Modality = modality
    dataset.SeriesInstanceUID = generate_uid()
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
