"""`radsam challenge`: predict the cases of public challenges, and run their protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.shared_options import AsJson, Backend, Model, Precision
from radsam.cli.terminal import command, note, out, progress_bar, require_extra, write_json

challenge_app = typer.Typer(
    help="Predict the cases of public challenges, and run their protocols.", no_args_is_help=True
)


@challenge_app.command("cvpr25")
@command
def cvpr25(
    source: Annotated[
        Path, typer.Argument(help="Folder with one .npz per case, or a single .npz file.", metavar="INPUT")
    ],
    target: Annotated[
        Path, typer.Argument(help="Folder for the predictions: .npz of the same names.", metavar="OUTPUT")
    ],
    play: Annotated[
        bool,
        typer.Option("--play", help="Run the whole protocol: a box, five clicks, scores; needs the truth."),
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(help="With --play: folder of .npz with gts; the gts of the cases if left out.", metavar="DIR"),
    ] = None,
    array_order: Annotated[
        bool,
        typer.Option(
            "--spacing-zyx", help="The spacing is in the order of the array, not x, y, z as the challenge writes it."
        ),
    ] = False,
    model: Model = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Predict cases of the CVPR 2025 interactive 3D challenge: the command for its predict.sh.

    A case holds imgs and spacing, boxes and, from the second step on, clicks; the prediction holds segs.
    With --play, RadSAM also simulates the challenge's user: it clicks the centre of the largest error five times
    and writes metrics.csv with DSC and NSD, their areas under the curve and the times.

    [bold]predict.sh:[/] radsam challenge cvpr25 /workspace/inputs /workspace/outputs
    """
    from radsam.benchmark.challenge.challenge_evaluation import CLICKS, SECONDS_PER_CLASS, evaluate_folder
    from radsam.benchmark.challenge.challenge_prediction import predict_folder
    from radsam.cli.terminal import usage_error
    from radsam.session import load

    if truth is not None and not play:
        raise usage_error("--truth needs --play: predictions never use the truth.")
    if play:
        require_extra("Running the protocol, for its surface metric,", "benchmark", "monai", "torch")
    engine = load(model, backend=backend, precision=precision)
    if not play:
        with progress_bar("Predicting", unit="cases", quiet=as_json) as update:
            written = predict_folder(engine, source, target, spacing_is_xyz=not array_order, progress=update)
        if as_json:
            write_json({"written": [str(path) for path in written]})
        else:
            out.print(f"{len(written)} cases predicted in {escape(str(target))}", soft_wrap=True)
        return
    with progress_bar("Running the protocol", unit="steps", quiet=as_json) as update:
        scores = evaluate_folder(engine, source, truth, target, spacing_is_xyz=not array_order, progress=update)
    if as_json:
        write_json({"metrics": str(target / "metrics.csv"), "cases": [score.columns() for score in scores]})
        return
    table = Table("case", "classes", "DSC: box", f"after {CLICKS} clicks", "DSC AUC", "NSD AUC", "seconds", box=None)
    for score in scores:
        table.add_row(
            escape(score.case),
            str(score.classes),
            f"{score.dsc[0]:.3f}",
            f"{score.dsc[-1]:.3f}",
            f"{score.dsc_auc:.3f}",
            f"{score.nsd_auc:.3f}",
            f"{sum(score.seconds):.0f}",
        )
    out.print(table)
    slow = [score.case for score in scores if not score.in_time]
    if slow:
        note(
            f"{len(slow)} cases took longer than the challenge allows, {SECONDS_PER_CLASS:.0f} s for each class, and "
            f"would score 0 there: {', '.join(slow[:5])}."
        )
