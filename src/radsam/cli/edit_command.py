"""`radsam edit`: continue a saved session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radsam.cli import edit_options as options
from radsam.cli.edit_report import edit_list, show_edit_list
from radsam.cli.edit_steps import EditSteps, mask_files, target_object
from radsam.cli.object_options import Legend, Locked, Number, ObjectOptions, Order, Unlocked
from radsam.cli.session_inputs import load_engine, lock_session, model_files, read_given, reopen
from radsam.cli.session_outputs import Outputs, check_objects, finish, overlap_policy
from radsam.cli.shared_options import (
    AsJson,
    Backend,
    Format,
    Mm,
    ModalityName,
    Model,
    OptionalLabels,
    OverlapPolicy,
    Precision,
    Preview,
    Resample,
    Series,
)
from radsam.cli.terminal import command, note, usage_error, write_json
from radsam.cli.typed_edits import TypedEdit, typed_edits
from radsam.cli.volume_facts import warn_of_modality

if TYPE_CHECKING:
    from radsam.io.dicom.source_series import SourceSeries
    from radsam.session import Session, SessionFile
    from radsam.session.edit import Edit


@command
def edit(
    session: Annotated[Path, typer.Argument(help="A session saved by `radsam segment --session`.", metavar="S.radsam")],
    out: OptionalLabels = None,
    name: Annotated[
        str | None, typer.Option(help="The object to change; needed where the session has several.")
    ] = None,
    fix: options.Fix = None,
    fix_not: options.FixNot = None,
    fix_box: options.FixBox = None,
    fix_not_box: options.FixNotBox = None,
    fix_mask: options.FixMask = None,
    fix_not_mask: options.FixNotMask = None,
    scribble: options.Scribble = None,
    scribble_not: options.ScribbleNot = None,
    lasso: options.Lasso = None,
    lasso_not: options.LassoNot = None,
    paint: options.Paint = None,
    erase: options.Erase = None,
    delete_slice: options.DeleteSlice = None,
    trim: options.Trim = None,
    extend: options.Extend = None,
    confirm: options.Confirm = None,
    unconfirm: options.Unconfirm = None,
    keep_largest: options.KeepLargest = False,
    keep_at: options.KeepAt = None,
    islands: options.Islands = None,
    fill_holes: options.FillHoles = False,
    smooth: options.Smooth = None,
    grow: options.Grow = None,
    shrink: options.Shrink = None,
    interpolate: options.Interpolate = None,
    copy_slice: options.CopySlice = None,
    reach: options.Reach = None,
    slice_: options.OnSlice = None,
    roi: options.Roi = None,
    radius: options.Radius = None,
    ball: options.Ball = False,
    within: options.Within = None,
    alike: options.Alike = None,
    in_slices: options.InSlices = False,
    to: options.To = None,
    undo: options.Undo = None,
    redo: options.Redo = None,
    delete: options.DeleteEdit = None,
    list_: options.ListEdits = False,
    overlap: OverlapPolicy = None,
    order: Order = None,
    lock: Locked = None,
    unlock: Unlocked = None,
    number: Number = None,
    legend: Legend = None,
    ct: Annotated[
        str | None, typer.Option(help="The volume, if it has moved since the session was saved.", metavar="VOLUME")
    ] = None,
    modality: ModalityName = None,
    series: Series = None,
    resample: Resample = False,
    file_format: Format = None,
    mm: Mm = False,
    model: Model = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    preview: Preview = None,
    as_json: AsJson = False,
) -> None:
    """Change an object of a saved session in any way, and write the new mask.

    Edits are done in the order in which they are typed; each may be given several times.
    A setting such as --reach belongs to the edit before it. Prompts typed one after another
    on one slice correct together. If one edit is not possible, none is done, and the session
    file stays as it was; else it is updated.

    Coordinates are (i, j, k) = (column, row, slice) as stored, counted from 0. Slices K are
    those of the object's plane; boxes and polygons have the two other axes in stored order.
    Every edit reports what it changed.

    [bold]Examples:[/]

    radsam edit liver.radsam --fix 150 120 50 --fix-not 90 77 50 --reach 3 -o liver.nii.gz

    radsam edit liver.radsam --paint '140 118 50, 152 125 50' --radius 4 --within 20 180 -o liver.nii.gz

    radsam edit liver.radsam --trim 32 - --islands 0.5ml --smooth 2 --confirm 48-50 -o liver.nii.gz

    radsam edit liver.radsam --list
    """
    started = time.perf_counter()
    typed = typed_edits()
    if list_:
        if typed or overlap or preview or out:
            raise usage_error("--list shows the edits and changes nothing: give it alone.")
        engine = (model, backend, precision)
        _list(session, ct, series, modality=modality, resample=resample, engine=engine, as_json=as_json)
        return
    if out is None:
        raise usage_error("Missing option '--out' / '-o': the 3D mask to write.")

    from radsam.session import read_session
    from radsam.session.history import chosen_overlap

    lock_session(session, "radsam edit")
    saved = read_session(session)
    outputs = Outputs(out, preview, session, file_format, legend)
    all_objects = ObjectOptions.of(lock, unlock, number, order)
    only = _only(name, saved.history.done)
    all_objects.check(saved.history.done, only)
    inputs = [Path(ct or saved.volume_source), *model_files(model or saved.model_reference), *mask_files(typed)]
    outputs.check(inputs)
    chosen = overlap_policy(overlap)
    kept = chosen or chosen_overlap(saved.history.done)
    check_objects(outputs, saved.history.edits, inputs, kept, [only] if only else [], number)
    engine = (model, backend, precision)
    work, source = _open(saved, ct, series, outputs, modality=modality, resample=resample, engine=engine, quiet=as_json)
    if any(each.predicts for each in typed):
        warn_of_modality(work.volume)
    before, after = _around(typed)
    steps = EditSteps(work, name, mm, quiet=as_json)
    done = [*steps.run(before)]
    if chosen is not None and chosen is not chosen_overlap(work.history.done):
        work.overlap = chosen
    all_objects.before(work, only)
    done += steps.run(after)
    named = preview or number is not None or only in (lock or ())
    target = target_object(name, list(work.objects)) if named else None
    all_objects.after(work, target)
    if preview and target is None:
        note("The session is empty: no picture was drawn.")
        outputs = replace(outputs, preview=None)
    outputs.write(work, target, source)
    finish(work, outputs, started, as_json, done)


def _only(name: str | None, edits: Sequence[Edit]) -> str | None:
    """Return the named object, or the only one of a session."""
    from radsam.session.history import present_objects

    present = present_objects(edits)
    return name or (present[0] if len(present) == 1 else None)


def _open(
    saved: SessionFile,
    ct: str | None,
    series: str | None,
    outputs: Outputs | None,
    *,
    modality: str | None,
    resample: bool,
    engine: tuple[str | None, str, str],
    quiet: bool,
) -> tuple[Session, SourceSeries | None]:
    """Open a saved session on its volume, with the headers that a DICOM output refers to."""
    volume, source = read_given(
        ct or saved.volume_source,
        outputs,
        series,
        saved=saved,
        modality=modality,
        resample=resample or saved.volume_resampled,
        quiet=quiet,
    )
    saved.check_volume(volume)
    model, backend, precision = engine
    # Edits by hand, of ends, marks and clean-up ask no model, and compiling it takes seconds.
    loaded = load_engine(model or saved.model_reference, backend, precision, keep=True, lazy=True)
    return reopen(loaded, saved, volume), source


def _around(typed: list[TypedEdit]) -> tuple[list[TypedEdit], list[TypedEdit]]:
    """Divide edits: steps back and forth at their beginning come before the overlap policy, as an edit, is set."""
    first = next((number for number, each in enumerate(typed) if each.of_object), len(typed))
    return typed[:first], typed[first:]


def _list(
    session: Path,
    ct: str | None,
    series: str | None,
    *,
    modality: str | None,
    resample: bool,
    engine: tuple[str | None, str, str],
    as_json: bool,
) -> None:
    from radsam.session import read_session

    saved = read_session(session)
    work, _ = _open(saved, ct, series, None, modality=modality, resample=resample, engine=engine, quiet=as_json)
    if as_json:
        write_json({"edits": edit_list(work)})
    else:
        show_edit_list(work)
