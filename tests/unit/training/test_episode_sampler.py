from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsam.errors import InputError
from radsam.runtime import Bundle
from radsam.training.episode_sampler import Sampler
from radsam.training.scenes import OBJECT_ROW, draw_shares
from radsam.training.stored_embeddings import EncodedScenes
from tiny_training import tiny_config

Prepared = tuple[Bundle, EncodedScenes]


def drawn(sampler: Sampler, step: int, part: int = 0) -> list[tuple[str, object]]:
    return [(one.describe(), one.prompt) for one in sampler.episodes(step, part)]


def test_a_step_draws_the_same_whenever_it_is_asked(tiny: Path, tiny_scenes: Prepared) -> None:
    config = tiny_config(tiny, optim={"batch": 8})
    one, two = Sampler(tiny_scenes[1], config), Sampler(tiny_scenes[1], config)
    for step in range(5):
        drawn(one, step)
    assert drawn(one, 7) == drawn(two, 7)
    assert [one.turns(step) for step in range(20)] == [two.turns(step) for step in range(20)]


def test_steps_and_parts_and_seeds_differ(tiny: Path, tiny_scenes: Prepared) -> None:
    sampler = Sampler(tiny_scenes[1], tiny_config(tiny, optim={"batch": 8}))
    assert drawn(sampler, 7) != drawn(sampler, 8)
    assert drawn(sampler, 7) != drawn(sampler, 7, part=1)


def test_it_does_not_matter_how_a_steps_episodes_are_split_over_processes(tiny: Path, tiny_scenes: Prepared) -> None:
    whole, halves = (Sampler(tiny_scenes[1], tiny_config(tiny, optim={"batch": batch})) for batch in (8, 4))
    assert drawn(whole, 7) == drawn(halves, 7, part=0) + drawn(halves, 7, part=1)


def test_validation_cases_are_never_drawn(tiny: Path, tiny_scenes: Prepared) -> None:
    sampler = Sampler(tiny_scenes[1], tiny_config(tiny, optim={"batch": 32}))
    names = {one.scenes.case_name(one.scene) for step in range(4) for one in sampler.episodes(step, 0)}
    assert names == {"tube_a", "tube_b"}


def test_the_number_of_turns_follows_its_shares(tiny: Path, tiny_scenes: Prepared) -> None:
    sampler = Sampler(tiny_scenes[1], tiny_config(tiny, prompts={"turns": [0.5, 0.0, 0.5]}))
    turns = np.array([sampler.turns(step) for step in range(400)])
    assert set(turns) == {1, 3}
    assert np.mean(turns == 1) == pytest.approx(0.5, abs=0.1)


def test_balance_and_weights_decide_how_often_an_object_is_drawn(tiny: Path) -> None:
    # Case a: object 1 on four slices; case b: object 1 on one slice.
    rows = np.array([(0, s, 1, 50) for s in range(4)] + [(1, 0, 1, 50)], OBJECT_ROW)

    def share_of_b(balance: float, weight: float = 1.0) -> float:
        data = tiny_config(tiny, data={"balance": balance, "weights": {"b*": weight}}).data
        return float(draw_shares(rows, ["a", "bb"], data)[4])

    assert share_of_b(0.0) == pytest.approx(1 / 5)
    assert share_of_b(1.0) == pytest.approx(1 / 2)
    assert share_of_b(0.5) == pytest.approx(1 / 3)
    assert share_of_b(1.0, weight=3.0) == pytest.approx(3 / 4)


def test_a_run_without_objects_is_refused(tiny: Path, tiny_scenes: Prepared) -> None:
    bundle, scenes = tiny_scenes
    empty = EncodedScenes(scenes.store, bundle.spec, scenes.scenes, scenes.objects[:0], "", [])
    with pytest.raises(InputError, match=r"lower data\.min_pixels"):
        Sampler(empty, tiny_config(tiny))
