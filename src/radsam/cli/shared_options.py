"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radsam.cli.terminal import usage_error


def _known_modality(name: str | None) -> str | None:
    if name is None:  # without the imports, during which the parser of the command line takes Ctrl-C in silence
        return None
    from radsam.errors import VolumeError
    from radsam.io.volume_read import known_modality

    try:
        return known_modality(name).value
    except VolumeError as error:
        raise usage_error(str(error)) from None


Model = Annotated[
    str | None,
    typer.Option(
        help="Weights: a bundle's name or path. If left out: radsam-lite for CT, radsam-lite-mr for others.",
        metavar="BUNDLE",
    ),
]
Backend = Annotated[str, typer.Option(help="Engine: auto, openvino, onnx, torch, torch:cpu, torch:cuda or torch:mps.")]
Precision = Annotated[
    str,
    typer.Option(
        help="What the model computes in: f32, bf16, or auto: bf16 with OpenVINO where the processor has it, else f32."
    ),
]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", help="A voxel that belongs to the object. Repeatable.", metavar="I J K"),
]
FixNot = Annotated[
    list[str] | None,
    typer.Option("--fix-not", help="A voxel that does not belong to it. Repeatable.", metavar="I J K"),
]
Mm = Annotated[bool, typer.Option("--mm", help="All coordinates are LPS millimetres, not voxels.")]
Series = Annotated[
    str | None,
    typer.Option(
        help="Which DICOM series of a folder: its number in `radsam info` or UID, and #part where it has parts."
    ),
]
VolumeIndex = Annotated[
    int | None,
    typer.Option("--index", min=0, help="Which volume of a NIfTI file that holds several, from 0 on.", metavar="N"),
]
ModalityName = Annotated[
    str | None,
    typer.Option(
        "--modality",
        help="What the volume is: ct, mr, pet or other. If left out: as its file says, else as its values look.",
        metavar="NAME",
        callback=_known_modality,
    ),
]
Resample = Annotated[
    bool, typer.Option("--resample", help="Resample a DICOM series of a tilted gantry or with uneven spacing.")
]
ResampleMasks = Annotated[
    bool,
    typer.Option(
        "--resample-masks",
        help="Resample masks of another extent or spacing in the same space, as of another phase, onto the volume.",
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(
        help="What a slice passes to the next: mask, box, point or copy; as the model was trained if left out."
    ),
]
Roi = Annotated[
    list[str] | None,
    typer.Option(
        help="Which object of the file given with --mask, or with --from, where it is repeatable: name or number.",
        metavar="NAME",
    ),
]
_LABELS = typer.Option(
    "-o",
    "--out",
    help="The 3D mask: .nii.gz, .nii or .nrrd on the grid of the volume, or .dcm for DICOM. With {name} or {id} in it, "
    "as in 'out_{name}.nii.gz', one file per object.",
)
Labels = Annotated[Path, _LABELS]
OptionalLabels = Annotated[Path | None, _LABELS]
OverlapPolicy = Annotated[
    str | None,
    typer.Option(
        "--overlap",
        help="Which object has the voxels that two objects claim, in every output: last-wins, keep-first, or "
        "keep-both, for DICOM and one file per object. If left out, these hold both, and a label map the last one.",
        metavar="POLICY",
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="nifti, nrrd, seg or rtstruct; by the suffix of the output if left out."),
]
Preview = Annotated[
    Path | None, typer.Option(help="Also draw the prompted slice and a mosaic with contours.", metavar="OUT.png")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON to the standard output.")]

# Training

Config = Annotated[
    str, typer.Argument(help="A training configuration: a .toml file, or a preset's name.", metavar="CONFIG")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Values that replace the configuration's.", metavar="[KEY=VALUE]...")
]
OutDir = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the run; runs/<name of the configuration> if left out.", metavar="DIR"),
]
Minutes = Annotated[
    float | None, typer.Option(min=0.01, help="Stop after this time; the same command continues from there.")
]
