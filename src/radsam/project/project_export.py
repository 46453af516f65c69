"""Exporting the finished cases of a project with a manifest, how each mask was made, and a split by patient.

An export is made in a hidden folder beside its own and takes its name when it is complete, so it is there whole or not
at all.
"""

from __future__ import annotations

import csv
import json
import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radsam.disk.atomic_write import make_folder, write_failure
from radsam.errors import InputError, OutputError
from radsam.project.export_formats import (
    ExportedCase,
    ExportFormat,
    label_values,
    not_dicom,
    write_case,
    write_descriptions,
)
from radsam.project.export_split import PatientSplit, split_by_patient
from radsam.project.finished_mask import FinishedMask, file_name
from radsam.project.project import Case, Project, Task
from radsam.volume import Modality

#: How nnU-Net names the folder of a dataset.
_NNUNET_NAME = re.compile(r"Dataset\d{3}_[A-Za-z0-9._-]+")
#: The columns of `manifest.csv`.
_COLUMNS = (
    *("case", "label", "value", "patient", "split", "fold", "labels", "image", "state", "absent", "voxels"),
    *("annotator", "reviewer", "review", "finished", "actions", "seconds", "started_from", "proposed_by", "weights"),
    *("model", "prompts", "hand_edits"),
)


@dataclass(frozen=True)
class ExportChoice:
    """What to export.

    Args:
        file_format: The form.
        test_share: Share of the patients for testing.
        seed: Of the split.
        checked: Only cases of which every label is checked.
        images: Of NIfTI, whether to write the images.
        cases: Only these cases; empty for all.
    """

    file_format: ExportFormat
    test_share: float = 0.0
    seed: int = 0
    checked: bool = False
    images: bool = True
    cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Args:
        folder: Where.
        cases: Number of cases.
        masks: Number of masks.
        left_out: Cases that are not finished, or not checked.
        notes: What a user must know, as sentences.
    """

    folder: Path
    cases: int
    masks: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def export_project(
    project: Project,
    folder: Path,
    choice: ExportChoice,
    *,
    by: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Export the finished cases.

    Args:
        project: The project.
        folder: Made; must not exist.
        choice: What.
        by: Who, for the log.
        progress: Called with the number of cases done and their total.

    Raises:
        OutputError: The folder exists, has a name that the form does not allow, or cannot be written.
        InputError: Nothing is finished, or a case cannot be exported in this form.
    """
    folder = folder.resolve()
    _check_folder(folder, choice.file_format)
    finished, left_out = _finished_cases(project, choice)
    cases = [masks[0].case for masks in finished.values()]
    _check_cases(cases, choice)
    split = split_by_patient({each.id: each.patient for each in cases}, test_share=choice.test_share, seed=choice.seed)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    images = choice.images or choice.file_format is ExportFormat.NNUNET
    try:
        make_folder(partial)
        written: dict[str, ExportedCase] = {}
        for case, masks in finished.items():
            progress(len(written), len(finished))
            form = choice.file_format
            written[case] = write_case(masks, project.labels, partial, form, test=case in split.test, images=images)
        modality = _modality([each.modality for each in written.values()], choice.file_format)
        training = len(finished) - len(split.test)
        name = project.settings.name
        write_descriptions(partial, name, project.labels, choice.file_format, modality, training, split)
        rows = _manifest_rows(project, finished, written, split, choice)
        _write_manifest(partial, project, rows, choice)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder} could not be written: {write_failure(error, folder.parent)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    project.log_export(by, choice.file_format.value, len(finished))
    progress(len(finished), len(finished))
    return Exported(folder, len(finished), len(rows), tuple(left_out), tuple(_notes(written, split, choice)))


def _check_folder(folder: Path, file_format: ExportFormat) -> None:
    if folder.exists():
        raise OutputError(f"{folder} exists already. Give a new name; an export never changes files.")
    if not folder.parent.is_dir():
        raise OutputError(f"{folder} cannot be made: the folder {folder.parent} does not exist. Create it first.")
    if file_format is ExportFormat.NNUNET and not _NNUNET_NAME.fullmatch(folder.name):
        raise OutputError(
            f"nnU-Net reads datasets from folders called like Dataset501_Abdomen (three digits and a name), not "
            f"{folder.name!r}. Give such a folder, best in nnUNet_raw."
        )


def _finished_cases(project: Project, choice: ExportChoice) -> tuple[dict[str, list[FinishedMask]], list[str]]:
    """Return the masks of cases of which all labels are done, and the ids of the others."""
    for case in choice.cases:
        project.case(case)
    listed = [
        each.id for each in project.cases() if not each.excluded and (not choice.cases or each.id in choice.cases)
    ]
    masks: dict[str, list[FinishedMask]] = {each: [] for each in listed}
    for each in project.finished():
        if each.case.id in masks and (not choice.checked or each.state.value == "checked"):
            masks[each.case.id].append(each)
    whole = {case: found for case, found in masks.items() if len(found) == len(project.labels.label)}
    if not whole:
        what = "checked" if choice.checked else "done"
        raise InputError(
            f"No case is {what} in all its labels, so there is nothing to export. See `radsam project status`."
        )
    return whole, [each for each in listed if each not in whole]


def _check_cases(cases: Sequence[Case], choice: ExportChoice) -> None:
    if choice.file_format.is_dicom and (others := [*not_dicom(cases)]):
        raise InputError(
            f"DICOM {choice.file_format.value.upper()} refers to the images of a DICOM series, and {len(others)} cases "
            f"are none ({', '.join(others[:5])}). Export nifti, or name the DICOM cases with --case."
        )
    names = [file_name(each.id).casefold() for each in cases]
    if len(set(names)) < len(names):
        raise InputError("Two cases have ids that make the same file name. Export them one by one with --case.")


def _modality(found: Sequence[Modality | None], file_format: ExportFormat) -> Modality | None:
    """Return the modality of all cases; None for several, or where it is not known."""
    names = sorted({each.value for each in found if each is not None})
    if file_format is ExportFormat.NNUNET and len(names) > 1:
        raise InputError(
            f"An nnU-Net dataset has one modality, and the cases have {', '.join(names)}. Export those of each one "
            "with --case."
        )
    return Modality(names[0]) if len(names) == 1 and None not in found else None


def _manifest_rows(
    project: Project,
    finished: Mapping[str, Sequence[FinishedMask]],
    written: Mapping[str, ExportedCase],
    split: PatientSplit,
    choice: ExportChoice,
) -> list[dict[str, Any]]:
    tasks: dict[tuple[str, str], Task] = {
        (each.case, each.label): each for each in project.tasks() if each.reading == 1
    }
    values = label_values(project.labels, choice.file_format)
    rows = []
    for case, masks in finished.items():
        of_case = {
            "case": case,
            "patient": masks[0].case.patient,
            "split": "test" if case in split.test else "train",
            "fold": split.fold_of(case),
            "labels": written[case].labels,
            "image": written[case].image,
        }
        rows += [of_case | _mask_row(each, tasks[case, each.label], values[each.label]) for each in masks]
    return rows


def _mask_row(mask: FinishedMask, task: Task, value: int) -> dict[str, Any]:
    names = ("annotator", "reviewer", "review", "finished", "actions", "started_from", "proposed_by")
    made = mask.provenance
    return {
        "label": mask.label,
        "value": value,
        "state": mask.state.value,
        "absent": mask.absent,
        "seconds": round(task.seconds, 1),
        "weights": made.get("weights"),
        "voxels": made.get("voxels"),
        **{name: getattr(task, name) for name in names},
        "provenance": made,
    }


def _write_manifest(folder: Path, project: Project, rows: Sequence[Mapping[str, Any]], choice: ExportChoice) -> None:
    """Write a table for people and JSON with how each mask was made."""
    head = {
        "project": project.settings.name,
        "format": choice.file_format.value,
        "radsam": version("radsam"),
        "split": {"test_share": choice.test_share, "seed": choice.seed, "by": "patient"},
        "labels": label_values(project.labels, choice.file_format),
    }
    text = json.dumps({**head, "masks": rows}, indent=1, ensure_ascii=False)
    (folder / "provenance.json").write_text(text + "\n", encoding="utf-8")
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, _COLUMNS, extrasaction="ignore")
        table.writeheader()
        table.writerows({**each, **_of_provenance(each["provenance"])} for each in rows)


def _of_provenance(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table can hold of how a mask was made."""
    model, prompts = made.get("model"), made.get("prompts")
    return {
        "model": model.get("name", "") if isinstance(model, dict) else model,
        "prompts": len(prompts) if isinstance(prompts, list) else prompts,
        "hand_edits": made.get("hand_edits"),
    }


def _notes(written: Mapping[str, ExportedCase], split: PatientSplit, choice: ExportChoice) -> list[str]:
    notes = []
    overlapping = {case: each.overlap for case, each in written.items() if each.overlap}
    if overlapping and not choice.file_format.is_dicom:
        notes.append(
            f"{sum(overlapping.values())} voxels of {len(overlapping)} cases have several labels "
            f"({', '.join([*overlapping][:3])}); each went to the last of them in the label set."
        )
    empty = [case for case, each in written.items() if not each.labels]
    if empty:
        notes.append(f"All labels of {', '.join(empty[:5])} are absent: a DICOM object holds at least one.")
    if choice.file_format is ExportFormat.NNUNET and not split.folds:
        notes.append("There are too few patients for folds: no splits_final.json was written.")
    return notes
