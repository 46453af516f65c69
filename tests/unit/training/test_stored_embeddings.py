from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from radsam.data.training_store import open_store
from radsam.errors import InputError, OutputError
from radsam.io.volume_read import read_volume
from radsam.predictor import EmbeddingCache, SlicePredictor
from radsam.preprocess import Window
from radsam.runtime import Bundle, open_backend
from radsam.training.scenes import plan_scenes
from radsam.training.stored_embeddings import EncodedScenes, encode_scenes
from radsam.training.training_config import DataConfig, EmbeddingsConfig
from radsam.volume import Plane, SliceGrid
from tiny_training import tiny_config

Prepared = tuple[Bundle, EncodedScenes]


def seen(tiny: Path) -> tuple[DataConfig, EmbeddingsConfig]:
    config = tiny_config(tiny)
    return config.data, config.embeddings


def test_a_slice_is_encoded_as_inference_encodes_it(tiny: Path, tiny_scenes: Prepared) -> None:
    bundle, scenes = tiny_scenes
    volume = read_volume(tiny / "tube_c.nii.gz")
    predictor = SlicePredictor(bundle.spec, "", open_backend(bundle, "torch:cpu"), EmbeddingCache())
    scene = next(n for n in range(len(scenes.scenes)) if scenes.case_name(n) == "tube_c")
    expected = predictor.encode(
        volume, predictor.view(SliceGrid.of(volume.geometry, Plane.AXIAL), Window(-160.0, 240.0)), 4
    )
    found = scenes.embedding(scene, 4 - scenes.scenes[scene].first)
    np.testing.assert_array_equal(found, expected.embedding)


def test_a_case_is_encoded_one_slice_past_both_ends_of_its_objects(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    whole = scenes.scenes[0]
    assert (whole.first, whole.count) == (0, 9)
    # The tube is on slices 1 to 7.
    assert not scenes.mask(0, 0, 1).any()
    assert scenes.mask(0, 1, 1).any()
    assert not scenes.mask(0, 8, 1).any()


def test_random_scenes_hold_their_object_and_are_the_same_each_time(tiny: Path, tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    random = [n for n, scene in enumerate(scenes.scenes) if scene.seed]
    assert len(random) == 2
    assert all(scenes.split(n) == "train" for n in random)
    assert set(random) <= set(scenes.objects["owner"].tolist())
    config = tiny_config(tiny)
    again = plan_scenes(open_store(tiny / "store"), config.data, config.embeddings)
    assert list(scenes.scenes) == again


def test_what_is_encoded_is_not_encoded_again(tiny: Path, tiny_scenes: Prepared) -> None:
    bundle, scenes = tiny_scenes

    def no_engine(bundle: Bundle) -> None:
        raise AssertionError("everything is encoded already")

    again = encode_scenes(scenes.store, bundle, *seen(tiny), tiny / "embeddings", open_engine=no_engine)
    assert again.identity == scenes.identity
    np.testing.assert_array_equal(again.objects, scenes.objects)


def test_after_an_interruption_only_the_rest_is_encoded(tiny: Path, tiny_scenes: Prepared, tmp_path: Path) -> None:
    bundle, scenes = tiny_scenes
    shutil.copytree(tiny / "embeddings", tmp_path / "embeddings")
    lost = next((tmp_path / "embeddings").glob("*.objects.npy")).name.removesuffix(".objects.npy")
    (tmp_path / "embeddings" / f"{lost}.npy").unlink()
    reported: list[tuple[int, int]] = []
    again = encode_scenes(
        scenes.store,
        bundle,
        *seen(tiny),
        tmp_path / "embeddings",
        open_engine=lambda bundle: open_backend(bundle, "torch:cpu"),
        progress=lambda done, total: reported.append((done, total)),
    )
    assert len(reported) == 1
    for number, scene in enumerate(scenes.scenes):
        np.testing.assert_array_equal(
            again.embedding(number, scene.count - 1), scenes.embedding(number, scene.count - 1)
        )


def test_a_disk_that_is_too_small_is_noticed_before_the_work(
    tiny: Path, tiny_scenes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, scenes = tiny_scenes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(OutputError, match=r"GB free"):
        encode_scenes(scenes.store, bundle, *seen(tiny), tmp_path / "e", open_engine=open_backend)


def test_part_of_a_case_is_encoded_in_short_runs(tiny: Path, tiny_scenes: Prepared) -> None:
    config = tiny_config(tiny, embeddings={"whole_share": {"tube_a": 0.34}, "scenes": 0})
    scenes = plan_scenes(tiny_scenes[1].store, config.data, config.embeddings)
    counts = [sum(scene.count for scene in scenes if scene.case_number == number) for number in range(3)]
    assert counts == [3, 9, 9]


def test_a_pattern_that_names_no_case_is_refused(tiny: Path, tiny_scenes: Prepared) -> None:
    config = tiny_config(tiny, data={"exclude": [{"case": "tub", "reason": "typing error"}]})
    with pytest.raises(InputError, match="no case named tub; it has tube_a"):
        plan_scenes(tiny_scenes[1].store, config.data, config.embeddings)


def test_an_excluded_case_is_not_encoded(tiny: Path, tiny_scenes: Prepared) -> None:
    config = tiny_config(tiny, data={"exclude": [{"case": "tube_b", "reason": "licence"}]})
    scenes = plan_scenes(tiny_scenes[1].store, config.data, config.embeddings)
    assert {scene.case_number for scene in scenes} == {0, 2}


def test_a_split_without_cases_is_refused(tiny: Path, tiny_scenes: Prepared) -> None:
    config = tiny_config(tiny, data={"val_split": "test"})
    with pytest.raises(InputError, match="no labelled case in the split 'test'; its splits are train, val"):
        plan_scenes(tiny_scenes[1].store, config.data, config.embeddings)
