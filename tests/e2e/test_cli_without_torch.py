"""Does the default installation work where torch cannot be imported?"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from command_line import WITHOUT_EXTRAS, CommandLine, PhantomFile
from radsam.io.volume_read import read_labels


def test_torch_is_not_in_the_default_installation() -> None:
    needed = [Requirement(each) for each in requires("radsam") or ()]
    always = {each.name.lower() for each in needed if each.marker is None or "extra" not in str(each.marker)}
    assert {"numpy", "simpleitk", "typer"} <= always
    assert not {each for each in always if each.startswith(("torch", "nvidia", "onnx"))} - {"onnxruntime"}
    assert "torch" in {each.name for each in needed} - always


def test_torch_is_really_hidden_and_the_package_still_opens() -> None:
    program = """
try:
    import torch
except ModuleNotFoundError:
    import radsam
    for name in radsam.__all__:
        getattr(radsam, name)
    print("opened")
"""
    found = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS + program], capture_output=True, text=True, check=True)
    assert found.stdout == "opened\n"


def test_segment_and_edit_work(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    line = ("segment", phantom_ct.path, "--slice", 14, "--box", 57, 15, 70, 38, "--bounds", 13, 15)
    outputs = ("-o", "mask.nii.gz", "--preview", "p.png", "--session", "s.radsam")
    run_radsam(*line, "--model", tiny_bundle, *outputs, cwd=tmp_path, before=WITHOUT_EXTRAS).done()
    first = read_labels(tmp_path / "mask.nii.gz").ids
    assert first.any()
    line = ("edit", "s.radsam", "--fix", 60, 30, 15, "-o", "mask.nii.gz")
    run_radsam(*line, cwd=tmp_path, before=WITHOUT_EXTRAS).done()
    assert (read_labels(tmp_path / "mask.nii.gz").ids != first).any()


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        (("weights", "convert", "lite_medsam.pth"), "Converting a checkpoint needs"),
        (("segment", "ct.nii.gz", "--slice", 14, "--point", 60, 30, "-o", "m.nii.gz", "--backend", "torch"), "torch"),
    ],
)
def test_commands_that_need_torch_name_the_extra(
    run_radsam: CommandLine,
    phantom_ct: PhantomFile,
    tiny_bundle: Path,
    tmp_path: Path,
    line: tuple[object, ...],
    needs: str,
) -> None:
    (tmp_path / "ct.nii.gz").symlink_to(phantom_ct.path)
    (tmp_path / "lite_medsam.pth").touch()
    model = ("--model", tiny_bundle) if line[0] == "segment" else ()
    result = run_radsam(*line, *model, "--json", cwd=tmp_path, before=WITHOUT_EXTRAS)
    assert result.returncode == 4
    assert needs in result.stderr
    assert "pip install 'radsam[torch]'" in result.json["error"]["message"]
    assert "Traceback" not in result.stderr
