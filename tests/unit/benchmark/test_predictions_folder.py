"""Masks from outside: a folder of them, and nnU-Net's own command."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from phantoms import ball
from radsam.benchmark.models.model_names import Runtime, find_models
from radsam.benchmark.models.nnunet import NnUNetModel
from radsam.benchmark.models.predictions_folder import PredictionsFolder, PredictionsModel
from radsam.errors import BackendError, DatasetError, GridMismatchError, InputError
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume, Point

SCENE = ball("anisotropic")
SOMEWHERE = Point(i=1, j=1, k=1)


def write_mask(path: Path, ids: np.ndarray, geometry: Geometry = SCENE.volume.geometry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(LabelVolume(ids.astype(np.uint8), geometry), path)


def predicted(folder: Path, name: str, case: str = "a") -> np.ndarray:
    model = PredictionsModel(PredictionsFolder(folder), "outside")
    model.prepare(SCENE.volume, case)
    return model.segment(SOMEWHERE, None, name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dataset.json", {"labels": {"background": 0, "liver": 2}}),
        ("dataset.json", {"labels": {"0": "background", "2": "liver"}}),
        ("labels.json", {"liver": 2}),
    ],
)
def test_a_label_map_is_read_by_the_names_of_its_description(file: str, content: dict, tmp_path: Path) -> None:
    write_mask(tmp_path / "a.nii.gz", 2 * SCENE.truth + 0)
    (tmp_path / file).write_text(json.dumps(content))
    assert np.array_equal(predicted(tmp_path, "liver"), SCENE.truth)
    with pytest.raises(InputError, match="gives no value for the class 'spleen'"):
        predicted(tmp_path, "spleen")


@pytest.mark.parametrize("below", ["a/liver.nii.gz", "a/segmentations/liver.nii.gz", "a/liver.nrrd"])
def test_a_file_for_each_class_is_read_as_totalsegmentator_writes_them(below: str, tmp_path: Path) -> None:
    write_mask(tmp_path / below, SCENE.truth)
    assert np.array_equal(predicted(tmp_path, "liver"), SCENE.truth)
    with pytest.raises(InputError, match="no prediction of 'spleen'"):
        predicted(tmp_path, "spleen")


def test_another_grid_is_refused_never_resampled(tmp_path: Path) -> None:
    shifted = SCENE.volume.geometry.affine_lps.copy()
    shifted[0, 3] += 5
    write_mask(tmp_path / "a" / "liver.nii.gz", SCENE.truth, Geometry(SCENE.truth.shape, shifted))
    folder = PredictionsFolder(tmp_path)
    with pytest.raises(GridMismatchError, match="lies on another grid than the volume"):
        folder.check_grid("a", SCENE.volume.geometry)
    with pytest.raises(GridMismatchError):
        predicted(tmp_path, "liver")


def test_missing_and_extra_cases_are_listed(tmp_path: Path) -> None:
    for case in ("a", "c"):
        write_mask(tmp_path / case / "liver.nii.gz", SCENE.truth)
    apart = PredictionsFolder(tmp_path).differences(["a", "b"])
    assert (apart.missing, apart.extra) == (("b",), ("c",))


def test_a_folder_without_masks_or_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        PredictionsFolder(tmp_path / "none")
    with pytest.raises(DatasetError, match="holds no predictions"):
        PredictionsFolder(tmp_path)
    write_mask(tmp_path / "a.nii.gz", SCENE.truth)
    with pytest.raises(DatasetError, match=r"no dataset\.json or labels\.json"):
        PredictionsFolder(tmp_path)


def test_other_masks_are_another_model(tmp_path: Path) -> None:
    write_mask(tmp_path / "a" / "liver.nii.gz", SCENE.truth)
    before = PredictionsFolder(tmp_path).sha256
    assert PredictionsFolder(tmp_path).sha256 == before
    write_mask(tmp_path / "b" / "liver.nii.gz", SCENE.truth)
    assert PredictionsFolder(tmp_path).sha256 != before


def fake_nnunet(folder: Path, body: str) -> None:
    command = folder / "nnUNetv2_predict_from_modelfolder"
    command.write_text(f"#!{sys.executable}\n{body}")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)


def trained(folder: Path) -> Path:
    (folder / "fold_0").mkdir(parents=True)
    (folder / "fold_1").mkdir()
    (folder / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "bright": 1}}))
    return folder


def test_nnunet_is_run_by_its_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nnunet(
        tmp_path,
        "import sys, pathlib, SimpleITK as sitk\n"
        "a = sys.argv\n"
        "given, out = (pathlib.Path(a[a.index(flag) + 1]) for flag in ('-i', '-o'))\n"
        "assert a[a.index('-f') + 1:] == ['0', '1'], a\n"
        "for file in given.glob('*_0000.nii.gz'):\n"
        "    found = sitk.Cast(sitk.ReadImage(str(file)) > 0, sitk.sitkUInt8)\n"
        "    sitk.WriteImage(found, str(out / file.name.replace('_0000', '')))\n",
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    model = NnUNetModel(trained(tmp_path / "model"), "nnU-Net")
    model.prepare(SCENE.volume, "case")
    assert np.array_equal(model.segment(SOMEWHERE, None, "bright"), SCENE.volume.values > 0)


def test_nnunets_own_error_message_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nnunet(tmp_path, "raise SystemExit('no checkpoint here')\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    model = NnUNetModel(trained(tmp_path / "model"), "nnU-Net")
    model.prepare(SCENE.volume, "case")
    with pytest.raises(BackendError, match="case case: no checkpoint here"):
        model.segment(SOMEWHERE, None, "bright")


def test_without_nnunet_the_message_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="predictions:FOLDER"):
        NnUNetModel(trained(tmp_path / "model"), "nnU-Net")
    with pytest.raises(InputError, match="not a trained nnU-Net"):
        NnUNetModel(tmp_path, "nnU-Net")


def test_words_become_models(tiny_bundle: Path, tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "a" / "liver.nii.gz", SCENE.truth)
    words = [
        "otsu",
        f"{tiny_bundle}",
        f"{tiny_bundle}:box:zoom",
        f"mine=predictions:{tmp_path / 'masks'}",
        "e=ellipsoid",
    ]
    labels = [model.card.label for model in find_models(words, Runtime())]
    assert labels == ["otsu", "tiny:mask", "tiny:box:zoom", "mine", "e"]
    with pytest.raises(InputError, match="Two models have the label otsu"):
        find_models(["otsu", "otsu"], Runtime())
    with pytest.raises(InputError, match="There is no model"):
        find_models([f"{tiny_bundle}:magic"], Runtime())
    with pytest.raises(InputError, match="No model was given"):
        find_models([" "], Runtime())
