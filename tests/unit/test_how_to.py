"""Do the backend and the dataset that docs/how-to shows work?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doc_blocks import blocks_of
from phantoms import touching_balls
from radsam.data.case import Case
from radsam.data.case_load import load_case
from radsam.errors import DatasetError
from radsam.io.volume_write import write_labels, write_volume
from radsam.runtime import Backend, open_backend, read_bundle
from radsam.session import Engine
from radsam.volume import Box, LabelVolume, Point

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def example(page: str, name: str) -> Any:
    """What a block of Python on a page defines, a class or a function."""
    (block,) = (each for each in blocks_of(HOW_TO / page) if re.search(rf"^{name}\b", each.code, re.MULTILINE))
    names: dict[str, Any] = {}
    exec(compile(block.code, page, "exec"), names)
    return names[name.split()[1]]


def test_the_backend_agrees_with_a_shipped_one(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    mine, theirs = example("write-a-backend.md", "class ReferenceBackend")(bundle), open_backend(bundle, "onnx")
    assert isinstance(mine, Backend)
    images = np.random.default_rng(0).normal(size=(1, 3, bundle.spec.input_size, bundle.spec.input_size))
    images = images.astype(np.float32)
    np.testing.assert_allclose(mine.encode(images), theirs.encode(images), atol=2e-2)
    volume = touching_balls().volume
    for prompt in (Box(k=13, i0=3, j0=7, i1=15, j1=20), Point(i=9, j=12, k=13)):
        masks = []
        for backend in (mine, theirs):
            session = Engine(bundle, backend).open(volume)
            session.segment(prompt, bounds=(12, 14), name="right")
            masks.append(session.mask("right"))
        assert masks[0].any()
        assert np.mean(masks[0] != masks[1]) < 1e-3  # voxels at the edge, whose logits are near zero


def test_the_dataset_lists_and_loads_cases(tmp_path: Path) -> None:
    find_cases, scene = example("add-a-dataset.md", "def find_cases"), touching_balls("anisotropic")
    for folder in ("scans", "outlines"):
        (tmp_path / folder).mkdir()
    values = np.where(scene.truths["right"], 1, 0).astype(np.uint8)
    values[scene.truths["left"]] = 2
    write_volume(scene.volume, tmp_path / "scans" / "a.nii.gz")
    write_labels(LabelVolume(values, scene.volume.geometry), tmp_path / "outlines" / "a.nii.gz")
    (case,) = find_cases(tmp_path)
    assert isinstance(case, Case)
    assert (case.case_id, list(case.labels)) == ("a", ["liver", "liver_tumour"])
    _, labels = load_case(case)
    np.testing.assert_array_equal(labels.ids, values)
    (case,) = find_cases(tmp_path, classes=["liver"])
    assert list(case.labels) == ["liver"]
    with pytest.raises(DatasetError, match="unpacked folder"):
        find_cases(tmp_path / "scans")
