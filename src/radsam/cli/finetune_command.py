"""`radsam finetune`: from a folder of your own cases to a weights bundle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radsam.cli.data_command import Classes, class_names, fill_store
from radsam.cli.shared_options import AsJson, Overrides
from radsam.cli.terminal import command, note, notes, out, require_extra
from radsam.cli.train_command import run_training, show_bundle
from radsam.training.required_modules import TRAINING_MODULES

if TYPE_CHECKING:
    from radsam.data.case import Case
    from radsam.training.exported_parity import Parity
    from radsam.training.training_config import TrainConfig
    from radsam.volume import Modality

_PRESET = "finetune"


@command
def finetune(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Your cases: <case>/ct.nii.gz (or mr.nii.gz) with <case>/seg.nii.gz, or an nnU-Net dataset.",
            metavar="FOLDER",
        ),
    ],
    bundle: Annotated[Path, typer.Option("-o", "--out", help="The weights bundle to make: a folder or a .zip.")],
    overrides: Overrides = None,
    hours: Annotated[float, typer.Option(min=0.001, help="Train at most this long; encoding comes before it.")] = 8.0,
    classes: Classes = None,
    model: Annotated[
        str | None,
        typer.Option(help="Weights bundle to start from; the default of the modality if left out.", metavar="BUNDLE"),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the new weights, for their model card.")] = "not stated",
    as_json: AsJson = False,
) -> None:
    """Fine-tune the default weights on 5 to 50 cases of your own: prepare, encode, train, export.

    The same command resumes a run that was stopped or killed; OUT.work has the files for that, and
    may be deleted afterwards. A fifth of the patients is used for validation, which shows whether it helped.

    [bold]Example:[/] radsam finetune my-cases -o my-weights --hours 8
    """
    from radsam.errors import RadsamError
    from radsam.runtime import Capability, find_bundle

    # All that resuming needs, beside the bundle.
    work = bundle.with_name(f"{bundle.name.removesuffix('.zip')}.work")
    _check_target(bundle)
    start = find_bundle(model, _modality(folder)) if model is None else find_bundle(model)
    config = _config(work, start, overrides)
    require_extra("Fine-tuning", "train", *TRAINING_MODULES)
    from radsam.runtime.bundle import read_spec
    from radsam.training.bundle_export import export_checkpoint

    _prepare(folder, class_names(classes), work / "store", config.data.min_pixels, quiet=as_json)
    result = run_training(config, work / "run", minutes=60 * hours, quiet=as_json)
    found: list[Parity] = []
    try:
        made = export_checkpoint(
            result.checkpoint, bundle, name=bundle.name.removesuffix(".zip"), licence=licence, checked=found.append
        )
    except RadsamError:
        note(f"Nothing that was trained is lost: it is in {result.checkpoint}. The same command exports it again.")
        raise
    # Weights that were not trained on masks would be scored with a policy that they are never used with.
    before = _score(config, None, quiet=as_json) if read_spec(start).can(Capability.MASK) else None
    # A short training ends before the first score on its way.
    after = result.best_score if result.best_score >= 0 else _score(config, result.checkpoint, quiet=as_json)
    if before is not None and after <= before:
        note(
            f"On the validation cases the new weights are not better ({after:.4f}, before {before:.4f}). "
            "Keep the old ones, or train with more cases or for longer."
        )
    if not as_json:
        earlier = "" if before is None else f"{before:.4f} before, "
        out.print(
            f"Mean Dice on the validation cases: {earlier}{after:.4f} after {result.step} steps.",
            soft_wrap=True,
        )
    show_bundle(made, found, as_json, score_before=before, score_after=after, step=result.step)


def _score(config: TrainConfig, checkpoint: Path | None, *, quiet: bool) -> float:
    """Mean Dice on the validation cases: of a checkpoint, or of the weights that it started from."""
    from radsam.training import training_run
    from radsam.training.training_validation import summary

    if not quiet:
        notes.print(
            "Scoring the weights it started from, to compare." if checkpoint is None else "Scoring the new weights."
        )
    return summary(training_run.evaluate(config, checkpoint))["score"]


def _check_target(bundle: Path) -> None:
    """Check that the bundle can be written, before hours of work for it."""
    from radsam.disk.atomic_write import check_writable
    from radsam.errors import BundleError

    if bundle.exists():
        raise BundleError(f"{bundle} exists already. Remove it first, or name another path.")
    check_writable(bundle)


def _modality(folder: Path) -> Modality:
    """Return CT where any case may be one, else MR: it chooses the weights to start from."""
    from radsam.data.adapters.folder import find_cases
    from radsam.io.volume_read import read_volume
    from radsam.volume import Modality

    cases = find_cases(folder)
    kinds = {each.modality for each in cases}
    if None in kinds:  # the dataset does not say it: its first volume is taken for all
        kinds = {read_volume(next(each.image for each in cases if each.modality is None)).modality}
    return Modality.CT if Modality.CT in kinds else Modality.MR


def _config(work: Path, start: Path, overrides: Sequence[str] | None) -> TrainConfig:
    """Return the preset, with the paths of this run and the window of CT of the start weights."""
    from radsam.runtime.bundle import read_spec
    from radsam.settings import find_config, read_settings
    from radsam.training.training_config import TrainConfig

    ours = {
        "start": str(start.absolute()),
        "data.store": str(work.absolute() / "store"),
        "embeddings.folder": str(work.absolute() / "embeddings"),
        "embeddings.window": [(window := read_spec(start).ct_window).low, window.high],
    }
    # JSON's strings and lists are TOML's, too.
    set_by_us = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in ours.items()]
    return read_settings(TrainConfig, find_config(_PRESET), [*set_by_us, *(overrides or ())])


def _prepare(folder: Path, classes: Sequence[str] | None, store: Path, min_pixels: int, *, quiet: bool) -> None:
    """Fill the store, both splits included."""
    from radsam.data.adapters.folder import find_cases
    from radsam.data.patient_split import assign_few

    cases = find_cases(folder, classes=classes)
    _refuse_leftovers(cases, store)
    report = fill_store(assign_few(cases), store, plane="axial", min_pixels=min_pixels, quiet=quiet)
    for name, why in report.skipped.items():
        note(f"{name} is left out: {why}")
    if report.skipped:
        # All cases of one side of the split may have been skipped.
        usable = [case for case in cases if case.case_id not in report.skipped]
        fill_store(assign_few(usable), store, plane="axial", min_pixels=min_pixels, quiet=quiet)


def _refuse_leftovers(cases: Sequence[Case], store: Path) -> None:
    """Refuse a store with cases that are no longer in the folder: they must not be trained on."""
    from radsam.errors import DatasetError

    there = {each.name for each in (store / "cases").glob("*") if not each.name.startswith(".")}
    gone = sorted(there - {case.case_id for case in cases})
    if gone:
        raise DatasetError(
            f"{store} was made of cases that are no longer in the folder: {', '.join(gone)}. To train without "
            f"them, delete {store.parent}."
        )
