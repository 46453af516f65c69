"""An MR of each kind of the shared data, segmented from one box with no further option."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import radsam
from command_line import CommandLine, Target
from radsam.io.volume_read import read_labels
from radsam.metrics import dice

PACKAGED = [*(Path(radsam.__file__).parent / "weights").iterdir()]


@pytest.mark.parametrize("case", ["mr_brain_04", "mr_cord_t2", "mr_cord_t2s_gm"])
def test_an_mr_is_segmented_without_further_options(
    run_radsam: CommandLine, shared_data: Path, tmp_path: Path, case: str
) -> None:
    """The mask lies within the bounds and on the object; how well is measured by the benchmark."""
    if "radsam-lite-mr" not in [each.name for each in PACKAGED]:
        pytest.skip("the package has no model of MR here: src/radsam/weights/radsam-lite-mr is missing")
    folder = shared_data / "mr" / case
    ids = read_labels(folder / "seg.nii.gz").ids
    truth = ids == np.unique(ids)[1]
    target = Target.of(truth)
    low, high = target.near(1)
    line = ("segment", folder / "mr.nii.gz", "--slice", target.k, "--box", *target.box, "--bounds", low, high)
    done = run_radsam.here(*line, "-o", "mask.nii.gz", cwd=tmp_path).done()
    found = read_labels(tmp_path / "mask.nii.gz").ids > 0
    assert dice(found[target.k], truth[target.k]) > 0
    slices = np.flatnonzero(found.any(axis=(1, 2)))
    assert low <= slices[0] <= slices[-1] <= high
    assert "MR (by its values), window " in done.stdout
    assert done.stderr.count("Note:") == 1
