"""From a small checkpoint of our own to a bundle that every engine runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from phantoms import ball
from radsam.errors import BundleError, MissingExtraError
from radsam.model.sam_presets import FACTS, PRESETS
from radsam.predictor import EmbeddingCache, SlicePredictor, SlicePrompt
from radsam.preprocess import Window
from radsam.runtime import Bundle, Capability, find_bundle, open_backend, read_bundle
from radsam.runtime.convert_checkpoint import convert_checkpoint
from radsam.volume import SliceGrid
from small_models import SMALL_TINY_VIT, SMALL_VIT, random_model


@pytest.fixture(scope="module", autouse=True)
def small_presets() -> Iterator[None]:
    """The published architectures, made small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "lite_medsam", SMALL_TINY_VIT)
        patch.setitem(PRESETS, "medsam_vit_b", SMALL_VIT)
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "trained.pth"
    torch.save(random_model(SMALL_TINY_VIT).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def converted(checkpoint: Path) -> Bundle:
    return read_bundle(convert_checkpoint(checkpoint, checkpoint.with_name("b.zip"), architecture="lite_medsam"))


def test_the_bundle_describes_the_published_weights(converted: Bundle) -> None:
    facts, spec = FACTS["lite_medsam"], converted.spec
    assert (spec.name, spec.architecture) == ("lite-medsam", "lite_medsam")
    assert (spec.input_size, spec.low_res_size) == (SMALL_TINY_VIT.input_size, SMALL_TINY_VIT.low_res_size)
    assert (spec.ct_window, spec.licence, spec.origin) == (Window(*facts.window), facts.licence, facts.origin)
    assert spec.capabilities == (Capability.BOX,)


def test_the_card_says_what_it_was_not_trained_on(converted: Bundle) -> None:
    assert "Trained on these prompts: box\n" in converted.card
    assert "Not trained on: point, mask, edit\n" in converted.card
    assert converted.spec.origin in converted.card
    assert "-160 to 240 HU" in converted.card


@pytest.mark.parametrize("engine", ["openvino", "onnx", "torch:cpu"])
def test_the_bundle_answers_on_every_engine(converted: Bundle, engine: str) -> None:
    backend = open_backend(converted, engine)
    assert backend.name.startswith(engine.replace(":", " "))
    predictor = SlicePredictor(converted.spec, converted.sha256, backend, EmbeddingCache())
    volume = ball().volume
    encoded = predictor.encode(
        volume, predictor.view(SliceGrid.of(volume.geometry, "axial"), Window(-160.0, 240.0)), 13
    )
    assert encoded.embedding.dtype == np.float16
    predictions = predictor.alternatives(encoded, SlicePrompt(box_uvuv=(7, 6, 22, 21)))
    assert [each.mask.shape for each in predictions] == [(28, 30)] * 4
    assert np.isfinite([each.score for each in predictions]).all()


def test_name_and_capabilities_can_be_given_and_weights_land_where_load_finds_them(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADSAM_WEIGHTS", str(tmp_path / "weights"))
    path = convert_checkpoint(
        checkpoint, architecture="lite_medsam", name="mine", capabilities=[Capability.BOX, Capability.MASK]
    )
    assert path == tmp_path / "weights" / "mine" == find_bundle("mine")
    assert read_bundle(path).spec.capabilities == (Capability.BOX, Capability.MASK)


def test_medsam_is_known_by_the_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "medsam_vit_b.pth"
    torch.save(random_model(SMALL_VIT).state_dict(), path)
    assert read_bundle(convert_checkpoint(path, tmp_path / "out")).spec.architecture == "medsam_vit_b"


def test_an_existing_target_is_refused_and_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(BundleError, match="exists already"):
        convert_checkpoint(checkpoint, tmp_path, architecture="lite_medsam")
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_weights_of_another_architecture_make_no_bundle(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="do not fit the architecture"):
        convert_checkpoint(checkpoint, tmp_path / "out", architecture="medsam_vit_b")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no file with weights"):
        convert_checkpoint(tmp_path / "missing.pth", tmp_path / "out")


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("radsam.runtime.convert_checkpoint.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"radsam\[torch\]"):
        convert_checkpoint(tmp_path / "any.pth")
