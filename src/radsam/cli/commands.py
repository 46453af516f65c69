"""The `radsam` command and its subcommands."""

from __future__ import annotations

from typing import Annotated

import typer

from radsam.cli.batch_command import batch
from radsam.cli.benchmark_command import benchmark_app
from radsam.cli.cache_command import cache_app
from radsam.cli.challenge_command import challenge_app
from radsam.cli.convert_command import convert
from radsam.cli.data_command import data_app
from radsam.cli.demo_command import demo
from radsam.cli.edit_command import edit
from radsam.cli.finetune_command import finetune
from radsam.cli.info_command import info
from radsam.cli.pacs_command import pacs_app
from radsam.cli.project_command import project_app
from radsam.cli.project_learn_command import learn
from radsam.cli.project_simulate_command import simulate
from radsam.cli.segment_command import segment
from radsam.cli.serve_command import serve, tokens_app
from radsam.cli.terminal import out
from radsam.cli.train_command import distill, evaluate, export, train
from radsam.cli.typed_edits import OrderedCommand
from radsam.cli.weights_command import weights_app

app = typer.Typer(
    help="Segment organs and lesions in CT and MR from one prompt on one slice. Not for diagnostic use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]radsam demo[/]. Exit codes: 0 done, 2 wrong usage, 3 bad input, 4 failed while running "
    "or unable to write the standard output, 130 stopped by Ctrl-C.",
)
app.command()(demo)
app.command()(info)
app.command()(segment)
app.command(cls=OrderedCommand)(edit)
app.command()(batch)
app.command()(convert)
app.command()(serve)
app.add_typer(tokens_app, name="tokens")
project_app.command()(learn)
project_app.command()(simulate)
app.add_typer(project_app, name="project")
app.add_typer(pacs_app, name="pacs")
app.add_typer(weights_app, name="weights")
app.add_typer(data_app, name="data")
app.command()(train)
app.command()(evaluate)
app.command()(export)
app.command()(finetune)
app.command()(distill)
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(challenge_app, name="challenge")
app.add_typer(cache_app, name="cache")


def _show_version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        out.print(f"radsam {version('radsam')}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
