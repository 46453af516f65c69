"""Does `radsam demo` segment and correct an organ, and state that its CT is a phantom?"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine
from radsam.io.volume_read import read_labels, read_volume

FILES = {"ct.nii.gz", "truth.nii.gz", "mask.nii.gz", "preview.png", "liver.radsam"}


def check_files(folder: Path) -> None:
    assert {each.name for each in folder.iterdir()} == FILES
    mask, truth = read_labels(folder / "mask.nii.gz"), read_labels(folder / "truth.nii.gz")
    assert mask.ids.any()
    assert mask.geometry.same_grid(truth.geometry)
    assert mask.geometry.same_grid(read_volume(folder / "ct.nii.gz").geometry)
    with Image.open(folder / "preview.png") as picture:
        assert min(picture.size) >= 400


@pytest.mark.slow
def test_the_demo_needs_nothing_but_a_bundle(run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path) -> None:
    result = run_radsam("demo", "--out", "new/demo", "--model", tiny_bundle, cwd=tmp_path).done()
    assert "phantom, not a patient" in result.stderr
    assert re.search(r"Dice against the phantom's truth: [\d.]+ from one .*box, [\d.]+ after one", result.stdout)
    check_files(tmp_path / "new" / "demo")
    # The commands that it prints do the same.
    first = read_labels(tmp_path / "new/demo/mask.nii.gz").ids
    lines = [shlex.split(each)[1:] for each in result.stdout.splitlines() if each.startswith("  radsam ")]
    assert [each[0] for each in lines] == ["segment", "edit"]
    (tmp_path / "new/demo/liver.radsam").unlink()
    run_radsam(*lines[0], "--model", tiny_bundle, cwd=tmp_path).done()
    run_radsam(*lines[1], cwd=tmp_path).done()
    np.testing.assert_array_equal(read_labels(tmp_path / "new/demo/mask.nii.gz").ids, first)


@pytest.mark.slow
def test_the_click_of_the_demo_helps(run_radsam: CommandLine, tmp_path: Path) -> None:
    """Above 0.5 by more than chance; the box is loose, and the phantom shows that the program works, not how well."""
    result = run_radsam("demo", "--json", cwd=tmp_path).done()
    assert result.json["model"] == "radsam-lite"
    assert result.json["dice_corrected"] > 0.5
    assert result.json["dice_corrected"] > result.json["dice_one_box"]
    check_files(tmp_path / "radsam-demo")
