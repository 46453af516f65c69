"""The student encoder of a distillation: its first weights, and the bundle made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from radsam.errors import BundleError, InputError
from radsam.model.sam import Sam, build_sam
from radsam.model.sam_config import SamConfig
from radsam.runtime import Bundle, find_bundle, read_bundle
from radsam.training.distillation_checkpoint import DistillCheckpoint, DistillConfig, read_distillation
from radsam.training.exported_parity import Parity, write_checked_bundle
from radsam.training.start_weights import start_model


def student_of(config: DistillConfig, teacher: Bundle) -> nn.Module:
    """Build the student's encoder: random, except weights that the teacher has under the same name and shape.

    Its attention, perceptrons and last normalisation start as the teacher's, which learns faster
    than chance even where their grids differ.

    Raises:
        InputError: Its images or embeddings have another size than the teacher's.
    """
    sizes = SamConfig.from_dict(teacher.spec.model)
    if (config.student.image_size, config.student.grid) != (sizes.input_size, sizes.embedding_grid):
        raise InputError(
            f"The student takes {config.student.image_size} px and gives a grid of {config.student.grid}; its "
            f"teacher {teacher.spec.name!r} takes {sizes.input_size} px and gives {sizes.embedding_grid}. "
            "Change image_size, patch_size, strides or pyramid_dim in the section student."
        )
    student = build_sam(dataclasses.replace(sizes, encoder=config.student)).image_encoder
    known, own = start_model(teacher).image_encoder.state_dict(), student.state_dict()
    shared = {name: value for name, value in known.items() if name in own and own[name].shape == value.shape}
    last = max(name for name in known if name.startswith("neck.")).rpartition(".")[0]
    ours = max(name for name in own if name.startswith("neck.")).rpartition(".")[0]
    shared |= {f"{ours}.{part}": known[f"{last}.{part}"] for part in ("weight", "bias")}
    student.load_state_dict(shared, strict=False)
    return student.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def export_student(
    checkpoint: Path,
    target: Path,
    *,
    backend: str = "auto",
    checked: Callable[[Parity], None] = lambda parity: None,
) -> Path:
    """Write a bundle with the student's averaged encoder before the decoder of `DistillConfig.decoder`.

    Args:
        checkpoint: A file that `distill` wrote.
        target: The bundle's folder or ``.zip``; must not exist.
        backend: Engine that the exported graphs are compared on, in f32.
        checked: Called with the outcomes of the comparison; see `write_checked_bundle`.

    Raises:
        InputError: The checkpoint, or the decoder's bundle, cannot be used.
        BundleError: `target` exists or cannot be written.
        BackendError: The predictions of the exported graphs differ from those of the weights; see
            `write_checked_bundle`.
    """
    if target.exists():
        raise BundleError(f"{target} exists already. Remove it first, or name another path.")
    learnt = read_distillation(checkpoint)
    config = learnt.config
    before = read_bundle(find_bundle(config.decoder))
    model = _with_student(learnt, start_model(before))
    spec = dataclasses.replace(
        before.spec,
        name=config.name,
        architecture=config.name,
        model=model.config.to_dict(),
        origin=f"Encoder distilled by RadSAM from {config.start}, {learnt.step} steps; decoder: {before.spec.name}. "
        f"{before.spec.origin}",
    )
    card = f"""# {spec.name}

A fast encoder, distilled from that of {config.start}, with the decoder of {before.spec.name}.

- Relative squared error of its embeddings on slices it was not taught with: {learnt.error:.3f}
- {learnt.step} steps of {config.optim.batch} slices, seed {config.seed}, {learnt.seconds / 60:.0f} minutes
- Licence of these weights: {spec.licence}
- Cases: {", ".join(learnt.cases)}

Not a medical device. Not for diagnostic use.
"""
    return write_checked_bundle(target, model, spec, card, checkpoint, backend=backend, checked=checked)


def _with_student(learnt: DistillCheckpoint, before: Sam) -> Sam:
    model = build_sam(dataclasses.replace(before.config, encoder=learnt.config.student))
    model.prompt_encoder.load_state_dict(before.prompt_encoder.state_dict())
    model.mask_decoder.load_state_dict(before.mask_decoder.state_dict())
    model.image_encoder.load_state_dict(learnt.average, strict=False)
    return model.eval()
