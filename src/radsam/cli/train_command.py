"""`radsam train`, `distill`, `evaluate` and `export`: from a configuration to a weights bundle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.shared_options import AsJson, Config, Minutes, OutDir, Overrides
from radsam.cli.terminal import command, note, out, progress_bar, require_extra, write_json
from radsam.cli.training_progress import training_progress
from radsam.training.required_modules import TRAINING_MODULES

if TYPE_CHECKING:
    from radsam.training.exported_parity import Parity
    from radsam.training.training_config import TrainConfig
    from radsam.training.training_run import TrainResult
    from radsam.training.training_validation import ObjectScore

Licence = Annotated[str, typer.Option(help="SPDX name of the weights' licence, for their model card.")]


@command
def train(
    config: Config,
    overrides: Overrides = None,
    out_dir: OutDir = None,
    minutes: Minutes = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue from the folder's checkpoint, or refuse to.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Train, or continue training: the same command resumes a run where it was stopped or killed.

    The folder of the run holds its checkpoints, the logs train.csv and validation.csv, and
    TensorBoard's files. Ctrl-C finishes the step and writes a checkpoint first.

    [bold]Example:[/] radsam train radsam_lite data.store=store embeddings.folder=emb optim.steps=500 --minutes 30
    """
    settings = _read(config, overrides)
    folder = out_dir or Path("runs") / settings.name
    require_extra("Training", "train", *TRAINING_MODULES)
    result = run_training(settings, folder, resume=resume, minutes=minutes, quiet=as_json)
    if result.rank:
        return  # the first process reports the result
    if as_json:
        write_json(_facts(result, settings, folder))
        return
    best = "none was scored" if result.best_score < 0 else f"{result.best_score:.4f}"
    done = "done" if result.finished else "time is up; the same command continues from here"
    out.print(f"step {result.step} of {settings.optim.steps}: {done}. Best validation Dice: {best}.", soft_wrap=True)
    out.print(f"Next: radsam export {escape(str(result.checkpoint))} BUNDLE", soft_wrap=True)


def run_training(
    config: TrainConfig, folder: Path, *, resume: bool = True, minutes: float | None, quiet: bool
) -> TrainResult:
    """Train with progress on the standard error; a run that Ctrl-C stops does not count as finished.

    Args:
        config: The configuration.
        folder: Folder of the run.
        resume: Continue from the folder's checkpoint.
        minutes: Stop after this time.
        quiet: Show nothing.

    Raises:
        KeyboardInterrupt: A signal stopped the run; its checkpoint is written.
    """
    from radsam.training import training_run

    started = time.monotonic()
    with training_progress(config.optim.steps, quiet=quiet) as report:
        result = training_run.train(config, folder, resume=resume, minutes=minutes, report=report)
    if not result.finished:
        _require_time_up(started, minutes, result.step, config.optim.steps)
    return result


def _require_time_up(started: float, minutes: float | None, step: int, steps: int) -> None:
    """End the command where a signal, and not the time, stopped a run; its checkpoint is written."""
    if minutes is None or time.monotonic() - started < 60 * minutes:
        note(f"Wrote a checkpoint at step {step} of {steps}. The same command resumes the run.")
        raise KeyboardInterrupt


def _read(config: str, overrides: Sequence[str] | None) -> TrainConfig:
    from radsam.settings import find_config, read_settings
    from radsam.training.training_config import TrainConfig

    return read_settings(TrainConfig, find_config(config), overrides or ())


def _facts(result: TrainResult, config: TrainConfig, folder: Path) -> dict[str, Any]:
    return {
        "run": str(folder),
        "step": result.step,
        "steps": config.optim.steps,
        "finished": result.finished,
        "best_score": None if result.best_score < 0 else result.best_score,
        "checkpoint": str(result.checkpoint),
    }


@command
def distill(
    config: Config,
    overrides: Overrides = None,
    out_dir: OutDir = None,
    minutes: Minutes = None,
    as_json: AsJson = False,
) -> None:
    """Train a fast image encoder to reproduce the embeddings of a slow one, or resume it.

    It needs no labels: the slow encoder's embeddings are the target. The same command resumes a
    run that was stopped or killed. `radsam export` makes a bundle of the result, with the decoder
    that the configuration names; train that decoder on it afterwards.

    [bold]Example:[/] radsam distill radsam_lite_encoder data.store=store embeddings.folder=emb --minutes 60
    """
    require_extra("Distilling", "train", *TRAINING_MODULES)
    from radsam.settings import find_config, read_settings
    from radsam.training.distillation import distill as run
    from radsam.training.distillation_checkpoint import PRESETS, DistillConfig

    settings = read_settings(DistillConfig, find_config(config, PRESETS), overrides or (), group=PRESETS)
    folder = out_dir or Path("runs") / settings.name
    started = time.monotonic()
    with training_progress(settings.optim.steps, quiet=as_json) as report:
        result = run(settings, folder, minutes=minutes, report=report)
    if not result.finished:
        _require_time_up(started, minutes, result.step, settings.optim.steps)
    if as_json:
        facts = {"run": str(folder), "step": result.step, "steps": settings.optim.steps, "finished": result.finished}
        measured = None if result.error < 0 else result.error
        write_json({**facts, "relative_error": measured, "checkpoint": str(result.checkpoint)})
        return
    done = "done" if result.finished else "time is up; the same command continues from here"
    error = "was not measured yet" if result.error < 0 else f"{result.error:.4f}"
    out.print(
        f"step {result.step} of {settings.optim.steps}: {done}. Relative error on other patients: {error}.",
        soft_wrap=True,
    )
    out.print(f"Next: radsam export {escape(str(result.checkpoint))} BUNDLE", soft_wrap=True)


@command
def evaluate(
    config: Config,
    overrides: Overrides = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A checkpoint of `radsam train`; the weights that the run starts from if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score weights on the validation cases: whole objects from one prompt and their bounds.

    This quick score chooses the best checkpoint. One line for each object name and prompt.

    [bold]Example:[/] radsam evaluate radsam_lite --checkpoint runs/radsam-lite/best.pt
    """
    settings = _read(config, overrides)
    require_extra("Scoring weights", "train", "torch", "onnx")
    from radsam.data.training_store import open_store
    from radsam.training import training_run
    from radsam.training.training_validation import summary

    scores: list[ObjectScore] = []
    with progress_bar("Scoring", unit="objects", quiet=as_json) as update:

        def on_score(score: ObjectScore) -> None:
            scores.append(score)
            update(len(scores), None)

        training_run.evaluate(settings, checkpoint, on_score)
    names = {
        (case.case_id, number): name
        for case in open_store(Path(settings.data.store)).cases
        for number, name in case.names.items()
    }
    rows = _by_object(scores, names)
    if as_json:
        each = [{**vars(score), "name": names[score.case, score.object_id]} for score in scores]
        write_json({"summary": summary(scores), "objects": rows, "scores": each})
        return
    out.print(_table(rows))
    out.print(f"Score, the mean over cases of their objects' mean Dice: {summary(scores)['score']:.4f}")


def _by_object(scores: Sequence[ObjectScore], names: dict[tuple[str, int], str]) -> list[dict[str, Any]]:
    """Mean Dice for each name of an object and each first prompt, in order of their names."""
    groups: dict[tuple[str, str], list[ObjectScore]] = {}
    for score in scores:
        groups.setdefault((names[score.case, score.object_id], score.start), []).append(score)
    rows = []
    for (name, start), group in sorted(groups.items()):
        edited = [score for score in group if score.edited_dice]
        rows.append(
            {
                "name": name,
                "start": start,
                "count": len(group),
                "slice_dice": _mean([score.first_dice for score in group]),
                "walk_dice": _mean([score.walk_dice for score in group]),
                "edited_count": len(edited),
                "before_edits_dice": _mean([score.walk_dice for score in edited]),
                "after_edits_dice": _mean([score.edited_dice[-1] for score in edited]),
            }
        )
    return rows


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("object", "prompt", "objects", "slice Dice", "volume Dice", "corrected: before, after", box=None)
    for row in rows:
        corrected = "–"
        if row["edited_count"]:
            corrected = f"{row['before_edits_dice']:.3f}, {row['after_edits_dice']:.3f} ({row['edited_count']})"
        table.add_row(
            escape(row["name"]),
            row["start"],
            str(row["count"]),
            f"{row['slice_dice']:.3f}",
            f"{row['walk_dice']:.3f}",
            corrected,
        )
    return table


@command
def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A checkpoint of `radsam train` or `distill`: best.pt, or last.pt.", metavar="CHECKPOINT"),
    ],
    bundle: Annotated[Path, typer.Argument(help="The weights bundle to make: a folder or a .zip.", metavar="BUNDLE")],
    mean_with: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint or bundle of the same network, trained before: the new bundle gets the mean of both.",
            metavar="CHECKPOINT|BUNDLE",
        ),
    ] = None,
    taper: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=4,
            help="How much thinner propagation passes a mask on towards the bounds, 1 as an ellipsoid; as in training "
            "if left out.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; the configuration's if left out.")] = None,
    licence: Licence = "Apache-2.0",
    notes_file: Annotated[
        Path | None, typer.Option("--notes", help="Markdown for the model card: scores, data, limits.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a weights bundle from a checkpoint, and check that it predicts the same as the trained weights.

    The bundle says which prompts were trained; its model card lists the training cases by name.

    [bold]Example:[/] radsam export runs/radsam-lite/best.pt my-weights --notes scores.md
    """
    require_extra("Exporting weights", "train", "torch", "onnx")
    from radsam.training.bundle_export import export_checkpoint
    from radsam.training.distillation_checkpoint import is_distillation
    from radsam.training.student_encoder import export_student

    found: list[Parity] = []
    if is_distillation(checkpoint):
        show_bundle(export_student(checkpoint, bundle, checked=found.append), found, as_json)
        return
    made = export_checkpoint(
        checkpoint,
        bundle,
        mean_with=mean_with,
        name=name,
        taper=taper,
        licence=licence,
        notes=_read_notes(notes_file),
        checked=found.append,
    )
    show_bundle(made, found, as_json)


def _read_notes(path: Path | None) -> str:
    from radsam.errors import InputError

    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The notes {path} cannot be read as text: {error}.") from error


def show_bundle(made: Path, found: Sequence[Parity], as_json: bool, **more: object) -> None:
    """Report an exported bundle.

    Args:
        made: Its path.
        found: How its predictions differ from those of the trained weights.
        as_json: Write JSON.
        more: Further facts for JSON.
    """
    from radsam.runtime.bundle import read_spec
    from radsam.training.exported_parity import LEAST_BF16_DICE

    spec = read_spec(made)
    for each in found:
        if each.is_bf16 and each.dice < LEAST_BF16_DICE:
            note(
                f"On {each.engine}, this machine's own choice, masks of {spec.name} differ from those in f32: their "
                f"Dice is {each.dice:.3f} at worst. Use this bundle with --precision f32."
            )
    if as_json:
        facts = {"bundle": str(made), "name": spec.name, "capabilities": [each.value for each in spec.capabilities]}
        write_json({**facts, "parity": [vars(each) for each in found], **more})
        return
    for each in found:
        out.print(
            f"Parity: on {each.engine} at most {100 * each.pixels:.2f} % of the mask's pixels and {each.score:.4f} of "
            f"the predicted IoU differ from {each.reference}, and Dice is at least {each.dice:.3f}, over box, point, "
            "mask and edit.",
            soft_wrap=True,
        )
    out.print(escape(f"{spec.name}: trained on {', '.join(spec.capabilities)}. {made}"), soft_wrap=True)
    out.print(f"Use it with: radsam segment CT --model {escape(str(made))} ...", soft_wrap=True)
