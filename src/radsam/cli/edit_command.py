"""`radsam edit`: go on with a saved session."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from radsam.cli.ct_source import named_by, on_disk
from radsam.cli.point_arguments import parse_triples
from radsam.cli.segment_command import (
    AsJson,
    Backend,
    Fix,
    FixNot,
    Format,
    Labels,
    Mm,
    Model,
    Preview,
    Resample,
    Series,
    correct,
    finish,
    load_engine,
    note_resampled,
)
from radsam.cli.session_outputs import Outputs
from radsam.cli.terminal import command, note, usage_error
from radsam.errors import SessionError


@command
def edit(
    session: Annotated[Path, typer.Argument(help="A session saved by `radsam segment --session`.", metavar="S.radsam")],
    out: Labels,
    fix: Fix = None,
    fix_not: FixNot = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last step.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Do the step again that was taken back last.")] = False,
    delete: Annotated[
        int | None, typer.Option(help="Take back one earlier prompt by its number in --json's prompts.", metavar="N")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The object to correct; needed where the session has several.")
    ] = None,
    ct: Annotated[
        str | None, typer.Option(help="The CT, if it was moved since the session was saved.", metavar="CT")
    ] = None,
    series: Series = None,
    resample: Resample = False,
    file_format: Format = None,
    mm: Mm = False,
    model: Model = None,
    backend: Backend = "auto",
    preview: Preview = None,
    as_json: AsJson = False,
) -> None:
    """Correct, undo or redo in a saved session, and write the new mask.

    The session file is brought up to date. Slices are not encoded again, unless their
    encodings were cleared from the cache.

    [bold]Example:[/] radsam edit liver.radsam --fix 150 120 50 --fix-not 90 77 50 -o liver.nii.gz
    """
    started = time.perf_counter()
    if sum((undo, redo, delete is not None, bool(fix or fix_not))) > 1:
        raise usage_error("Do one thing at a time: --fix and --fix-not, or --undo, or --redo, or --delete.")

    from radsam.io.dicom.dicom_input import is_dicom
    from radsam.io.volume_read import read_volume
    from radsam.session import read_session
    from radsam.volume.coordinates import Coordinates, group_by_slice

    points = [(each, True) for each in parse_triples(fix, "--fix")]
    points += [(each, False) for each in parse_triples(fix_not, "--fix-not")]
    saved = read_session(session)
    source = ct or saved.volume_source
    outputs = Outputs(out, preview, session, file_format)
    outputs.check([Path(source)])
    folder = on_disk(source, quiet=as_json)
    resample = resample or saved.volume_resampled
    if series is None and saved.volume_series and is_dicom(folder):
        series = saved.volume_series
    images = outputs.source(folder, series, resample=resample)
    volume = named_by(source, read_volume(folder, series=series, resample=resample))
    note_resampled(volume)
    saved.check_volume(volume)
    work = load_engine(model or saved.model_reference, backend, keep=True).reopen(saved, volume)
    if undo:
        work.undo()
    if redo:
        work.redo()
    if delete is not None:
        work.delete(delete)
    target = _target(name, list(work.objects)) if points or preview else None
    if points and target is None:
        raise SessionError(
            "The session is empty: there is no object to correct. Start one with radsam segment --session."
        )
    if preview and target is None:
        note("The session is empty: no picture was drawn.")
        outputs = replace(outputs, preview=None)
    if points and target is not None:
        grid = work.objects[target].grid
        typed = Coordinates(volume.geometry, grid, mm)
        corrections = group_by_slice([typed.point(each, positive) for each, positive in points], grid)
        correct(work, target, corrections, quiet=as_json)
    outputs.write(work, target, images)
    finish(work, outputs, started, as_json)


def _target(name: str | None, objects: list[str]) -> str | None:
    """Choose the object: the named one, or the only one; None where the session is empty."""
    if name is not None and name not in objects:
        raise SessionError(f"There is no object {name!r} in this session; its objects: {', '.join(objects) or 'none'}.")
    if name is None and len(objects) > 1:
        raise usage_error(f"The session has several objects; choose one with --name: {', '.join(objects)}.")
    return name or (objects[0] if objects else None)
