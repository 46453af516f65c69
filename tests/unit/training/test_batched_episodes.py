"""Are the episodes that are made in batches those that are made one by one?"""

from __future__ import annotations

import csv
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from radsam.data.packed_store import read_pack, write_pack
from radsam.data.training_store import open_store
from radsam.errors import InputError
from radsam.preprocess import Window
from radsam.runtime import read_bundle
from radsam.simulate import MaskNoise
from radsam.training.batched_episodes import BatchedSampler, EpisodeBatch, PackedScenes
from radsam.training.batched_prompts import boxes_of, broken_masks, noisy_masks, random_boxes, random_points
from radsam.training.batched_views import BatchedViews, SliceStack
from radsam.training.bundle_export import export_checkpoint
from radsam.training.checkpoint_parts import join_parts, write_parts
from radsam.training.scenes import Scene, ids_seen, scene_image
from radsam.training.slice_view import View
from radsam.training.training_checkpoint import load_values
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import LAST, Run, evaluate, prepare_scenes
from tiny_training import tiny_config

CPU = torch.device("cpu")
TUBE, BALL = 1, 2


@pytest.fixture(scope="module")
def pack_path(tiny: Path) -> Path:
    path = tiny / "store.pack"
    write_pack(open_store(tiny / "store").cases, path, step=2.0)
    return path


def config_of(tiny: Path, pack_path: Path, **sections: dict[str, Any]) -> TrainConfig:
    given: dict[str, dict[str, Any]] = {
        "data": {"store": str(pack_path)},
        "embeddings": {"scenes": 0},
        "encoder": {"train": True, "crop_share": 0.5, **sections.pop("encoder", {})},
        "decoder": {"source_channels": 8},
        "optim": {"batch": 4, **sections.pop("optim", {})},
        "prompts": {"turns": [0.2, 0.4, 0.4], "gap": 2, **sections.pop("prompts", {})},
    }
    return tiny_config(tiny, **{**given, **sections})


def batch_of(tiny: Path, pack_path: Path, step: int = 0, **sections: dict[str, Any]) -> EpisodeBatch:
    config = config_of(tiny, pack_path, **sections)
    _, scenes = prepare_scenes(config)
    assert isinstance(scenes, PackedScenes)
    return BatchedSampler(scenes, config, CPU).episodes(step, 0)


def only(kind: str, **changes: Any) -> dict[str, Any]:
    return {"box": 0.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "repair": 0.0, kind: 1.0, **changes}


VIEWS = {
    "whole": View.whole((40, 48), 1.25, 1.0, Window(-160.0, 240.0)),
    "crop": View(22, 27, 1.25, 1.0, 14.5, 20.0, window=Window(-150.0, 250.0)),
    "turned": View(30, 30, 1.25, 1.0, 18.3, 21.6, angle_deg=11.0, shear=0.07),
    "beyond": View(50, 60, 1.25, 1.0, 15.0, 30.0, angle_deg=-5.0),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shows_what_it_shows_elsewhere(tiny: Path, pack_path: Path, name: str) -> None:
    store, pack, view = open_store(tiny / "store"), read_pack(pack_path), VIEWS[name]
    spec = read_bundle(tiny / "random-bundle").spec
    stack, case, index = SliceStack.of(pack, CPU), 1, 4
    views = BatchedViews([view, VIEWS["whole"]], spec, CPU)
    where = [(case, index), (0, 2)]
    found = views.images(stack, where, torch.Generator().manual_seed(0))
    scene = Scene(case, 0, 9, view)
    expected = torch.from_numpy(scene_image(store, spec, scene, index))
    assert (found[0] - expected).abs().mean() < 0.02, "two interpolations, or one"
    frame = view.frame(spec, 9)
    content = torch.zeros(spec.low_res_size, spec.low_res_size)
    content[: frame.content_shape[0], : frame.content_shape[1]] = 1
    assert torch.equal(views.content[0], content)
    masks = views.masks(stack, where, [TUBE, BALL])
    truth = torch.from_numpy(frame.mask_to_frame(ids_seen(store, scene, index) == TUBE) > 0.5)
    assert truth.any()
    assert 2 * (masks[0] & truth).sum() / (masks[0].sum() + truth.sum()) > 0.95


def disk(size: int = 128, at: tuple[int, int] = (60, 50), radius: float = 20.0) -> Tensor:
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (rows - at[0]) ** 2 + (cols - at[1]) ** 2 <= radius**2


def test_boxes_points_and_broken_masks_belong_to_their_masks() -> None:
    generator = torch.Generator().manual_seed(1)
    masks = torch.stack([disk(), disk(at=(20, 90), radius=6), disk(radius=1), disk(at=(0, 0), radius=9)]).repeat(
        20, 1, 1
    )
    assert boxes_of(masks)[:2].tolist() == [[30, 40, 70, 80], [84, 14, 96, 26]]
    boxes = random_boxes(masks, generator, shrink_px=5.0, grow_px=20.0)
    exact, most = boxes_of(masks), 20 * 128 / 1024
    assert (boxes[:, :2] >= (exact[:, :2] - 0.5 - most).clamp(min=-0.5) - 1e-4).all()
    assert (boxes[:, 2:] <= exact[:, 2:] + 0.5 + most + 1e-4).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 2 - 1e-4).all()
    x, y = random_points(masks, generator).long().unbind(1)
    assert masks[torch.arange(len(masks)), y, x].all()
    deep = torch.hypot(x[::4] - 50.0, y[::4] - 60.0)
    assert deep.max() < 18.5, "two pixels from the edge"
    broken = broken_masks(masks, generator)
    assert (broken ^ masks).any(dim=(1, 2)).all()
    assert (broken & masks).any(dim=(1, 2)).all()


def test_noise_moves_edges_in_all_directions_and_leaves_something() -> None:
    generator = torch.Generator().manual_seed(2)
    masks = torch.stack([disk(), disk(at=(20, 90), radius=2), torch.zeros(128, 128, dtype=torch.bool)]).repeat(30, 1, 1)
    found = noisy_masks(masks, generator, 1.0, MaskNoise(edge_px=30.0))
    assert found[0::3].any(dim=(1, 2)).all()
    assert found[1::3].any(dim=(1, 2)).all()
    assert not found[2::3].any()
    areas = found[0::3].sum(dim=(1, 2)) / masks[0].sum()
    assert areas.min() < 0.85
    assert areas.max() > 1.15
    same = noisy_masks(masks, generator, 0.0, MaskNoise())
    assert torch.equal(same, masks)
    # Grown by a smooth edge, a disk stays a disk: its box is not filled more than a disk fills it.
    edges = noisy_masks(masks[::3], generator, 1.0, MaskNoise(0, 0, 0, 0, 30.0, 0.4))
    boxes = boxes_of(edges)
    filled = edges.sum(dim=(1, 2)) / ((boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1))
    assert ((filled - np.pi / 4).abs() < 0.05).all()


def test_neighbours_come_with_their_slice_picture_and_way(tiny: Path, pack_path: Path) -> None:
    prompts = only("neighbour", bounded=1.0, ended_share=0.0, gap=3)
    batch = batch_of(
        tiny, pack_path, prompts=prompts, optim={"batch": 12}, encoder={"as_is_share": 1.0, "crop_share": 0.0}
    )
    images = batch.images()
    pictures = batch.pictures(images)
    assert torch.equal(pictures[:, 1], images[:, 0])
    clean = batch.views.images(batch._stack, batch._where(batch.index), torch.Generator())
    assert torch.equal(images, clean), "whole slices have no noise"
    gaps = set()
    for number, source in enumerate(batch.sources):
        assert source is not None
        gaps.add(abs(source.index - batch.index[number]))
        assert source.way is not None
        assert 0 <= source.way[0] < source.way[1] < 1
        before = batch.views.images(batch._stack, [(case, source.index) for case in batch._cases], torch.Generator())[
            number, 0
        ]
        assert torch.equal(pictures[number, 0], before)
        assert batch.distance[number].tolist() == pytest.approx(source.distance(50.0).tolist())
    assert gaps <= {1, 2, 3}
    assert len(gaps) > 1
    assert batch.has_source.all()


def test_a_mask_past_the_end_meets_an_empty_truth(tiny: Path, pack_path: Path) -> None:
    ended = 0
    for step in range(3):
        prompts = only("neighbour", bounded=1.0, ended_share=1.0)
        batch = batch_of(tiny, pack_path, step, prompts=prompts, optim={"batch": 12})
        for number, held in enumerate(batch.truth.any(dim=(1, 2)).tolist()):
            if not held and batch.active[number]:
                source = batch.sources[number]
                assert source is not None
                assert abs(source.index - batch.index[number]) == 1
                assert batch._present(number, source.index)
                assert not batch._present(number, batch.index[number])
                assert batch.mask[number].any()
                ended += 1
    assert ended


@pytest.mark.parametrize("edit_share", [0.0, 1.0])
def test_turns_correct_or_go_on_with_the_models_mask(tiny: Path, pack_path: Path, edit_share: float) -> None:
    prompts = only("box", edit_share=edit_share, walk_click_share=0.0, ended_share=0.0)
    batch = batch_of(tiny, pack_path, prompts=prompts, optim={"batch": 8})
    assert {len(points) for points in batch.points} == {2}
    before, truth = batch.index.copy(), batch.truth.clone()
    predicted = truth.clone()
    predicted[:, :, ::2] = False
    (group,) = batch.by_point_count()
    batch.take_predictions(predicted, group)
    for number in range(8):
        if edit_share:
            assert batch.kinds[number] == "edit"
            assert batch.index[number] == before[number]
            assert batch.sources[number] is None
            (x, y, label), pad = batch.points[number]
            assert pad[2] == -1
            assert label == 1
            assert truth[number, int(y), int(x)]
            assert not predicted[number, int(y), int(x)]
        else:
            assert batch.kinds[number] == "walk"
            assert batch.index[number] != before[number]
            assert batch.points[number] == []
            source = batch.sources[number]
            assert source is not None
            assert source.index == before[number]
        assert torch.equal(batch.mask[number], predicted[number])
    weights = batch.clicked(range(8))
    assert weights.sum(dim=(1, 2)).tolist() == pytest.approx([edit_share] * 8, abs=1e-4)


def test_a_right_mask_of_a_lost_episode_ends_or_goes_on(tiny: Path, pack_path: Path) -> None:
    batch = batch_of(tiny, pack_path, prompts=only("box", edit_share=0.0, walk_click_share=0.0, ended_share=0.0))
    truth, before = batch.truth.clone(), batch.index.copy()
    batch.take_predictions(torch.zeros_like(truth), [0, 1, 2, 3])
    for number in range(4):
        # Nothing was found: the truth of the slice, with noise, goes on.
        source = batch.sources[number]
        assert source is not None
        assert source.index == before[number]
        assert (batch.mask[number] & truth[number]).any()
    batch.take_predictions(batch.truth.clone(), [0, 1])
    assert batch.active.tolist() == [True, True, False, False], "an episode without a prediction ends"


def test_a_batch_is_a_function_of_seed_and_step(tiny: Path, pack_path: Path) -> None:
    one, same, other = (batch_of(tiny, pack_path, step) for step in (2, 2, 3))
    assert one.describe() == same.describe() != other.describe()
    assert torch.equal(one.mask, same.mask)
    assert torch.equal(one.images(), same.images())


def test_a_run_on_a_pack_learns_resumes_and_is_exported(tiny: Path, pack_path: Path, tmp_path: Path) -> None:
    config = config_of(tiny, pack_path)
    start, scenes = prepare_scenes(config)

    def open_run(name: str) -> Run:
        return Run(config, tmp_path / name, start, scenes, report=lambda line: None)

    whole, stopped = open_run("whole"), open_run("stopped")
    expected = [whole.train_step()[0].total for _ in range(4)]
    found = [stopped.train_step()[0].total for _ in range(2)]
    stopped.save(LAST)
    resumed = open_run("stopped")
    assert found + [resumed.train_step()[0].total for _ in range(2)] == expected
    resumed.save(LAST)
    checkpoint = tmp_path / "stopped" / LAST
    assert load_values(checkpoint, "checkpoint")["train_cases"] == ["tube_a", "tube_b"]

    parts = write_parts(checkpoint, tmp_path / "parts", most_bytes=200_000)
    assert len(parts) > 2
    assert all(each.stat().st_size <= 200_000 for each in parts)
    parts = write_parts(checkpoint, tmp_path / "parts", most_bytes=300_000)
    assert set(parts) == set((tmp_path / "parts").iterdir()), "earlier parts are gone"
    join_parts(tmp_path / "parts", tmp_path / "joined" / LAST)
    joined, before = (load_values(each, "checkpoint") for each in (tmp_path / "joined" / LAST, checkpoint))
    for name, value in before["weights"].items():
        assert torch.equal(joined["weights"][name], value)
        torch.testing.assert_close(joined["average"][name], before["average"][name], rtol=1e-3, atol=1e-4)
        assert joined["average"][name].dtype == torch.float32
    assert open_run("joined").step == 4
    assert open_run("joined").train_step()[0].total == pytest.approx(resumed.train_step()[0].total, rel=0.02)

    bundle = read_bundle(export_checkpoint(tmp_path / "joined" / LAST, tmp_path / "bundle", backend="torch:cpu"))
    assert bundle.spec.takes_source
    parts[1].unlink()
    with pytest.raises(InputError, match="does not hold all parts of one checkpoint last"):
        join_parts(tmp_path / "parts", tmp_path / "again" / LAST)


def test_the_script_for_a_gpu_runs_saves_and_resumes(tiny: Path, pack_path: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "gpu_run.py"))["main"]
    config = config_of(tiny, pack_path)
    text = tmp_path / "tiny.toml"
    text.write_text(
        f'name = "tiny"\nstart = "{config.start}"\nseed = 5\n'
        f'[data]\nstore = "{pack_path}"\nmin_pixels = 5\n[embeddings]\n[encoder]\ntrain = true\n'
        "[decoder]\nsource_channels = 8\n[optim]\nsteps = 3\nbatch = 3\n[run]\nthreads = 1\n"
        "checkpoint_minutes = 60\nvalidate_minutes = 0\nlog_steps = 1\n",
        encoding="utf-8",
    )
    first = [str(text), str(tmp_path / "out"), "--folder", str(tmp_path / "run"), "--save-seconds", "0.01"]
    assert script([*first, "--minutes", "0.0001"]) == 0
    assert [each.name for each in sorted((tmp_path / "out").glob("last.*"))] == ["last.1of1"]
    assert (
        script(
            [str(text), str(tmp_path / "out2"), "--folder", str(tmp_path / "other"), "--parts", str(tmp_path / "out")]
        )
        == 0
    )
    with (tmp_path / "out2" / "train.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)][-1] == "3"


def test_a_pack_is_refused_where_whole_volumes_or_thinned_masks_are_wanted(tiny: Path, pack_path: Path) -> None:
    config = config_of(tiny, pack_path)
    with pytest.raises(InputError, match="no whole volumes to score"):
        evaluate(config)
    with pytest.raises(InputError, match=r"prompts\.taper = 0"):
        prepare_scenes(config_of(tiny, pack_path, prompts={"taper": 1.0}))
    with pytest.raises(InputError, match=r"encoder\.train = true"):
        prepare_scenes(replace(tiny_config(tiny), data=config.data))
    with pytest.raises(InputError, match="no object of at least 5000 pixels"):
        prepare_scenes(config_of(tiny, pack_path, data={"store": str(pack_path), "min_pixels": 5000}))


def test_a_bare_machine_needs_no_reader_of_images_and_no_engine() -> None:
    absent = [
        "SimpleITK",
        "pydicom",
        "gdcm",
        "openvino",
        "onnxruntime",
        "pynetdicom",
        "dicomweb_client",
        "requests",
        "rich",
    ]
    code = f"import sys\nfor name in {absent}: sys.modules[name] = None\nimport radsam.training.training_run"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-400:]
