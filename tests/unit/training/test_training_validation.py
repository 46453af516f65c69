from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radsam.io.volume_read import read_labels, read_volume
from radsam.metrics import dice
from radsam.model.sam import Sam
from radsam.predictor import EmbeddingCache, SlicePredictor
from radsam.preprocess import Window
from radsam.propagate import StopRule
from radsam.runtime import Bundle, Capability, open_backend
from radsam.session.edit import Segment
from radsam.session.replay import Replayer
from radsam.simulate import random_box
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_run import prepare_scenes
from radsam.training.training_validation import ObjectScore, summary, validate
from radsam.volume import Bounds, Box, Plane, SliceGrid
from tiny_training import tiny_config

Prepared = tuple[Bundle, EncodedScenes]


def test_the_quick_score_is_that_of_a_session_on_the_file(tiny: Path, tiny_scenes: Prepared, tiny_model: Sam) -> None:
    bundle, scenes = tiny_scenes
    (score,) = [s for s in validate(tiny_model, scenes, tiny_config(tiny)) if s.object_id == 1]
    volume, labels = read_volume(tiny / "tube_c.nii.gz"), read_labels(tiny / "tube_c_seg.nii.gz")
    grid, truth = SliceGrid.of(volume.geometry, Plane.AXIAL), labels.ids == 1
    index = int(truth.sum(axis=(1, 2)).argmax())
    # The box is drawn on the display, where the validation draws it, and brought to the voxels as stored.
    rng = np.random.default_rng([0, 2, 1])
    x0, y0, x1, y1 = random_box(grid.to_display(truth[index]), rng, unit=50 / 1024)
    (u0, v0), (u1, v1) = grid.display_xy_to_uv(float(x1), float(y1)), grid.display_xy_to_uv(float(x0), float(y0))
    box = Box.on(grid, index, int(u0), int(v0), int(u1), int(v1))
    engine = open_backend(bundle, "torch:cpu")
    # The decoder that was trained, behind the bundle's own encoder.
    engine._model = tiny_model
    predictor = SlicePredictor(bundle.spec, "", engine, EmbeddingCache())
    segment = Segment("tube", box, Bounds(1, 7), Plane.AXIAL, Window(-160.0, 240.0), "mask")
    slice_masks = Replayer(volume, predictor, StopRule()).result((segment,)).slice_masks
    found = np.stack(
        [slice_masks[k].mask.decode() if k in slice_masks else np.zeros(grid.shape_vu, bool) for k in range(9)]
    )
    assert score.walk_dice > 0.2, "the model finds something to compare"
    assert score.walk_dice == pytest.approx(dice(found, truth), abs=0.01)
    assert score.first_dice == pytest.approx(dice(found[index], truth[index]), abs=0.01)


def test_what_is_being_trained_is_asked_whatever_the_start_weights_knew(
    tiny: Path, tiny_scenes: Prepared, tiny_model: Sam
) -> None:
    _, scenes = tiny_scenes
    box_only = copy.copy(scenes)
    box_only.spec = replace(scenes.spec, capabilities=(Capability.BOX,))
    config = tiny_config(tiny)
    assert validate(tiny_model, box_only, config) == validate(tiny_model, scenes, config)


def test_only_as_many_objects_are_corrected_as_asked(tiny: Path, tiny_scenes: Prepared, tiny_model: Sam) -> None:
    _, scenes = tiny_scenes
    scores = validate(tiny_model, scenes, tiny_config(tiny))
    assert [(score.object_id, len(score.edited_dice)) for score in scores] == [(1, 2), (2, 0)]


def test_each_first_prompt_is_scored_on_its_own(tiny: Path, tiny_scenes: Prepared, tiny_model: Sam) -> None:
    config = tiny_config(tiny, validation={"starts": ["box", "point"], "edits": 0, "objects_per_case": 1})
    box, point = validate(tiny_model, tiny_scenes[1], config)
    assert (box.start, point.start) == ("box", "point")
    assert box.walk_dice != point.walk_dice


def test_a_case_with_many_objects_does_not_decide_alone() -> None:
    scores = [ObjectScore("neck_1", number, "box", 500, 1.0, 0.2, ()) for number in range(9)]
    scores.append(ObjectScore("belly_1", 1, "box", 500, 1.0, 0.8, (0.9,)))
    means = summary(scores)
    assert means["score"] == pytest.approx(0.5)
    assert means["box_walk"] == pytest.approx(0.26)
    assert means["box_walk_belly"] == pytest.approx(0.8)
    assert (means["box_edit_0"], means["box_edit_1"]) == pytest.approx((0.8, 0.9))


def test_scenes_that_the_model_encodes_itself_are_scored_alike(
    tiny: Path, tiny_scenes: Prepared, tiny_model: Sam
) -> None:
    config = tiny_config(tiny, encoder={"train": True, "zoom": [0.7, 3.0]}, embeddings={"scenes": 0})
    live, encoded = (validate(tiny_model, scenes, config) for scenes in (prepare_scenes(config)[1], tiny_scenes[1]))
    assert [each.object_id for each in live] == [each.object_id for each in encoded]
    for one, other in zip(live, encoded, strict=True):
        # The tiny model's encoder is still that of the bundle.
        assert one.walk_dice == pytest.approx(other.walk_dice, abs=0.02)
