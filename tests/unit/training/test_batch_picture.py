from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsam.errors import DatasetError
from radsam.render.slice_drawing import PROMPT_COLOUR
from radsam.runtime import Bundle
from radsam.training.batch_picture import draw_batch
from radsam.training.episode_sampler import Sampler
from radsam.training.stored_embeddings import EncodedScenes
from radsam.volume.object_colours import OBJECT_COLOURS
from tiny_training import tiny_config

#: Left and top of the first picture on the page, and its side.
LEFT, TOP, SIDE = 20, 66, 300


def coloured(page: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(page.astype(int) - colour).max(axis=2) < 60


def test_the_batch_is_the_one_that_training_draws(tiny: Path, tiny_scenes: tuple[Bundle, EncodedScenes]) -> None:
    config = tiny_config(tiny)
    sampler = Sampler(tiny_scenes[1], config)
    for step in (0, 5):
        drawn = draw_batch(config, step)
        assert drawn.episodes == tuple(each.describe() for each in sampler.episodes(step, 0))
        assert drawn.turns == sampler.turns(step)


def test_only_the_kinds_that_are_trained_are_drawn(tiny: Path) -> None:
    prompts = {"box": 0.0, "point": 1.0, "mask": 0.0, "neighbour": 0.0, "turns": [1.0]}
    assert draw_batch(tiny_config(tiny, prompts=prompts)).kinds == ("point",)
    prompts |= {"turns": [0.5, 0.5], "edit_share": 1.0}
    assert draw_batch(tiny_config(tiny, prompts=prompts)).kinds == ("point", "edit")
    prompts |= {"edit_share": 0.0, "walk_click_share": 0.0}
    assert draw_batch(tiny_config(tiny, prompts=prompts)).kinds == ("point", "walk")


def test_truth_and_prompt_lie_on_the_object(tiny: Path, tiny_scenes: tuple[Bundle, EncodedScenes]) -> None:
    """The first picture of the page, measured: outline and box are where the low-res truth is."""
    only_boxes = {"box": 1.0, "point": 0.0, "mask": 0.0, "neighbour": 0.0, "turns": [1.0], "box_grow_px": 0.0}
    config = tiny_config(tiny, prompts={**only_boxes, "box_shrink_px": 0.0})
    page = np.asarray(draw_batch(config, 3).page)[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    episode = Sampler(tiny_scenes[1], config).episodes(3, 0)[0]
    rows, cols = np.nonzero(episode.truth)
    scale = SIDE / episode.truth.shape[0]
    for colour in (OBJECT_COLOURS[0], PROMPT_COLOUR):
        y, x = np.nonzero(coloured(page, colour))
        found = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        expected = [cols.min() * scale, rows.min() * scale, (cols.max() + 1) * scale, (rows.max() + 1) * scale]
        # A low-res pixel is 4.7 page pixels; a box on the edges of the slice's pixels may be off by one.
        np.testing.assert_allclose(found, expected, atol=1.5 * scale)


def test_nothing_is_drawn_of_a_store_that_is_none(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"looked for store\.json"):
        draw_batch(tiny_config(tiny, data={"store": str(tmp_path)}))
