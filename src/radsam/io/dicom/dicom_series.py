"""DICOM folders: a list of their image series, and the choice of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radsam.errors import SeriesError
from radsam.io.dicom.slice_header import ObjectHeader, SliceHeader, read_headers


@dataclass(frozen=True)
class Series:
    """The images that share one SeriesInstanceUID.

    Args:
        number: Position in the listing of its folder, from 1.
        slices: Headers of its images, in the order of their file names and frames.
        chosen: The AcquisitionNumber that `only` chose; empty for all.
    """

    number: int
    slices: tuple[SliceHeader, ...]
    chosen: str = ""

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return self.slices[0].series_uid

    @property
    def modality(self) -> str:
        """DICOM modality of the first image."""
        return self.slices[0].modality

    @property
    def selector(self) -> str:
        """The value of ``series=`` that chooses this series, and its acquisition, in the same folder."""
        name = str(self.number) if self.uid == "none" else self.uid
        return f"{name}#{self.chosen}" if self.chosen else name

    @property
    def acquisitions(self) -> dict[str, tuple[SliceHeader, ...]]:
        """Images by AcquisitionNumber, in numerical order; "none" is a missing number."""
        names = sorted({each.acquisition for each in self.slices}, key=lambda name: (len(name), name))
        return {name: tuple(each for each in self.slices if each.acquisition == name) for name in names}

    def only(self, acquisition: str) -> Series:
        """Return the series with one acquisition only.

        Raises:
            SeriesError: The series does not have this acquisition.
        """
        if acquisition not in self.acquisitions:
            raise SeriesError(
                f"Series {self.number} has no acquisition {acquisition!r}; it has {', '.join(self.acquisitions)}."
            )
        return Series(self.number, self.acquisitions[acquisition], acquisition)

    def describe(self) -> str:
        """One line for a listing."""
        first = self.slices[0]
        text = f"{self.number}: {self.modality}, {len(self.slices)} images of {first.cols}×{first.rows}"
        return f"{text}{f', {first.description!r}' if first.description else ''}, {self.uid}"


@dataclass(frozen=True)
class Listing:
    """The contents of a DICOM folder.

    Args:
        series: Its image series, by study, SeriesNumber and UID.
        objects: Its other objects: segmentations, contours, reports.
    """

    series: tuple[Series, ...]
    objects: tuple[ObjectHeader, ...] = ()


def list_dicom(place: Path, source: Path) -> Listing:
    """List the image series in a folder and the folders below it, or in one file.

    Args:
        place: The folder or file.
        source: The user's path, for messages: `place`, or the zip it was unpacked from.

    Raises:
        SeriesError: There is no DICOM image, or a DICOM file cannot be read.
    """
    paths = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    series: dict[tuple[str, str], list[SliceHeader]] = {}
    objects: list[ObjectHeader] = []
    for path in paths:
        found = read_headers(path)
        if isinstance(found, ObjectHeader):
            objects.append(found)
        else:
            for header in found or ():
                # Two studies that share a SeriesInstanceUID are a mistake; stacking them would be another.
                series.setdefault((header.study_uid, header.series_uid), []).append(header)
    if not series:
        raise SeriesError(_nothing_found(source, paths, objects))
    ordered = sorted(series.values(), key=_place_in_listing)
    return Listing(
        tuple(Series(number, tuple(slices)) for number, slices in enumerate(ordered, start=1)), tuple(objects)
    )


def _place_in_listing(slices: Sequence[SliceHeader]) -> tuple[str, str, int, str]:
    first = slices[0]
    return first.study_date, first.study_uid, first.series_number, first.series_uid


def select_series(found: Sequence[Series], series: str | None) -> Series:
    """Choose one series.

    Args:
        found: The listing.
        series: SeriesInstanceUID or number in the listing, either optionally followed
            by ``#`` and an AcquisitionNumber; None if there is only one series.

    Raises:
        SeriesError: There are several series and none was chosen, or the chosen one does not exist.
    """
    listing = "\n".join(f"  {each.describe()}" for each in found)
    if series is None:
        if len(found) > 1:
            raise SeriesError(
                f"The folder holds {len(found)} series; choose one by its number or UID (--series):\n{listing}"
            )
        return found[0]
    name, mark, acquisition = series.partition("#")
    chosen = next((each for each in found if name in (each.uid, str(each.number))), None)
    if chosen is None:
        raise SeriesError(f"There is no series {name!r} here; choose one by its number or UID (--series):\n{listing}")
    return chosen.only(acquisition) if mark else chosen


def _nothing_found(source: Path, paths: Sequence[Path], objects: Sequence[ObjectHeader]) -> str:
    text = f"{source} holds no DICOM image with a position in space"
    if objects:
        kinds = Counter(each.modality for each in objects)
        return f"{text}, only {', '.join(f'{count} {kind}' for kind, count in kinds.items())}. Give the CT's folder."
    if not paths:
        # Of a zip, only what looks like DICOM was unpacked.
        found = "the folder is empty" if source.is_dir() else "no file in it looks like DICOM"
        return f"{text}: {found}. Give the folder or .zip of a series, or one file of another format."
    kinds = Counter("".join(path.suffixes[-2:]).lower() or "no suffix" for path in paths)
    found = ", ".join(f"{count} with {kind}" for kind, count in kinds.most_common(4))
    return f"{text}; {len(paths)} files ({found}) were searched. Give the folder of a series, or one file."
