from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radsam.errors import InputError
from radsam.runtime import Bundle, open_backend
from radsam.runtime.bundle import read_bundle
from radsam.training.augmented_scenes import AugmentedScenes
from radsam.training.batch_picture import draw_batch
from radsam.training.bundle_export import export_checkpoint, trained_zoom
from radsam.training.episode_embeddings import StoredEmbeddings, TrainedEmbeddings
from radsam.training.episode_sampler import Sampler
from radsam.training.start_weights import Start, start_model
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_checkpoint import read_checkpoint
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import LAST, Run, prepare_scenes, train
from radsam.training.training_step import run_episodes
from tiny_training import tiny_config

Prepared = tuple[Start, AugmentedScenes]


def live_config(tiny: Path, **sections: dict[str, object]) -> TrainConfig:
    encoder = {"train": True, "zoom": [0.7, 3.0], **sections.pop("encoder", {})}
    return tiny_config(tiny, encoder=encoder, embeddings={"scenes": 0}, **sections)


def prepare(config: TrainConfig) -> Prepared:
    start, scenes = prepare_scenes(config)
    assert isinstance(scenes, AugmentedScenes)
    return start, scenes


def test_every_episode_draws_a_view_of_its_own_that_shows_the_object(tiny: Path) -> None:
    config = live_config(tiny, encoder={"as_is_share": 0.3}, optim={"batch": 40})
    sampler = Sampler(prepare(config)[1], config)
    episodes = sampler.episodes(0, 0)
    views = [one.scenes.scenes[one.scene].view for one in episodes]
    turned = [view for view in views if view.angle_deg]
    assert len(set(turned)) == len(turned)
    assert 0.5 < len(turned) / len(views) < 0.9, "some see the slice as inference does"
    assert all(one.scenes.mask(one.scene, one.index, one.object_id).any() for one in episodes if one.kind != "walk")
    assert {view.rows < 40 for view in turned} == {True, False}, "closer than the slice, and from further away"
    again = Sampler(prepare(config)[1], config).episodes(0, 0)
    assert [one.scenes.scenes[one.scene] for one in again] == [one.scenes.scenes[one.scene] for one in episodes]


def test_crops_hold_the_object_with_as_much_around_it_as_inference_crops(tiny: Path) -> None:
    encoder = {"as_is_share": 0.0, "crop_share": 1.0}
    config = tiny_config(
        tiny, encoder={"train": True, **encoder}, embeddings={"scenes": 0, "max_zoom": 6.0}, optim={"batch": 40}
    )
    scenes = prepare(config)[1]
    for one in Sampler(scenes, config).episodes(0, 0):
        whole, view = scenes.scenes[one.scene], one.scenes.scenes[one.scene].view
        assert view != whole.view
        near = scenes.store.cases[whole.case_number].ids[max(0, whole.first) : whole.first + whole.count]
        held = np.flatnonzero((near == one.object_id).any(axis=(0, 2)))
        assert view.rows <= max(4.0 * (held[-1] - held[0] + 1) + 1, max(whole.view.rows, whole.view.cols))
        assert view.rows >= max(whole.view.rows, whole.view.cols) / 6 - 1
        assert one.scenes.mask(one.scene, one.index, one.object_id).any() or one.kind in ("walk", "neighbour")
    assert trained_zoom(config, scenes.spec) == 6.0


def test_as_inference_sees_it_they_are_the_scenes_of_a_frozen_encoder(
    tiny: Path, tiny_scenes: tuple[Bundle, EncodedScenes]
) -> None:
    """The same objects, the same images, and the embeddings of the model are those of the engine."""
    start, scenes = prepare(live_config(tiny))
    encoded = tiny_scenes[1]
    whole = [number for number, scene in enumerate(encoded.scenes) if scene.seed == 0]
    assert scenes.scenes == tuple(encoded.scenes[number] for number in whole)
    rows = encoded.objects[np.isin(encoded.objects["owner"], whole)]
    assert sorted(scenes.objects.tolist()) == sorted(rows.tolist())
    found = start_model(start).encode(torch.from_numpy(scenes.image(0, 3)[None])).detach()[0]
    np.testing.assert_allclose(found, encoded.embedding(0, 3), atol=0.02, rtol=0.002)


def test_a_slice_is_encoded_once_and_its_gradient_is_that_of_all_turns(tiny: Path) -> None:
    """Against the gradient of one graph that holds the encoder and every turn."""
    config = live_config(tiny, optim={"batch": 3}, prompts={"turns": [0.0, 0.0, 1.0], "ended_share": 0.0})
    start, scenes = prepare(config)
    sampler = Sampler(scenes, config)
    encoded: list[int] = []

    def run(once: bool) -> dict[str, torch.Tensor]:
        model = start_model(start)

        def encode(images: torch.Tensor) -> torch.Tensor:
            encoded.append(len(images))
            return model.encode(images)

        embedder = TrainedEmbeddings(encode) if once else _WholeGraph(encode)
        losses: list[torch.Tensor] = []
        backward = torch.Tensor.backward if once else losses.append
        run_episodes(embedder, model.decode, torch.device("cpu"), sampler.episodes(0, 0), 3, config.loss, backward)
        if losses:
            torch.stack(losses).sum().backward()
        return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}

    expected, calls = run(once=False), sum(encoded)
    encoded.clear()
    found = run(once=True)
    assert sum(encoded) < calls, "a correction is on the slice that was encoded"
    assert found.keys() == expected.keys()
    assert any(name.startswith("image_encoder.") for name in found)
    largest = max(float(each.abs().max()) for each in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5 * largest, rtol=1e-3)


class _WholeGraph(StoredEmbeddings):
    """Encodes anew at every turn, within one graph."""

    def __init__(self, encode: object) -> None:
        super().__init__()
        self._encode = encode

    def embeddings(self, group):  # type: ignore[no-untyped-def]
        images = np.stack([episode.scenes.image(episode.scene, episode.index) for episode in group])
        return self._encode(torch.from_numpy(images))  # type: ignore[operator]


def test_the_encoder_learns_and_a_resumed_run_goes_on_as_if_it_had_not_stopped(tiny: Path, tmp_path: Path) -> None:
    prompts = {"box": 1.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "turns": [1.0]}
    optim = {"steps": 24, "batch": 4, "lr": 4e-3}
    config = live_config(tiny, encoder={"as_is_share": 1.0, "lr_scale": 0.1}, optim=optim, prompts=prompts)
    prepared = prepare(config)
    run = Run(config, tmp_path / "run", *prepared, report=lambda line: None)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    losses = [run.train_step()[0].mean("total") for _ in range(2)]
    run.save(LAST)
    resumed = Run(config, tmp_path / "run", *prepared, report=lambda line: None)
    assert [resumed.train_step()[0].total for _ in range(2)] == [run.train_step()[0].total for _ in range(2)]
    assert all(
        torch.equal(one, two)
        for one, two in zip(run._average.values.values(), resumed._average.values.values(), strict=True)
    )
    losses += [run.train_step()[0].mean("total") for _ in range(20)]
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6])
    changed = {name for name, value in run.model.state_dict().items() if not torch.equal(before[name], value)}
    assert {name.split(".")[0] for name in changed} == {"image_encoder", "prompt_encoder", "mask_decoder"}
    assert not any("running_" in name or "num_batches" in name for name in changed), "statistics stay"


def test_a_trained_encoder_is_exported_and_is_a_start_for_another_run(tiny: Path, tmp_path: Path) -> None:
    config = live_config(tiny, optim={"steps": 3, "lr": 3e-3})
    result = train(config, tmp_path / "run")
    bundle = read_bundle(export_checkpoint(result.checkpoint, tmp_path / "bundle", backend="torch:cpu"))
    assert bundle.spec.max_zoom == 3.0
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "Image encoder, prompt encoder and mask decoder trained" in card

    checkpoint = read_checkpoint(result.checkpoint)
    _, scenes = prepare(config)
    image = scenes.image(0, 3)[None]
    model = start_model(read_bundle(tiny / "random-bundle"))
    untrained = model.encode(torch.from_numpy(image)).detach().numpy()
    model.load_state_dict(checkpoint.average, strict=False)
    expected = model.encode(torch.from_numpy(image)).detach().numpy()
    found = open_backend(bundle, "torch:cpu").encode(image)
    assert np.abs(found - expected).max() < 0.1 * np.abs(untrained - expected).max()

    second = replace(config, name="second", start=str(result.checkpoint))
    start, _ = prepare(second)
    torch.testing.assert_close(
        start_model(start).state_dict()["image_encoder.neck.0.weight"],
        checkpoint.average["image_encoder.neck.0.weight"],
    )
    assert train(second, tmp_path / "second").finished


def test_a_batch_of_such_a_run_is_drawn_as_it_is_trained(tiny: Path) -> None:
    config = live_config(tiny)
    drawn = draw_batch(config, 2)
    sampler = Sampler(prepare(config)[1], config)
    assert drawn.episodes == tuple(one.describe() for one in sampler.episodes(2, 0))


def test_slices_that_were_not_encoded_are_no_frozen_encoders_business(tiny: Path) -> None:
    config = live_config(tiny)
    episodes = Sampler(prepare(config)[1], config).episodes(0, 0)
    with pytest.raises(InputError, match=r"set encoder\.train = true"):
        StoredEmbeddings().embeddings(episodes)
