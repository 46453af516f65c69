"""`radsam benchmark`: measure models with a simulated user, and write reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.shared_options import AsJson, Backend, Overrides, Precision
from radsam.cli.terminal import command, note, out, progress_bar, require_extra, until_end, usage_error, write_json

if TYPE_CHECKING:
    from radsam.benchmark.benchmark_config import BenchmarkConfig
    from radsam.benchmark.benchmark_results import ResultsFolder
    from radsam.benchmark.benchmark_unit import UnitResult

benchmark_app = typer.Typer(
    help="Measure models with a simulated user: Dice from one prompt, after corrections, with intervals.",
    no_args_is_help=True,
)


@benchmark_app.command("run")
@command
def run(
    config: Annotated[
        str, typer.Argument(help="A .toml file, or the name of a shipped one: see `radsam benchmark list`.")
    ],
    overrides: Overrides = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="The folder of a dataset of the configuration. Repeatable.", metavar="NAME=DIR"),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="The models to measure, separated by commas; the configuration's if left out.", metavar="A,B"
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder of the results; benchmark-<name> if left out.", metavar="DIR"),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; with two or more, even a model that crashes is survived.")
    ] = 1,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Folder for embeddings, shared by all models, workers and later runs; a temporary one if left out.",
            metavar="DIR",
        ),
    ] = None,
    embeddings_gb: Annotated[
        int, typer.Option(min=1, help="Size above which that folder drops the least recently used embeddings.")
    ] = 20,
    include_mri: Annotated[
        bool, typer.Option("--include-mri", help="AMOS: measure the MRI cases, too, in tables of their own.")
    ] = False,
    backend: Backend = "auto",
    precision: Precision = "f32",
    threads: Annotated[
        int,
        typer.Option(
            min=1, help="CPU threads of each model: fixed, so that scores do not depend on the machine's cores."
        ),
    ] = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try objects again on which a model failed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure models on every object of the datasets; the same command resumes a run that was stopped.

    A model is: a weights bundle, [bold]radsam-lite[/], optionally with its policy and zoom,
    [bold]radsam-lite:box[/], [bold]radsam-lite:mask:no-zoom[/]; a baseline, [bold]ellipsoid[/],
    [bold]copy[/], [bold]box-fill[/] or [bold]otsu[/]; masks that another system made,
    [bold]NAME=predictions:FOLDER[/]; or a trained nnU-Net, [bold]NAME=nnunet:FOLDER[/].

    The folder gets results.csv (one row per mask), objects.csv (what was measured, and what was left out
    and why), report.html and report.md. Scores depend on data, seed and weights only: models run in f32 with
    one thread, unless --precision and --threads say otherwise; use --workers for speed.

    [bold]Example:[/] radsam benchmark run quick --data phantom=phantoms --workers 2
    """
    from importlib.metadata import version

    from radsam.benchmark.benchmark_config import BenchmarkConfig
    from radsam.benchmark.benchmark_results import ResultsFolder
    from radsam.benchmark.benchmark_run import check_predictions, plan_units, run_units
    from radsam.benchmark.cohort import find_dataset
    from radsam.benchmark.models import find_models
    from radsam.benchmark.models.model_names import Runtime
    from radsam.disk.file_lock import locked_folder

    settings = BenchmarkConfig.read(config, tuple(overrides or ()))
    if include_mri:
        settings = settings.with_mri()
    if settings.surface.enabled:
        require_extra("Surface metrics (surface.enabled=false does without them)", "benchmark", "monai", "torch")
    folders = _folders(settings, data or ())
    cases = {name: find_dataset(name, settings.datasets[name], each) for name, each in folders.items()}
    words = [word for each in models or () for word in each.split(",")] or [*settings.models]
    store = embeddings or Path(until_end(TemporaryDirectory(prefix="radsam-embeddings-")))
    runtime = Runtime(backend, precision, threads, store, embeddings_gb << 30)
    measured = find_models(words, runtime)
    check_predictions(measured, cases, note)
    folder = out_dir or Path(f"benchmark-{settings.name}")
    until_end(locked_folder(folder, "radsam benchmark run"))
    results = ResultsFolder.start(folder, settings, [each.card for each in measured])
    facts = ("sha256", "description", "kind", "edits", "engine", "precision", "threads")
    results.models |= {each.card.label: {key: getattr(each.card, key) for key in facts} for each in measured}
    results.describe(f"radsam {version('radsam')}", {"embeddings_kept": embeddings is not None, "workers": workers})
    units = plan_units(settings, cases, words, runtime, frozenset(results.done(retry_failed=retry_failed)))
    seen: set[tuple[str, str]] = set()
    problems: set[str] = set()
    with progress_bar(f"Measuring {len(measured)} models", unit="cases", quiet=as_json) as update:

        def report_unit(result: UnitResult) -> None:
            if result.problem and result.problem not in problems:
                problems.add(result.problem)
                note(result.problem)
            if result.rows:
                seen.add((result.rows[0].model, result.rows[0].case))
                if result.rows[-1].error:
                    row = result.rows[-1]
                    note(f"{row.model} failed on {row.object} of {row.case}, which scores zero: {row.error}")
                update(len(seen), len(units))

        run_units(units, results, workers=workers, report=report_unit)
    _finish(ResultsFolder.read(folder), as_json)


def _folders(config: BenchmarkConfig, given: Sequence[str]) -> dict[str, Path]:
    """Read the values of `--data`; every dataset of the configuration needs one."""
    folders: dict[str, Path] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not equals or not folder:
            raise usage_error(
                f"--data takes NAME=DIR, for example {next(iter(config.datasets))}=data; given: {each!r}."
            )
        if name not in config.datasets:
            raise usage_error(
                f"The configuration {config.name!r} has no dataset {name!r}; it has: {', '.join(config.datasets)}."
            )
        folders[name] = Path(folder).expanduser()
    missing = [name for name in config.datasets if name not in folders]
    if missing:
        wanted = " ".join(f"--data {name}=DIR" for name in missing)
        layouts = ", ".join(f"{name} has the layout {config.datasets[name].layout!r}" for name in missing)
        raise usage_error(f"The configuration needs its data. Add {wanted}: {layouts}.")
    return folders


def _finish(results: ResultsFolder, as_json: bool) -> None:
    """Write the report beside the table and show the means."""
    from radsam.benchmark.benchmark_results import FAILED
    from radsam.benchmark.report import write_report
    from radsam.benchmark.results_summary import curves, dice_of

    page, text = results.folder / "report.html", results.folder / "report.md"
    write_report(results, page)
    write_report(results, text)
    found = curves(results.rows)
    failed = sorted({row.model for row in results.rows if row.status == FAILED})
    if as_json:
        means = [
            {
                "mode": curve.mode,
                "model": curve.model,
                "objects": len(curve.firsts),
                "dice": first.mean if (first := dice_of(curve.firsts)) else None,
                "edits": curve.most_edits,
                "dice_after_edits": last.mean if (last := dice_of(curve.lasts)) else None,
                "failed": curve.failed,
            }
            for curve in found
        ]
        write_json({"results": str(results.folder), "report": str(page), "markdown": str(text), "means": means})
        return
    table = Table("mode", "model", "objects", "Dice", "edits", "Dice after them", "failed", box=None)
    for curve in found:
        first, last = dice_of(curve.firsts), dice_of(curve.lasts)
        table.add_row(
            curve.mode,
            escape(curve.model),
            str(len(curve.firsts)),
            f"{first.mean:.3f}" if first else "–",
            str(curve.most_edits or "–"),
            f"{last.mean:.3f}" if last and curve.most_edits else "–",
            str(curve.failed or ""),
        )
    out.print(table)
    out.print(f"report: {escape(str(page))}", soft_wrap=True)
    if failed:
        note(f"Failures count as zero: {', '.join(failed)}. --retry-failed tries them again.")


@benchmark_app.command("report")
@command
def report(
    results: Annotated[Path, typer.Argument(help="Folder that `radsam benchmark run` wrote.", metavar="RESULTS")],
    page: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The report: .html or .md; RESULTS/report.html if left out."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Model that the others are compared with, pair by pair; the first one if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one page about results: tables with intervals, curves, bars, the paper's figures, worst cases.

    The page holds everything and needs no network. It names the data that was measured.

    [bold]Example:[/] radsam benchmark report benchmark-val -o report.html --against ellipsoid
    """
    from radsam.benchmark.benchmark_results import ResultsFolder
    from radsam.benchmark.report import write_report

    target = page or results / "report.html"
    write_report(ResultsFolder.read(results), target, against=against)
    if as_json:
        write_json({"report": str(target)})
    else:
        out.print(f"report: {escape(str(target))}", soft_wrap=True)


@benchmark_app.command("list")
@command
def list_configs(as_json: AsJson = False) -> None:
    """List the shipped configurations, the data that each needs, and what it measures."""
    from radsam.benchmark.benchmark_config import GROUP, BenchmarkConfig
    from radsam.settings import plain_values, preset_names

    configs = {name: BenchmarkConfig.read(name) for name in preset_names(GROUP)}
    if as_json:
        write_json({"configurations": {name: plain_values(config) for name, config in configs.items()}})
        return
    table = Table("configuration", "data", "what it measures", box=None)
    for name, config in configs.items():
        datasets = ", ".join(f"--data {each}=DIR" for each in config.datasets)
        table.add_row(name, datasets, escape(" ".join(config.notes.split())))
    out.print(table)
