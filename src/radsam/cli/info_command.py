"""`radsam info`: show the content of a file or folder, from its headers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from radsam.cli.shared_options import AsJson, ModalityName, VolumeIndex
from radsam.cli.terminal import command, note, out, write_json
from radsam.cli.volume_facts import modality_text

if TYPE_CHECKING:
    from radsam.io.volume_info import SeriesInfo, VolumeInfo


@command
def info(
    ct: Annotated[
        Path, typer.Argument(help="NIfTI, NRRD or MHA file, or a folder or .zip with DICOM.", metavar="VOLUME")
    ],
    series: Annotated[
        str | None, typer.Option(help="Which DICOM series: its number in the listing or its UID.", metavar="N|UID")
    ] = None,
    modality: ModalityName = None,
    index: VolumeIndex = None,
    as_json: AsJson = False,
) -> None:
    """Show size, spacing, orientation, modality, and DICOM studies, series and objects.

    Reads headers only, however large the files, except where only the values tell the modality.
    """
    from radsam.errors import VolumeError
    from radsam.io.volume_read import read_info

    try:
        found = read_info(ct, series=series, modality=modality, index=index, guess=True)
    except VolumeError as error:
        # Its header is described, if that can be read; else this says why not.
        found = read_info(ct, series=series, modality=modality, index=index)
        note(f"Only its header could be read. {error}")
    if found.modality_doubt:
        note(found.modality_doubt)
    if as_json:
        write_json(found.to_dict() | {"slices": _slices(found)})
        return
    _show(found)


def _slices(found: VolumeInfo) -> dict[str, dict[str, object]]:
    from radsam.volume import Plane, SliceGrid

    if found.geometry is None:
        return {}
    grids = {plane: SliceGrid.of(found.geometry, plane) for plane in Plane}
    return {plane.value: {"axis": grid.axis_name, "count": grid.count} for plane, grid in grids.items()}


def _show(found: VolumeInfo) -> None:
    out.print(f"[bold]{escape(found.source)}[/]", soft_wrap=True)
    unit = f" in {found.unit}" if found.unit else ""
    out.print(
        f"  {found.format}, {modality_text(found.modality, found.modality_source)}, {found.dtype}{unit}, "
        f"{found.file_bytes / 1e6:.1f} MB",
        soft_wrap=True,
    )
    if found.geometry is not None:
        out.print(f"  {found.geometry.describe()} (LPS)")
        axes = zip("ijk", found.geometry.direction.T, strict=True)
        out.print("  axes: " + ", ".join(f"{name} to {_direction(vector)}" for name, vector in axes))
        each = ", ".join(
            f"{plane} along {slices['axis']} (0 to {int(str(slices['count'])) - 1})"
            for plane, slices in _slices(found).items()
        )
        out.print(f"  slices: {each}", soft_wrap=True)
    # The problem of the only series is shown below its row.
    if found.problem and found.problem not in [each.problem for each in found.series]:
        out.print(f"  [yellow]{escape(found.problem)}[/]", soft_wrap=True)
    for number, name in enumerate(found.names, start=1):
        out.print(f"  {number}: {escape(name)}", soft_wrap=True)
    for study in found.studies:
        about = ", ".join(part for part in (_date(study.date), study.description) if part)
        out.print(f"\n[bold]Study[/] {escape(about)} [dim]{study.uid or 'without UID'}[/]", soft_wrap=True)
        for series in found.series:
            if series.number in study.series:
                _show_series(series)
    if found.objects:
        out.print("\n[bold]Other objects[/]")
    for other in found.objects:
        kind = f", {other.kind}" if other.kind else ""
        out.print(f"  {other.modality}{kind}: {escape(other.path)}  {escape(other.description)}", soft_wrap=True)
    for each in found.notes:
        out.print(f"\n{escape(each)}", soft_wrap=True)


def _show_series(series: SeriesInfo) -> None:
    """Write one series in a line that no terminal cuts, and its problem below."""
    parts = [
        series.modality,
        f"{series.slices} slices of {'×'.join(map(str, series.shape_ij))}",
        _spacing(series.spacing_mm_ijk),
        series.patient_position,
        series.description,
    ]
    line = ", ".join(escape(part) for part in parts if part)
    out.print(f"  [bold]{series.number}[/]: {line} [dim]{series.uid}[/]", soft_wrap=True)
    for part in series.parts:
        about = f" [dim]{escape(part.about)}[/]" if part.about else ""
        where = _spacing(part.spacing_mm_ijk) or f"[yellow]{escape(part.problem)}[/]"
        out.print(f"     [bold]{part.selector}[/]: {part.slices} slices, {where}{about}", soft_wrap=True)
    if series.problem:
        # Its further lines list the acquisitions, which are shown above.
        shown = series.problem.splitlines()[0] if series.parts else series.problem
        out.print(f"     [yellow]{escape(shown)}[/]", soft_wrap=True)


def _spacing(spacing_mm_ijk: tuple[float, float, float] | None) -> str:
    return "" if spacing_mm_ijk is None else "×".join(f"{mm:.3g}" for mm in spacing_mm_ijk) + " mm"


def _date(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date


def _direction(vector: object) -> str:
    import numpy as np

    x, y, z = np.asarray(vector, dtype=float)
    letters = [("L" if x > 0 else "R", abs(x)), ("P" if y > 0 else "A", abs(y)), ("S" if z > 0 else "I", abs(z))]
    main, cosine = max(letters, key=lambda each: each[1])
    return main if cosine > 0.9999 else f"{main} (tilted {np.degrees(np.arccos(min(1.0, cosine))):.1f}°)"
