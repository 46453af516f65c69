"""A file of several volumes: `info` counts them, --index chooses one, and the session finds it again."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from command_line import CommandLine
from fakes import FakeBackend, fake_engine
from radsam.io.volume_read import read_labels
from radsam.session import read_session

SHAPE = (36, 24, 10)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bright block that lies elsewhere in each of three volumes."""
    values = np.full((*SHAPE, 3), 100, np.int16)
    values[:2] = 0
    for index in range(3):
        values[6 + 2 * index : 20, 4:16, 2:8, index] = 600
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "fmri.nii.gz")
    for command in ("segment", "edit"):
        load = f"radsam.cli.{command}_command.load_engine"
        monkeypatch.setattr(load, lambda *given, **more: fake_engine(FakeBackend()))
    return tmp_path


def test_info_counts_the_volumes_and_describes_one(folder: Path, run_radsam: CommandLine) -> None:
    whole = run_radsam.here("info", "fmri.nii.gz", cwd=folder).done().stdout
    assert "holds 3 volumes" in whole
    assert "0 to 2: --index 0" in whole
    found = json.loads(run_radsam.here("info", "fmri.nii.gz", "--index", "1", "--json", cwd=folder).done().stdout)
    assert (found["volumes"], found["problem"], found["shape_ijk"]) == (3, "", list(SHAPE))


def test_an_edit_goes_on_with_the_volume_of_its_session(folder: Path, run_radsam: CommandLine) -> None:
    prompt = ("--slice", "4", "--box", "5", "3", "30", "17", "--bounds", "2", "7", "--policy", "box")
    saved = ("--session", "s.radsam", "-o", "out.nii.gz")
    refused = run_radsam.here("segment", "fmri.nii.gz", *prompt, *saved, cwd=folder)
    assert refused.returncode != 0
    assert "--index 0" in refused.stderr.replace("\n", " ")
    run_radsam.here("segment", "fmri.nii.gz", "--index", "2", *prompt, *saved, cwd=folder).done()
    assert read_session(folder / "s.radsam").volume_index == 2
    before = np.asarray(read_labels(folder / "out.nii.gz").ids > 0)
    assert tuple(np.argwhere(before).min(axis=0)) == (2, 4, 10)  # the block of volume 2
    run_radsam.here("edit", "s.radsam", "--paint", "8 5 4", "--radius", "1", "-o", "out.nii.gz", cwd=folder).done()
    assert read_labels(folder / "out.nii.gz").ids[4, 5, 8]
