"""The Medical Segmentation Decathlon: ten tasks, each a folder of its own.

Layout of a task: ``dataset.json``, ``imagesTr``, ``labelsTr``; the test images carry no
labels and are not cases. The tasks come without a validation split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radsam.data.case import Case, LabelSource, only_classes
from radsam.data.dataset_json import read_dataset_json
from radsam.errors import DatasetError
from radsam.volume import Modality

_SUFFIX = ".nii.gz"


def find_cases(root: Path, *, classes: Sequence[str] | None = None) -> list[Case]:
    """List the labelled cases of one task, or of every CT task below a folder.

    Args:
        root: A task folder (Task06_Lung), or the folder that holds several.
        classes: Keep these classes only; None for all.

    Returns:
        The cases in order of their names; their split is left open.

    Raises:
        DatasetError: `root` has no task, or no class of a given name.
    """
    if _is_task(root):
        return only_classes(_task_cases(root), classes)
    tasks = sorted(each for each in root.glob("Task*") if _is_task(each))
    if not tasks:
        raise DatasetError(
            f"{root} is not a task of the Medical Segmentation Decathlon: looked for dataset.json, imagesTr and "
            "labelsTr there, and for folders Task* that have them. Give a task folder, such as Task06_Lung."
        )
    cases = [case for task in tasks for case in _task_cases(task) if case.modality is Modality.CT]
    if not cases:
        raise DatasetError(f"None of the tasks {', '.join(each.name for each in tasks)} of {root} is of CT.")
    return only_classes(cases, classes)


def _is_task(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("dataset.json", "imagesTr", "labelsTr"))


def _task_cases(task: Path) -> list[Case]:
    described = read_dataset_json(task / "dataset.json")
    # The archives were packed on a Mac and hold a hidden "._" twin of every file.
    images = sorted(each for each in (task / "imagesTr").glob(f"*{_SUFFIX}") if each.name[0] != ".")
    if not images:
        raise DatasetError(f"{task} is described as a dataset, but its imagesTr holds no .nii.gz.")
    return [
        Case(
            case_id=image.name.removesuffix(_SUFFIX),
            image=image,
            labels={
                name: LabelSource(task / "labelsTr" / image.name, value)
                for value, name in described.class_names.items()
            },
            label_origin="manual",
            licence="CC BY-SA 4.0",
            modality=described.modality,
        )
        for image in images
    ]
