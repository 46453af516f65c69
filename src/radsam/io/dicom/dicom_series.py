"""DICOM folders: a list of their image series, and the choice of one.

What is not a slice keeps no slice from being read: it is left out, and named. A file that may be a slice, but cannot be
read, makes its series unusable, because a volume without one of its slices would be wrong without a sign of it.
"""

from __future__ import annotations

import filecmp
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pydicom
from pydicom.uid import SecondaryCaptureImageStorage

from radsam.errors import SeriesError
from radsam.io.dicom.series_parts import acquisitions_of, chosen, split
from radsam.io.dicom.slice_header import (
    CAPTURE,
    COPY,
    LOCALIZER,
    NOT_DICOM,
    ObjectHeader,
    SliceHeader,
    UnusedFile,
    read_headers,
)


class SeriesWarning(UserWarning):
    """Files of a series were left out."""


@dataclass(frozen=True)
class Series:
    """The images that share one SeriesInstanceUID.

    Args:
        number: Position in the listing of its folder, from 1.
        slices: Headers of its images, in the order of their file names and frames.
        chosen: The part that `only` chose: an AcquisitionNumber, "echo=2", "b=800#dir=2"; empty for all.
        left_out: Its files that are not slices.
        damaged: Files that may be slices of it, but cannot be read.
        about: What else tells a part from the others: "te 92".
    """

    number: int
    slices: tuple[SliceHeader, ...]
    chosen: str = ""
    left_out: tuple[UnusedFile, ...] = ()
    damaged: tuple[UnusedFile, ...] = ()
    about: str = ""

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
        """The value of ``series=`` that chooses this series, and its part, in the same folder."""
        name = str(self.number) if self.uid == "none" else self.uid
        return f"{name}#{self.chosen}" if self.chosen else name

    @property
    def acquisitions(self) -> dict[str, tuple[SliceHeader, ...]]:
        """Images by AcquisitionNumber, in numerical order; "none" is a missing number."""
        return acquisitions_of(self.slices)

    @cached_property
    def parts(self) -> tuple[Series, ...]:
        """The series that must be read one by one, as each has its own images of a place; one if that is all of it."""
        parts = split(self.slices)
        if len(parts) == 1:
            return (self,)
        before = f"{self.chosen}#" if self.chosen else ""
        return tuple(
            replace(self, slices=each.slices, chosen=before + each.selector, about=each.about) for each in parts
        )

    def only(self, part: str) -> Series:
        """Return the series with one acquisition only, or another part.

        Args:
            part: An AcquisitionNumber, or conditions such as "echo=2" and "b=800#dir=2".

        Raises:
            SeriesError: The series does not have this part.
        """
        found = chosen(self.slices, part)
        if not found and "=" not in part:
            raise SeriesError(
                f"Series {self.number} has no acquisition {part!r}; it has {', '.join(self.acquisitions)}."
            )
        if not found:
            there = [each.chosen for each in self.parts if each.chosen]
            known = f"it has {few(there, 24)}" if there else "it has no parts"
            raise SeriesError(f"Series {self.number} has no part {part!r}; {known}.")
        return replace(self, slices=found, chosen=part)

    @property
    def note(self) -> str:
        """What was left out, as a sentence; empty if nothing was."""
        return left_out_note(self.left_out)

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
        objects: Its other objects: segmentations, contours, reports, raw data.
        left_out: Its files of no series, hidden ones excluded.
    """

    series: tuple[Series, ...]
    objects: tuple[ObjectHeader, ...] = ()
    left_out: tuple[UnusedFile, ...] = ()


def left_out_note(files: Sequence[UnusedFile], place: Path | None = None) -> str:
    """Name files by the reason for which they are left out, and the place they are in; empty for none."""
    by_reason: dict[str, list[str]] = {}
    for each in files:
        by_reason.setdefault(each.reason, []).append(each.path.name)
    groups = [f"{few(names)} ({reason})" for reason, names in by_reason.items()]
    return f"Left out{f' of {place}' if place else ''}: {'; '.join(groups)}." if groups else ""


def list_dicom(place: Path, source: Path) -> Listing:
    """List the image series in a folder and the folders below it, linked ones included, or in one file.

    Args:
        place: The folder or file.
        source: The user's path, for messages: `place`, or the zip it was unpacked from.

    Raises:
        SeriesError: There is no DICOM image.
    """
    paths, unused = ([place], []) if place.is_file() else _files_below(place)
    read = {path: found for path in paths if (found := read_headers(path)) is not None}
    images = {path: found for path, found in read.items() if isinstance(found, tuple)}
    objects = [found for found in read.values() if isinstance(found, ObjectHeader)]
    unused += [found for found in read.values() if isinstance(found, UnusedFile)]
    copies = _copies(images)
    # Two studies that share a SeriesInstanceUID are a mistake; stacking them would be another.
    series: dict[tuple[str, str], list[SliceHeader]] = {}
    for path, headers in images.items():
        if path not in copies:
            series.setdefault((headers[0].study_uid, headers[0].series_uid), []).extend(headers)
    unused += copies.values()
    unused += [UnusedFile(each.path, each.kind or "a private object", each.series_uid) for each in objects]
    unused = [_named_like_a_slice(each, {path.name for path in images}) for each in unused]
    if not series:
        damaged = [each for each in unused if each.damaged]
        raise SeriesError(damage(damaged) if damaged else _nothing_found(source, paths, objects))
    ordered = sorted(series.values(), key=_place_in_listing)
    listed = tuple(_series(number, slices, unused) for number, slices in enumerate(ordered, start=1))
    used = {each.path for one in listed for each in (*one.left_out, *one.damaged)} | {each.path for each in objects}
    rest = (each for each in unused if each.path not in used and not each.path.name.startswith("."))
    return Listing(listed, tuple(objects), tuple(rest))


def damage(files: Sequence[UnusedFile]) -> str:
    """Describe files that may be slices but cannot be read."""
    shown = "; ".join(f"{each.path.name} {each.reason}" for each in files[:4])
    return (
        f"{shown}{f'; and {len(files) - 4} more' if len(files) > 4 else ''}. A volume without one of its slices would "
        "be wrong: copy the file again, or take it out if it is not one of them."
    )


def _files_below(folder: Path) -> tuple[list[Path], list[UnusedFile]]:
    """Find the files below a folder, each once, and what cannot be followed. Links are followed, also in circles."""
    files: dict[str, Path] = {}
    unused: list[UnusedFile] = []
    seen = {os.path.realpath(folder)}

    def unreadable(error: OSError) -> None:
        unused.append(UnusedFile(Path(error.filename), f"a folder that cannot be read ({error.strerror})"))

    for here, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        for name in sorted(folders):
            target = os.path.realpath(Path(here, name))
            if Path(here).resolve().is_relative_to(target) and target not in seen:
                unused.append(UnusedFile(Path(here, name), "a link to a folder above"))
                folders.remove(name)
            elif target in seen:
                folders.remove(name)
            seen.add(target)
        for name in sorted(names):
            path = Path(here, name)
            if path.is_file():
                files.setdefault(os.path.realpath(path), path)
            elif path.is_symlink():
                unused.append(UnusedFile(path, "a link that leads nowhere"))
    return sorted(files.values()), unused


def _copies(images: dict[Path, tuple[SliceHeader, ...]]) -> dict[Path, UnusedFile]:
    """Find files that hold the same image as an earlier one; others may share their SOPInstanceUID by mistake."""
    first: dict[str, Path] = {}
    found = {}
    for path, headers in images.items():
        original = first.setdefault(headers[0].sop_uid, path)
        if original == path or not headers[0].sop_uid:
            continue
        same = tuple(replace(each, path=path) for each in images[original]) == headers
        if same and (filecmp.cmp(original, path, shallow=False) or _pixels(original) == _pixels(path)):
            found[path] = UnusedFile(path, COPY, headers[0].series_uid)
    return found


def _pixels(path: Path) -> bytes:
    return bytes(pydicom.dcmread(path, specific_tags=["PixelData"], force=True).get("PixelData", b""))


def _named_like_a_slice(unused: UnusedFile, images: Iterable[str]) -> UnusedFile:
    """Count a file that is named like the images, but for its digits, as a slice that cannot be read."""
    if unused.damaged or unused.reason not in (NOT_DICOM, "a link that leads nowhere"):
        return unused
    if _without_digits(unused.path.name) not in {_without_digits(name) for name in images if re.search(r"\d", name)}:
        return unused
    what = "empty" if unused.reason == NOT_DICOM and not unused.path.stat().st_size else unused.reason
    return replace(unused, reason=f"is {what}, but named like the slices", damaged=True)


def _without_digits(name: str) -> str:
    return re.sub(r"\d+", "0", name.lower())


def _series(number: int, found: Sequence[SliceHeader], unused: Sequence[UnusedFile]) -> Series:
    """Tell the slices of a series from its other files.

    Args:
        number: Its position in the listing.
        found: Its images that have a place in space.
        unused: The unused files of the folder.
    """
    uid, classes = found[0].series_uid, Counter(each.sop_class for each in found)
    localizers = [each for each in found if each.localizer]
    captures = [each for each in found if each.sop_class == SecondaryCaptureImageStorage]
    # A series of nothing else may be what somebody wants to see.
    others = dict.fromkeys(captures, CAPTURE) | dict.fromkeys(localizers, LOCALIZER)
    if len(others) == len(found):
        others = {}
    slices = tuple(each for each in found if each not in others)
    left_out = {each.path: UnusedFile(each.path, reason, uid) for each, reason in others.items()}
    damaged = [each for each in unused if each.damaged and each.series_uid in ("", uid)]
    for each in unused:
        called_dicom = each.reason == NOT_DICOM and each.path.suffix.lower() in (".dcm", ".ima")
        if each.damaged or (each.series_uid != uid and not called_dicom):
            continue
        if each.sop_class in classes and each.sop_class != SecondaryCaptureImageStorage:
            damaged.append(replace(each, reason="has no position in space", damaged=True))
        else:
            left_out[each.path] = each
    return Series(number, slices, left_out=tuple(left_out.values()), damaged=tuple(damaged))


def _place_in_listing(slices: Sequence[SliceHeader]) -> tuple[str, str, int, str]:
    first = slices[0]
    return first.study_date, first.study_uid, first.series_number, first.series_uid


def select_series(found: Sequence[Series], series: str | None) -> Series:
    """Choose one series.

    Args:
        found: The listing.
        series: SeriesInstanceUID or number in the listing, either optionally followed
            by ``#`` and a part, such as an AcquisitionNumber or ``echo=2``; None if there is only one series.

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
    name, mark, part = series.partition("#")
    found_series = next((each for each in found if name in (each.uid, str(each.number))), None)
    if found_series is None:
        raise SeriesError(f"There is no series {name!r} here; choose one by its number or UID (--series):\n{listing}")
    return found_series.only(part) if mark else found_series


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


def few(names: Sequence[str], count: int = 4) -> str:
    """Name the first of several things, and how many more there are."""
    shown = ", ".join(names[:count])
    return f"{shown} and {len(names) - count} more" if len(names) > count else shown
