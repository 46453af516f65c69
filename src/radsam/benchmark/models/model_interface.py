"""What every measured system answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from radsam.volume import Bounds, Point, Prompt, Volume

Voxels = Bool[np.ndarray, "k j i"]


@dataclass(frozen=True)
class ModelCard:
    """What a system is.

    Args:
        label: Its name in tables, unique in a run.
        sha256: Identity of its weights or of what it wrote; "" for rules without either.
        description: What it does, in one line.
        starts: First prompts that it takes: "box", "point", "mask".
        edits: Whether it takes corrections.
        kind: "model"; "baseline" for a rule without weights; "predictions" for masks from outside.
    """

    label: str
    sha256: str
    description: str
    starts: frozenset[str]
    edits: bool
    kind: str = "model"


@runtime_checkable  # so that the tests can check signatures that name it
class Model(Protocol):
    """A system that segments: it sees the volume and what the user says, and nothing else."""

    @property
    def card(self) -> ModelCard:
        """What it is."""

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a volume; prompts that follow are about it.

        Args:
            volume: The volume.
            case_id: Its name, for systems whose masks lie in a folder.
        """

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Segment an object from one prompt on one slice.

        Args:
            prompt: Box, point or mask.
            bounds: First and last slice, or None where the user does not say.
            name: What the object is called; only systems that segment by name may use it.

        Returns:
            The mask; empty where nothing was found.
        """

    def correct(self, points: tuple[Point, ...]) -> Voxels:
        """Correct the last object with points on one slice.

        Returns:
            The whole mask after the correction.
        """

    def alternatives(self) -> tuple[Voxels, ...]:
        """Other masks for the last first prompt, on its slice; none where the system has but one."""
