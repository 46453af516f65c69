"""`radsam project simulate`: a project from its first case to its last one, with a simulated annotator."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radsam.cli.shared_options import AsJson
from radsam.cli.terminal import command, note, notes, open_progress, out, until_end, write_json

if TYPE_CHECKING:
    from radsam.data.case import Case
    from radsam.project.simulation_figures import Fall
    from radsam.project.simulation_rows import EffortRow


class SimulatedOrder(StrEnum):
    """The order in which cases are done."""

    TEACHING = "teaching"
    LISTED = "listed"


@command
def simulate(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the project, the table and the report.", metavar="OUT", show_default=False)
    ],
    cases: Annotated[
        Path,
        typer.Option(
            "--cases",
            help="Folder of labelled cases: nnU-Net, manifest.json, or images and labels side by side.",
            metavar="FOLDER",
            show_default=False,
        ),
    ],
    labels: Annotated[
        str, typer.Option(help="The labels, separated by commas; all of the first case if left out.", metavar="A,B")
    ] = "",
    goal: Annotated[float, typer.Option(min=0.01, max=1.0, help="Actions count until an object has this Dice.")] = 0.85,
    most: Annotated[int, typer.Option(min=1, help="Actions after which the annotator gives up an object.")] = 20,
    hand_in: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Masks are then finished by hand to this Dice, uncounted, and handed in to learn from.",
        ),
    ] = 0.95,
    learn_every: Annotated[int, typer.Option(min=1, help="Cases after which the project learns.")] = 5,
    minutes: Annotated[float, typer.Option(min=0.05, help="The longest that a learning round takes.")] = 8.0,
    order: Annotated[
        SimulatedOrder, typer.Option(help="Order of the cases: as listed, or those first that teach most.")
    ] = SimulatedOrder.LISTED,
    first: Annotated[int | None, typer.Option(min=1, help="Do only so many cases, the first ones.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of learning and of the annotator's model.")] = 1,
    weights: Annotated[
        str | None,
        typer.Option(help="Weights to begin with; the default of the cases' modality if left out.", metavar="BUNDLE"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the boxes, and of learning.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate a project on cases whose labels are known: how many actions and seconds does each case take?

    Each case is done in two arms by a simulated annotator: in a project that learns, proposes and uses new weights,
    and without learning. OUT gets efforts.csv (one row per object and arm, as it goes), report.html and report.md
    (after each case), and the project. A run that was stopped or killed goes on with the same command.

    A case in which one of the labels was never drawn is left out. Cases that the weights were trained on flatter
    both arms; the model card lists them.

    [bold]Example:[/] radsam project simulate out --cases neck --labels Larynx,Mandible --first 20
    """
    from contextlib import closing
    from itertools import islice

    from radsam.data.adapters.folder import find_cases
    from radsam.disk.file_lock import locked_folder
    from radsam.project.learning_round import require_learning
    from radsam.project.simulation import Simulation, SimulationPlan, usable_cases
    from radsam.project.simulation_learner import ProjectLearner
    from radsam.project.simulation_report import write_report

    require_learning()
    listed = find_cases(cases)
    names = tuple(dict.fromkeys(each.strip() for each in labels.split(",") if each.strip())) or tuple(listed[0].labels)
    usable, left_out = usable_cases(listed, names)
    for sentence in left_out:
        note(sentence)
    usable = list(islice(usable, first))
    engine = _engine(weights, usable, threads)
    plan = SimulationPlan(
        labels=names,
        cases=tuple(each.case_id for each in usable),
        goal=goal,
        most=most,
        hand_in=hand_in,
        learn_every=learn_every,
        minutes=minutes,
        threads=threads,
        order=order.value,
        seed=seed,
        weights=f"{engine.bundle.spec.name} ({engine.bundle.sha256[:12]})",
    )
    folder.mkdir(parents=True, exist_ok=True)
    until_end(locked_folder(folder, "radsam project simulate"))
    with open_progress(notes, quiet=as_json, speed_seconds=3600.0) as bars:
        annotating = bars.add_task("Annotating", total=None, unit="objects")
        learning = bars.add_task("Learning", total=100, unit="%", visible=False)

        def report(done: int, total: int, what: str) -> None:
            bars.update(learning, visible=False)
            bars.update(annotating, completed=done, total=total, description=f"Annotating {what}")

        learner = ProjectLearner(
            engine,
            threads,
            lambda share, what: bars.update(
                learning, visible=True, completed=round(100 * share), description=f"Learning: {what}"
            ),
        )
        simulation = Simulation(folder, usable, plan, engine, learner)
        until_end(closing(simulation.project))

        def after_case() -> None:
            write_report(folder, plan, simulation.rows, simulation.project.rounds())

        simulation.run(report, after_case)
    after_case()
    _show(folder, simulation.rows, as_json)


def _engine(weights: str | None, cases: Sequence[Case], threads: int) -> Any:
    """Load the weights to begin with, for the modality of the cases."""
    from radsam.io.volume_read import read_volume
    from radsam.predictor import EmbeddingStore
    from radsam.predictor.embedding_cache import embeddings_folder
    from radsam.session.engine import load

    modality = cases[0].modality or read_volume(cases[0].image).modality
    store = EmbeddingStore(embeddings_folder())
    return load(weights, threads=threads, store=store, modality=None if weights else modality)


def _show(folder: Path, rows: Sequence[EffortRow], as_json: bool) -> None:
    from radsam.project.simulation_figures import falls

    actions, seconds = falls(rows), falls(rows, lambda row: row.human_seconds)
    if as_json:
        found = {"actions": actions, "seconds": seconds}
        write_json({name: _json(each) for name, each in found.items()} | {"report": str(folder / "report.html")})
        return
    if actions is None:
        out.print("There is nothing to compare before two cases are done.")
        return
    out.print(
        f"Actions per object from the first {actions.cases} cases to the last {actions.cases}: with learning "
        f"{_words(actions.learning)}; without {_words(actions.without)}. Against no learning they fall by "
        f"{100 * actions.against.share:.0f} %.",
        soft_wrap=True,
    )
    out.print(f"Report: {folder / 'report.html'}", soft_wrap=True)


def _words(fall: Fall) -> str:
    return f"{fall.before:.1f} to {fall.after:.1f}"


def _json(found: Any) -> dict[str, Any] | None:
    """Return falls as JSON, each with its share."""
    from dataclasses import asdict

    if found is None:
        return None
    shares = {name: getattr(found, name) for name in ("learning", "without", "last", "against")}
    return {"cases": found.cases} | {name: asdict(each) | {"share": each.share} for name, each in shares.items()}
