"""Baselines and pictures on an MR, whose values mean nothing by themselves."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_trees import blocks, ct, write_image, write_json
from radsam.benchmark.benchmark_config import DatasetConfig
from radsam.benchmark.cohort import find_dataset, members
from radsam.benchmark.models.baselines import rule_model
from radsam.benchmark.object_picture import draw_object
from radsam.data.case_load import load_case
from radsam.metrics import dice
from radsam.volume import Bounds, Box, Geometry, Modality, Plane, SliceGrid, Volume

SHAPE_KJI = (7, 40, 48)


def bright_ball(scale: float) -> tuple[Volume, np.ndarray]:
    """A ball brighter than its surroundings, in noise, in values of any scale."""
    k, j, i = np.mgrid[: SHAPE_KJI[0], : SHAPE_KJI[1], : SHAPE_KJI[2]]
    truth = ((k - 3) * 3) ** 2 + (j - 18) ** 2 + (i - 27) ** 2 < 81
    values = np.where(truth, 0.8, 0.3) + np.random.default_rng(0).normal(0, 0.02, SHAPE_KJI)
    geometry = Geometry.from_parts(SHAPE_KJI, (0.0, 0.0, 0.0), (1.0, 1.0, 3.0), np.eye(3))
    return Volume((scale * values).astype(np.float32), geometry, Modality.MR), truth


@pytest.mark.parametrize("scale", [0.001, 1.0, 5000.0])
def test_a_threshold_and_a_picture_do_not_depend_on_the_scale_of_values(scale: float) -> None:
    volume, truth = bright_ball(scale)
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    rows, cols = np.flatnonzero(truth[3].any(axis=1)), np.flatnonzero(truth[3].any(axis=0))
    box = Box.on(grid, 3, int(cols[0]), int(rows[0]), int(cols[-1]), int(rows[-1]))
    held = np.flatnonzero(truth.any(axis=(1, 2)))
    model = rule_model("otsu")
    model.prepare(volume, "ball")
    found = model.segment(box, Bounds(int(held[0]), int(held[-1])), "ball")
    assert dice(found, truth) > 0.95
    drawn = np.asarray(Image.open(io.BytesIO(draw_object(volume, truth, truth, box, 3))).convert("L"), np.float32)
    assert drawn.std() > 30, "ball and surroundings differ in the picture"


def test_mri_of_amos_is_measured_where_it_is_included(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset.json", {"labels": {"0": "background", "1": "spleen", "6": "liver"}})
    for name in ("amos_0008", "amos_0507"):
        write_image(tmp_path / "imagesVa" / f"{name}.nii.gz", ct())
        write_image(tmp_path / "labelsVa" / f"{name}.nii.gz", blocks(1, 6))
    with_mri = DatasetConfig(layout="amos", include_mri=True)
    assert [case.case_id for case in find_dataset("amos", DatasetConfig(layout="amos"), tmp_path)] == ["amos_0008"]
    found = {}
    for case in find_dataset("amos", with_mri, tmp_path):
        volume, labels = load_case(case)
        found[case.case_id] = {each.modality for each in members("amos", with_mri, case, labels, volume.modality)}
    assert found == {"amos_0008": {"CT"}, "amos_0507": {"MR"}}
