"""A CT as a DICOM series, for examples and trials without a patient's images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from radsam.disk.atomic_write import make_folder, replacing
from radsam.errors import OutputError
from radsam.volume import Volume

#: What air is in HU: stored values begin there.
_INTERCEPT = -1024
#: What a CT must state, and a phantom does not have.
_EMPTY = ["PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "Laterality"]
_EMPTY += ["ReferringPhysicianName", "PositionReferenceIndicator", "KVP"]


def write_series(volume: Volume, folder: Path, *, patient: str = "Phantom") -> Path:
    """Write a synthetic CT as a DICOM series, a file for each slice k.

    Args:
        volume: A CT on a grid with perpendicular axes of which i, j and k make a right-handed system, as DICOM's.
        folder: Where to; made if it does not exist.
        patient: PatientName and PatientID.

    Returns:
        The folder.

    Raises:
        OutputError: DICOM cannot hold the grid as it is stored, or the files cannot be written.
    """
    geometry = volume.geometry
    if np.linalg.det(geometry.direction) < 0:
        raise OutputError(
            "The slices of a DICOM series follow the normal of rows and columns; turn the volume over first."
        )
    make_folder(folder)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(geometry.shape_kji[0]):
        dataset = _slice(volume, k)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.PatientName, dataset.PatientID = patient, patient
        with replacing(folder / f"{k:04}.dcm") as part:
            dataset.save_as(part, enforce_file_format=True)
    return folder


def _slice(volume: Volume, k: int) -> FileDataset:
    """Return slice k, without what the series has in common."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    for empty in _EMPTY:
        setattr(dataset, empty, "")
    dataset.Manufacturer = "RadSAM"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 1, 1, k + 1
    dataset.SeriesDescription, dataset.PatientPosition = "synthetic", "HFS"
    geometry = volume.geometry
    di, dj, dk = geometry.spacing_mm_ijk
    dataset.ImagePositionPatient = [_ds(x) for x in geometry.index_to_mm(np.array([0.0, 0.0, float(k)]))]
    dataset.ImageOrientationPatient = [_ds(x) for x in geometry.direction[:, :2].T.ravel()]
    dataset.PixelSpacing, dataset.SliceThickness = [_ds(dj), _ds(di)], _ds(dk)
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, _INTERCEPT, "HU"
    dataset.Rows, dataset.Columns = volume.values.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    stored = np.clip(np.rint(volume.values[k].astype(np.float64)) - _INTERCEPT, 0, 65535).astype(np.uint16)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _ds(number: float) -> str:
    """Write a number within the 16 characters of a DS."""
    return f"{number:.10f}"[:16]
