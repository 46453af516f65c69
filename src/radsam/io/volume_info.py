"""Description of a volume from its headers, for listings and for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radsam.errors import SeriesError
from radsam.io.dicom.dicom_labels import DicomLabels
from radsam.io.dicom.dicom_series import Listing, Series, left_out_note, select_series
from radsam.io.dicom.slice_stack import stack
from radsam.io.dicom.value_scaling import scaled
from radsam.volume import Geometry, Modality


@dataclass(frozen=True)
class PartInfo:
    """One acquisition, echo or the like of a series that holds several images of the same place.

    Args:
        selector: What ``series=`` accepts.
        slices: Number of images.
        spacing_mm_ijk: Voxel spacing, or None if these images do not make a volume either.
        problem: Why they do not; empty if they do.
        about: What else tells them from the others: "te 92".
    """

    selector: str
    slices: int
    spacing_mm_ijk: tuple[float, float, float] | None
    problem: str
    about: str = ""


@dataclass(frozen=True)
class SeriesInfo:
    """One image series of a DICOM folder.

    Args:
        number: What ``series=`` accepts, besides the UID.
        uid: SeriesInstanceUID.
        modality: DICOM modality.
        description: SeriesDescription.
        slices: Number of images.
        shape_ij: Columns and rows of the first image.
        spacing_mm_ijk: Voxel spacing, or None if the images do not make a volume.
        acquisitions: Number of images of each AcquisitionNumber.
        problem: Why the images do not make a volume; empty if they do.
        study_uid: StudyInstanceUID.
        patient_position: PatientPosition ("HFS"), empty if absent.
        parts: What each acquisition, echo and so on is on its own, where they must not be stacked.
    """

    number: int
    uid: str
    modality: str
    description: str
    slices: int
    shape_ij: tuple[int, int]
    spacing_mm_ijk: tuple[float, float, float] | None
    acquisitions: dict[str, int]
    problem: str
    study_uid: str = ""
    patient_position: str = ""
    parts: tuple[PartInfo, ...] = ()


@dataclass(frozen=True)
class StudyInfo:
    """One study of a DICOM folder.

    Args:
        uid: StudyInstanceUID.
        date: StudyDate, YYYYMMDD; empty if absent.
        description: StudyDescription.
        series: The numbers of its series in the listing.
    """

    uid: str
    date: str
    description: str
    series: tuple[int, ...]


@dataclass(frozen=True)
class ObjectInfo:
    """A DICOM object that is not an image.

    Args:
        path: Where it lies.
        modality: "SEG", "RTSTRUCT", "SR", …
        description: SeriesDescription.
        kind: Name of its SOP class; empty for a private one.
    """

    path: str
    modality: str
    description: str
    kind: str = ""


@dataclass(frozen=True)
class ScanInfo:
    """What tells the images of a DICOM volume from those of another series or phase.

    Args:
        uid: SeriesInstanceUID.
        number: SeriesNumber.
        description: SeriesDescription.
        acquisition: AcquisitionNumber, if the series has several and this is one of them; else empty.
        part: What else tells it from the other images of its series: "echo=2"; empty for the whole series.
        time: When its first image was acquired, HH:MM:SS; empty if unknown.
        contrast: ContrastBolusAgent; empty if none is stated.
        slices: Number of images.
    """

    uid: str
    number: int
    description: str
    acquisition: str
    time: str
    contrast: str
    slices: int
    part: str = ""


@dataclass(frozen=True)
class VolumeInfo:
    """Description of a volume, without its voxels.

    Args:
        source: The path that was given.
        format: Name of the file format.
        file_bytes: Size on disk; of a folder, of the images of the chosen series.
        geometry: The grid, or None if a DICOM folder needs a choice or cannot be stacked.
        modality: "CT", "MR", "PET" or "other"; empty where neither the file nor the user says it. Of other DICOM
            objects, DICOM's own code.
        dtype: Type of the stored values.
        series: The listing of a DICOM folder; empty for a file.
        problem: Why `geometry` is None; empty otherwise.
        studies: The studies of a DICOM folder.
        objects: Content of a DICOM folder besides images.
        names: Of a DICOM SEG or RTSTRUCT, the names of its objects.
        notes: What was left out, and other facts that stop nothing, as sentences.
        modality_source: Who says it: "header", "given", "values" (guessed from the voxels); empty if nobody does.
        modality_doubt: Why it may be another one, with the option that says so; empty if it is sure.
        scan: What tells this volume from others of its DICOM folder; None for a file.
        volumes: Number of volumes in a file, of which one must be chosen by its index where there are several.
        stated_unit: The unit of another modality than CT, as far as its headers say it.
    """

    source: str
    format: str
    file_bytes: int
    geometry: Geometry | None
    modality: str
    dtype: str
    series: tuple[SeriesInfo, ...] = ()
    problem: str = ""
    studies: tuple[StudyInfo, ...] = ()
    objects: tuple[ObjectInfo, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    modality_source: str = "header"
    modality_doubt: str = ""
    scan: ScanInfo | None = None
    volumes: int = 1
    stated_unit: str = ""

    @property
    def unit(self) -> str:
        """Unit of the values: "HU" of a CT, else as stated; empty where they have none, as those of MR."""
        return "HU" if self.modality == Modality.CT else self.stated_unit

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; lengths are in mm, directions are LPS."""
        described = asdict(self)
        del described["geometry"], described["stated_unit"]
        grid = self.geometry
        return described | {
            "unit": self.unit,
            "shape_ijk": None if grid is None else grid.shape_ijk,
            "spacing_mm_ijk": None if grid is None else grid.spacing_mm_ijk,
            "origin_lps": None if grid is None else grid.origin_lps,
            "affine_lps": None if grid is None else grid.affine_lps.tolist(),
        }


def describe_dicom(path: Path, listing: Listing, series: str | None) -> VolumeInfo:
    """Describe a DICOM folder, zip or enhanced image.

    Args:
        path: The user's path.
        listing: The content of the folder.
        series: As for `read_volume`.

    Raises:
        SeriesError: `series` does not exist.
    """
    chosen, geometry, problem, unit, doubt = listing.series[0], None, "", "", ""
    if series is not None:
        chosen = select_series(listing.series, series)
    try:
        if series is None:
            chosen = select_series(listing.series, None)
        stacked = stack(chosen)
        values = scaled(stacked, Modality.of_dicom(chosen.modality))
        geometry, unit, doubt = stacked.geometry, values.unit, values.doubt
    except SeriesError as error:
        problem = str(error)
    files = {each.path for each in chosen.slices}
    return VolumeInfo(
        source=str(path),
        format="DICOM (zip)" if path.suffix.lower() == ".zip" and path.is_file() else "DICOM",
        file_bytes=sum(each.stat().st_size for each in files),
        geometry=geometry,
        modality=Modality.of_dicom(chosen.modality).value,
        dtype=chosen.slices[0].dtype,
        series=tuple(_series_info(each) for each in listing.series),
        problem=problem,
        studies=_studies(listing),
        objects=tuple(
            ObjectInfo(_below(each.path, path), each.modality, each.description, each.kind) for each in listing.objects
        ),
        notes=tuple(filter(None, (doubt, chosen.note, left_out_note(listing.left_out)))),
        scan=_scan_info(chosen),
        stated_unit=unit,
    )


def describe_dicom_labels(path: Path, labels: DicomLabels) -> VolumeInfo:
    """Describe a DICOM SEG or RTSTRUCT file."""
    return VolumeInfo(
        source=str(path),
        format=f"DICOM {labels.kind}",
        file_bytes=path.stat().st_size,
        geometry=labels.geometry,
        modality=labels.kind,
        dtype="contours" if labels.geometry is None else "labels",
        names=tuple(each.name for each in labels.objects),
        problem=labels.grid_problem,
    )


def _studies(listing: Listing) -> tuple[StudyInfo, ...]:
    by_uid: dict[str, list[Series]] = {}
    for each in listing.series:
        by_uid.setdefault(each.slices[0].study_uid, []).append(each)
    return tuple(
        StudyInfo(
            uid,
            series[0].slices[0].study_date,
            series[0].slices[0].study_description,
            tuple(each.number for each in series),
        )
        for uid, series in by_uid.items()
    )


def _series_info(series: Series) -> SeriesInfo:
    spacing_mm_ijk, problem = _spacing(series)
    first = series.slices[0]
    parts = series.parts if problem and len(series.parts) > 1 else ()
    return SeriesInfo(
        number=series.number,
        uid=series.uid,
        modality=series.modality,
        description=first.description,
        slices=len(series.slices),
        shape_ij=(first.cols, first.rows),
        spacing_mm_ijk=spacing_mm_ijk,
        acquisitions={name: len(slices) for name, slices in series.acquisitions.items()},
        problem=problem,
        study_uid=first.study_uid,
        patient_position=first.patient_position,
        parts=tuple(
            PartInfo(f"{series.number}#{each.chosen}", len(each.slices), *_spacing(each), each.about) for each in parts
        ),
    )


def _scan_info(series: Series) -> ScanInfo:
    first = series.slices[0]
    time = min((each.time for each in series.slices if each.time[:6].isdigit()), default="")
    return ScanInfo(
        uid=series.uid,
        number=first.series_number,
        description=first.description,
        acquisition="#".join(each for each in series.chosen.split("#") if "=" not in each),
        time=f"{time[:2]}:{time[2:4]}:{time[4:6]}" if time else "",
        contrast=first.contrast,
        slices=len(series.slices),
        part="#".join(each for each in series.chosen.split("#") if "=" in each),
    )


def _spacing(series: Series) -> tuple[tuple[float, float, float] | None, str]:
    try:
        return stack(series).geometry.spacing_mm_ijk, ""
    except SeriesError as error:
        return None, str(error)


def _below(path: Path, folder: Path) -> str:
    """Name a file as seen from the folder that was given; one from a zip only by its last name."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
