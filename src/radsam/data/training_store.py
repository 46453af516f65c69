"""Volumes turned once into a store that training reads straight from disk.

A store is a folder: ``store.json`` with the version, the plane and the least area, and
``cases/<case_id>/`` as `radsam.data.stored_case` describes. A case appears under its name
only when it is complete, so preparing may be stopped at any time and resumed; several
datasets may be prepared into one store.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radsam.data.case import Case
from radsam.data.patient_split import assign_splits
from radsam.data.stored_case import FACTS, OBJECT_FIELDS, SliceObjects, StoredCase, describe_values, write_arrays
from radsam.disk.atomic_write import replacing, write_failure
from radsam.disk.file_lock import LOCK_NAME, locked_folder
from radsam.errors import DatasetError, OutputError, RadsamError
from radsam.volume import Modality, Plane, SliceGrid

#: Raised when the files of a store change their meaning. In version 1, every case is a CT in hu.npy.
VERSION = 2
_READ_VERSIONS = (1, VERSION)
#: Slices with fewer pixels of an object are not trained on (paper section 3.2).
MIN_PIXELS = 15
#: Left free on the disk besides the arrays: indices, descriptions, and something for others.
_SPARE_BYTES = 50_000_000


@dataclass(frozen=True)
class CaseOutcome:
    """The result for one case.

    Args:
        case_id: Its name.
        state: "written", "kept" (it was complete before) or "skipped".
        reason: Why it was skipped; empty otherwise.
        object_slices: Number of (slice, object) pairs that can be trained on.
        small_slices: Number of pairs left out because the object is too small there.
        absent: Classes that have no voxel in this case.
        modality: What made the volume: "CT", "MR", "PET" or "other"; empty where it was skipped.
        doubt: Why that may be wrong: "guessed" from the values, or "unlikely" by them; empty where nothing speaks
            against it.
    """

    case_id: str
    state: str
    reason: str = ""
    object_slices: int = 0
    small_slices: int = 0
    absent: tuple[str, ...] = ()
    modality: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class StoreReport:
    """The outcome of `prepare_store`; the store has it as report.json, too.

    Args:
        min_pixels: The least area of an object on a slice.
        outcomes: One for each case that was given.
    """

    min_pixels: int
    outcomes: tuple[CaseOutcome, ...] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """Number of cases written, kept and skipped, of usable slices and of too small ones."""
        states = Counter(each.state for each in self.outcomes)
        return {
            **{state: states[state] for state in ("written", "kept", "skipped")},
            "object_slices": sum(each.object_slices for each in self.outcomes),
            "small_slices": sum(each.small_slices for each in self.outcomes),
        }

    @property
    def skipped(self) -> dict[str, str]:
        """Name of each skipped case, and why it was skipped."""
        return {each.case_id: each.reason for each in self.outcomes if each.state == "skipped"}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "min_pixels": self.min_pixels,
            "counts": self.counts,
            "cases": [{**asdict(each), "absent": list(each.absent)} for each in self.outcomes],
        }


#: Called after each case with the number of cases done, of all cases, and its result.
Progress = Callable[[int, int, CaseOutcome], None]


@dataclass(frozen=True, eq=False)
class Store:
    """A store, opened for reading.

    Args:
        folder: Where it is.
        version: Version of its description; cases of version 1 stay as they are when others are added.
        plane: The plane of the slices.
        min_pixels: The least area of an object on a slice.
        cases: The cases in order of their names.
        index: One record for each object on each slice: `case_number` (the index in
            `cases`) and the fields of `OBJECT_FIELDS`. Columns are ``index["area_px"]`` or
            ``index.area_px``, records ``index[7].area_px``.
    """

    folder: Path
    version: int
    plane: Plane
    min_pixels: int
    cases: tuple[StoredCase, ...]
    index: np.recarray[Any, Any]


def prepare_store(
    cases: Sequence[Case],
    folder: Path,
    *,
    plane: str = "axial",
    progress: Progress | None = None,
    min_pixels: int = MIN_PIXELS,
) -> StoreReport:
    """Turn cases into a store, or add missing cases to one.

    Cases that cannot be used (a broken file, labels on another grid, nothing labelled)
    are skipped and reported, not fatal. A case that is complete and made from the same
    files stays as it is. Cases without a split get one by their patient, see `assign_splits`.

    Args:
        cases: The cases of one or more datasets.
        folder: The store; made if it does not exist.
        plane: The plane of the slices.
        progress: Called after each case.
        min_pixels: The least area of an object on a slice (paper section 3.2).

    Raises:
        DatasetError: The list is empty, two cases have one name, the folder holds something
            else or another kind of store, or the disk is too small (checked before the
            work).
        InUseError: Another process prepares cases into the folder.
        OutputError: Writing failed; the cases that were finished stay.
        PromptError: `plane` is not the name of a plane.
    """
    cases = assign_splits(_check_names(cases))
    settings = {"format": "radsam-store", "version": VERSION, "plane": str(plane), "min_pixels": min_pixels}
    _check_settings(folder, settings)
    with locked_folder(folder, "radsam data prepare"):
        return _prepare(cases, folder, settings, progress)


def _prepare(cases: Sequence[Case], folder: Path, settings: dict[str, Any], progress: Progress | None) -> StoreReport:
    """Do the work of `prepare_store`, alone in the folder."""
    _check_settings(folder, settings)  # another process may have made a store here meanwhile
    plane, min_pixels = settings["plane"], settings["min_pixels"]
    prints = {case.case_id: _fingerprint(case) for case in cases}
    finished = {
        name
        for name, fingerprint in prints.items()
        if _stored_description(folder / "cases" / name).get("fingerprint") == fingerprint
    }
    _check_space(folder, [case for case in cases if case.case_id not in finished])
    outcomes = []
    try:
        (folder / "cases").mkdir(parents=True, exist_ok=True)
        _write_json(folder / "store.json", settings)
        for case in cases:
            if case.case_id in finished:
                outcomes.append(_keep(case, folder, prints[case.case_id]))
            else:
                outcomes.append(_store(case, folder, plane, min_pixels, prints[case.case_id]))
            if progress is not None:
                progress(len(outcomes), len(cases), outcomes[-1])
        report = StoreReport(min_pixels, tuple(outcomes))
        _write_json(folder / "report.json", report.to_dict())
    except OSError as error:
        raise OutputError(
            f"The store {folder} could not be written: {write_failure(error, _existing(folder))}"
        ) from error
    return report


def open_store(folder: Path) -> Store:
    """Open a store for reading.

    Raises:
        DatasetError: `folder` is not a store, has another version or no cases, or one of
            its cases is broken.
    """
    settings = _read_settings(folder)
    if settings is None:
        raise DatasetError(
            f"{folder} is not a store of training cases: looked for store.json. Make one with: radsam data prepare"
        )
    cases = tuple(
        StoredCase.read(each) for each in sorted((folder / "cases").glob("*")) if not each.name.startswith(".")
    )
    if not cases:
        raise DatasetError(f"The store {folder} has no cases; its report.json names the reason for each.")
    return Store(folder, **settings, cases=cases, index=_index(cases))


def _index(cases: tuple[StoredCase, ...]) -> np.recarray[Any, Any]:
    objects = [case.objects for case in cases]
    index = np.empty(sum(map(len, objects)), [("case_number", np.int32), *OBJECT_FIELDS])
    index["case_number"] = np.repeat(np.arange(len(cases)), [len(each) for each in objects])
    for name, _ in OBJECT_FIELDS:
        index[name] = np.concatenate([each[name] for each in objects])
    return index.view(np.recarray)


def _check_names(cases: Sequence[Case]) -> Sequence[Case]:
    names = Counter(case.case_id for case in cases)
    twice = sorted(name for name, count in names.items() if count > 1)
    if not cases or twice:
        given = f"Several cases are named {', '.join(twice)}." if twice else "The list of cases is empty."
        raise DatasetError(f"{given} Give at least one case, each with a name of its own.")
    return cases


def _read_settings(folder: Path) -> dict[str, Any] | None:
    """Read store.json, or return None where there is none.

    Raises:
        DatasetError: It is not a store of this version.
    """
    path = folder / "store.json"
    if not path.is_file():
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        version = settings["version"] if settings["format"] == "radsam-store" else None
        if version in _READ_VERSIONS:
            return {"version": version, "plane": Plane(settings["plane"]), "min_pixels": int(settings["min_pixels"])}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DatasetError(f"{path} is not the description of a store of training cases: {error!r}") from error
    raise DatasetError(
        f"The store {folder} has version {version}, this program reads up to {VERSION}. "
        "Prepare the dataset again into another folder."
    )


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    there = _read_settings(folder)
    if there is None:
        if folder.exists() and (not folder.is_dir() or any(each.name != LOCK_NAME for each in folder.iterdir())):
            raise DatasetError(f"{folder} is not a store and not empty. Give a new folder, or the store to add to.")
        return
    differing = {name: there[name] for name in ("plane", "min_pixels") if there[name] != settings[name]}
    if differing:
        made = ", ".join(f"{name} {value}" for name, value in differing.items())
        wanted = ", ".join(f"{name} {settings[name]}" for name in differing)
        raise DatasetError(f"The store {folder} was made with {made}, not {wanted}. Give another folder.")


def _fingerprint(case: Case) -> str:
    """Return whether a case was made from the same files and classes."""
    files = {case.image, *(source.file for source in case.labels.values())}
    stats = sorted((file.name, *_size_and_time(file)) for file in files)
    classes = [(name, source.file.name, source.value) for name, source in case.labels.items()]
    # As it was before a case had another modality than CT, so that earlier stores stay.
    modality = () if case.modality is Modality.CT else (str(case.modality),)
    return hashlib.sha256(repr((stats, classes, *modality)).encode()).hexdigest()


def _size_and_time(path: Path) -> tuple[int, int]:
    inner = [path, *path.rglob("*")] if path.is_dir() else [path]
    stats = [each.stat() for each in inner if each.is_file()]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def _stored_description(folder: Path) -> dict[str, Any]:
    """Read the description of a stored case; empty where it is missing or broken."""
    try:
        content = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_space(folder: Path, cases: Sequence[Case]) -> None:
    needed = sum(map(_stored_bytes, cases))
    free = shutil.disk_usage(_existing(folder)).free
    if needed and needed + _SPARE_BYTES > free:
        raise DatasetError(
            f"The store {folder} needs {(needed + _SPARE_BYTES) / 1e9:.1f} GB for {len(cases)} cases, but only "
            f"{free / 1e9:.1f} GB are free. Make room, choose another disk, or prepare fewer cases."
        )


def _stored_bytes(case: Case) -> int:
    from radsam.io.volume_read import read_info  # where a store is only read, no reader of images is needed

    try:
        geometry = read_info(case.image).geometry
    except (RadsamError, OSError):
        return 0  # it will be skipped
    bytes_per_voxel = (2 if case.modality is Modality.CT else 4) + (1 if len(case.labels) <= 255 else 2)
    return 0 if geometry is None else int(np.prod(geometry.shape_kji)) * bytes_per_voxel


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def _store(case: Case, folder: Path, plane: str, min_pixels: int, fingerprint: str) -> CaseOutcome:
    from radsam.data.case_load import load_case

    final = folder / "cases" / case.case_id
    made_of = _stored_description(final).get("image", str(case.image.absolute()))
    if made_of != str(case.image.absolute()):
        why = f"The store has a case of this name already, made of {made_of}. Rename one, or use another store."
        return CaseOutcome(case.case_id, "skipped", why)
    try:
        volume, labels = load_case(case)
        grid = SliceGrid.of(volume.geometry, plane)
        objects = SliceObjects.of(labels, grid, min_pixels)
    except (RadsamError, OSError) as error:
        return CaseOutcome(case.case_id, "skipped", str(error))
    absent = tuple(name for number, name in case.names.items() if number not in objects.present)
    if not objects.records.size:
        why = "The label maps hold no voxel of any class."
        if objects.present:
            why = f"The objects have fewer than {min_pixels} pixels on every slice."
        return CaseOutcome(case.case_id, "skipped", why, 0, objects.small_slices, absent)
    counts = objects.records.size, objects.small_slices, absent
    doubt = ("guessed" if case.modality is None else "unlikely") if volume.modality_doubt else ""
    outcome = CaseOutcome(case.case_id, "written", "", *counts, volume.modality.value, doubt)
    partial = final.with_name(f".{case.case_id}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        write_arrays(partial, volume, labels, grid, objects.records)
        names = {number: name for number, name in case.names.items() if number in objects.present}
        described = {
            **_description(case, fingerprint, outcome),
            **describe_values(volume),
            "plane": str(grid.plane),
            "shape_kji": list(volume.geometry.shape_kji),
            "affine_lps": volume.geometry.affine_lps.tolist(),
            "names": names,
        }
        _write_json(partial / "case.json", described)
        shutil.rmtree(final, ignore_errors=True)  # an older version of the same case
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return outcome


def _keep(case: Case, folder: Path, fingerprint: str) -> CaseOutcome:
    """Leave the arrays of a finished case and update its description: its split may have changed."""
    content = _stored_description(folder / "cases" / case.case_id)
    counts = content["object_slices"], content["small_slices"], tuple(content["absent"])
    outcome = CaseOutcome(case.case_id, "kept", "", *counts, content["modality"], content.get("modality_doubt", ""))
    described = {**content, **_description(case, fingerprint, outcome)}
    if described != content:
        _write_json(folder / "cases" / case.case_id / "case.json", described)
    return outcome


def _description(case: Case, fingerprint: str, outcome: CaseOutcome) -> dict[str, Any]:
    return {
        **{name: getattr(case, name) for name in FACTS},
        "image": str(case.image.absolute()),
        "fingerprint": fingerprint,
        "object_slices": outcome.object_slices,
        "small_slices": outcome.small_slices,
        "absent": list(outcome.absent),
        **({"modality_doubt": outcome.doubt} if outcome.doubt else {}),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
