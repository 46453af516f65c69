"""The embeddings of a training step: read from the disk, or made by the encoder that is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from radsam.errors import InputError
from radsam.training.episode import Episode
from radsam.training.stored_embeddings import EncodedScenes

#: `Sam.encode`, as it is or in mixed precision.
Encode = Callable[[Tensor], Tensor]

#: An episode and its slice.
_SliceKey = tuple[int, int]


class Embedder(ABC):
    """Gives the embeddings of the slices that episodes are on."""

    def prepare(self, episodes: Sequence[Episode]) -> None:  # noqa: B027  # stored embeddings need nothing
        """Prepare a turn of these episodes, each on its slice."""

    @abstractmethod
    def embeddings(self, group: Sequence[Episode]) -> Float[Tensor, "b c g g"]:
        """The embeddings of the slices of some of these episodes."""

    def finish(self) -> None:  # noqa: B027
        """Called after the last turn."""


class StoredEmbeddings(Embedder):
    """Reads the embeddings of a frozen encoder from the disk.

    Args:
        device: The device that they are moved to.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)

    def embeddings(self, group: Sequence[Episode]) -> Float[Tensor, "b c g g"]:
        """The embeddings, in float32.

        Raises:
            InputError: An episode's slices were not encoded.
        """
        return torch.from_numpy(np.stack([_stored(episode) for episode in group]).astype(np.float32)).to(self._device)


class TrainedEmbeddings(Embedder):
    """Encodes slices with an encoder that is trained: each slice once for all of its prompts.

    The turns' losses are propagated back to the embeddings, where their gradients add up.
    When an episode has left the slice, the sum goes back through the encoder, and the
    encoder's activations are freed.

    Args:
        encode: Encodes images.
        device: The device that images are moved to.
    """

    def __init__(self, encode: Encode, device: torch.device | str = "cpu") -> None:
        self._encode, self._device = encode, torch.device(device)
        self._batches: list[_Batch] = []

    def prepare(self, episodes: Sequence[Episode]) -> None:
        """Encode the slices that are new in this turn; send gradients back through those that were left."""
        wanted = {_slice_key(episode): episode for episode in episodes}
        self._backward_except(wanted.keys())
        known = {key for batch in self._batches for key in batch.rows}
        new = {key: episode for key, episode in wanted.items() if key not in known}
        if new:
            images = np.stack([episode.scenes.image(episode.scene, episode.index) for episode in new.values()])
            on_device = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
            embedding = self._encode(on_device).float()
            rows = {key: row for row, key in enumerate(new)}
            self._batches.append(_Batch(rows, embedding, embedding.detach().requires_grad_()))

    def embeddings(self, group: Sequence[Episode]) -> Float[Tensor, "b c g g"]:
        """The embeddings, in float32, with gradients."""
        found = {key: batch.leaf[row] for batch in self._batches for key, row in batch.rows.items()}
        return torch.stack([found[_slice_key(episode)] for episode in group])

    def finish(self) -> None:
        """Bring every gradient back through the encoder."""
        self._backward_except()

    def _backward_except(self, wanted: Collection[_SliceKey] = ()) -> None:
        remaining = []
        for batch in self._batches:
            if any(key in wanted for key in batch.rows):
                remaining.append(batch)
            elif batch.leaf.grad is not None:
                # Not through Fabric: these gradients carry the scale of the loss already.
                torch.autograd.backward([batch.embedding], [batch.leaf.grad])
        self._batches = remaining


@dataclass(frozen=True, eq=False)
class _Batch:
    """Slices that were encoded together, with the row of each."""

    rows: dict[_SliceKey, int]
    embedding: Tensor  # as the encoder gave it, with its history
    leaf: Tensor  # the same values without: where the decoder's gradients add up


def _slice_key(episode: Episode) -> _SliceKey:
    return id(episode), episode.index


def _stored(episode: Episode) -> np.ndarray:
    if not isinstance(episode.scenes, EncodedScenes):
        raise InputError(f"{episode.describe()} was not encoded; set encoder.train = true to encode it while training.")
    return episode.scenes.embedding(episode.scene, episode.index)
