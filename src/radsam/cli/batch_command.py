"""`radsam batch`: a manifest with a row per object becomes masks, a table and a contact sheet."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.shared_options import AsJson, Backend, ModalityName, Model, Policy, Precision, Resample
from radsam.cli.terminal import command, note, out, progress_bar, usage_error, write_json

if TYPE_CHECKING:
    from types import FrameType

    from radsam.batch.batch_plan import BatchPlan
    from radsam.batch.batch_run import BatchSummary
    from radsam.batch.batch_settings import BatchSettings
    from radsam.batch.output_folder import OutputFolder

#: Some rows have no mask; the others do.
EXIT_SOME_FAILED = 4
#: Problems shown to a person; the table and JSON have them all.
_MOST_SHOWN = 12


def _print_template(wanted: bool) -> bool:
    if wanted:
        from radsam.batch.manifest import TEMPLATE

        typer.echo(TEMPLATE, nl=False)
        raise typer.Exit
    return wanted


@command
def batch(
    manifest: Annotated[
        Path,
        typer.Argument(help="A row per object: .csv, .parquet or .jsonl (JSON lines).", metavar="MANIFEST"),
    ],
    out_folder: Annotated[
        Path, typer.Option("-o", "--out", help="Folder of masks, table and contact sheet.", metavar="DIR")
    ],
    template: Annotated[
        bool,
        typer.Option(
            "--template", callback=_print_template, is_eager=True, help="Print an example manifest, and nothing else."
        ),
    ] = False,
    file_format: Annotated[str, typer.Option("--format", help="nifti, nrrd, seg or rtstruct.")] = "nifti",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do nothing; show what would be done and which rows would fail.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also do rows that failed in an earlier run.")
    ] = False,
    engine: Annotated[
        str,
        typer.Option(
            help="process: here, one volume after the other or with --workers. ray: workers on this machine or a "
            "cluster. slurm: an array of jobs."
        ),
    ] = "process",
    workers: Annotated[
        int | None,
        typer.Option(
            help="process: volumes done at a time, 1 if left out; each worker needs about 1 GB of memory and three "
            "times its volume. ray: workers, as CPUs and memory allow if left out.",
            metavar="N",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads of each worker; 1 for ray and slurm, an equal share of all cores for process.",
            metavar="N",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="ray: a running cluster (host:6379, ray://host:10001, auto).", metavar="ADDRESS"),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="Do only part I of N, counted from 0: for a Kubernetes Indexed Job.", metavar="I/N"),
    ] = None,
    jobs: Annotated[int, typer.Option(help="slurm: how many jobs.", metavar="N")] = 8,
    partition: Annotated[str | None, typer.Option(help="slurm: the partition.")] = None,
    account: Annotated[str | None, typer.Option(help="slurm: the account to charge.")] = None,
    hours: Annotated[float, typer.Option(help="slurm: time limit of a job, which is requeued until done.")] = 8.0,
    cluster: Annotated[
        str, typer.Option(help="slurm, or submitit's local: the same jobs as processes on this machine.")
    ] = "slurm",
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Window of rows without one, in the unit of their volume (HU of a CT); the model's own for the "
            "modality if left out.",
            metavar="LO HI",
        ),
    ] = None,
    modality: ModalityName = None,
    policy: Policy = None,
    zoom: Annotated[
        bool | None,
        typer.Option(
            "--zoom/--no-zoom",
            help="Show the model a crop around each object, or whole slices, which are encoded once for all objects.",
        ),
    ] = None,
    resample: Resample = False,
    model: Model = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Segment many objects in many volumes from a table of prompts.

    The manifest has a row per object, with the columns
    [bold]id[/]: names the row and its mask
    [bold]volume[/]: a path from the manifest's folder, or the URL of a series
    [bold]coordinates[/]: ijk (voxels from 0) or lps (millimetres)
    one of [bold]box[/], [bold]point[/], [bold]recist[/] (both ends of a diameter), [bold]mask[/] (a file)
    optional: object, slice, bounds, plane, window, series, modality,
    mask_roi, truth (for Dice), truth_roi. For example:

        id,volume,object,coordinates,slice,box,recist,bounds
        a,ct/1.nii.gz,liver,ijk,41,120 88 210 170,,30 70
        b,dicom/2,node,lps,,,-61 34.5 -212.5 -48.2 40.1 -212.5,

    Results: masks, results.csv, and contact_sheet.html to review by eye.
    The same command resumes a run that was stopped; a row that changed is
    done again; a row that fails does not stop the others.

    [bold]Example:[/] radsam batch --template > objects.csv
             radsam batch objects.csv -o results --dry-run
             radsam batch objects.csv -o results --workers 4

    Exit codes: 0 all rows are done, 4 some are not (results.csv says why)
    or, with --dry-run, would fail,
    2 wrong usage, 3 no usable manifest or folder, 130 Ctrl-C.
    Volumes of a PACS, clusters, Kubernetes: see docs/batch.md.
    """
    started = time.perf_counter()
    if shard is not None and engine != "process":
        raise usage_error("--shard is for runs that share the work without an engine; leave --engine out.")
    if address is not None and engine != "ray":
        raise usage_error("--address is the address of a Ray cluster; use it with --engine ray.")
    if workers is not None and engine == "slurm":
        raise usage_error("--workers is for the engines process and ray; SLURM takes --jobs.")

    from radsam.batch.batch_plan import parse_shard
    from radsam.batch.batch_run import EngineChoice, plan_batch, run_batch
    from radsam.batch.batch_settings import BatchSettings
    from radsam.batch.engines.slurm_engine import SlurmCluster
    from radsam.batch.manifest import read_manifest
    from radsam.batch.output_folder import OutputFolder
    from radsam.errors import OutputError
    from radsam.io.volume_write import LabelFormat

    if file_format not in tuple(LabelFormat):
        raise OutputError(f"{file_format!r} is not a format of labels: choose one of {', '.join(LabelFormat)}.")
    settings = BatchSettings(
        model=model,
        backend=backend,
        precision=precision,
        file_format=LabelFormat(file_format),
        policy=policy,
        zoom=zoom,
        window=window,
        modality=modality,
        resample=resample,
        threads=threads,
    )
    choice = EngineChoice(
        name=engine,
        workers=workers,
        address=address,
        cluster=SlurmCluster(kind=cluster, jobs=jobs, partition=partition, account=account, hours=hours),
    )
    part = parse_shard(shard) if shard is not None else (0, 1)
    read = read_manifest(manifest)
    folder = OutputFolder(out_folder.resolve())
    plan = plan_batch(read, folder, settings, shard=part, retry_failed=retry_failed)
    _require_pacs(plan)
    if read.note:
        note(read.note)
    _announce(plan, read.unused)
    if dry_run:
        if _show_plan(plan, folder, settings, as_json):
            raise typer.Exit(EXIT_SOME_FAILED)
        return
    with _stopped_by_sigterm(), progress_bar("Segmenting", unit="objects", quiet=as_json) as update:
        done = 0
        update(0, plan.count)

        def report(result: object) -> None:
            nonlocal done
            done += 1
            update(done, plan.count)

        summary = run_batch(plan, folder, settings, choice, retry_failed=retry_failed, report=report)
    _finish(summary, folder, time.perf_counter() - started, as_json)
    if not summary.all_done:
        raise typer.Exit(EXIT_SOME_FAILED)


def _require_pacs(plan: BatchPlan) -> None:
    """Check libraries and logins of all remote volumes before the first one."""
    if any(each.is_remote for each in plan.volumes):
        from radsam.cli.session_inputs import warn_in_clear
        from radsam.errors import RadsamError
        from radsam.io.pacs.pacs_address import PacsAddress
        from radsam.io.pacs.pacs_connection import require_libraries

        require_libraries()
        warned: set[str] = set()
        for each in plan.volumes:
            try:
                address = PacsAddress.parse(each.volume) if each.is_remote else None
            except RadsamError:
                continue  # its row reports the error
            if address is not None and address.host not in warned:
                warned.add(address.host)
                warn_in_clear(address)


def _announce(plan: BatchPlan, unused: tuple[str, ...]) -> None:
    """Show notes about unused columns, rows done again, and rows skipped."""
    if unused:
        note(f"Columns that are not used: {', '.join(unused)}.")
    if plan.changed:
        note(
            f"{len(plan.changed)} rows are done again: they, the model or the settings changed ({_few(plan.changed)})."
        )
    if plan.kept_failures:
        note(
            f"{len(plan.kept_failures)} rows failed in an earlier run and are skipped ({_few(plan.kept_failures)}); "
            "--retry-failed tries them again."
        )
    done = len(plan.done) - len(plan.kept_failures)
    if done:
        note(f"{done} rows are done already.")


def _few(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")


def _show_plan(plan: BatchPlan, folder: OutputFolder, settings: BatchSettings, as_json: bool) -> bool:
    """Show what a run would do; return whether rows would fail."""
    from radsam.batch.plan_check import check_plan

    with progress_bar("Checking volumes", unit="volumes", quiet=as_json) as update:
        check = check_plan(plan, settings, update)
        problems = check.problems
        largest = max((each.memory_bytes() for each in plan.volumes), default=0)
    if as_json:
        write_json(
            {
                "rows": len(plan.rows) + len(plan.bad_rows),
                "to_do": plan.count,
                "volumes": len(plan.volumes),
                "done": len(plan.done) - len(plan.kept_failures),
                "changed": list(plan.changed),
                "kept_failures": list(plan.kept_failures),
                "modalities": dict(check.modalities),
                "largest_memory_bytes": largest,
                "problems": [vars(each) for each in problems],
                "out": str(folder.path),
            }
        )
        return any(each.fails for each in problems)
    out.print(
        f"{plan.count} objects in {len(plan.volumes)} volumes would be done; the largest volume needs about "
        f"{largest / 1e9:.1f} GB of memory."
    )
    if check.modalities:
        out.print(f"Volumes are taken for: {_taken_for(check.modalities)}.", soft_wrap=True)
    failing = [each for each in problems if each.fails]
    for each in problems:
        if not each.fails:
            note(f"Row {each.line}, {each.id}: {each.message}")
    if failing:
        _show_failures([(each.line, each.id, each.status.value, each.message) for each in failing], "would fail")
    else:
        out.print("No row is expected to fail. Volumes in a PACS and mask prompts were not checked.")
    return bool(failing)


def _taken_for(modalities: Mapping[str, int]) -> str:
    """Describe what volumes are taken for: "3 CT, 1 MR, 2 what their values look like"."""
    return ", ".join(
        f"{count} {modality or 'what their files or values say when they are read'}"
        for modality, count in sorted(modalities.items(), reverse=True)
    )


def _show_failures(rows: list[tuple[int, str, str, str]], what: str) -> None:
    table = Table("line", "id", "status", "why", box=None, title=f"{len(rows)} rows {what}", title_justify="left")
    for line, name, status, message in rows[:_MOST_SHOWN]:
        table.add_row(str(line), escape(name), status, escape(message))
    out.print(table)
    if len(rows) > _MOST_SHOWN:
        out.print(f"and {len(rows) - _MOST_SHOWN} more")


def _finish(summary: BatchSummary, folder: OutputFolder, seconds: float, as_json: bool) -> None:
    from radsam.batch.row_results import Status

    failed = [each for each in summary.shard_results if each.status is not Status.DONE]
    scores = [each.dice for each in summary.shard_results if each.dice is not None]
    facts: dict[str, Any] = {
        "rows": len(summary.shard_results),
        "counts": summary.counts,
        "done_in_this_run": sum(
            each.status is Status.DONE and each.id not in summary.plan.done for each in summary.shard_results
        ),
        "backends": sorted({each.backend for each in summary.shard_results if each.backend}),
        "mean_dice": round(sum(scores) / len(scores), 4) if scores else None,
        "seconds": round(seconds, 2),
        "table": str(folder.table),
        "contact_sheet": str(folder.sheet),
        "failed": [
            {"line": each.line, "id": each.id, "status": each.status.value, "message": each.message} for each in failed
        ],
    }
    if as_json:
        write_json(facts)
        return
    if failed:
        _show_failures([(each.line, each.id, each.status.value, each.message) for each in failed], "are not done")
    dice = f", mean Dice {facts['mean_dice']:.3f} of {len(scores)}" if scores else ""
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in summary.counts.items())
    on = f" on {', '.join(facts['backends'])}" if facts["backends"] else ""
    out.print(f"{counts} of {facts['rows']} rows{dice}{on}, {seconds:.1f} s", soft_wrap=True)
    out.print(f"table: {escape(str(folder.table))}", soft_wrap=True)
    out.print(f"contact sheet: {escape(str(folder.sheet))}", soft_wrap=True)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM of a scheduler as Ctrl-C: the table is written, and no row counts as having ended the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
