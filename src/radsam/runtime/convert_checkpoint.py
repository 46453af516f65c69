"""Converting a published checkpoint into a weights bundle. Needs torch; running the bundle does not."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from radsam.errors import BundleError, MissingExtraError
from radsam.model.sam_presets import FACTS, PRESETS
from radsam.preprocess import Window
from radsam.runtime.bundle import BundleSpec, Capability, weights_folder, write_bundle
from radsam.volume import Modality


def convert_checkpoint(
    checkpoint: Path,
    out: Path | None = None,
    *,
    architecture: str | None = None,
    name: str | None = None,
    capabilities: Sequence[Capability] | None = None,
) -> Path:
    """Make a weights bundle from a checkpoint.

    Args:
        checkpoint: An official ``sam_vit_{b,l,h}``, ``medsam_vit_b`` or ``lite_medsam`` file, one of
            the same architectures trained elsewhere, or LiteMedSAM's wheel. Code in it is never run.
        out: A folder or ``.zip`` to make; None for the folder where `radsam.load` finds it by name.
        architecture: Preset name; None detects it from the shapes of the weights. MedSAM's ViT-B has the
            shapes of SAM's and must be named.
        name: Name of the bundle; None for that of the architecture.
        capabilities: The prompts that it was trained on; None for the published ones.

    Returns:
        The bundle's path.

    Raises:
        BundleError: The checkpoint cannot be used, or `out` exists.
        MissingExtraError: torch is not installed.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("Converting a checkpoint", "torch")
    from radsam.model.onnx_export import export_graphs
    from radsam.model.published_checkpoint import load_sam

    model, architecture = load_sam(checkpoint, architecture or architecture_of_name(checkpoint))
    name = name or architecture.replace("_", "-")
    target = out or weights_folder() / name
    if target.exists():
        raise BundleError(f"{target} exists already. Remove it first, or give another path.")
    spec = published_spec(architecture, name, capabilities)
    with tempfile.TemporaryDirectory() as scratch:
        graphs = export_graphs(model, Path(scratch))
        write_bundle(target, spec, graphs.encoder.read_bytes(), graphs.decoder.read_bytes(), model_card(spec))
    return target


def architecture_of_name(checkpoint: Path) -> str | None:
    """Distinguish MedSAM from SAM by the published file's name; their ViT-B have the same shapes."""
    return "medsam_vit_b" if checkpoint.stem.startswith("medsam_vit_b") else None


def published_spec(architecture: str, name: str, capabilities: Sequence[Capability] | None = None) -> BundleSpec:
    """Describe published weights.

    Args:
        architecture: Preset name.
        name: Name of the bundle.
        capabilities: The prompts that they were trained on; None for the published ones.
    """
    facts, config = FACTS[architecture], PRESETS[architecture]
    return BundleSpec(
        name=name,
        architecture=architecture,
        model=config.to_dict(),
        input_size=config.input_size,
        low_res_size=config.low_res_size,
        windows={Modality.CT: Window(*facts.window)},
        pixel_mean=facts.pixel_mean,
        pixel_std=facts.pixel_std,
        capabilities=tuple(capabilities or (Capability(each) for each in facts.prompts)),
        licence=facts.licence,
        origin=facts.origin,
    )


def model_card(spec: BundleSpec) -> str:
    """Return the model card of a converted bundle: the known facts, and no claim beyond them."""
    prompts = ", ".join(spec.capabilities)
    untrained = ", ".join(each for each in Capability if not spec.can(each)) or "none"
    return f"""# {spec.name}

Converted by RadSAM from the published checkpoint, weights rounded to 16-bit floats and otherwise unchanged.

- Origin: {spec.origin}
- Licence of the weights: {spec.licence}
- Architecture: {spec.architecture}, input {spec.input_size} px, masks {spec.low_res_size} px
- Trained on these prompts: {prompts}
- Not trained on: {untrained}
- Windows: {spec.describe_windows()}

RadSAM did not train these weights and makes no claim on their accuracy. Not for diagnostic use.
"""
