"""Finding the cases of a new project: in a folder, a table, a dataset for training, or a PACS.

Files and folders keep their names. DICOM series are numbered, and patients are numbered in the order in which they
are found: names of DICOM folders and PatientID may identify a person, and go nowhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radsam.data.adapters import folder as training_folder
from radsam.data.case import Case as TrainingCase
from radsam.disk.csv_table import read_csv_table
from radsam.errors import DatasetError, InputError, RadsamError
from radsam.io.dicom.patient_header import read_patient
from radsam.io.image_file import SUFFIXES
from radsam.io.pacs.pacs_address import is_pacs_url
from radsam.io.volume_info import VolumeInfo
from radsam.io.volume_paths import paths_below
from radsam.io.volume_read import known_modality, read_info
from radsam.project.task_state import NewCase

#: The columns of a table of cases, and what the manifest of a batch calls them.
_COLUMNS = {"id": "case", "volume": "image"}
_KNOWN = ("case", "image", "patient", "modality", "series")
#: Names that tell nothing: the case is then called like the folder.
_PLAIN_NAMES = {"ct", "mr", "pet", "image", "volume", "dicom"}
_LABEL_MAP = re.compile(r"(^|[^a-z])(seg|segmentation|label|labels|mask|masks)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class FoundCases:
    """The cases that were found.

    Args:
        cases: The cases.
        notes: What was left out, as sentences.
    """

    cases: tuple[NewCase, ...]
    notes: tuple[str, ...] = ()


def find_cases(
    given: str, *, modality: str | None = None, filters: Sequence[tuple[str, str]] = (), limit: int = 1000
) -> FoundCases:
    """Find cases.

    Args:
        given: A folder of volumes, DICOM series or a dataset for training; a table (.csv); one volume; or the URL of a
            PACS.
        modality: What all of them are; None takes what their files say. In a PACS, only series of it are taken.
        filters: Elements of the studies of a PACS, by DICOM keyword.
        limit: The most series of a PACS.

    Raises:
        InputError: There is nothing, or it cannot be read.
        PacsError: The PACS failed.
    """
    if is_pacs_url(given):
        return FoundCases(_in_pacs(given, modality, filters, limit))
    path = Path(given)
    if not path.exists():
        raise InputError(f"{given} does not exist. Give a folder, a table (.csv), or the URL of a PACS.")
    found = _in_path(path.resolve())
    if not found.cases:
        raise InputError(
            f"{given} has no volumes: looked for {', '.join(SUFFIXES)} files, DICOM series, zips of them, and datasets "
            f"for training. {' '.join(found.notes)}".strip()
        )
    if modality is None:
        return found
    known = known_modality(modality).value
    return replace(found, cases=tuple(replace(each, modality=known) for each in found.cases))


def _in_path(path: Path) -> FoundCases:
    if path.is_dir():
        dataset = next((each for each in ("manifest.json", "dataset.json") if (path / each).is_file()), None)
        return FoundCases(_of_training(training_folder.find_cases(path))) if dataset else _in_folder(path)
    if path.suffix.lower() == ".csv":
        return FoundCases(tuple(_in_table(path)))
    if path.name == "manifest.json":
        return FoundCases(_of_training(training_folder.find_cases(path.parent)))
    if path.suffix.lower() in (".json", ".jsonl", ".parquet", ".xlsx"):
        raise InputError(f"{path} is not a table of cases. Give a .csv with the columns {', '.join(_KNOWN)}.")
    return FoundCases(*_named([path], path.parent))


def _of_training(cases: Sequence[TrainingCase]) -> tuple[NewCase, ...]:
    missing = [str(each.image) for each in cases if not each.image.exists()]
    if missing:
        raise DatasetError(f"{len(missing)} images of the dataset are missing, {missing[0]} first.")
    return tuple(
        NewCase(each.case_id, str(each.image.resolve()), None, each.patient, each.modality and each.modality.value)
        for each in cases
    )


def _in_pacs(url: str, modality: str | None, filters: Sequence[tuple[str, str]], limit: int) -> tuple[NewCase, ...]:
    from radsam.io.pacs.image_series import list_image_series

    wanted = None if modality is None else known_modality(modality)
    found = list_image_series(url, modality=wanted, filters=filters, limit=limit)
    if not found:
        raise InputError(f"{url} has no series of CT, MR or PET that match. List its studies with `radsam pacs find`.")
    patients: dict[str, str] = {}
    cases = []
    for number, each in enumerate(found, start=1):
        patient = patients.setdefault(each.patient_id or f"unknown {number}", f"patient-{len(patients) + 1:03d}")
        cases.append(NewCase(f"case-{number:03d}", each.url, None, patient, None))
    return tuple(cases)


# Tables


def _in_table(path: Path) -> Iterator[NewCase]:
    """Read a table of cases, or the manifest of a batch, which has a row per object."""
    table = read_csv_table(path, lambda name: _column(name) in _KNOWN)
    columns = [_column(name) for name in table.columns]
    if "image" not in columns:
        raise InputError(
            f"{path} has no column image. Its columns: {', '.join(table.columns)}. Known: {', '.join(_KNOWN)}."
        )
    of_batch = "volume" in [each.lower() for each in table.columns]
    seen: dict[tuple[str, str], NewCase] = {}
    for line, cells in table.rows:
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
        if not any(row.values()):
            continue
        found = _row_case(path, line, row, of_batch=of_batch)
        if (found.source, found.series or "") not in seen:
            seen[found.source, found.series or ""] = found
        elif not of_batch:
            raise InputError(f"{path}, row {line}: the image {row['image']} is there twice. A case has one row.")
    yield from seen.values()


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return _COLUMNS.get(plain, plain)


def _row_case(path: Path, line: int, row: Mapping[str, str], *, of_batch: bool) -> NewCase:
    image = row.get("image", "")
    if not image:
        raise InputError(f"{path}, row {line}, names no image.")
    source = image if is_pacs_url(image) else str((path.parent / image).resolve())
    if not is_pacs_url(image) and not Path(source).exists():
        raise InputError(f"{path}, row {line}: {source} does not exist. Paths are relative to the folder of the table.")
    name = _stem(Path(image)) if of_batch or not row.get("case") else row["case"]
    try:
        modality = known_modality(row["modality"]).value if row.get("modality") else None
    except RadsamError as error:
        raise InputError(f"{path}, row {line}: {error}") from error
    return NewCase(name, source, row.get("series") or None, row.get("patient") or name, modality)


# Folders


def _in_folder(folder: Path) -> FoundCases:
    images = folder / "images"
    paths = [*paths_below(images if images.is_dir() and (folder / "labels").is_dir() else folder)]
    label_maps = [each for each in paths if each.is_file() and _LABEL_MAP.search(_stem(each))]
    cases, notes = _named([each for each in paths if each not in label_maps], folder)
    if label_maps:
        some = ", ".join(each.name for each in label_maps[:3])
        notes = (*notes, f"Left out {len(label_maps)} files that are called like label maps ({some}).")
    return FoundCases(cases, notes)


def _named(paths: Sequence[Path], folder: Path) -> tuple[tuple[NewCase, ...], tuple[str, ...]]:
    """Make cases of volume files and DICOM folders, with names and patients."""
    files = [each for each in paths if each.is_file() and each.name.lower().endswith(SUFFIXES)]
    names = _file_names(files, folder)
    cases = [NewCase(names[each], str(each), None, names[each], None) for each in files]
    notes: list[str] = []
    patients: dict[str, str] = {}
    for place in (each for each in paths if each not in files):
        found, problems = _series_of(place)
        notes += problems
        for selector, patient_id in found:
            number = sum(each.series is not None for each in cases) + 1
            unknown = f"unknown {number}"
            patient = patients.setdefault(patient_id or unknown, f"patient-{len(patients) + 1:03d}")
            cases.append(NewCase(f"case-{number:03d}", str(place), selector, patient, None))
    return tuple(cases), tuple(notes)


def _file_names(files: Sequence[Path], folder: Path) -> dict[Path, str]:
    """Name files: by their own name, or by their folder's where that tells more, or by their whole path."""
    short = {
        each: each.parent.name if _stem(each).lower() in _PLAIN_NAMES and each.parent != folder else _stem(each)
        for each in files
    }
    counts = Counter(name.casefold() for name in short.values())
    return {
        each: name if counts[name.casefold()] == 1 else "-".join((*each.parent.relative_to(folder).parts, _stem(each)))
        for each, name in short.items()
    }


def _stem(path: Path) -> str:
    suffix = next((each for each in (*SUFFIXES, ".zip") if path.name.lower().endswith(each)), "")
    return path.name[: len(path.name) - len(suffix)] or path.name


def _series_of(place: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the series of a DICOM folder or zip that are volumes, each with its PatientID; and what was left out."""
    try:
        info = read_info(place)
    except RadsamError as error:
        return [], [str(error)]
    found: list[tuple[str, str]] = []
    left_out = 0
    for uid, selector, usable in _selectors(info):
        if usable:
            patient = read_patient(place, uid)
            found.append((selector, patient.id if patient else ""))
        else:
            left_out += 1
    return found, [f"Left out {left_out} series of a DICOM folder that are not volumes."] if left_out else []


def _selectors(info: VolumeInfo) -> Iterator[tuple[str, str, bool]]:
    """Yield UID, selector and whether it can be read as a volume, of each series or part of one."""
    for each in info.series:
        if each.parts:
            yield from ((each.uid, part.selector, _readable(part.problem)) for part in each.parts)
        else:
            selector = str(each.number) if each.uid in ("", "none") else each.uid
            yield each.uid, selector, each.slices > 1 and _readable(each.problem)


def _readable(problem: str) -> bool:
    """Whether a series can be read: at once, or resampled."""
    return not problem or "--resample" in problem
