"""`radsam convert`: labels from one format to another."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from radsam.cli.session_outputs import Outputs
from radsam.cli.shared_options import AsJson, Format, Resample, ResampleMasks, Series
from radsam.cli.terminal import command, out, progress_bar, usage_error, write_json
from radsam.errors import OutputError


@command
def convert(
    labels: Annotated[
        Path, typer.Argument(help="Labels: NIfTI, NRRD, MHA, a DICOM SEG or an RTSTRUCT.", metavar="LABELS")
    ],
    out_path: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="The output: .nii.gz, .nii, .nrrd, or .dcm for DICOM. With {name} or {id} in it, as in "
            "'out_{name}.nii.gz', one file per object, which holds objects that overlap whole, as DICOM does.",
        ),
    ],
    ct: Annotated[
        Path | None,
        typer.Option(help="The volume they belong to; contours, and DICOM outputs, need it.", metavar="VOLUME"),
    ] = None,
    series: Series = None,
    resample: Resample = False,
    resample_masks: ResampleMasks = False,
    file_format: Format = None,
    roi: Annotated[
        list[str] | None,
        typer.Option("--roi", help="Only this object, by its name or number. Repeatable.", metavar="NAME"),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of the label with this id. Repeatable.", metavar="ID=NAME"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Convert labels between NIfTI, NRRD, DICOM SEG and DICOM RTSTRUCT.

    [bold]Example:[/] radsam convert RTSTRUCT.dcm --ct series_folder -o contours.nii.gz
    """
    names = _names(name)
    outputs = Outputs(out_path, labels_format=file_format)
    inputs = [labels, *([ct] if ct else [])]
    outputs.check(inputs)

    from radsam.io.dicom.dicom_labels import LabelOverlapWarning
    from radsam.io.label_grid import require_same_grid
    from radsam.io.object_files import is_template, object_paths, one_object
    from radsam.io.volume_read import read_labels, read_volume
    from radsam.io.volume_write import label_format, write_labels
    from radsam.session.covered_voxels import count_covered

    chosen = label_format(out_path, file_format)
    if chosen.is_dicom and ct is None:
        raise usage_error(f"A DICOM {chosen.upper()} refers to its images: give their series with --ct.")
    if resample_masks and ct is None:
        raise usage_error("--resample-masks brings the labels to the grid of a volume: give it with --ct.")
    source = None if ct is None else outputs.source(ct, series, resample=resample)
    on = None if ct is None else read_volume(ct, series=series, resample=resample)
    if on is not None:
        outputs.check_grid(on.geometry)
    with warnings.catch_warnings():
        if outputs.holds_overlap:
            warnings.simplefilter("ignore", LabelOverlapWarning)
        found = read_labels(labels, on=on, names=roi or None, resample=resample_masks)
    if on is not None:
        require_same_grid(found, on.geometry, f"The labels {labels}")
    named = replace(found, names=dict(found.names) | names)
    shown = {number: named.names.get(number, "") for number in named.present_ids}
    paths: dict[int, Path] = {}
    if is_template(out_path):
        if not shown:
            raise OutputError(f"{out_path} is not written: {labels} has no object.")
        objects = {number: each or f"object {number}" for number, each in shown.items()}
        outputs.check_objects(objects, inputs)
        paths = object_paths(out_path, objects)
    with progress_bar("Writing", quiet=as_json) as update:
        write = partial(write_labels, file_format=file_format, source=source, progress=update)
        for number, path in paths.items():
            write(one_object(named, number), path)
        if not paths:
            write(named, out_path)
    if as_json:
        counted = count_covered(named.ids, named.covered, named.names)
        ml = named.geometry.voxel_volume_mm3 / 1000
        write_json(
            {
                "objects": [{"id": number, "name": each} for number, each in shown.items()],
                "overlaps": [each.to_dict(ml) | {"both": outputs.holds_overlap} for each in counted],
                "labels": str(out_path),
            }
            | ({"masks": {str(number): str(path) for number, path in paths.items()}} if paths else {})
        )
    else:
        for number, each in shown.items():
            out.print(f"{number}: {each or 'without a name'}", markup=False, soft_wrap=True)
        for path in paths.values() or [out_path]:
            out.print(f"labels: {path}", markup=False, soft_wrap=True)


def _names(given: list[str] | None) -> dict[int, str]:
    names = {}
    for each in given or ():
        number, equals, name = each.partition("=")
        if not (equals and name.strip() and number.strip().isdigit() and int(number) > 0):
            raise usage_error(f"--name takes an id and a name, as in 1=liver; given: {each!r}.")
        names[int(number)] = name.strip()
    return names
