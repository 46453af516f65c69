"""DICOM folders: which image series they hold, and which one is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radsam.errors import SeriesError
from radsam.io.dicom_header import SliceHeader, read_slice_header


@dataclass(frozen=True)
class Series:
    """The images that share one SeriesInstanceUID.

    Args:
        number: Position in the listing of its folder, from 1.
        slices: Headers of its images, in the order of their file names.
    """

    number: int
    slices: tuple[SliceHeader, ...]

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return self.slices[0].series_uid

    @property
    def modality(self) -> str:
        """DICOM modality of the first image."""
        return self.slices[0].modality

    @property
    def acquisitions(self) -> dict[str, tuple[SliceHeader, ...]]:
        """Images by AcquisitionNumber, in numerical order; "none" stands for a missing number."""
        names = sorted({each.acquisition for each in self.slices}, key=lambda name: (len(name), name))
        return {name: tuple(each for each in self.slices if each.acquisition == name) for name in names}

    def only(self, acquisition: str) -> Series:
        """Return the series with one acquisition only.

        Raises:
            SeriesError: There is no such acquisition.
        """
        if acquisition not in self.acquisitions:
            raise SeriesError(
                f"Series {self.number} has no acquisition {acquisition!r}; it has {', '.join(self.acquisitions)}."
            )
        return Series(self.number, self.acquisitions[acquisition])

    def describe(self) -> str:
        """One line for a listing."""
        first = self.slices[0]
        text = f"{self.number}: {self.modality}, {len(self.slices)} images of {first.cols}×{first.rows}"
        return f"{text}{f', {first.description!r}' if first.description else ''}, {self.uid}"


def find_series(folder: Path, source: Path) -> tuple[Series, ...]:
    """List the image series in a folder and the folders below it, by SeriesNumber and UID.

    Args:
        folder: Where to look.
        source: What the user gave, for messages: `folder`, or the zip it was unpacked from.

    Raises:
        SeriesError: There is no DICOM image, or a DICOM file cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    headers = [header for path in paths if (header := read_slice_header(path)) is not None]
    if not headers:
        raise SeriesError(_nothing_found(source, paths))
    found: dict[str, list[SliceHeader]] = {}
    for header in headers:
        found.setdefault(header.series_uid, []).append(header)
    ordered = sorted(found.values(), key=lambda slices: (slices[0].series_number, slices[0].series_uid))
    return tuple(Series(number, tuple(slices)) for number, slices in enumerate(ordered, start=1))


def select_series(found: Sequence[Series], series: str | None) -> Series:
    """Choose one series.

    Args:
        found: The listing.
        series: SeriesInstanceUID or number in the listing, either optionally followed
            by ``#`` and an AcquisitionNumber; None if there is only one series.

    Raises:
        SeriesError: There are several series and none was chosen, or there is no such one.
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


def _nothing_found(source: Path, paths: Sequence[Path]) -> str:
    text = f"{source} holds no DICOM image with a position in space"
    if not paths:
        # Of a zip, only what looks like DICOM was unpacked.
        found = "the folder is empty" if source.is_dir() else "no file in it looks like DICOM"
        return f"{text}: {found}. Give the folder or .zip of a series, or one file of another format."
    kinds = Counter("".join(path.suffixes[-2:]).lower() or "no suffix" for path in paths)
    found = ", ".join(f"{count} with {kind}" for kind, count in kinds.most_common(4))
    return f"{text}; it was looked for in {len(paths)} files ({found}). Give the folder of a series, or one file."
