"""`radsam segment`: one prompt on one slice becomes a 3D mask."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radsam.cli.existing_masks import refuse_prompts, requests_from
from radsam.cli.object_options import Legend, Locked, Number, ObjectOptions, Order, Unlocked
from radsam.cli.point_arguments import parse_points
from radsam.cli.session_inputs import (
    correct,
    correction_requests,
    load_engine,
    lock_session,
    model_files,
    read_given,
    reopen,
)
from radsam.cli.session_outputs import Outputs, check_objects, finish, overlap_policy
from radsam.cli.shared_options import (
    AsJson,
    Backend,
    Fix,
    FixNot,
    Format,
    Labels,
    Mm,
    ModalityName,
    Model,
    OverlapPolicy,
    Policy,
    Precision,
    Preview,
    Resample,
    ResampleMasks,
    Roi,
    Series,
    VolumeIndex,
)
from radsam.cli.terminal import command, progress_bar, usage_error
from radsam.cli.volume_facts import warn_of_modality

if TYPE_CHECKING:
    from radsam.session import Session, SessionFile
    from radsam.session.edit_request import CorrectionRequest, SegmentRequest, StartFromMaskRequest
    from radsam.volume import Prompt, Volume
    from radsam.volume.coordinates import Coordinates


@command
def segment(
    ct: Annotated[
        str,
        typer.Argument(
            help="NIfTI, NRRD or MHA file, a folder or .zip with DICOM, or the URL of a series in a PACS.",
            metavar="VOLUME",
        ),
    ],
    out: Labels,
    slice_: Annotated[float | None, typer.Option("--slice", help="The prompted slice.", metavar="K")] = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="Box around the object on that slice.", metavar="I0 J0 I1 J1"),
    ] = None,
    point: Annotated[tuple[float, float] | None, typer.Option(help="A point inside the object.", metavar="I J")] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="A rough mask of the object on that slice: a file on the volume's grid, a DICOM SEG or an RTSTRUCT.",
            metavar="MASK",
        ),
    ] = None,
    masks: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Instead of a prompt: existing masks, whose objects are opened as they are, to correct them with "
            "`radsam edit`. A label map, a DICOM SEG or an RTSTRUCT. Repeatable.",
            metavar="MASKS",
        ),
    ] = None,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine", help="With --from: let the model predict each slice, from the mask there as the prompt."
        ),
    ] = False,
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
        typer.Option(
            help="Window in which the model sees the volume, in its unit (HU of a CT); the model's own for the "
            "modality if left out.",
            metavar="LO HI",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the object; 'object' if left out, with --from its own.")
    ] = None,
    policy: Policy = None,
    overlap: OverlapPolicy = None,
    order: Order = None,
    lock: Locked = None,
    unlock: Unlocked = None,
    number: Number = None,
    legend: Legend = None,
    zoom: Annotated[
        bool | None,
        typer.Option(
            "--zoom/--no-zoom",
            help="Show the model a crop around the object, or whole slices; what it was trained for if left out.",
        ),
    ] = None,
    alternative: Annotated[
        int,
        typer.Option(
            min=0, max=3, help="0: the model's first choice; 1 to 3: another of its masks of that slice.", metavar="N"
        ),
    ] = 0,
    mm: Mm = False,
    modality: ModalityName = None,
    series: Series = None,
    index: VolumeIndex = None,
    resample: Resample = False,
    resample_masks: ResampleMasks = False,
    file_format: Format = None,
    model: Model = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    preview: Preview = None,
    session: Annotated[
        Path | None,
        typer.Option(
            help="Also save the session, to continue it with `radsam edit`; to an existing one the object is added.",
            metavar="OUT.radsam",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Segment one object from one prompt on one slice, or open the objects of existing masks.

    Coordinates are (i, j, k) = (column, row, slice) of the file as stored, counted from 0;
    both ends of boxes and bounds are included.

    [bold]Example:[/] radsam segment ct.nii.gz --slice 41 --box 120 88 210 170 --bounds 30 70 -o liver.nii.gz

    [bold]Example:[/] radsam segment ct.nii.gz --from organs.nii.gz --session organs.radsam -o organs_2.nii.gz
    """
    started = time.perf_counter()
    if masks:
        prompts = {"--slice": slice_ is not None, "--box": box, "--point": point, "--mask": mask, "--bounds": bounds}
        others = {"--fix": fix, "--fix-not": fix_not, "--policy": policy, "--alternative": alternative, "--mm": mm}
        refuse_prompts(prompts | others)
    elif sum(each is not None for each in (box, point, mask)) != 1:
        raise usage_error("Give exactly one prompt: --box, --point or --mask. Existing masks are opened with --from.")
    elif slice_ is None:
        raise usage_error("Give the slice of the prompt with --slice.")
    if roi and not masks and (mask is None or len(roi) > 1):
        raise usage_error("--roi chooses an object of the file given with --mask, or objects of one given with --from.")
    if refine and not masks:
        raise usage_error("--refine lets the model predict each slice of the masks given with --from.")
    outputs = Outputs(out, preview, session, file_format, legend)
    options = ObjectOptions.of(lock, unlock, number, order)
    name = name if masks else name or "object"
    inputs = [Path(ct), *([mask] if mask else []), *(masks or []), *model_files(model)]
    outputs.check(inputs)
    chosen = overlap_policy(overlap)

    from radsam.session import read_session
    from radsam.session.edit_request import SegmentRequest
    from radsam.session.history import chosen_overlap
    from radsam.volume import SliceGrid
    from radsam.volume.coordinates import Coordinates

    points = parse_points(fix, fix_not)
    if session is not None:
        lock_session(session, "radsam segment")
    saved = read_session(session) if session is not None and session.exists() else None
    edits = saved.history.done if saved else ()
    options.check(edits, name)
    kept = chosen or chosen_overlap(edits)
    check_objects(outputs, edits, inputs, kept, [name] if name else [], number)
    volume, source = read_given(
        ct, outputs, series, index=index, saved=saved, modality=modality, resample=resample, quiet=as_json
    )
    starts: list[SegmentRequest | StartFromMaskRequest] = []
    corrections: list[CorrectionRequest] = []
    settings: dict[str, Any] = {"plane": plane, "window": window, "zoom": zoom}
    if masks:
        given = settings | {"refine": refine}
        starts += requests_from(masks, volume, edits, roi=roi, name=name, resample=resample_masks, settings=given)
        check_objects(outputs, edits, inputs, kept, [each.name for each in starts], number)
    elif slice_ is not None:
        typed = Coordinates(volume.geometry, SliceGrid.of(volume.geometry, plane), mm)
        only = roi[0] if roi else None
        given = settings | {
            "name": name,
            "prompt": _prompt(typed, volume, slice_, box, point, mask, only, resample_masks),
            "bounds": None if bounds is None else typed.bounds(bounds, _inside(box, point)),
            "policy": policy,
            "alternative": alternative,
        }
        request = SegmentRequest.model_validate(given)
        corrections = correction_requests(request.name, points, typed)
        for correction in corrections:
            correction.check(volume.geometry, request)
        starts.append(request)
    # Before the model is loaded: a wrong prompt ends the command at once.
    for each in starts:
        each.check(volume.geometry)

    if refine or not masks:
        warn_of_modality(volume)
    work = _open(volume, saved, model, backend, precision, window, keep=session is not None)
    if chosen is not None and chosen is not chosen_overlap(work.history.done):
        work.overlap = chosen
    options.before(work, name)
    _start(work, starts, quiet=as_json)
    correct(work, corrections, quiet=as_json)
    options.after(work, name)
    outputs.write(work, starts[0].name, source)
    finish(work, outputs, started, as_json)


def _start(work: Session, starts: Sequence[SegmentRequest | StartFromMaskRequest], *, quiet: bool) -> None:
    """Start one object from its prompt, or all objects of existing masks."""
    from radsam.session.edit_request import SegmentRequest, StartFromMaskRequest

    title = f"Segmenting {starts[0].name}" if len(starts) == 1 else f"Refining {len(starts)} objects"
    with progress_bar(title, quiet=quiet) as update:
        for each in starts:
            if isinstance(each, SegmentRequest):
                work.segment(each, progress=lambda record: update(record.done, record.total))
        masks = [each for each in starts if isinstance(each, StartFromMaskRequest)]
        if masks:
            work.start_objects(masks, progress=lambda record: update(record.done, record.total))


def _open(
    volume: Volume,
    saved: SessionFile | None,
    model: str | None,
    backend: str,
    precision: str,
    window: tuple[float, float] | None,
    *,
    keep: bool,
) -> Session:
    """Start a session, or continue the one in the output file, whose objects stay."""
    if saved is None:
        engine = load_engine(model, backend, precision, keep=keep, modality=volume.modality)
        return engine.open(volume, window=window)
    saved.check_volume(volume)
    return reopen(load_engine(model or saved.model_reference, backend, precision, keep=True), saved, volume)


def _prompt(
    typed: Coordinates,
    volume: Volume,
    across: float,
    box: tuple[float, float, float, float] | None,
    point: tuple[float, float] | None,
    mask: Path | None,
    roi: str | None,
    resample_masks: bool,
) -> Prompt:
    if box is not None:
        return typed.box(across, box)
    if point is not None:
        return typed.point_on_slice(across, point)
    if mask is None:
        raise usage_error("Give exactly one prompt: --box, --point or --mask.")
    from radsam.io.label_grid import require_same_grid
    from radsam.io.volume_read import read_labels
    from radsam.volume import Mask

    labels = read_labels(mask, on=volume, names=None if roi is None else [roi], resample=resample_masks)
    require_same_grid(labels, volume.geometry, f"The mask {mask}")
    if len(labels.names) > 1:
        raise usage_error(f"{mask} holds several objects; choose one with --roi: {', '.join(labels.names.values())}.")
    index = typed.index(across)
    return Mask.on(typed.grid, index, typed.grid.take(labels.ids, index) > 0)


def _inside(
    box: tuple[float, float, float, float] | None, point: tuple[float, float] | None
) -> tuple[float, float] | None:
    if box is not None:
        return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return point
