"""Tuning the decoder on finished objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from radsam.data.training_store import open_store
from radsam.errors import InputError
from radsam.predictor import EmbeddingCache, SlicePredictor
from radsam.preprocess import Window
from radsam.project.finished_mask import FinishedMask
from radsam.project.pause import Pause
from radsam.project.session_embeddings import SessionEmbeddings
from radsam.project.task_state import Case, TaskState
from radsam.project.tuning_store import write_tuning_store
from radsam.runtime import Bundle, open_backend, read_bundle
from radsam.training.finished_tuning import export_tuned, read_scenes, tune
from radsam.training.start_weights import start_model
from radsam.training.training_checkpoint import read_checkpoint
from radsam.volume import Geometry, Volume
from tiny_training import write_small_bundle


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    """A folder with two tubes to tune on, and the bundle to start from."""
    folder = tmp_path_factory.mktemp("tuning")
    bundle = read_bundle(write_small_bundle(folder / "start"))
    embeddings = SessionEmbeddings(folder / "embeddings")
    backend = open_backend(bundle, threads=1)
    predictor = SlicePredictor(bundle.spec, bundle.sha256, backend, EmbeddingCache(store=embeddings))
    volumes = {f"c{number}": _tube(number) for number in range(2)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FinishedMask, "voxels", lambda self: volumes[self.case.id].values > 80)
        patched.setattr(FinishedMask, "provenance", {"plane": "axial"})
        masks = [[_mask(case)] for case in volumes]
        limits = {"most_slices": 100, "seconds": 60.0}
        write_tuning_store(
            masks, volumes.__getitem__, predictor, embeddings, folder / "tuning", pause=Pause(), **limits
        )
    return folder / "tuning", bundle


def _tube(number: int) -> Volume:
    rng = np.random.default_rng(number)
    k, j, i = np.mgrid[:9, :40, :48]
    tube = (np.hypot(j - 14 - k, i - 16 - number) < 7) & (k >= 1) & (k <= 7)
    hu = np.where(tube, 140, 30) + rng.normal(0, 5, tube.shape)
    geometry = Geometry.from_parts(tube.shape, (0.0, 0.0, 0.0), (1.0, 1.25, 3.0), np.diag([-1.0, -1.0, 1.0]))
    return Volume(hu.astype(np.int16), geometry)


def _mask(case: str) -> FinishedMask:
    return FinishedMask(Case(case, "", None, case, "CT", 0), "tube", 1, Path(case), False, "", TaskState.DONE)


def _tuned(folder: Path, source: Path, bundle: Bundle, steps: int, wait=lambda: None):
    folder.mkdir(exist_ok=True)
    for name in ("store", "scenes"):
        if not (folder / name).exists():
            (folder / name).symlink_to(source / name)
    return tune(folder, bundle, seconds=600.0, threads=1, seed=3, wait=wait, most_steps=steps)


def test_scenes_have_the_slices_and_their_embeddings(prepared: tuple[Path, Bundle]) -> None:
    folder, bundle = prepared
    scenes = read_scenes(folder, bundle, 15)
    assert {scenes.case_name(number) for number in range(len(scenes.scenes))} == {"c0", "c1"}
    assert all(scene.view.window == Window(-160.0, 240.0) for scene in scenes.scenes)
    backend = open_backend(bundle, threads=1)
    image = scenes.image(1, 2)
    np.testing.assert_allclose(
        scenes.embedding(1, 2).astype(np.float32), backend.encode(image[None])[0].astype(np.float32), atol=0.02
    )
    assert len(open_store(folder / "store").cases) == 2
    rows = scenes.objects
    assert set(rows["object"]) == {1}
    assert rows["area"].min() >= 15


def test_a_tuning_that_was_stopped_goes_on_exactly(prepared: tuple[Path, Bundle], tmp_path: Path) -> None:
    source, bundle = prepared
    waited: list[int] = []
    whole = _tuned(tmp_path / "whole", source, bundle, 4, lambda: waited.append(1))
    assert whole.steps == 4
    assert len(waited) >= 4, "before each prediction of each step"
    _tuned(tmp_path / "stopped", source, bundle, 2)
    resumed = _tuned(tmp_path / "stopped", source, bundle, 4)
    assert resumed.steps == 4
    one, other = (read_checkpoint(each.checkpoint) for each in (whole, resumed))
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name


def test_the_bundle_keeps_the_encoder_and_has_a_new_decoder(prepared: tuple[Path, Bundle], tmp_path: Path) -> None:
    source, bundle = prepared
    tuned = _tuned(tmp_path / "run", source, bundle, 2)
    made = export_tuned(tuned, tmp_path / "made", name="round-1", notes="Tuned on c0, c1.")
    assert made.encoder_hash == bundle.encoder_hash
    assert made.decoder != bundle.decoder
    assert "Tuned on c0, c1." in made.card
    before, after = start_model(bundle).state_dict(), start_model(made).state_dict()
    changed = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"prompt_encoder", "mask_decoder"}


def test_no_time_is_no_step(prepared: tuple[Path, Bundle], tmp_path: Path) -> None:
    source, bundle = prepared
    _tuned(tmp_path / "run", source, bundle, 1)
    again = tune(tmp_path / "run", bundle, seconds=0.0, threads=1, seed=3, wait=lambda: pytest.fail("a step"))
    assert again.steps == 1


def test_nothing_to_learn_from_is_refused(prepared: tuple[Path, Bundle], tmp_path: Path) -> None:
    source, bundle = prepared
    (tmp_path / "store").symlink_to(source / "store")
    (tmp_path / "scenes").mkdir()
    with pytest.raises(InputError, match="no finished object"):
        read_scenes(tmp_path, bundle, 15)
    assert json.loads((source / "store/store.json").read_text())["plane"] == "axial"
