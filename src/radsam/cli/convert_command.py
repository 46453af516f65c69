"""`radsam convert`: labels from one format to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from radsam.cli.session_outputs import Outputs
from radsam.cli.shared_options import AsJson, Format, Resample, Series
from radsam.cli.terminal import command, out, progress_bar, usage_error, write_json


@command
def convert(
    labels: Annotated[
        Path, typer.Argument(help="Labels: NIfTI, NRRD, MHA, a DICOM SEG or an RTSTRUCT.", metavar="LABELS")
    ],
    out_path: Annotated[Path, typer.Option("-o", "--out", help="The output: .nii.gz, .nii, .nrrd, or .dcm for DICOM.")],
    ct: Annotated[
        Path | None,
        typer.Option(help="The CT they belong to; contours, and DICOM outputs, need it.", metavar="CT"),
    ] = None,
    series: Series = None,
    resample: Resample = False,
    file_format: Format = None,
    roi: Annotated[
        list[str] | None,
        typer.Option("--roi", help="Only this object of a DICOM file, by its name. Repeatable.", metavar="NAME"),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of the label with this id. Repeatable.", metavar="ID=NAME"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Convert labels between NIfTI, NRRD, DICOM SEG and DICOM RTSTRUCT.

    [bold]Example:[/] radsam convert RTSTRUCT.dcm --ct ct_folder -o contours.nii.gz
    """
    names = _names(name)
    outputs = Outputs(out_path, labels_format=file_format)
    outputs.check([labels, *([ct] if ct else [])])

    from radsam.io.volume_read import read_labels, read_volume, require_same_grid
    from radsam.io.volume_write import label_format, write_labels

    chosen = label_format(out_path, file_format)
    if chosen.is_dicom and ct is None:
        raise usage_error(f"A DICOM {chosen.upper()} refers to its images: give their series with --ct.")
    source = None if ct is None else outputs.source(ct, series, resample=resample)
    on = None if ct is None else read_volume(ct, series=series, resample=resample)
    found = read_labels(labels, on=on, names=roi or None)
    if on is not None:
        require_same_grid(found, on.geometry, f"The labels {labels}")
    named = replace(found, names=dict(found.names) | names)
    with progress_bar("Writing", quiet=as_json) as update:
        write_labels(named, out_path, file_format=file_format, source=source, progress=update)
    shown = {number: named.names.get(number, "") for number in named.present_ids}
    if as_json:
        write_json(
            {"objects": [{"id": number, "name": each} for number, each in shown.items()], "labels": str(out_path)}
        )
    else:
        for number, each in shown.items():
            out.print(f"{number}: {each or 'without a name'}", markup=False, soft_wrap=True)
        out.print(f"labels: {out_path}", markup=False, soft_wrap=True)


def _names(given: list[str] | None) -> dict[int, str]:
    names = {}
    for each in given or ():
        number, equals, name = each.partition("=")
        if not (equals and name.strip() and number.strip().isdigit() and int(number) > 0):
            raise usage_error(f"--name takes an id and a name, as in 1=liver; given: {each!r}.")
        names[int(number)] = name.strip()
    return names
