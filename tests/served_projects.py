"""Projects of phantoms: two balls per case, different in each, with proposals and a second user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from phantoms import touching_balls
from radsam.io.volume_write import write_volume
from radsam.project.project import Project
from radsam.project.proposal import Proposal
from radsam.project.task_state import NewCase, ProjectSettings
from radsam.session.label_set import Label, LabelSet
from radsam.volume import Plane, SparseMask, Volume

LABELS = LabelSet(label=(Label(name="right", value=7, color="#0080ff"), Label(name="left", value=2)), name="two balls")
RIGHT_BOX = {"box": {"k": 13, "i0": 3, "j0": 7, "i1": 15, "j1": 20}}


def case_volume(number: int) -> Volume:
    """The volume of a case: no two have the same voxels."""
    volume = touching_balls().volume
    values = volume.values.copy()
    values[0, 0, number % values.shape[2]] = 1000 + number
    return Volume(values, volume.geometry)


def make_project(folder: Path, cases: int = 2, *, by: str = "local", **settings: Any) -> Project:
    """Make a project of cases called case-1, case-2, …, each a file of its own."""
    listed = []
    (folder / "cases").mkdir()
    for number in range(1, cases + 1):
        path = folder / "cases" / f"case-{number}.nii.gz"
        write_volume(case_volume(number), path)
        listed.append(NewCase(f"case-{number}", str(path), None, f"patient-{number}", "CT"))
    given = {"learn_every": 0, "order": "listed", **settings}
    return Project.create(folder / "project", ProjectSettings(name="Balls", **given), LABELS, listed, by)


def truth(label: str) -> Bool[np.ndarray, "k j i"]:
    """The voxels of a label, in every case."""
    return touching_balls().truths[label]


def propose(project: Project, case: str, labels: Sequence[str] = ("right",), round: int | None = None) -> None:
    """Propose, for labels of a case, their balls without the last slice."""
    proposals = {}
    for label in labels:
        mask = truth(label).copy()
        mask[np.flatnonzero(mask.any(axis=(1, 2)))[-1]] = False
        sparse = SparseMask.of(mask, 2)
        low, high = min(sparse.slices), max(sparse.slices)
        proposals[label] = Proposal(label, sparse, 0.75, Plane.AXIAL, low, high)
    project.set_proposals(case, round, proposals)
