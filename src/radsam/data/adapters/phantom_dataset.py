"""The phantom as a dataset: as many made patients as wanted, to try the whole way to trained weights without data.

Layout: one folder per case with ``ct.nii.gz`` and ``seg.nii.gz``, named ``phantom_0000``
after the seed of its anatomy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from radsam.data.adapters.phantom import ORGANS, make_phantom
from radsam.data.case import Case, LabelSource, only_classes
from radsam.data.phantom_painting import Number
from radsam.disk.atomic_write import make_folder
from radsam.errors import DatasetError
from radsam.io.volume_write import write_labels, write_volume

_NAME = re.compile(r"phantom_\d{4,}")
_CT, _LABELS = "ct.nii.gz", "seg.nii.gz"


def write_phantoms(
    root: Path,
    count: int,
    *,
    shape_ijk: tuple[int, int, int] = (192, 160, 56),
    spacing_mm_ijk: tuple[Number, Number, Number] = (1.8, 1.8, 4.0),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Make the phantoms with the seeds 0 to `count` - 1, leaving those that are there already.

    Args:
        root: Folder of the dataset; made if it does not exist.
        count: How many.
        shape_ijk: As for `make_phantom`.
        spacing_mm_ijk: As for `make_phantom`.
        progress: Called after each with the number done and the number of all.

    Raises:
        OutputError: A file or folder cannot be written.
    """
    for seed in range(count):
        folder = root / f"phantom_{seed:04}"
        # The labels are written last: where they are, the phantom is complete.
        if not (folder / _LABELS).exists():
            make_folder(folder)
            phantom = make_phantom(seed=seed, shape_ijk=shape_ijk, spacing_mm_ijk=spacing_mm_ijk)
            write_volume(phantom.volume, folder / _CT)
            write_labels(phantom.truth, folder / _LABELS)
        progress(seed + 1, count)


def find_cases(root: Path, *, classes: Sequence[str] | None = None) -> list[Case]:
    """List the phantoms of a folder.

    Args:
        root: The folder that `write_phantoms` wrote.
        classes: Keep these organs only; None for all.

    Returns:
        The cases in order of their seeds; their split is left open.

    Raises:
        DatasetError: There is no phantom, or no organ of a given name.
    """
    folders = sorted(labels.parent for labels in root.glob(f"*/{_LABELS}") if _NAME.fullmatch(labels.parent.name))
    if not folders:
        raise DatasetError(
            f"{root} holds no phantom: looked for phantom_0000/{_CT} with phantom_0000/{_LABELS}. Make some with: "
            f"radsam data prepare --dataset phantom --count 5 --root {root} --out STORE"
        )
    cases = [
        Case(
            case_id=folder.name,
            image=folder / _CT,
            labels={name: LabelSource(folder / _LABELS, value) for value, name in ORGANS.items()},
            label_origin="exact",
            licence="made by RadSAM, free to use",
        )
        for folder in folders
    ]
    return only_classes(cases, classes)
