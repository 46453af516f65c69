"""The interface of every measured system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError
from radsam.volume import Bounds, Prompt, Volume

Voxels = Bool[np.ndarray, "k j i"]


@dataclass(frozen=True)
class ModelCard:
    """The description of a system.

    Args:
        label: Its name in tables, unique in a run.
        sha256: Identity of its weights or of its masks; "" for rules without either.
        description: One line about its method.
        starts: First prompts that it takes: "box", "point", "mask", or "object", a mask of the whole object.
        edits: Whether it takes corrections.
        kind: "model"; "baseline" for a rule without weights; "predictions" for masks of another program.
        engine: The engine and its device, for example "openvino cpu"; "" where RadSAM runs no engine.
        precision: What the engine computes in, "f32" or "bf16"; "" without an engine.
        threads: CPU threads of the engine; 0 without one.
    """

    label: str
    sha256: str
    description: str
    starts: frozenset[str]
    edits: bool
    kind: str = "model"
    engine: str = ""
    precision: str = ""
    threads: int = 0


@dataclass(frozen=True)
class SliceScore:
    """What a system thinks of its mask on a slice.

    Args:
        predicted_iou: The IoU that the model predicts, 0 to 1.
        expected_dice: The Dice that it probably has, 0 to 1, in view of the slices on the way.
    """

    predicted_iou: float
    expected_dice: float


@dataclass(frozen=True, eq=False)
class PaintedSlice:
    """An axial slice as a user painted it.

    Args:
        index: The slice.
        pixels: The object on it; empty where the object is not.
    """

    index: int
    pixels: Bool[np.ndarray, "v u"]


@runtime_checkable  # so that the tests can check signatures that name it
class Model(Protocol):
    """A system that segments: it gets the volume, prompts and corrections, and nothing else."""

    @property
    def card(self) -> ModelCard:
        """Its description."""

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a volume; the prompts that follow lie in it.

        Args:
            volume: The volume.
            case_id: Its name, for systems whose masks are in a folder.
        """

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Segment an object from one prompt on one slice.

        Args:
            prompt: Box, point or mask.
            bounds: First and last slice, or None if the user gives none.
            name: The object's name; only systems that segment by name may use it.

        Returns:
            The mask; empty if the system finds nothing.
        """

    def segment_from(self, mask: Voxels, bounds: Bounds | None) -> Voxels:
        """Take a mask of a whole object as it is, to be corrected.

        Args:
            mask: The mask; not the truth.
            bounds: First and last slice of the object, or None if the user gives none.
        """

    def correct(self, prompts: tuple[Prompt, ...]) -> Voxels:
        """Correct the last object with prompts on one slice.

        Returns:
            The whole mask after the correction.
        """

    def paint(self, painted: PaintedSlice) -> Voxels:
        """Set a slice of the last object by hand.

        Args:
            painted: The slice as it should be.

        Returns:
            The whole mask after it.
        """

    def alternatives(self) -> tuple[Voxels, ...]:
        """Return other masks of the last first prompt's slice; empty for systems with one mask."""

    def slice_scores(self) -> Mapping[int, SliceScore]:
        """Return the scores of the axial slices of the last mask; empty for systems without scores."""


class NotInteractive:
    """The part of the interface that is the same for all systems with one mask and no corrections."""

    card: ModelCard

    def segment_from(self, mask: Voxels, bounds: Bounds | None) -> Voxels:
        """Refuse a mask of a whole object."""
        raise PromptError(f"{self.card.label} corrects no masks.")

    def correct(self, prompts: tuple[Prompt, ...]) -> Voxels:
        """Refuse corrections."""
        raise PromptError(f"{self.card.label} takes no corrections.")

    def paint(self, painted: PaintedSlice) -> Voxels:
        """Refuse voxels by hand."""
        raise PromptError(f"{self.card.label} takes no corrections.")

    def alternatives(self) -> tuple[Voxels, ...]:
        """Return no other masks."""
        return ()

    def slice_scores(self) -> Mapping[int, SliceScore]:
        """Return no scores."""
        return {}
