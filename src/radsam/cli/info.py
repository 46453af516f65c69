"""`radsam info`: what a file or folder holds, from its headers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.console import command, out, write_json

if TYPE_CHECKING:
    from radsam.io.read import VolumeInfo


@command
def info(
    ct: Annotated[Path, typer.Argument(help="NIfTI, NRRD or MHA file, or a folder or .zip with DICOM.", metavar="CT")],
    series: Annotated[
        str | None, typer.Option(help="Which DICOM series: its number in the listing or its UID.", metavar="N|UID")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show size, spacing, orientation and DICOM series. Reads headers only, however large the file."""
    from radsam.io.read import read_info

    found = read_info(ct, series=series)
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
    out.print(f"  {found.format}, {found.modality}, {found.dtype}, {found.file_bytes / 1e6:.1f} MB")
    if found.geometry is not None:
        out.print(f"  {found.geometry.describe()} (LPS)")
        axes = zip("ijk", found.geometry.direction.T, strict=True)
        out.print("  axes: " + ", ".join(f"{name} to {_direction(vector)}" for name, vector in axes))
        each = ", ".join(
            f"{plane} along {slices['axis']} (0 to {int(str(slices['count'])) - 1})"
            for plane, slices in _slices(found).items()
        )
        out.print(f"  slices: {each}", soft_wrap=True)
    if found.problem:
        out.print(f"  [yellow]{escape(found.problem)}[/]", soft_wrap=True)
    if found.series:
        out.print(_series_table(found))
    for series in found.series:
        if series.problem and series.problem != found.problem:
            out.print(f"  [yellow]{series.number}: {escape(series.problem)}[/]", soft_wrap=True)


def _direction(vector: object) -> str:
    import numpy as np

    x, y, z = np.asarray(vector, dtype=float)
    letters = [("L" if x > 0 else "R", abs(x)), ("P" if y > 0 else "A", abs(y)), ("S" if z > 0 else "I", abs(z))]
    main, cosine = max(letters, key=lambda each: each[1])
    return main if cosine > 0.9999 else f"{main} (tilted {np.degrees(np.arccos(min(1.0, cosine))):.1f}°)"


def _series_table(found: VolumeInfo) -> Table:
    table = Table("series", "modality", "slices", "size", "spacing mm", "description", box=None)
    # It is there to be copied: never cut short.
    table.add_column("UID", overflow="fold")
    for each in found.series:
        spacing = "–" if each.spacing_mm_ijk is None else "×".join(f"{mm:.3g}" for mm in each.spacing_mm_ijk)
        table.add_row(
            str(each.number),
            each.modality,
            str(each.slices),
            "×".join(map(str, each.shape_ij)),
            spacing,
            escape(each.description),
            each.uid,
        )
    return table
