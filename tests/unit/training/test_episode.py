from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from radsam.predictor import EmbeddingCache, EncodedSlice, SlicePredictor
from radsam.predictor.embedding_cache import EmbeddingKey
from radsam.propagate.taper import Taper
from radsam.runtime import Bundle, open_backend
from radsam.training.episode import Episode
from radsam.training.episode_embeddings import StoredEmbeddings
from radsam.training.start_weights import start_model
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_config import PromptsConfig
from radsam.training.training_step import by_point_count, prompt_batch
from radsam.volume import Plane, RunMask

Prepared = tuple[Bundle, EncodedScenes]
SHARES = {"box": 0.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "repair": 0.0}
TUBE = 1


def episode(scenes: EncodedScenes, kind: str, index: int = 4, seed: int = 0, **changes: float) -> Episode:
    config = PromptsConfig(**{**SHARES, kind: 1.0, **changes})
    return Episode(scenes, 0, index, TUBE, config, np.random.default_rng(seed))


def logits_of(scenes: EncodedScenes, index: int) -> np.ndarray:
    """Perfect logits on a slice of scene 0."""
    return np.where(scenes.frame(0).mask_to_frame(scenes.mask(0, index, TUBE)) > 0.5, 8.0, -8.0).astype(np.float32)


@pytest.mark.parametrize("kind", ["box", "point", "mask", "neighbour", "repair"])
def test_a_batch_is_predicteded_as_inference_predicteds_each_prompt(tiny_scenes: Prepared, kind: str) -> None:
    bundle, scenes = tiny_scenes
    model = start_model(bundle)
    predictor = SlicePredictor(bundle.spec, "", open_backend(bundle, "torch:cpu"), EmbeddingCache())
    episodes = [episode(scenes, kind, index, seed=index) for index in (3, 4, 5)]
    ((group, prompts),) = by_point_count(episodes)
    with torch.inference_mode():
        logits, _ = model.decode(StoredEmbeddings().embeddings(group), *prompt_batch(prompts, bundle.spec))
    for number, one in enumerate(group):
        assert one.prompt is not None
        key = EmbeddingKey("", Plane.AXIAL, one.index, (-160.0, 240.0), "", "")
        encoded = EncodedSlice(key, scenes.frame(0), scenes.embedding(0, one.index))
        expected = predictor.decode(encoded, one.prompt).mask.decode()
        found = scenes.frame(0).logits_to_slice(logits[number, 0].numpy()) > 0
        assert (found != expected).mean() < 0.002, "float32 sums in another order move a pixel at most"


def test_prompts_with_different_numbers_of_points_are_never_padded_together(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    kinds = ["box", "mask", "point", "neighbour", "box"]
    groups = list(by_point_count([episode(scenes, kind) for kind in kinds]))
    # A mask alone has no point; a point has its padding, a box its two corners.
    assert [[one.kind for one in group] for group, _ in groups] == [["mask", "neighbour"], ["box", "point", "box"]]


def test_an_edit_sends_the_binary_mask_and_all_points_but_not_the_box(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "point", edit_share=1.0)
    for clicks in (2, 3):
        shifted = np.roll(logits_of(scenes, 4), 4, axis=1)
        one.take_prediction(shifted)
        frame_prompt = one.frame_prompt
        assert frame_prompt is not None
        assert one.kind == "edit"
        assert frame_prompt.point_labels.shape == (clicks + 1,)
        assert frame_prompt.point_labels[-1] == -1
        assert set(np.unique(frame_prompt.mask)) == {0.0, 1.0}
    boxed = episode(scenes, "box", edit_share=1.0)
    boxed.take_prediction(np.roll(logits_of(scenes, 4), 4, axis=1))
    assert boxed.frame_prompt is not None
    assert 2.0 not in boxed.frame_prompt.point_labels


def test_a_repair_brings_a_wrong_mask_and_a_click_in_the_error(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    truth = scenes.mask(0, 4, TUBE)
    signs = set()
    for seed in range(12):
        one = episode(scenes, "repair", seed=seed)
        assert one.prompt is not None
        assert one.prompt.mask is not None
        wrong = one.prompt.mask.decode()
        ((u, v, positive),) = one.prompt.points_uv
        assert truth[v, u] == positive != wrong[v, u]
        signs.add(positive)
    assert signs == {True, False}


def test_the_loss_looks_where_the_click_is(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "point")
    assert one.prompt is not None
    ((u, v, _),) = one.prompt.points_uv
    assert one.clicked.sum() == pytest.approx(1.0, abs=1e-5)
    there = np.zeros(scenes.frame(0).grid.shape_vu, bool)
    there[v, u] = True
    assert scenes.frame(0).mask_to_frame(there)[np.unravel_index(one.clicked.argmax(), one.clicked.shape)] == 1
    assert not episode(scenes, "box").clicked.any()


def test_a_correction_is_signed_by_the_truth(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "box", edit_share=1.0)
    one.take_prediction(np.full((64, 64), -8.0, np.float32))
    assert one.prompt is not None
    ((u, v, positive),) = one.prompt.points_uv
    assert positive
    assert scenes.mask(0, 4, TUBE)[v, u]
    assert one.prompt.mask is None


def test_a_walk_sends_the_models_own_mask_to_the_neighbour(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "box", edit_share=0.0, walk_click_share=0.0)
    one.take_prediction(logits_of(scenes, 4))
    assert one.kind == "walk"
    assert one.index in (3, 5)
    assert one.frame_prompt is not None
    np.testing.assert_array_equal(one.frame_prompt.mask, scenes.frame(0).mask_to_frame(scenes.mask(0, 4, TUBE)))
    np.testing.assert_array_equal(one.truth, scenes.frame(0).mask_to_frame(scenes.mask(0, one.index, TUBE)))
    assert one.frame_prompt.point_labels.size == 0


def test_a_walk_keeps_its_direction_until_the_object_ends(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "box", edit_share=0.0, ended_share=0.0, walk_click_share=0.0)
    visited = list(_propagated(scenes, one, 8))
    assert set(visited) <= set(range(1, 8)), "the tube is on slices 1 to 7"
    turns = sum(a - b != b - c for a, b, c in zip(visited, visited[1:], visited[2:], strict=False))
    assert turns == 1


def test_a_walk_may_go_one_slice_past_the_end_and_finds_nothing_there(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "box", index=7, seed=1, edit_share=0.0, ended_share=1.0, walk_click_share=0.0)
    visited = [7, *_propagated(scenes, one, 2)]
    beyond = episode(scenes, "neighbour", index=7, seed=0, ended_share=1.0)
    ended = [e for e in (one, beyond) if not e.truth.any()]
    assert 8 in visited or ended, visited
    assert all(
        e.frame_prompt is not None and e.frame_prompt.mask is not None and e.frame_prompt.mask.any() for e in ended
    )


def test_a_neighbour_may_come_from_further_away_and_from_where_the_object_is_larger(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    episodes = [
        episode(scenes, "neighbour", index=5, seed=seed, gap=3, outward=1.0, neighbour_noise=0.0, ended_share=0.0)
        for seed in range(12)
    ]
    # The tube is equally large everywhere, so its first slice, 1, counts as the largest.
    came_from = {
        next(k for k in range(9) if one.prompt and one.prompt.mask == RunMask.encode(scenes.mask(0, k, TUBE)))
        for one in episodes
    }
    assert came_from == {2, 3, 4}
    for one in episodes:
        one.take_prediction(logits_of(scenes, 5))
    assert {one.index for one in episodes if one.kind == "walk"} <= {6, 7}, "it continues away from there"


def test_a_mask_gets_as_thin_in_training_as_a_walk_makes_it(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    settings = {"outward": 1.0, "taper": 1.0, "bounded": 1.0, "neighbour_noise": 0.0, "ended_share": 0.0}
    one = episode(scenes, "neighbour", index=5, edit_share=0.0, walk_click_share=0.0, **settings)
    taper = Taper(start=1, low=1, high=7, slice_count=9, strength=1.0)
    assert one.prompt is not None
    assert one.prompt.mask == taper(RunMask.encode(scenes.mask(0, 4, TUBE)), 4, 5)
    one.take_prediction(logits_of(scenes, 5))
    assert (one.kind, one.index) == ("walk", 6)
    predicted = RunMask.encode(scenes.frame(0).logits_to_slice(logits_of(scenes, 5)) > 0)
    assert one.prompt.mask == taper(predicted, 5, 6) != predicted
    unknown = episode(scenes, "neighbour", index=5, **{**settings, "bounded": 0.0})
    assert unknown.prompt is not None
    assert unknown.prompt.mask == RunMask.encode(scenes.mask(0, 4, TUBE))


def test_a_lost_mask_is_replaced_by_the_truth_before_walking_on(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    one = episode(scenes, "box", edit_share=0.0, neighbour_noise=0.0, walk_click_share=0.0)
    lost = np.full((64, 64), -8.0, np.float32)
    lost[40:, 40:] = 8.0
    one.take_prediction(lost)
    assert one.frame_prompt is not None
    np.testing.assert_array_equal(one.frame_prompt.mask, scenes.frame(0).mask_to_frame(scenes.mask(0, 4, TUBE)))


def test_the_content_is_where_the_slice_lies(tiny_scenes: Prepared) -> None:
    _, scenes = tiny_scenes
    # 40 rows of 1.25 mm and 48 columns of 1 mm in a frame of 64: rows fill it, columns 61 of 64.
    content = episode(scenes, "box").content
    assert content[:, :61].all()
    assert not content[:, 61:].any()


def _propagated(scenes: EncodedScenes, one: Episode, steps: int) -> Iterator[int]:
    for _ in range(steps):
        one.take_prediction(logits_of(scenes, one.index))
        yield one.index
