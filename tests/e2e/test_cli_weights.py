"""`radsam weights`: bundles that are missing, altered or of another version, and checkpoints with code in them."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from command_line import CommandLine, Finished
from radsam.model.sam_presets import PRESETS
from small_models import random_model


def refused(result: Finished, *words: str) -> None:
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "installed" / "tiny"))


def describe(bundle: Path, change: Callable[[dict], object]) -> None:
    description = json.loads((bundle / "bundle.json").read_text())
    change(description)
    (bundle / "bundle.json").write_text(json.dumps(description))


# --- list, show, verify


def test_the_weights_of_the_package_are_there_from_the_start(run_radsam: CommandLine, tmp_path: Path) -> None:
    found = run_radsam.here("weights", "list", "--json", cwd=tmp_path).done().json
    names = [(each["name"], each["default"]) for each in found["bundles"]]
    assert names == [("radsam-lite", True), ("radsam-lite-mr", True)]  # of CT, and of other modalities
    assert found["folder"] == str(run_radsam.weights)
    assert (
        "radsam-lite: whole and unaltered"
        in run_radsam.here("weights", "verify", "radsam-lite", cwd=tmp_path).done().stdout
    )
    shown = run_radsam.here("weights", "show", "radsam-lite", cwd=tmp_path).done().stdout
    for words in ("Training data", "Licence of these weights: Apache-2.0", "Not for diagnostic use"):
        assert words in shown


def test_an_unknown_name_lists_the_known_ones(run_radsam: CommandLine, bundle: Path, tmp_path: Path) -> None:
    result = run_radsam.here("weights", "show", "huge", cwd=tmp_path, env={"RADSAM_WEIGHTS": str(bundle.parent)})
    refused(
        result,
        "no bundle 'huge'",
        "the installed ones are: radsam-lite, radsam-lite-mr, tiny",
        "radsam weights convert",
    )


def test_an_installed_bundle_is_listed_shown_and_verified(
    run_radsam: CommandLine, bundle: Path, tmp_path: Path
) -> None:
    env = {"RADSAM_WEIGHTS": str(bundle.parent)}
    listed, *_ = run_radsam.here("weights", "list", "--json", cwd=tmp_path, env=env).done().json["bundles"]
    assert (listed["name"], listed["path"], listed["default"]) == ("tiny", str(bundle), False)
    assert listed["capabilities"] == ["box", "point", "mask", "edit"]
    table = run_radsam.here("weights", "list", cwd=tmp_path, env=env).done().stdout
    assert any("tiny" in line and str(bundle) in line for line in table.splitlines())
    shown = run_radsam.here("weights", "show", "tiny", cwd=tmp_path, env=env).done().stdout
    assert "Random weights." in shown
    assert "CT: -160 to 240 HU" in shown
    assert (
        "tiny: whole and unaltered" in run_radsam.here("weights", "verify", "tiny", cwd=tmp_path, env=env).done().stdout
    )


SPOILT: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "altered": (
        lambda bundle: (bundle / "encoder.onnx").write_bytes((bundle / "encoder.onnx").read_bytes()[:-1] + b"x"),
        ("encoder.onnx", "SHA-256", "Make or copy the bundle again"),
    ),
    "file missing": (lambda bundle: (bundle / "decoder.onnx").unlink(), ("decoder.onnx is missing",)),
    "description missing": (lambda bundle: (bundle / "bundle.json").unlink(), ("bundle.json is missing",)),
    "unknown version": (
        lambda bundle: describe(bundle, lambda d: d.update(version=99)),
        ("version 99", "Upgrade RadSAM"),
    ),
    "unknown setting": (
        lambda bundle: describe(bundle, lambda d: d["spec"].update(colour="red")),
        ("unknown ['colour']",),
    ),
    "not JSON": (lambda bundle: (bundle / "bundle.json").write_text("{"), ("bundle.json", "damaged")),
    "not a bundle": (
        lambda bundle: (shutil.rmtree(bundle), bundle.write_bytes(b"weights")),
        ("is not a weights bundle", "radsam weights convert"),
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_damaged_bundle_is_refused(run_radsam: CommandLine, bundle: Path, tmp_path: Path, case: str) -> None:
    spoil, words = SPOILT[case]
    spoil(bundle)
    refused(run_radsam.here("weights", "verify", bundle, cwd=tmp_path), *words)


# --- convert


class RunsCode:
    """Unpickling it makes a file."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("code-was-run"),)


def with_code(path: Path) -> None:
    torch.save({"weights": torch.zeros(2), "more": RunsCode()}, path)


def plain_pickle_with_code(path: Path) -> None:
    path.write_bytes(pickle.dumps({"more": RunsCode()}))


BAD_CHECKPOINTS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "code": (with_code, ("contains code", "never runs code")),
    "code in a plain pickle": (plain_pickle_with_code, ("a.pth",)),
    "another model": (lambda path: torch.save({"conv.weight": torch.zeros(2)}, path), ("belong to none", "sam_vit_b")),
}


@pytest.mark.parametrize("case", BAD_CHECKPOINTS)
def test_a_checkpoint_that_cannot_be_used(run_radsam: CommandLine, tmp_path: Path, case: str) -> None:
    make, words = BAD_CHECKPOINTS[case]
    make(tmp_path / "a.pth")
    refused(run_radsam.here("weights", "convert", "a.pth", "out", cwd=tmp_path), *words)
    assert {each.name for each in tmp_path.iterdir()} <= {"a.pth"}


@pytest.mark.slow
def test_a_converted_checkpoint_is_installed_by_name_and_runs(
    run_radsam: CommandLine, phantom_ct, tmp_path: Path
) -> None:
    """LiteMedSAM's architecture with random weights in place of the published file."""
    torch.save(random_model(PRESETS["lite_medsam"], seed=3).state_dict(), tmp_path / "lite_medsam.pth")
    env = {"RADSAM_WEIGHTS": str(tmp_path / "weights")}
    made = run_radsam.here("weights", "convert", "lite_medsam.pth", "--json", cwd=tmp_path, env=env).done().json
    assert made["path"] == str(tmp_path / "weights" / "lite-medsam")
    assert made["capabilities"] == ["box"]
    listed, *_ = run_radsam.here("weights", "list", "--json", cwd=tmp_path, env=env).done().json["bundles"]
    assert (listed["path"], listed["default"]) == (made["path"], False)
    segment = ("segment", phantom_ct.path, "--slice", 14, "--box", 57, 15, 70, 38, "--bounds", 14, 14)
    segment = (*segment, "--model", "lite-medsam")
    result = run_radsam.here(*segment, "-o", "mask.nii.gz", cwd=tmp_path, env=env)
    # Random weights may predict an empty mask; that message shows that the model ran.
    assert result.returncode == 0 or "The model found nothing" in result.stderr
