"""Which episodes a step trains: a pure function of the seed, the step and the episode's number in it.

The sampler has no state, so a run that resumes at a step draws what it would have drawn. Nor does
it matter how a step's episodes are dealt out: two processes with a batch of 4, one that
accumulates two batches of 4, and one with a batch of 8 draw the same.
"""

from __future__ import annotations

import numpy as np

from radsam.errors import InputError
from radsam.training.episode import Episode
from radsam.training.scenes import Scenes, draw_shares
from radsam.training.training_config import TrainConfig


def turns_of(config: TrainConfig, step: int) -> int:
    """How many turns the episodes of a step have."""
    shares = np.array(config.prompts.turns) / sum(config.prompts.turns)
    return 1 + int(np.random.default_rng([config.seed, step]).choice(len(shares), p=shares))


class Sampler:
    """Draws the episodes of a run.

    Args:
        scenes: The scenes.
        config: The run.

    Raises:
        InputError: No scene of the training split holds an object.
    """

    def __init__(self, scenes: Scenes, config: TrainConfig) -> None:
        self._scenes, self._config = scenes, config
        owners = range(len(scenes.scenes))
        trained = np.array([scenes.split(scene) == config.data.train_split for scene in owners], bool)
        self._rows = scenes.objects[trained[scenes.objects["owner"]]]
        if not len(self._rows):
            raise InputError("No slice of the training split holds an object; lower data.min_pixels.")
        self._shares = draw_shares(self._rows, [scenes.case_name(scene) for scene in owners], config.data)

    def turns(self, step: int) -> int:
        """How many turns the episodes of a step have."""
        return turns_of(self._config, step)

    def episodes(self, step: int, part: int) -> list[Episode]:
        """Draw one forward pass's episodes.

        Args:
            step: Number of the optimizer step.
            part: Which forward pass of the step; with several processes each has its own parts.
        """
        batch = self._config.optim.batch
        return [self._episode(step, number) for number in range(part * batch, (part + 1) * batch)]

    def _episode(self, step: int, number: int) -> Episode:
        # From 1: a trailing zero changes no seed, and `turns` draws from [seed, step].
        rng = np.random.default_rng([self._config.seed, step, 1 + number])
        row = self._rows[rng.choice(len(self._rows), p=self._shares)]
        where = int(row["owner"]), int(row["slice"]), int(row["object"])
        return Episode(self._scenes.for_episode(*where, rng), *where, self._config.prompts, rng)
