"""Fixtures of the benchmark's tests: a folder of two small cases, and a model with known masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def two_cases(tmp_path: Path) -> Path:
    """A folder with a manifest: balls in two patients, "ball" in both and "speck" in one."""
    from phantoms import ball
    from radsam.io.volume_write import write_labels, write_volume
    from radsam.volume import LabelVolume

    root = tmp_path / "data"
    records = []
    for name, radius in (("alpha_1", 8.0), ("beta_1", 6.0)):
        scene = ball("anisotropic", radius)
        ids = scene.truth.astype(np.uint8)
        if name == "alpha_1":
            ids[1, 1, 1:4] = 2
        (root / name).mkdir(parents=True)
        write_volume(scene.volume, root / name / "ct.nii.gz")
        write_labels(LabelVolume(ids, scene.volume.geometry), root / name / "seg.nii.gz")
        labels = {"1": "ball", "2": "speck"}
        records.append({"case": name, "split": "val", "labels": labels, "label_origin": "manual", "patient": name})
    (root / "manifest.json").write_text(json.dumps(records))
    return root
