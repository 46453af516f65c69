"""`radsam distill`: train a fast image encoder to reproduce the embeddings of a slow one."""

from __future__ import annotations

import time
from pathlib import Path

from rich.markup import escape

from radsam.cli.shared_options import AsJson, Config, Minutes, OutDir, Overrides
from radsam.cli.terminal import command, note, out, require_extra, write_json
from radsam.cli.train_command import TRAINING_MODULES
from radsam.cli.training_progress import training_progress


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
    if not result.finished and not (minutes is not None and time.monotonic() - started >= 60 * minutes):
        note(f"A checkpoint is written at step {result.step} of {settings.optim.steps}. The same command continues it.")
        raise KeyboardInterrupt
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
