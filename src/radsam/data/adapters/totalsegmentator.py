"""TotalSegmentator's dataset, versions 1 and 2: whole-body CT with over 100 classes.

Layout: one folder per case with ``ct.nii.gz`` and ``segmentations/<class>.nii.gz``, and a
``meta.csv`` with the columns ``image_id`` and ``split``. The versions differ in which
classes exist and in their numbers, so classes go by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radsam.data.case import Case, LabelSource, only_classes
from radsam.disk.csv_table import read_csv_table
from radsam.errors import DatasetError, InputError

_SUFFIX = ".nii.gz"


def find_cases(root: Path, *, classes: Sequence[str] | None = None) -> list[Case]:
    """List the cases of TotalSegmentator's dataset.

    Args:
        root: The unpacked dataset, of either version.
        classes: Keep these classes only; None for all.

    Returns:
        The cases in order of their names, with the dataset's own split. Without a
        meta.csv, as in a part of the dataset, their split is left open.

    Raises:
        DatasetError: `root` is not TotalSegmentator's dataset, meta.csv does not say the
            split of each case, or there is no class of a given name.
    """
    folders = sorted(image.parent for image in root.glob(f"*/ct{_SUFFIX}") if (image.parent / "segmentations").is_dir())
    if not folders:
        raise DatasetError(
            f"{root} is not TotalSegmentator's dataset: looked for <case>/ct.nii.gz with <case>/segmentations/, and "
            "found none. Give the folder that holds the case folders (s0001 and so on) and meta.csv."
        )
    meta = root / "meta.csv"
    splits = _read_splits(meta) if meta.is_file() else None
    missing = [folder.name for folder in folders if splits is not None and folder.name not in splits]
    if missing:
        raise DatasetError(
            f"{meta} has no row for {len(missing)} of {len(folders)} cases, {missing[0]} first: it belongs to another "
            "version of the dataset. Give the one that was unpacked with these cases."
        )
    cases = []
    for folder in folders:
        masks = sorted(each for each in (folder / "segmentations").glob(f"*{_SUFFIX}") if each.name[0] != ".")
        if masks:
            cases.append(
                Case(
                    case_id=folder.name,
                    image=folder / f"ct{_SUFFIX}",
                    labels={mask.name.removesuffix(_SUFFIX): LabelSource(mask) for mask in masks},
                    split=splits[folder.name] if splits is not None else "",
                    label_origin="reviewed",
                    licence="CC BY 4.0",
                )
            )
    if not cases:
        raise DatasetError(f"{root} has {len(folders)} case folders, but no segmentations/<class>.nii.gz in any.")
    return only_classes(cases, classes)


def _read_splits(path: Path) -> dict[str, str]:
    """Read case to split from meta.csv, separated by semicolons (as published) or commas."""
    try:
        table = read_csv_table(path, {"image_id", "split"}.__contains__)
    except InputError as error:
        raise DatasetError(str(error)) from error
    if not {"image_id", "split"} <= set(table.columns):
        raise DatasetError(f"{path} has the columns {', '.join(table.columns)}; image_id and split are needed.")
    rows = [dict(zip(table.columns, cells, strict=False)) for _, cells in table.rows]
    return {row["image_id"].strip(): row.get("split", "").strip() for row in rows if row.get("image_id", "").strip()}
