"""`radsam segment`: one prompt on one slice becomes a 3D mask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radsam.cli.ct_source import named_by, on_disk
from radsam.cli.point_arguments import parse_triples
from radsam.cli.session_outputs import Outputs, report, show_report
from radsam.cli.terminal import command, note, progress_bar, usage_error, write_json
from radsam.errors import PromptError

if TYPE_CHECKING:
    from radsam.session import Engine, Session
    from radsam.volume import Bounds, Point, Prompt, SliceGrid, Volume
    from radsam.volume.coordinates import Coordinates

Model = Annotated[
    str | None,
    typer.Option(
        help="Weights: a bundle's name or path; radsam-lite if left out.",
        metavar="BUNDLE",
    ),
]
Backend = Annotated[str, typer.Option(help="Engine: auto, openvino, onnx, torch, torch:cpu, torch:cuda or torch:mps.")]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", help="A voxel that belongs to the object. Repeatable.", metavar="I J K"),
]
FixNot = Annotated[
    list[str] | None,
    typer.Option("--fix-not", help="A voxel that does not belong to it. Repeatable.", metavar="I J K"),
]
Mm = Annotated[bool, typer.Option("--mm", help="All coordinates are LPS millimetres, not voxels.")]
Series = Annotated[str | None, typer.Option(help="Which DICOM series of a folder: its number in `radsam info` or UID.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON to the standard output.")]
Preview = Annotated[
    Path | None, typer.Option(help="Also draw the prompted slice and a mosaic with contours.", metavar="OUT.png")
]
Labels = Annotated[
    Path,
    typer.Option("-o", "--out", help="The 3D mask: .nii.gz, .nii or .nrrd on the grid of the CT, or .dcm for DICOM."),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="nifti, nrrd, seg or rtstruct; by the suffix of the output if left out."),
]
Resample = Annotated[
    bool, typer.Option("--resample", help="Resample a DICOM series of a tilted gantry or with uneven spacing.")
]
Roi = Annotated[
    str | None,
    typer.Option(help="Which object of a DICOM SEG or RTSTRUCT given with --mask: its name.", metavar="NAME"),
]


@command
def segment(
    ct: Annotated[
        str,
        typer.Argument(
            help="NIfTI, NRRD or MHA file, a folder or .zip with DICOM, or the URL of a series in a PACS.", metavar="CT"
        ),
    ],
    slice_: Annotated[float, typer.Option("--slice", help="The prompted slice.", metavar="K")],
    out: Labels,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="Box around the object on that slice.", metavar="I0 J0 I1 J1"),
    ] = None,
    point: Annotated[tuple[float, float] | None, typer.Option(help="A point inside the object.", metavar="I J")] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="A rough mask of the object on that slice: a file on the CT's grid, a DICOM SEG or an RTSTRUCT.",
            metavar="MASK",
        ),
    ] = None,
    roi: Roi = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="First and last slice of the object; found by the stop rule if left out.", metavar="LO HI"),
    ] = None,
    plane: Annotated[str, typer.Option(help="axial, coronal or sagittal.")] = "axial",
    fix: Fix = None,
    fix_not: FixNot = None,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(help="HU window that the model sees; its own if left out.", metavar="LO HI"),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the object.")] = "object",
    policy: Annotated[
        str | None,
        typer.Option(help="What a slice passes to the next: mask, box, point or copy; what the model was trained for."),
    ] = None,
    zoom: Annotated[
        bool | None,
        typer.Option(
            "--zoom/--no-zoom",
            help="Look at a crop around the object, or at whole slices; what the model was trained for.",
        ),
    ] = None,
    mm: Mm = False,
    series: Series = None,
    resample: Resample = False,
    file_format: Format = None,
    model: Model = None,
    backend: Backend = "auto",
    preview: Preview = None,
    session: Annotated[
        Path | None,
        typer.Option(
            help="Also save the session, to go on with `radsam edit`; to an existing one the object is added.",
            metavar="OUT.radsam",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Segment one object from one prompt on one slice.

    Coordinates are (i, j, k) = (column, row, slice) of the file as stored, counted from 0;
    both ends of boxes and bounds are included.

    [bold]Example:[/] radsam segment ct.nii.gz --slice 41 --box 120 88 210 170 --bounds 30 70 -o liver.nii.gz
    """
    started = time.perf_counter()
    if sum(each is not None for each in (box, point, mask)) != 1:
        raise usage_error("Give exactly one prompt: --box, --point or --mask.")
    if roi is not None and mask is None:
        raise usage_error("--roi chooses an object of the file given with --mask.")
    outputs = Outputs(out, preview, session, file_format)
    outputs.check([Path(ct), *([mask] if mask else [])])

    from radsam.io.volume_read import read_volume
    from radsam.session import require_window
    from radsam.volume import SliceGrid
    from radsam.volume.coordinates import Coordinates, group_by_slice

    points = [(each, True) for each in parse_triples(fix, "--fix")]
    points += [(each, False) for each in parse_triples(fix_not, "--fix-not")]
    folder = on_disk(ct, quiet=as_json)
    source = outputs.source(folder, series, resample=resample)
    volume = named_by(ct, read_volume(folder, series=series, resample=resample))
    note_resampled(volume)
    grid = SliceGrid.of(volume.geometry, plane)
    typed = Coordinates(volume.geometry, grid, mm)
    prompt = _prompt(typed, volume, slice_, box, point, mask, roi)
    chosen = None if bounds is None else typed.bounds(bounds, _inside(box, point))
    corrections = group_by_slice([typed.point(each, positive) for each, positive in points], grid)
    _check(grid, prompt, chosen, corrections)
    require_window(volume, window)
    if volume.modality != "CT":
        note(f"The modality of this volume is {volume.modality}; RadSAM's models are made for CT.")

    work = _open(volume, session, model, backend, window)
    with progress_bar(f"Segmenting {name}", quiet=as_json) as update:
        work.segment(
            prompt,
            bounds=chosen,
            name=name,
            plane=plane,
            window=window,
            policy=policy,
            zoom=zoom,
            progress=lambda record: update(record.done, record.total),
        )
    correct(work, name, corrections, quiet=as_json)
    outputs.write(work, name, source)
    finish(work, outputs, started, as_json)


def _open(
    volume: Volume, session: Path | None, model: str | None, backend: str, window: tuple[float, float] | None
) -> Session:
    """Start a session, or go on with the one that is to be saved: nothing in it is lost."""
    if session is None or not session.exists():
        return load_engine(model, backend, keep=session is not None).open(volume, window=window)
    from radsam.session import read_session

    saved = read_session(session)
    saved.check_volume(volume)
    return load_engine(model or saved.model_reference, backend, keep=True).reopen(saved, volume)


def _prompt(
    typed: Coordinates,
    volume: Volume,
    across: float,
    box: tuple[float, float, float, float] | None,
    point: tuple[float, float] | None,
    mask: Path | None,
    roi: str | None,
) -> Prompt:
    if box is not None:
        return typed.box(across, box)
    if point is not None:
        return typed.point_on_slice(across, point)
    if mask is None:
        raise usage_error("Give exactly one prompt: --box, --point or --mask.")
    from radsam.io.volume_read import read_labels, require_same_grid
    from radsam.volume import Mask

    labels = read_labels(mask, on=volume, names=None if roi is None else [roi])
    require_same_grid(labels, volume.geometry, f"The mask {mask}")
    if len(labels.names) > 1:
        raise usage_error(f"{mask} holds several objects; choose one with --roi: {', '.join(labels.names.values())}.")
    index = typed.index(across)
    return Mask.on(typed.grid, index, typed.grid.take(labels.ids, index) > 0)


def note_resampled(volume: Volume) -> None:
    """Say that voxels are not pixels: coordinates count on the resampled grid."""
    if volume.series is not None and volume.series.resampled:
        note(f"Resampled to {volume.geometry.describe()}. {volume.series.resampled}")


def _inside(
    box: tuple[float, float, float, float] | None, point: tuple[float, float] | None
) -> tuple[float, float] | None:
    if box is not None:
        return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return point


def _check(grid: SliceGrid, prompt: Prompt, bounds: Bounds | None, corrections: list[tuple[Point, ...]]) -> None:
    """Refuse bad prompts before the model is loaded: the session would only do so after it."""
    prompt.check(grid)
    if bounds is not None:
        from radsam.volume import slice_index

        bounds.check(grid, slice_index(prompt, grid))
    for points in corrections:
        for each in points:
            each.check(grid)
            index = grid.split(each.index_ijk)[0]
            if bounds is not None and index not in bounds:
                raise PromptError(
                    f"The point {each.index_ijk} lies on slice {index}, outside the bounds {bounds.low} to "
                    f"{bounds.high}. Widen the bounds to let the object grow there."
                )


def load_engine(model: str | None, backend: str, *, keep: bool) -> Engine:
    """Load the model; with `keep`, encoded slices outlive this process for `radsam edit`."""
    from radsam.predictor.embedding_cache import EmbeddingStore, cache_folder
    from radsam.session import load

    return load(model, backend=backend, store=EmbeddingStore(cache_folder()) if keep else None)


def correct(work: Session, name: str, corrections: list[tuple[Point, ...]], *, quiet: bool) -> None:
    """Apply corrections one slice after the other."""
    for number, points in enumerate(corrections, start=1):
        with progress_bar(f"Correction {number} of {len(corrections)}", quiet=quiet) as update:
            work.correct(*points, name=name, progress=lambda record: update(record.done, record.total))


def finish(work: Session, outputs: Outputs, started: float, as_json: bool) -> None:
    """Report what was done."""
    found = report(work, started)
    if as_json:
        write_json(found | {"outputs": outputs.to_dict()})
    else:
        show_report(found, outputs)
