"""From the values of a PET to SUV by body weight, as far as its headers say what that needs.

SUV are activity concentration × body weight / injected dose, where both activities count at the same time. The
rules of QIBA ("SUV calculation, vendor-neutral") say which elements give them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from radsam.io.dicom.element_values import numbers, private_text, text
from radsam.io.dicom.slice_header import SliceHeader

_PHILIPS, _PHILIPS_SUV, _PHILIPS_ACTIVITY = "Philips PET Private Group", 0x70531000, 0x70531009
_GE, _GE_SCAN = "GEMS_PETD_01", 0x0009100D
#: Tags of the elements that are read here.
PET_TAGS = [
    Tag(each)
    for each in (
        "Units", "SUVType", "CorrectedImage", "DecayCorrection", "DecayCorrectionDateTime", "PatientWeight",
        "RadiopharmaceuticalInformationSequence", "StudyDate", "SeriesDate", "SeriesTime", "AcquisitionDate",
        "AcquisitionTime", "AcquisitionDateTime", "FrameReferenceTime", "ActualFrameDuration",
        0x70530010, _PHILIPS_SUV, _PHILIPS_ACTIVITY, 0x00090010, _GE_SCAN,
    )
]  # fmt: skip
#: Units of real-world value mappings, by DICOM's own code.
_UNIT_CODES = {"Bq/ml": "BQML", "{SUVbw}g/ml": "GML", "g/ml{SUVbw}": "GML"}
#: A dose below this was written in another unit: DICOM's is Bq, and the smallest dose for PET is some MBq.
_LEAST_DOSE_BQ = 1e5
#: After more half-lives nothing is left to see: the times do not belong together.
_MOST_HALF_LIVES = 10


@dataclass(frozen=True)
class PetUnit:
    """What the rescaled values of a PET are.

    Args:
        factor: Turns them into values of `unit`.
        unit: "SUV", "Bq/ml", or empty if neither is known.
        problem: Why they are not SUV by body weight, as a sentence; empty if they are.
    """

    factor: float = 1.0
    unit: str = "SUV"
    problem: str = ""


class _NotStatedError(Exception):
    """The headers lack what SUV need; the message continues "…, because"."""


def pet_unit(slices: Sequence[SliceHeader]) -> PetUnit:
    """Find the factor to SUV by body weight.

    Args:
        slices: The images of one volume; dates and times of all of them count.
    """
    images = [_read(path) for path in dict.fromkeys(each.path for each in slices)]
    first = images[0]
    units = text(first, "Units", _UNIT_CODES.get(slices[0].scaling.unit, ""))
    factor = 1.0
    if units == "GML":
        kind = text(first, "SUVType", "BW")
        other = f"The values of this PET are SUV of DICOM's type {kind}, not by body weight (BW)."
        return PetUnit(problem="" if kind == "BW" else other)
    if units == "CNTS":
        if suv := _positive(private_text(first, _PHILIPS, _PHILIPS_SUV)):
            return PetUnit(suv)
        factor = _positive(private_text(first, _PHILIPS, _PHILIPS_ACTIVITY))
        units = "BQML" if factor else units
    if units != "BQML":
        named = f"are in the unit {units}" if units else "have no unit"
        return PetUnit(unit="", problem=f"The values of this PET {named}, so they are not SUV; they are as stored.")
    try:
        return PetUnit(factor * _factor(images))
    except _NotStatedError as error:
        return PetUnit(
            factor, "Bq/ml", f"The values of this PET are Bq/ml and not SUV, because {error}. Give --window in Bq/ml."
        )


def _read(path: Path) -> Dataset:
    with warnings.catch_warnings(action="ignore"):  # pydicom warns of every value that breaks a rule
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=PET_TAGS, force=True)


def _factor(images: Sequence[Dataset]) -> float:
    """Return SUV per Bq/ml."""
    first = images[0]
    corrected = first.get("CorrectedImage")
    corrections = [corrected] if isinstance(corrected, str) else list(corrected or ["ATTN", "DECY"])
    lacking = [name for code, name in (("ATTN", "attenuation"), ("DECY", "decay")) if code not in corrections]
    if lacking:
        raise _NotStatedError(f"its images are not corrected for {' and '.join(lacking)}")
    tracers = list(first.get("RadiopharmaceuticalInformationSequence") or [])
    if len(tracers) > 1:
        raise _NotStatedError("it names several radiopharmaceuticals")
    tracer = tracers[0] if tracers else Dataset()
    dose_bq = _positive(text(tracer, "RadionuclideTotalDose", ""))
    half_life_s = _positive(text(tracer, "RadionuclideHalfLife", ""))
    weight_kg = _positive(text(first, "PatientWeight", ""))
    correction = text(first, "DecayCorrection", "")
    reference = _of_datetime(text(first, "DecayCorrectionDateTime", ""))
    if not correction and reference is not None:
        correction = "START"
    missing = [
        name
        for name, found in (
            ("the injected dose (RadionuclideTotalDose)", dose_bq),
            ("the half-life (RadionuclideHalfLife)", half_life_s or correction == "ADMIN"),
            ("the body weight (PatientWeight)", weight_kg),
            ("the time of the decay correction (DecayCorrection)", correction),
        )
        if not found
    ]
    if missing:
        raise _NotStatedError(f"its headers do not state {', '.join(missing)}")
    if dose_bq < _LEAST_DOSE_BQ:
        raise _NotStatedError(f"its injected dose is {dose_bq:g} Bq, which looks like another unit")
    if correction not in ("START", "ADMIN"):
        raise _NotStatedError(f"its decay correction is {correction}, not START or ADMIN")
    elapsed_s = 0.0 if correction == "ADMIN" else _elapsed_s(tracer, reference or _scan_start(images), half_life_s)
    decayed = 1.0 if correction == "ADMIN" else 2.0 ** (-elapsed_s / half_life_s)
    return weight_kg * 1000.0 / (dose_bq * decayed)


def _elapsed_s(tracer: Dataset, scan: datetime, half_life_s: float) -> float:
    """Return the time from the injection to the scan."""
    longest_s = _MOST_HALF_LIVES * half_life_s
    exact = _of_datetime(text(tracer, "RadiopharmaceuticalStartDateTime", ""))
    # Where the date does not fit, as after an anonymiser that moves some dates only, the time of day counts.
    if exact is not None and 0 <= (elapsed_s := (scan - exact).total_seconds()) <= longest_s:
        return elapsed_s
    at = _of_time(text(tracer, "RadiopharmaceuticalStartTime", "")) or (
        None if exact is None else exact - datetime(exact.year, exact.month, exact.day)
    )
    if at is None:
        raise _NotStatedError("its headers do not state the time of the injection (RadiopharmaceuticalStartTime)")
    start = datetime(scan.year, scan.month, scan.day) + at
    if start > scan:  # injected before midnight
        start -= timedelta(days=1)
    elapsed_s = (scan - start).total_seconds()
    if elapsed_s > longest_s:
        raise _NotStatedError(f"the injection at {start:%H:%M} and the scan at {scan:%H:%M} do not belong together")
    return elapsed_s


def _scan_start(images: Sequence[Dataset]) -> datetime:
    """Return the time to which decay is corrected: the start of the scan, of all bed positions together."""
    first = images[0]
    acquired = [found for each in images if (found := _acquired(each)) is not None]
    series = _of_date_and_time(_date(first, "SeriesDate"), text(first, "SeriesTime", ""))
    # A series that was made afterwards is later than its images.
    if series is not None and (not acquired or series <= min(acquired)):
        return series
    of_ge = _of_datetime(private_text(first, _GE, _GE_SCAN))
    if of_ge is not None:
        return of_ge
    if not acquired:
        raise _NotStatedError("its headers do not state the time of the scan (SeriesTime, AcquisitionTime)")
    return min((*_starts_by_frames(images), *acquired))


def _starts_by_frames(images: Sequence[Dataset]) -> Iterator[datetime]:
    """Go back from each image to the start of its scan: by the time at which its mean counts were measured."""
    tracer = next(iter(images[0].get("RadiopharmaceuticalInformationSequence") or []), Dataset())
    decay = math.log(2) / (_positive(text(tracer, "RadionuclideHalfLife", "")) or math.inf)
    for each in images:
        acquired = _acquired(each)
        (reference_ms,) = numbers(each, "FrameReferenceTime", 1)
        (duration_ms,) = numbers(each, "ActualFrameDuration", 1)
        if acquired is None or not math.isfinite(reference_ms) or not duration_ms > 0 or not decay:
            continue
        during = decay * duration_ms / 1000.0
        middle_s = math.log(during / -math.expm1(-during)) / decay
        yield acquired + timedelta(seconds=middle_s - reference_ms / 1000.0)


def _acquired(image: Dataset) -> datetime | None:
    exact = _of_datetime(text(image, "AcquisitionDateTime", ""))
    time = text(image, "AcquisitionTime", "")
    return _of_date_and_time(_date(image, "AcquisitionDate"), time) if time else exact


def _date(image: Dataset, name: str) -> str:
    """Return a date of an image, or another of its dates; a fixed one where all were removed."""
    return next((found for each in (name, *_DATES) if (found := text(image, each, ""))), "20000101")


_DATES = ("SeriesDate", "AcquisitionDate", "StudyDate")


def _of_date_and_time(date: str, time: str) -> datetime | None:
    at = _of_time(time)
    try:
        return None if at is None else datetime.strptime(date.replace(".", "")[:8], "%Y%m%d") + at
    except ValueError:
        return None


def _of_datetime(written: str) -> datetime | None:
    """Read DICOM's date and time in one; its time zone is that of the other times."""
    return _of_date_and_time(written[:8], written[8:].partition("+")[0].partition("-")[0]) if written else None


def _of_time(written: str) -> timedelta | None:
    """Read HHMMSS.FFFFFF, of which the end may be left out; older files have colons."""
    digits = written.replace(":", "")
    try:
        hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), float(digits[4:] or 0)
    except ValueError:
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _positive(written: str) -> float:
    """Read a positive number; 0 where there is none."""
    try:
        found = float(written)
    except ValueError:
        return 0.0
    return found if found > 0 and math.isfinite(found) else 0.0
