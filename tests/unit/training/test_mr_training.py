"""Training on MR beside CT: each case is seen in its own window, as inference sees it."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch

from radsam.data.adapters.folder import find_cases
from radsam.data.packed_store import read_pack, write_pack
from radsam.data.stored_case import StoredCase
from radsam.data.training_store import Store, open_store, prepare_store
from radsam.io.volume_read import read_volume
from radsam.model.sam import Sam
from radsam.preprocess import Percentiles, SliceFrame, Window
from radsam.runtime import Bundle, read_bundle
from radsam.training.batch_picture import draw_batch
from radsam.training.batched_views import BatchedViews, SliceStack
from radsam.training.bundle_export import export_checkpoint
from radsam.training.scenes import Scene, Scenes, plan_scenes, random_view, scene_image, whole_view
from radsam.training.stored_embeddings import encode_scenes
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import LAST, train
from radsam.training.training_validation import summary, validate
from radsam.volume import Modality, Plane, SliceGrid
from tiny_training import SPLITS, tiny_config

CPU = torch.device("cpu")


def write_mixed_store(tiny: Path, folder: Path, *, scale: float = 0.004, shift: float = 0.0) -> Path:
    """The tubes of `tiny_training`: the first as it is, the others as MR of small fractions, as a manifest says."""
    records = []
    for name, split in SPLITS.items():
        source = SimpleITK.ReadImage(str(tiny / f"{name}.nii.gz"))
        modality = "CT" if name == "tube_a" else "MR"
        image = source if modality == "CT" else SimpleITK.Cast(source, SimpleITK.sitkFloat32) * scale + (0.4 + shift)
        (folder / name).mkdir(parents=True)
        SimpleITK.WriteImage(image, str(folder / name / f"{modality.lower()}.nii.gz"))
        shutil.copy(tiny / f"{name}_seg.nii.gz", folder / name / "seg.nii.gz")
        records.append({"case": name, "split": split, "modality": modality, "labels": {"1": "tube", "2": "ball"}})
    (folder / "manifest.json").write_text(json.dumps(records))
    prepare_store(find_cases(folder), folder / "store", min_pixels=5)
    shutil.copytree(tiny / "random-bundle", folder / "random-bundle")
    return folder


@pytest.fixture(scope="module")
def mixed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mixed_store(tiny, tmp_path_factory.mktemp("mixed"))


def case_named(store: Store, name: str) -> StoredCase:
    return next(case for case in store.cases if case.case_id == name)


def test_a_store_keeps_fractions_and_the_window_of_the_whole_volume(mixed: Path) -> None:
    store = open_store(mixed / "store")
    ct, mr = case_named(store, "tube_a"), case_named(store, "tube_b")
    assert (ct.modality, ct.values.dtype, ct.window, ct.outside) == (Modality.CT, np.int16, None, -1024)
    volume = read_volume(mixed / "tube_b" / "mr.nii.gz", modality="mr")
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    assert mr.values.dtype == np.float32
    np.testing.assert_array_equal(mr.values[4], grid.to_display(grid.take(volume.values, 4)))
    assert mr.window == Percentiles().window(volume.values)
    assert mr.outside == volume.values.min()


def test_a_slice_of_an_mr_is_seen_as_inference_sees_it(mixed: Path) -> None:
    store, spec = open_store(mixed / "store"), read_bundle(mixed / "random-bundle").spec
    config = tiny_config(mixed)
    scene = next(each for each in plan_scenes(store, config.data, config.embeddings) if each.case_number == 1)
    volume = read_volume(mixed / "tube_b" / "mr.nii.gz", modality="mr")
    grid = SliceGrid.of(volume.geometry, Plane.AXIAL)
    frame = SliceFrame(grid, spec.input_size, spec.low_res_size)
    expected = frame.image(grid.take(volume.values, 4), spec.normalisation(spec.window_of(volume)))
    np.testing.assert_array_equal(scene_image(store, spec, scene, 4 - scene.first), expected)


def test_jitter_and_noise_follow_the_width_of_the_window(mixed: Path) -> None:
    config = tiny_config(mixed).embeddings
    ct, mr = (case_named(open_store(mixed / "store"), name) for name in ("tube_a", "tube_b"))
    part = [(20, 15.0), (20, 20.0)]
    seen = {case.case_id: random_view(case, part, config, np.random.default_rng(3)) for case in (ct, mr)}
    of_ct, of_mr = seen["tube_a"], seen["tube_b"]
    assert abs(of_ct.window.low + 160) <= 40
    assert of_ct.noise <= 15
    assert mr.window is not None
    width = mr.window.high - mr.window.low
    assert of_mr.noise / width == pytest.approx(of_ct.noise / 400)
    assert (of_mr.window.low - mr.window.low) / width == pytest.approx((of_ct.window.low + 160) / 400)


def test_scaled_and_shifted_values_train_on_the_same_images(tiny: Path, mixed: Path, tmp_path: Path) -> None:
    other = write_mixed_store(tiny, tmp_path, scale=3.7, shift=250.0)
    spec, config = read_bundle(mixed / "random-bundle").spec, tiny_config(mixed).embeddings
    images = []
    for folder in (mixed, other):
        store = open_store(folder / "store")
        # A turned view that reaches beyond the slice, with noise.
        view = random_view(store.cases[1], [(50, 15.0), (60, 30.0)], config, np.random.default_rng(5))
        images.append(scene_image(store, spec, Scene(1, 0, 9, view, seed=7), 4))
    np.testing.assert_allclose(images[0], images[1], atol=2e-3)


def test_the_embeddings_of_another_window_are_others(mixed: Path, tmp_path: Path) -> None:
    copied = tmp_path / "store"
    shutil.copytree(mixed / "store", copied)
    described = copied / "cases" / "tube_b" / "case.json"
    content = json.loads(described.read_text())
    low, high = content["window"]
    described.write_text(json.dumps(content | {"window": [low, 1.5 * high]}))
    bundle, config = read_bundle(mixed / "random-bundle"), tiny_config(mixed)
    opened: list[Bundle] = []

    def engine(bundle: Bundle) -> object:
        from radsam.runtime import open_backend

        opened.append(bundle)
        return open_backend(bundle, "torch:cpu")

    found = [
        encode_scenes(
            open_store(store), bundle, config.data, config.embeddings, tmp_path / "embeddings", open_engine=engine
        )  # type: ignore[arg-type]
        for store in (mixed / "store", copied, copied)
    ]
    same = [one == other for one, other in zip(found[0].files, found[1].files, strict=True)]
    numbers = [scene.case_number for scene in found[0].scenes]
    assert same == [number != 1 for number in numbers]
    assert len(opened) == 2, "the third time nothing was encoded"


def test_a_pack_has_256_steps_over_a_bit_more_than_the_window_of_an_mr(mixed: Path, tmp_path: Path) -> None:
    store = open_store(mixed / "store")
    write_pack(store.cases, tmp_path / "store.pack", step=3.0)
    ct, mr, _ = read_pack(tmp_path / "store.pack").cases
    assert (ct.low, ct.step, ct.window) == (-200, 3.0, None)
    stored = store.cases[1]
    assert stored.window is not None
    assert mr.window == stored.window
    width = stored.window.high - stored.window.low
    assert (mr.low, mr.low + 255 * mr.step) == pytest.approx(
        (stored.window.low - 0.1 * width, stored.window.high + 0.1 * width)
    )
    kept = np.clip(np.asarray(stored.values[mr.first : mr.first + len(mr.ids)]), mr.low, mr.low + 255 * mr.step)
    assert np.abs(mr.low + mr.step * mr.values - kept).max() <= 0.51 * mr.step


def test_a_pack_of_version_1_is_read_as_ct(tiny: Path, tmp_path: Path) -> None:
    write_pack(open_store(tiny / "store").cases, tmp_path / "new.pack")
    with zipfile.ZipFile(tmp_path / "new.pack") as new, zipfile.ZipFile(tmp_path / "old.pack", "w") as old:
        facts = json.loads(new.read("pack.json"))
        for case in facts["cases"]:
            del case["window"], case["low"], case["step"]
        old.writestr("pack.json", json.dumps({**facts, "version": 1, "low": -200.0, "step_hu": 2.0}))
        for name in new.namelist():
            if name != "pack.json":
                old.writestr(name, new.read(name))
    for before, now in zip(read_pack(tmp_path / "old.pack").cases, read_pack(tmp_path / "new.pack").cases, strict=True):
        assert (before.low, before.step, before.window, before.modality) == (-200.0, 2.0, None, Modality.CT)
        np.testing.assert_array_equal(before.values, now.values)


def test_batched_views_of_ct_and_mr_show_what_they_show_elsewhere(mixed: Path, tmp_path: Path) -> None:
    store, spec, config = open_store(mixed / "store"), read_bundle(mixed / "random-bundle").spec, tiny_config(mixed)
    write_pack(store.cases, tmp_path / "store.pack")
    pack = read_pack(tmp_path / "store.pack")
    packed = [whole_view(case, (40, 48), config.embeddings) for case in pack.cases[:2]]
    views = [replace(view, rows=50, cols=60, centre_row=15.0, centre_col=30.0, angle_deg=-5.0) for view in packed]
    found = BatchedViews(views, spec, CPU).images(SliceStack.of(pack, CPU), [(0, 4), (1, 4)], torch.Generator())
    for number, view in enumerate(views):
        seen = replace(view, outside=store.cases[number].outside)
        expected = torch.from_numpy(scene_image(store, spec, Scene(number, 0, 9, seen), 4))
        assert (found[number] - expected).abs().mean() < 0.02
        assert expected.std() > 0.1, "the tube is seen"


@pytest.fixture(scope="module")
def trained(mixed: Path) -> tuple[TrainConfig, Path]:
    config = tiny_config(mixed, optim={"steps": 2})
    train(config, mixed / "run")
    return config, mixed / "run"


def test_the_card_counts_the_cases_of_each_modality(trained: tuple[TrainConfig, Path], tmp_path: Path) -> None:
    _, run = trained
    bundle = read_bundle(export_checkpoint(run / LAST, tmp_path / "bundle"))
    assert "Modalities of the training cases: 1 CT, 1 MR" in bundle.card
    assert "MR: percentiles 0.5 to 99.5 of the volume" in bundle.card
    assert bundle.spec.windows[Modality.MR] == Percentiles()
    assert bundle.spec.ct_window == Window(-160.0, 240.0)


def test_a_frozen_encoder_is_exported_as_the_file_that_it_came_from(
    trained: tuple[TrainConfig, Path], mixed: Path, tmp_path: Path
) -> None:
    """So that slices that were encoded with the one need not be encoded for the other."""
    made, start = (
        read_bundle(export_checkpoint(trained[1] / LAST, tmp_path / "same")),
        read_bundle(mixed / "random-bundle"),
    )
    assert made.encoder == start.encoder
    assert made.encoder_hash == start.encoder_hash
    assert made.decoder != start.decoder


def test_an_mr_is_validated_in_its_own_window(mixed: Path, tiny_model: Sam) -> None:
    """A model that has seen tubes in CT finds them in MR whose windowed values are alike."""
    store, bundle = open_store(mixed / "store"), read_bundle(mixed / "random-bundle")
    config = tiny_config(mixed)
    scenes = Scenes(store, bundle.spec, tuple(plan_scenes(store, config.data, config.embeddings)), np.zeros(0), "")
    assert summary(validate(tiny_model, scenes, config))["score"] > 0.3


def test_a_batch_of_mr_is_drawn_without_hounsfield_units(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radsam.training import batch_picture

    written: list[str] = []
    monkeypatch.setattr(batch_picture, "write_text", lambda page, at, text, *rest, **how: written.append(text))
    draw_batch(tiny_config(mixed, data={"exclude": [{"case": "tube_a", "reason": "CT"}]}))
    seen = [line for line in written if "window" in line]
    assert seen
    assert not any("HU" in line for line in seen)
    assert all(("(MR)" in line and "window -0" in line) or "window 0" in line for line in seen)
