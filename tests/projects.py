"""Projects of phantoms, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from phantoms import GRIDS, ball
from radsam.io.volume_write import write_volume
from radsam.project.project import NewCase, Project, ProjectSettings
from radsam.session.label_set import Label, LabelCode, LabelSet

LABELS = LabelSet(
    (Label("liver", 1, "#dd8265"), Label("left kidney", 2, code=LabelCode("64033007", "Kidney"))), "Abdomen"
)
#: The grid of every case, and a mask on it that no flip leaves as it is.
GRID = GRIDS["anisotropic"]


def cases(number: int, source: str = "/nowhere/{}.nii.gz") -> list[NewCase]:
    """Cases c0, c1, …, two of each patient."""
    return [NewCase(f"c{n}", source.format(f"c{n}"), None, f"p{n // 2}", "CT") for n in range(number)]


def project(folder: Path, number: int = 3, labels: LabelSet = LABELS, **settings: object) -> Project:
    """A new project without volumes."""
    return Project.create(folder, ProjectSettings("Test", **settings), labels, cases(number))  # type: ignore[arg-type]


def with_volumes(folder: Path, number: int = 2, patients: Sequence[str] = ()) -> Project:
    """A new project whose cases have volumes, in a folder beside it."""
    volumes = folder.with_name("volumes")
    volumes.mkdir()
    for n in range(number):
        write_volume(ball("anisotropic", 6.0 + n / 4).volume, volumes / f"c{n}.nii.gz")
    found = cases(number, str(volumes / "{}.nii.gz"))
    if patients:
        found = [NewCase(each.id, each.source, None, patients[n], "CT") for n, each in enumerate(found)]
    return Project.create(folder, ProjectSettings("Test", order="listed"), LABELS, found)


def mask(shift: int = 0) -> Bool[np.ndarray, "k j i"]:
    """A mask on `GRID` that no flip leaves as it is."""
    voxels = np.zeros(GRID.shape_kji, bool)
    voxels[1:4, 5:15, 3 + shift : 12 + shift] = True
    voxels[4, 5:8, 3 + shift : 20 + shift] = True
    return voxels


def finish_all(of: Project, case: str, user: str = "anna", shift: int = 0) -> None:
    """Finish all labels of a case; the mask of each is a voxel further to the right."""
    for number, each in enumerate(of.labels.label):
        of.begin(case, each.name, user, "s1", each.name, "prompt")
        of.add_work(case, each.name, user, 3, 12.5)
        of.finish(case, each.name, user, mask(shift + number), {"model": "fake"}, GRID)
