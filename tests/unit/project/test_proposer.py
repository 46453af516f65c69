from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fakes import FakeBackend, fake_engine
from phantoms import Scene, ball, stored_otherwise, touching_balls
from radsam.errors import BundleError, DatasetError
from radsam.metrics import dice
from radsam.project.pause import Pause, StoppedError
from radsam.project.proposer import Proposer
from radsam.proposer.proposer_file import ProposerFile
from radsam.session.engine import Engine
from radsam.training import proposer_training
from radsam.training.proposer_data import TrainingCase
from radsam.training.proposer_head import ProposerHead, export_head
from radsam.training.proposer_training import run_head, train_proposer
from radsam.volume import Plane, Volume

#: Enough for two balls that differ by size and side.
STEPS = 70
STORED = [((0, 1, 2), (False, False, False)), ((0, 1, 2), (True, False, True)), ((2, 0, 1), (False, True, False))]


def moved(scene: Scene, by_kji: tuple[int, int, int]) -> Scene:
    """The same scene elsewhere in its volume."""
    values = np.roll(scene.volume.values, by_kji, (0, 1, 2))
    truths = {name: np.roll(mask, by_kji, (0, 1, 2)) for name, mask in scene.truths.items()}
    return Scene(Volume(values, scene.volume.geometry, source="phantom"), truths)


def reads(mask: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: mask


def finished(name: str, scene: Scene, absent: tuple[str, ...] = ()) -> TrainingCase:
    """A case with all objects of a scene."""
    masks = {**{each: reads(mask) for each, mask in scene.truths.items()}, **dict.fromkeys(absent)}
    return TrainingCase(name, name, lambda: scene.volume, masks)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on two balls; a third label never occurs."""
    folder = tmp_path_factory.mktemp("proposer")
    scenes = [moved(touching_balls(), (n % 2, -n // 2, n - 1)) for n in range(4)]
    cases = [finished(f"case {n}", scene, absent=("nothing",)) for n, scene in enumerate(scenes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proposer_training, "_BATCH", 1)
        train_proposer(cases, fake_engine(), folder / "made", steps=STEPS, store=folder / "store")
    return folder / "made"


@pytest.mark.parametrize(("order", "flips"), STORED)
def test_finds_each_ball_however_the_volume_is_stored(
    trained: Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    scene = touching_balls()
    volume = stored_otherwise(scene.volume, order, flips)
    found = Proposer.read(trained).propose(volume, fake_engine())
    assert set(found.proposals) == {"right", "left"}
    assert set(found.absent) == {"nothing"}
    assert 0 <= found.uncertainty <= 1
    for name, truth in scene.truths.items():
        stored = stored_otherwise(Volume(truth.astype(np.int16), scene.volume.geometry), order, flips).values > 0
        proposal = found.proposals[name]
        assert dice(proposal.mask.decode(), stored) > 0.7  # the other ball, or a mirrored mask, has less than 0.2
        assert 0.2 <= proposal.certainty <= 1
        assert proposal.plane is Plane.AXIAL
        assert (proposal.low, proposal.high) == (min(proposal.mask.slices), max(proposal.mask.slices))


def test_a_case_without_the_objects_gets_no_certain_proposal(trained: Path) -> None:
    empty = touching_balls().volume
    dark = np.random.default_rng(0).integers(-135, -105, empty.values.shape).astype(np.int16)
    found = Proposer.read(trained).propose(replace(empty, values=dark), fake_engine())
    known = Proposer.read(trained).propose(empty, fake_engine())
    assert found.uncertainty > known.uncertainty or not found.proposals
    assert np.linalg.norm(found.features - known.features) > 0


def test_a_store_keeps_what_was_encoded(trained: Path, tmp_path: Path) -> None:
    backend = FakeBackend()
    volume = touching_balls().volume
    proposer = Proposer.read(trained)
    first = proposer.propose(volume, fake_engine(backend), store=tmp_path)
    encoded = len(backend.encoded)
    assert encoded > 0
    again = proposer.propose(volume, fake_engine(backend), store=tmp_path)
    assert len(backend.encoded) == encoded
    assert again.proposals == first.proposals


def test_one_finished_case_is_enough_to_train(tmp_path: Path) -> None:
    report = train_proposer([finished("only", ball())], fake_engine(), tmp_path / "made", steps=2, store=tmp_path)
    assert report.steps == 2
    assert report.measured_on == ()
    found = Proposer.read(tmp_path / "made").propose(ball().volume, fake_engine())
    assert {*found.proposals, *found.absent} == {"ball"}


def test_the_graph_answers_as_the_trained_head(tmp_path: Path) -> None:
    torch.manual_seed(1)
    head = ProposerHead(5, 3, width=8)
    for norm in (each for each in head.modules() if isinstance(each, torch.nn.BatchNorm3d)):
        torch.nn.init.normal_(norm.running_mean)
    export_head(head, tmp_path / "head.onnx")
    from radsam.runtime.graph_runner import open_graph

    run = open_graph((tmp_path / "head.onnx").read_bytes(), "the head", threads=1)
    for depth, rows, cols in [(8, 8, 12), (4, 16, 8)]:
        stack = np.random.default_rng(depth).normal(size=(15, depth, rows, cols)).astype(np.float32)
        answer = run_head(head)(stack)
        assert answer.shape == (3, depth, 2 * rows, 2 * cols)
        np.testing.assert_allclose(run({"slices": stack[None]})["logits"][0], answer, atol=2e-4)


def test_a_training_goes_on_from_an_earlier_one_that_has_not_seen_what_is_measured(tmp_path: Path) -> None:
    scenes = [finished(f"case {n}", moved(ball(), (n - 1, n, -n))) for n in range(3)]
    first, then, afresh = (tmp_path / name for name in ("first", "then", "afresh"))
    train_proposer(scenes[:2], fake_engine(), first, steps=2, store=tmp_path)
    train_proposer(scenes[1:], fake_engine(), then, steps=1, store=tmp_path, start=first, apart=["another"])
    train_proposer(scenes[1:], fake_engine(), afresh, steps=1, store=tmp_path, start=first, apart=["case 0"])
    assert ProposerFile.read(then).seen == ("case 0", "case 1", "case 2")
    assert ProposerFile.read(afresh).seen == ("case 1", "case 2")
    counts = [
        int(ProposerFile.read(each).weights["near.first_norm.num_batches_tracked"]) for each in (first, then, afresh)
    ]
    assert counts == [2, 3, 1]


def test_without_time_a_few_cases_are_prepared_and_the_others_left_for_later(tmp_path: Path) -> None:
    scenes = [finished(f"case {n}", moved(ball(), (n - 1, n, -n))) for n in range(4)]
    train_proposer(scenes, fake_engine(), tmp_path / "made", steps=1, store=tmp_path, minutes=0.0)
    assert ProposerFile.read(tmp_path / "made").seen == ("case 0", "case 1", "case 2")


def test_cases_without_an_object_teach_nothing(tmp_path: Path) -> None:
    case = TrainingCase("empty", "empty", lambda: ball().volume, {"ball": None})
    with pytest.raises(DatasetError, match="No finished case"):
        train_proposer([case], fake_engine(), tmp_path / "made", steps=1, store=tmp_path)
    assert not (tmp_path / "made").exists()


def test_training_stops_where_it_is_told_to(tmp_path: Path) -> None:
    pause = Pause()
    pause.stop()
    with pytest.raises(StoppedError):
        train_proposer([finished("a", ball())], fake_engine(), tmp_path / "made", pause=pause, store=tmp_path)
    assert not (tmp_path / "made").exists()


def test_another_encoder_is_refused(trained: Path) -> None:
    bundle = replace(fake_engine().bundle, encoder=b"another")
    other = Engine(bundle, FakeBackend())
    with pytest.raises(BundleError, match="another image encoder"):
        Proposer.read(trained).propose(ball().volume, other)


@pytest.mark.parametrize("name", ["proposer.json", "proposer.npz", "proposer.onnx"])
def test_a_damaged_or_missing_file_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    ProposerFile.read(trained).write(tmp_path)
    ProposerFile.read(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError, match="damaged"):
        ProposerFile.read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match="missing"):
        ProposerFile.read(tmp_path)
