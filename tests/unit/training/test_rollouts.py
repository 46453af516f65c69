"""Do masks of earlier propagations prompt the slices behind theirs?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command_line import CommandLine
from fakes import fake_engine
from radsam.data.packed_store import Pack, read_pack, write_pack
from radsam.data.training_store import open_store
from radsam.disk.file_hash import sha256_of
from radsam.errors import DatasetError, InputError
from radsam.metrics import dice
from radsam.model.prototype_encoder import pooled_prototypes
from radsam.training.batched_episodes import BatchedSampler, EpisodeBatch, PackedScenes
from radsam.training.rollout_recorder import record_rollouts
from radsam.training.rollouts import Rollout, Rollouts, read_rollouts, rollout_dice, write_rollouts
from radsam.training.training_config import DecoderConfig, TrainConfig
from radsam.training.training_run import prepare_scenes
from radsam.volume import RunMask
from tiny_training import tiny_config

CPU = torch.device("cpu")
TUBE = 1


@pytest.fixture(scope="module")
def pack_path(tiny: Path) -> Path:
    path = tiny / "rollouts.pack"
    write_pack(open_store(tiny / "store").cases, path, step=2.0)
    return path


@pytest.fixture(scope="module")
def pack(pack_path: Path) -> Pack:
    return read_pack(pack_path)


def true_rollouts(pack: Pack, *, moved: int = 0) -> dict[tuple[str, int], tuple[Rollout, ...]]:
    """The true masks from the largest slice to both ends, moved by some columns."""
    found = {}
    for case in pack.cases:
        for object_id, (low, high, start) in case.extents.items():
            masks = {
                index: RunMask.encode(np.roll(case.ids[index - case.first] == object_id, moved, axis=1))
                for index in range(low, high + 1)
            }
            found[case.case_id, object_id] = (Rollout(start, (low, high), masks),)
    return found


def batch_of(tiny: Path, pack_path: Path, rollouts: Rollouts, **prompts: Any) -> EpisodeBatch:
    path = pack_path.with_suffix(".zip")
    write_rollouts(rollouts, sha256_of(pack_path), path)
    config = config_of(tiny, pack_path, path, **prompts)
    _, scenes = prepare_scenes(config)
    assert isinstance(scenes, PackedScenes)
    return BatchedSampler(scenes, config, CPU).episodes(0, 0)


def config_of(tiny: Path, pack_path: Path, rollouts: Path | str, **prompts: Any) -> TrainConfig:
    only = {"box": 0.0, "point": 0.0, "mask": 0.0, "neighbour": 1.0, "repair": 0.0, "rollouts": 1.0, "gap": 3}
    return tiny_config(
        tiny,
        data={"store": str(pack_path), "rollouts": str(rollouts)},
        embeddings={"scenes": 0},
        encoder={"train": True, "as_is_share": 0.5, "crop_share": 0.5},
        decoder={"source_channels": 8},
        optim={"batch": 16},
        prompts={**only, **prompts},
    )


def test_an_engine_propagates_every_object_and_a_file_keeps_it(pack: Pack, tmp_path: Path) -> None:
    seen = []
    made = record_rollouts(
        pack, fake_engine(), each=3, largest=0.5, bounded=0.5, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (len(pack.cases), len(pack.cases))
    assert {(case.case_id, TUBE) for case in pack.cases} <= set(made)
    for (case_id, object_id), of_object in made.items():
        if object_id != TUBE:
            continue  # the fake model finds what is bright
        (case,) = (each for each in pack.cases if each.case_id == case_id)
        low, high, _ = case.extents[object_id]
        for one in of_object:
            assert one.bounds in (None, (low, high))
            assert low <= one.start <= high
            assert one.start in one.masks
            truth = case.ids[one.start - case.first] == object_id
            assert dice(one.masks[one.start].decode(), truth) > 0.8, "its mask is on its slice"
    assert {one.bounds is None for of_object in made.values() for one in of_object} == {True, False}
    path = tmp_path / "rollouts.zip"
    write_rollouts(made, "a pack", path)
    read = read_rollouts(path, "a pack")
    assert set(read) == set(made)
    for key, of_object in made.items():
        for one, same in zip(of_object, read[key], strict=True):
            assert (one.start, one.bounds) == (same.start, same.bounds)
            assert list(one.masks) == list(same.masks)
            for index, mask in one.masks.items():
                assert np.array_equal(mask.decode(), same.masks[index].decode())


def test_a_rollouts_mask_prompts_the_slice_behind_its_own(tiny: Path, pack: Pack, pack_path: Path) -> None:
    rollouts = true_rollouts(pack)
    batch = batch_of(tiny, pack_path, rollouts, ended_share=0.0)
    prompted = 0
    for number in range(16):
        source, case = batch.sources[number], batch._case(number)
        low, high, start = case.extents[batch._objects[number]]
        if batch.index[number] == start:
            continue  # a prompt was there, and no mask came
        prompted += 1
        assert source is not None
        side = 1 if batch.index[number] > start else -1
        assert source.index == batch.index[number] - side
        assert batch._ways[number][0] == start
        assert set(batch._ways[number][1:]) <= {low, high, None}
        assert batch._steps[number] == side, "the propagation goes on away from its start"
        before = batch.views.masks(
            batch._stack, [(batch._cases[n], batch.index[n] - side) for n in range(16)], batch._objects
        )[number]
        assert torch.equal(batch.mask[number], before), "the view shows it where it shows the object"
    assert prompted > 8


def test_the_mask_is_the_propagations_and_the_truth_stays(tiny: Path, pack: Pack, pack_path: Path) -> None:
    same, moved = (batch_of(tiny, pack_path, true_rollouts(pack, moved=by), ended_share=0.0) for by in (0, 2))
    assert torch.equal(same.truth, moved.truth)
    assert same.index == moved.index
    differ = (same.mask ^ moved.mask).flatten(1).any(dim=1)
    assert differ.sum() > 8


def test_lost_masks_prompt_nothing(tiny: Path, pack: Pack, pack_path: Path) -> None:
    for lost in (true_rollouts(pack, moved=20), {}):
        batch = batch_of(tiny, pack_path, lost, ended_share=0.0, neighbour_noise=0.0)
        for number in range(16):
            source = batch.sources[number]
            if source is None:
                continue
            before = batch.views.masks(
                batch._stack, [(batch._cases[number], source.index)] * 16, [batch._objects[number]] * 16
            )[number]
            assert torch.equal(batch.mask[number], before), "the true mask of that slice instead"


def test_rollouts_of_another_pack_and_broken_files_are_refused(
    tiny: Path, pack: Pack, pack_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "rollouts.zip"
    write_rollouts(true_rollouts(pack), "another", path)
    with pytest.raises(InputError, match="rollouts of another pack"):
        prepare_scenes(config_of(tiny, pack_path, path))
    path.write_bytes(b"not a zip")
    with pytest.raises(DatasetError, match="not a file of rollouts"):
        prepare_scenes(config_of(tiny, pack_path, path))
    with pytest.raises(DatasetError, match="not a file of rollouts"):
        prepare_scenes(config_of(tiny, pack_path, tmp_path / "absent.zip"))
    with pytest.raises(InputError, match="set both, or neither"):
        config_of(tiny, pack_path, "")
    with pytest.raises(InputError, match="for a run on a pack"):
        config_of(tiny, tiny / "store", path)


def test_other_rollouts_make_another_run(tiny: Path, pack: Pack, pack_path: Path) -> None:
    identities = set()
    for moved in (0, 1):
        path = pack_path.with_suffix(".zip")
        write_rollouts(true_rollouts(pack, moved=moved), sha256_of(pack_path), path)
        _, scenes = prepare_scenes(config_of(tiny, pack_path, path))
        assert isinstance(scenes, PackedScenes)
        identities.add(scenes.identity)
    assert len(identities) == 2


def test_the_command_records_a_pack(tiny: Path, pack_path: Path, tmp_path: Path, run_radsam: CommandLine) -> None:
    target = tmp_path / "rollouts.zip"
    given = ["data", "rollouts", pack_path, "-o", target, "--model", tiny / "random-bundle", "--each", 2]
    done = run_radsam.here(*given, "--json", cwd=tmp_path).done()
    read = read_rollouts(target, sha256_of(pack_path))
    masks = sum(len(one.masks) for of_object in read.values() for one in of_object)
    assert done.json == {"rollouts": str(target), "objects": len(read), "masks": masks}
    assert masks > 0
    assert f"{masks} masks of {len(read)} objects" in run_radsam.here(*given, cwd=tmp_path).done().stdout
    again = tmp_path / "again.zip"
    more = run_radsam.here(*given[:3], "-o", again, *given[5:], "--seed", 1, "--add", target, "--json", cwd=tmp_path)
    assert more.done().json["objects"] == len(read)
    assert more.json["masks"] > masks
    both = read_rollouts(again, sha256_of(pack_path))
    for key, of_object in read.items():
        assert len(both[key]) == 2 * len(of_object)
        assert [each.start for each in both[key][: len(of_object)]] == [each.start for each in of_object]
    for share, known in ((0, False), (1, True)):
        run_radsam.here(*given, "--bounded", share, cwd=tmp_path).done()
        made = [one for of_object in read_rollouts(target, sha256_of(pack_path)).values() for one in of_object]
        assert {one.bounds is not None for one in made} == {known}
    before = pack_path.read_bytes()
    refused = run_radsam.here("data", "rollouts", pack_path, "-o", pack_path, cwd=tmp_path)
    assert refused.returncode == 3
    assert pack_path.read_bytes() == before


def past_rollouts(pack: Pack) -> dict[tuple[str, int], tuple[Rollout, ...]]:
    """As `true_rollouts`, and the last mask stays on the slices after the end, as a propagation without bounds does."""
    found = {}
    for key, (one,) in true_rollouts(pack).items():
        last = max(one.masks)
        found[key] = (Rollout(one.start, None, {**one.masks, last + 1: one.masks[last], last + 2: one.masks[last]}),)
    return found


def test_masks_past_the_end_prompt_empty_slices(tiny: Path, pack: Pack, pack_path: Path) -> None:
    shares = {"ended_share": 0.0, "rollouts_ended": 1.0}
    batch = batch_of(tiny, pack_path, past_rollouts(pack), **shares)
    prompted = [n for n in range(16) if batch.active[n] and batch.has_mask[n]]
    assert len(prompted) > 8
    for number in prompted:
        source, case = batch.sources[number], batch._case(number)
        low, high, start = case.extents[batch._objects[number]]
        assert source is not None
        assert not batch.truth[number].any()
        assert batch.index[number] in (low - 1, *range(high + 1, high + 4))
        assert source.index == batch.index[number] - (1 if batch.index[number] > start else -1)
        assert source.way is None, "no bound was known"
    # Where no propagation went past an end, the masks inside are taken.
    inside = batch_of(tiny, pack_path, true_rollouts(pack), **shares)
    assert all(inside._present(n, inside.index[n]) for n in range(16) if len(inside._case(n).ids) == high + 1)


def test_objects_that_were_missed_are_drawn_more_often(tiny: Path, pack: Pack, pack_path: Path) -> None:
    rollouts = true_rollouts(pack)
    case_id = pack.cases[0].case_id
    (one,) = rollouts[case_id, TUBE]
    first = min(one.masks)
    half = {index: mask for index, mask in one.masks.items() if index < first + len(one.masks) // 2}
    rollouts[case_id, TUBE] = (Rollout(one.start, one.bounds, half),)
    found = rollout_dice(rollouts, pack)
    truth = pack.cases[0].ids == TUBE
    kept = sum(int(mask.area) for mask in half.values())
    assert found[case_id, TUBE] == pytest.approx(2 * kept / (kept + truth.sum()))
    assert found[pack.cases[1].case_id, TUBE] == 1.0

    path = pack_path.with_suffix(".zip")
    write_rollouts(rollouts, sha256_of(pack_path), path)
    shares = []
    for hard in (0.0, 4.0):
        config = config_of(tiny, pack_path, path)
        config = replace(config, data=replace(config.data, hard=hard))
        _, scenes = prepare_scenes(config)
        assert isinstance(scenes, PackedScenes)
        shares.append(BatchedSampler(scenes, config, CPU).shares)
    even, harder = shares
    objects = scenes.objects
    missed = (objects["owner"] == 0) & (objects["object"] == TUBE)
    assert harder[missed].sum() > 1.2 * even[missed].sum()
    for owner in np.unique(objects["owner"]):
        of_case = objects["owner"] == owner
        assert harder[of_case].sum() == pytest.approx(even[of_case].sum()), "cases keep their shares"
    assert harder.sum() == pytest.approx(1.0)


def test_prototypes_are_of_the_slice_that_the_propagation_started_from(tiny: Path, pack: Pack, pack_path: Path) -> None:
    path = pack_path.with_suffix(".zip")
    write_rollouts(true_rollouts(pack), sha256_of(pack_path), path)
    config = config_of(tiny, pack_path, path, ended_share=0.0, prototype_noise=0.0)
    config = replace(config, decoder=DecoderConfig(source_channels=8, prototype_channels=4))
    _, scenes = prepare_scenes(config)
    assert isinstance(scenes, PackedScenes)
    assert scenes.spec.prototype_channels == 32
    batch = BatchedSampler(scenes, config, CPU).episodes(0, 0)
    seen = []

    def encode(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        small = torch.nn.functional.avg_pool2d(images[:, :1], images.shape[-1] // 16)
        return small.expand(-1, 32, -1, -1)

    found = batch.prototypes(encode)
    starts = [batch._ways[n][0] for n in range(16)]
    known = [n for n in range(16) if batch.sources[n] is not None]
    images = batch.views.images(batch._stack, list(zip(batch._cases, starts, strict=True)), torch.Generator())
    masks = batch.views.masks(batch._stack, list(zip(batch._cases, starts, strict=True)), batch._objects)
    expected = pooled_prototypes(encode(images), masks.float())
    checked = 0
    for number in range(16):
        if batch.sources[number] is None:
            assert not found[number].any()
        elif batch._start(number) == starts[number]:
            checked += 1
            # Views add noise to the image each time.
            torch.testing.assert_close(found[number], expected[number], atol=0.3, rtol=0.1)
    assert checked > 8
    before = len(seen)
    torch.testing.assert_close(batch.prototypes(encode), found)
    assert len(seen) == before, "each is encoded once"
    assert len(seen[0]) == len(known)
