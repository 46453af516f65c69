"""From a training checkpoint to a weights bundle, checked against the weights it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from radsam.errors import BundleError, InputError
from radsam.preprocess import DEFAULT_WINDOWS, Window
from radsam.runtime import Bundle, BundleSpec, Capability
from radsam.training.exported_parity import Parity, write_checked_bundle
from radsam.training.start_weights import TRAINED, Start, encoder_bundle, read_start, start_model
from radsam.training.training_checkpoint import Checkpoint, load_weights, read_checkpoint
from radsam.training.training_config import PromptsConfig, TrainConfig
from radsam.volume import Modality


def export_checkpoint(
    checkpoint: Path,
    target: Path,
    *,
    mean_with: Path | None = None,
    name: str | None = None,
    taper: float | None = None,
    licence: str = "Apache-2.0",
    notes: str = "",
    backend: str = "auto",
    checked: Callable[[Parity], None] = lambda parity: None,
) -> Path:
    """Write a bundle from a checkpoint's averaged weights; a frozen encoder is that of its start.

    Args:
        checkpoint: A file that `train` wrote.
        target: The bundle's folder or ``.zip``; must not exist.
        mean_with: Another checkpoint or bundle of the same network, for example the one that `checkpoint` started from:
            the new bundle gets the mean of both weights, which may keep the strengths of both.
        name: Name of the bundle; None takes the configuration's.
        taper: How much thinner propagation passes a mask on; None takes what it was trained with.
        licence: SPDX name of the weights' licence.
        notes: Markdown for the model card: scores, licences and origins of the data.
        backend: Engine that the exported graphs are compared on, in f32.
        checked: Called with the outcomes of the comparison; see `write_checked_bundle`.

    Returns:
        The bundle's path.

    Raises:
        InputError: The checkpoint, or the bundle it started from, cannot be used.
        BundleError: `target` exists or cannot be written.
        BackendError: The predictions of the exported graphs differ from those of the weights; see
            `write_checked_bundle`.
    """
    if target.exists():
        raise BundleError(f"{target} exists already. Remove it first, or name another path.")
    trained = read_checkpoint(checkpoint)
    start = read_start(trained.config.start)
    if start.sha256 != trained.start_sha256:
        raise InputError(
            f"The weights {trained.config.start!r} are not those that {checkpoint} started from, so what was not "
            "trained does not fit. Install the same weights again."
        )
    model = start_model(start, trained.config.decoder)
    load_weights(model, trained.average, checkpoint)
    if mean_with is not None:
        load_weights(model, _mean(trained, _weights(mean_with), mean_with), mean_with)
    # Cases that are not CT were seen in the windows of the default rules.
    seen = {each: rule for each, rule in DEFAULT_WINDOWS.items() if trained.train_modalities.get(each.value)}
    spec = replace(
        trained.config.decoder.spec_of(start.spec),
        name=name or trained.config.name,
        windows={**start.spec.windows, **seen, Modality.CT: Window(*trained.config.embeddings.window)},
        capabilities=trained_capabilities(trained.config.prompts),
        max_zoom=trained_zoom(trained.config, start.spec),
        taper=trained.config.prompts.taper if taper is None else taper,
        licence=licence,
        origin=f"Trained by RadSAM from {start.spec.name}, {trained.step} steps. Start: {start.spec.origin}",
    )
    card = model_card(spec, trained, start, notes, mean_with is not None)
    source = start if isinstance(start, Bundle) else start.encoder
    frozen = None if trained.config.encoder.train or source is None else source.encoder
    return write_checked_bundle(
        target, model, spec, card, checkpoint, frozen_encoder=frozen, backend=backend, checked=checked
    )


def _weights(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint, or all of a bundle's."""
    if path.suffix == TRAINED:
        return read_checkpoint(path).average
    return start_model(read_start(str(path))).state_dict()


#: Parameters of the parts that a training adds (`DecoderConfig`), and others of its kind lack.
_ADDED_PARTS = ("prompt_encoder.source.", "prompt_encoder.prototypes.", "mask_decoder.presence_head.")


def _mean(trained: Checkpoint, other: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Half of the averaged weights of each. A part that a bundle lacks is taken whole from the checkpoint.

    Raises:
        InputError: The other one has trained other weights.
    """
    same_names = path.suffix != TRAINED or trained.average.keys() == other.keys()
    ours = {name for name in trained.average if name.startswith(_ADDED_PARTS) and name not in other}
    shapes = {name: value.shape for name, value in trained.average.items() if name not in ours}
    if shapes != {name: other[name].shape for name in shapes if name in other} or not same_names:
        raise InputError(
            f"{path} has trained other weights, so they have no mean. Take a checkpoint or bundle of the same network."
        )
    return {
        name: (value + other[name]) / 2 if value.is_floating_point() and name not in ours else value
        for name, value in trained.average.items()
    }


def trained_capabilities(prompts: PromptsConfig) -> tuple[Capability, ...]:
    """Name the kinds of prompt that a configuration trains."""
    several_turns = sum(prompts.turns[1:]) > 0
    trained = {
        Capability.BOX: prompts.box > 0,
        Capability.POINT: prompts.point > 0,
        Capability.MASK: prompts.mask + prompts.neighbour > 0 or (several_turns and prompts.edit_share < 1),
        Capability.EDIT: several_turns and prompts.edit_share > 0,
    }
    return tuple(capability for capability, was in trained.items() if was)


def trained_zoom(config: TrainConfig, start: BundleSpec) -> float:
    """The largest magnification that a model has seen: of random crops or views, or in the training before."""
    cropped = config.embeddings.max_zoom if config.encoder.crop_share or config.embeddings.scenes else 1.0
    return max(cropped, config.encoder.zoom[1] if config.encoder.train else 1.0, start.max_zoom)


def model_card(spec: BundleSpec, trained: Checkpoint, start: Start, notes: str, mean: bool = False) -> str:
    """Return the model card: the facts of the checkpoint, and the caller's notes."""
    config = trained.config
    excluded = "".join(f"- {each.case}: {each.reason}\n" for each in config.data.exclude) or "- nothing\n"
    cases = ", ".join(trained.train_cases)
    untrained = ", ".join(each for each in Capability if not spec.can(each)) or "none"
    meant = "; the mean of these weights and of those of an earlier part" if mean else ""
    before = ", before the mean was taken" if mean else ""
    counts = ", ".join(f"{count} {modality}" for modality, count in sorted(trained.train_modalities.items()))
    modalities = counts or "not recorded by the version that trained"
    takes = "a mask with its picture and the way to the bound" if spec.takes_source else "a mask alone"
    if spec.prototype_channels:
        takes += ", and how the object looks on the prompted slice"
    parts = "Image encoder, prompt encoder and mask decoder"
    if not config.encoder.train:
        parts = f"Image encoder that of {encoder_bundle(start).spec.name}, unchanged; prompt encoder and mask decoder"
    score = "none was made on the way" if trained.best_score < 0 else f"{trained.best_score:.4f}"
    return f"""# {spec.name}

{parts} trained by RadSAM.

- Origin of the start: {start.spec.origin} ({start.spec.licence})
- Licence of these weights: {spec.licence}
- Architecture: {spec.architecture}, input {spec.input_size} px, masks {spec.low_res_size} px
- Trained on these prompts: {", ".join(spec.capabilities)}
- Not trained on: {untrained}
- Takes in propagation: {takes}
- Modalities of the training cases: {modalities}
- Windows: {spec.describe_windows()}
- {trained.step} steps of {config.episodes_per_step} episodes, seed {config.seed}, \
{trained.seconds / 60:.0f} minutes{meant}
- Validation score (mean volume-level Dice{before}): {score}

## Training data

{len(trained.train_cases)} cases: {cases}

Left out:

{excluded}
{notes}
Not a medical device. Not for diagnostic use.
"""
