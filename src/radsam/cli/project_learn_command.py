"""`radsam project learn`: a learning round now, or a process that learns for a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from radsam.cli.shared_options import AsJson
from radsam.cli.terminal import command, note, out, progress_bar, write_json

if TYPE_CHECKING:
    from radsam.project.project import Round


@command
def learn(
    folder: Annotated[Path, typer.Argument(help="The project.", metavar="DIR")],
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="The longest that a round takes; as the project says if left out.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor cores that it uses; as the project says if left out.")
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            help="Memory that it is sized for, in GB, not a hard limit; as the project says if left out.",
            metavar="GB",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Weights to start from; the default of the modality if left out.", metavar="BUNDLE"),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Go on until the standard input ends, as radsam serve starts it: learn whenever enough cases are "
            "finished. Lines of the input: pause, go, now.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from the finished cases of a project: one round, at the lowest priority.

    The decoder and the proposals are trained on finished cases and compared with the weights in use on others. The
    new weights are offered if they need fewer actions; nothing changes before they are accepted. A round that was
    stopped or killed goes on with the next start.

    [bold]Example:[/] radsam project learn neck --minutes 8
    """
    from radsam.project.learner_priority import limit_threads, lower_priority

    lower_priority()
    limit_threads(threads or 1)
    from radsam.predictor.embedding_cache import embeddings_folder
    from radsam.project.case_proposals import CaseProposer
    from radsam.project.learner_engine import LearnerEngines
    from radsam.project.learner_process import LearnerProcess, end_with_input
    from radsam.project.learning_round import require_learning, run_round
    from radsam.project.pause import Pause
    from radsam.project.project import Project
    from radsam.project.session_embeddings import SessionEmbeddings

    require_learning()
    project, pause = Project.open(folder), Pause()

    def do_round(by: str, quiet: bool = True) -> Round:
        with progress_bar("Learning", unit="%", quiet=quiet) as update:
            return run_round(
                project,
                by=by,
                minutes=minutes,
                threads=threads,
                memory_gb=memory,
                pause=pause,
                model=model,
                report=lambda share, message: update(round(100 * share), 100),
            )

    if follow:
        settings = project.settings
        limits = threads or settings.learn_threads, memory or settings.learn_memory_gb
        engines = LearnerEngines(SessionEmbeddings(embeddings_folder()), pause, *limits)
        process = LearnerProcess(project, pause, do_round, CaseProposer(project, engines, pause), sys.stdin)
        end_with_input(process.run, pause)
        return
    ended = do_round("local", quiet=as_json)
    if as_json:
        write_json(
            {"round": ended.number, "state": ended.state, "message": ended.message, "scores": dict(ended.scores)}
        )
        return
    _show(ended)


def _show(ended: Round) -> None:
    scores = ended.scores
    if scores:
        interval = ""
        if scores["low"] is not None:
            interval = f", 95 % interval of the difference {scores['low']:+.1f} to {scores['high']:+.1f}"
        out.print(
            f"Actions for an object: {scores['actions_before']:.1f} with the weights in use, "
            f"{scores['actions_after']:.1f} with the new ones ({scores['objects']} objects of {scores['patients']} "
            f"patients{interval}).",
            soft_wrap=True,
        )
    out.print(f"Round {ended.number} is {ended.state}. {escape(ended.message)}".rstrip(), soft_wrap=True)
    if ended.state == "offered":
        note("Accept it in the page of radsam serve --project: then new sessions and proposals use it.")
