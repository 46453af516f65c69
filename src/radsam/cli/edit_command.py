"""`radsam edit`: continue a saved session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radsam.cli.object_options import Legend, Locked, Number, ObjectOptions, Order, Unlocked
from radsam.cli.point_arguments import parse_points
from radsam.cli.session_inputs import (
    correct,
    correction_requests,
    load_engine,
    lock_session,
    model_files,
    read_ct,
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
    Model,
    OverlapPolicy,
    Precision,
    Preview,
    Resample,
    Series,
)
from radsam.cli.terminal import command, note, usage_error
from radsam.errors import SessionError

if TYPE_CHECKING:
    from radsam.session.edit import Edit


@command
def edit(
    session: Annotated[Path, typer.Argument(help="A session saved by `radsam segment --session`.", metavar="S.radsam")],
    out: Labels,
    fix: Fix = None,
    fix_not: FixNot = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the last edit.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Redo the edit that was undone last.")] = False,
    delete: Annotated[
        int | None, typer.Option(help="Delete one earlier prompt by its number in --json's prompts.", metavar="N")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The object to correct; needed where the session has several.")
    ] = None,
    overlap: OverlapPolicy = None,
    order: Order = None,
    lock: Locked = None,
    unlock: Unlocked = None,
    number: Number = None,
    legend: Legend = None,
    ct: Annotated[
        str | None, typer.Option(help="The CT, if it has moved since the session was saved.", metavar="CT")
    ] = None,
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
    """Correct, undo or redo in a saved session, and write the new mask.

    The session file is updated. Slices are not encoded again, unless their embeddings
    were removed from the cache.

    [bold]Example:[/] radsam edit liver.radsam --fix 150 120 50 --fix-not 90 77 50 -o liver.nii.gz
    """
    started = time.perf_counter()
    if sum((undo, redo, delete is not None, bool(fix or fix_not))) > 1:
        raise usage_error("Do one thing at a time: --fix and --fix-not, or --undo, or --redo, or --delete.")

    from radsam.session import read_session
    from radsam.session.history import chosen_overlap
    from radsam.volume.coordinates import Coordinates

    points = parse_points(fix, fix_not)
    lock_session(session, "radsam edit")
    saved = read_session(session)
    outputs = Outputs(out, preview, session, file_format, legend)
    options = ObjectOptions.of(lock, unlock, number, order)
    only = _only(name, saved.history.done)
    options.check(saved.history.done, only)
    inputs = [Path(ct or saved.volume_source), *model_files(model or saved.model_reference)]
    outputs.check(inputs)
    chosen = overlap_policy(overlap)
    check_objects(
        outputs,
        saved.history.edits,
        inputs,
        chosen or chosen_overlap(saved.history.done),
        [only] if only else [],
        number,
    )
    volume, source = read_ct(
        ct or saved.volume_source,
        outputs,
        series,
        known_series=saved.volume_series,
        resample=resample or saved.volume_resampled,
        quiet=as_json,
    )
    saved.check_volume(volume)
    work = load_engine(model or saved.model_reference, backend, precision, keep=True).reopen(saved, volume)
    if undo:
        work.undo()
    if redo:
        work.redo()
    if delete is not None:
        work.delete(delete)
    if chosen is not None and chosen is not chosen_overlap(work.history.done):
        work.overlap = chosen
    target = _target(name, list(work.objects)) if points or preview or number is not None else None
    options.before(work, target)
    if points and target is None:
        raise SessionError(
            "The session is empty: there is no object to correct. Start one with radsam segment --session."
        )
    if preview and target is None:
        note("The session is empty: no picture was drawn.")
        outputs = replace(outputs, preview=None)
    if points and target is not None:
        typed = Coordinates(volume.geometry, work.objects[target].grid, mm)
        correct(work, correction_requests(target, points, typed), quiet=as_json)
    options.after(work, target)
    outputs.write(work, target, source)
    finish(work, outputs, started, as_json)


def _only(name: str | None, edits: Sequence[Edit]) -> str | None:
    """Return the named object, or the only one of a session."""
    from radsam.session.history import present_objects

    present = present_objects(edits)
    return name or (present[0] if len(present) == 1 else None)


def _target(name: str | None, objects: list[str]) -> str | None:
    """Choose the object: the named one, or the only one; None where the session is empty."""
    if name is not None and name not in objects:
        raise SessionError(f"There is no object {name!r} in this session; its objects: {', '.join(objects) or 'none'}.")
    if name is None and len(objects) > 1:
        raise usage_error(f"The session has several objects; choose one with --name: {', '.join(objects)}.")
    return name or (objects[0] if objects else None)
