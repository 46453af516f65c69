"""Where a step's embeddings come from: from the disk, or from the encoder that is being trained."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from radsam.errors import InputError
from radsam.training.episode import Episode
from radsam.training.stored_embeddings import EncodedScenes

#: `Sam.encode`, as it is or in mixed precision.
Encode = Callable[[Tensor], Tensor]

#: An episode on a slice.
_Place = tuple[int, int]


@runtime_checkable  # so that the tests can check signatures that name it
class Embedder(Protocol):
    """Gives episodes the embeddings of the slices they are on."""

    def look(self, episodes: Sequence[Episode]) -> None:
        """Get ready for a turn: these episodes are asked in it, each on its slice."""

    def of(self, group: Sequence[Episode]) -> Float[Tensor, "b c g g"]:
        """The embeddings that some of these episodes look at."""

    def leave(self) -> None:
        """All turns are over."""


class StoredEmbeddings:
    """Takes the embeddings of a frozen encoder from the disk.

    Args:
        device: Where they are wanted.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)

    def look(self, episodes: Sequence[Episode]) -> None:
        """Nothing to do."""

    def of(self, group: Sequence[Episode]) -> Float[Tensor, "b c g g"]:
        """The embeddings, in float32.

        Raises:
            InputError: An episode's slices were not encoded.
        """
        return torch.from_numpy(np.stack([_stored(episode) for episode in group]).astype(np.float32)).to(self._device)

    def leave(self) -> None:
        """Nothing to do."""


class TrainedEmbeddings:
    """Encodes slices with an encoder that learns: each slice once, however often it is asked about.

    The turns' losses are propagated back to the embeddings, where their gradients add up.
    When an episode has walked on, the sum goes back through the encoder, and all that was
    kept for that is let go.

    Args:
        encode: Encodes images.
        device: Where it wants them.
    """

    def __init__(self, encode: Encode, device: torch.device | str = "cpu") -> None:
        self._encode, self._device = encode, torch.device(device)
        self._batches: list[_Batch] = []

    def look(self, episodes: Sequence[Episode]) -> None:
        """Encode the slices that were not looked at a turn ago, and be done with those that no longer are."""
        wanted = {_place(episode): episode for episode in episodes}
        self._let_go(but=wanted.keys())
        known = {place for batch in self._batches for place in batch.rows}
        new = {place: episode for place, episode in wanted.items() if place not in known}
        if new:
            images = np.stack([episode.scenes.image(episode.scene, episode.index) for episode in new.values()])
            embedding = self._encode(torch.from_numpy(images).to(self._device)).float()
            rows = {place: row for row, place in enumerate(new)}
            self._batches.append(_Batch(rows, embedding, embedding.detach().requires_grad_()))

    def of(self, group: Sequence[Episode]) -> Float[Tensor, "b c g g"]:
        """The embeddings, in float32, with gradients."""
        found = {place: batch.leaf[row] for batch in self._batches for place, row in batch.rows.items()}
        return torch.stack([found[_place(episode)] for episode in group])

    def leave(self) -> None:
        """Bring every gradient back through the encoder."""
        self._let_go()

    def _let_go(self, but: Collection[_Place] = ()) -> None:
        kept = []
        for batch in self._batches:
            if any(place in but for place in batch.rows):
                kept.append(batch)
            elif batch.leaf.grad is not None:
                # Not through Fabric: these gradients carry the scale of the loss already.
                torch.autograd.backward([batch.embedding], [batch.leaf.grad])
        self._batches = kept


@dataclass(frozen=True, eq=False)
class _Batch:
    """Slices that were encoded together.

    Args:
        rows: Which row each episode's slice is.
        embedding: As the encoder gave it, with its history.
        leaf: The same values without: where the decoder's gradients add up.
    """

    rows: dict[_Place, int]
    embedding: Tensor
    leaf: Tensor


def _place(episode: Episode) -> _Place:
    return id(episode), episode.index


def _stored(episode: Episode) -> np.ndarray:
    if not isinstance(episode.scenes, EncodedScenes):
        raise InputError(f"{episode.describe()} was not encoded; set encoder.train = true to encode it while training.")
    return episode.scenes.embedding(episode.scene, episode.index)
