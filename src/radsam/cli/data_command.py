"""`radsam data`: make a training store from datasets, and draw training batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.session_outputs import PICTURE_SUFFIXES
from radsam.cli.shared_options import AsJson, Config, Model, Overrides
from radsam.cli.terminal import command, note, out, progress_bar, usage_error, write_json

if TYPE_CHECKING:
    from radsam.data.case import Case
    from radsam.data.training_store import StoreReport

data_app = typer.Typer(
    help="Make a training store from labelled volumes, and draw training batches.", no_args_is_help=True
)

#: Skipped cases that are listed; the store's report.json has them all.
_MOST_LISTED = 20

Classes = Annotated[
    list[str] | None,
    typer.Option(help="Keep these classes only, separated by commas; repeatable.", metavar="NAME,NAME"),
]


class Dataset(StrEnum):
    """A layout that can be read; each is an adapter of `radsam.data.adapters`."""

    AMOS = "amos"
    TOTALSEGMENTATOR = "totalsegmentator"
    MSD = "msd"
    FOLDER = "folder"
    PHANTOM = "phantom"


@data_app.command("prepare")
@command
def prepare(
    dataset: Annotated[
        Dataset,
        typer.Option(
            help="Layout of the dataset; folder: your own pairs of image and label map. See docs/training.md."
        ),
    ],
    root: Annotated[Path, typer.Option(help="The unpacked dataset.", metavar="DIR")],
    out_store: Annotated[
        Path,
        typer.Option(
            "--out", help="The store: a new folder, or a store to which the cases are added.", metavar="STORE"
        ),
    ],
    classes: Classes = None,
    min_pixels: Annotated[
        int, typer.Option(min=1, help="Leave an object out on slices where it has fewer pixels.")
    ] = 15,
    plane: Annotated[str, typer.Option(help="axial, coronal or sagittal.")] = "axial",
    include_mri: Annotated[bool, typer.Option("--include-mri", help="AMOS: take the MRI cases, too.")] = False,
    val_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the patients used for validation where the dataset has no split."),
    ] = 0.2,
    count: Annotated[int, typer.Option(min=0, help="Phantom: first make this many cases in --root.", metavar="N")] = 0,
    as_json: AsJson = False,
) -> None:
    """Turn a dataset into a store, once; training then reads slices straight from the disk.

    Cases that cannot be used are skipped and reported. The same command resumes
    after an interruption.

    [bold]Example:[/] radsam data prepare --dataset msd --root Task03_Liver --out store --classes cancer
    """
    if include_mri and dataset is not Dataset.AMOS:
        raise usage_error("--include-mri is for --dataset amos only.")
    if count and dataset is not Dataset.PHANTOM:
        raise usage_error("--count is for --dataset phantom only.")
    from radsam.data.patient_split import assign_splits

    if count:
        from radsam.data.adapters.phantom_dataset import write_phantoms

        with progress_bar("Making phantoms", unit="phantoms", quiet=as_json) as made:
            write_phantoms(root, count, progress=made)
    cases = assign_splits(_cases(dataset, root, class_names(classes), include_mri), val_share=val_share)
    report = fill_store(cases, out_store, plane=plane, min_pixels=min_pixels, quiet=as_json)
    splits = dict(Counter(case.split for case in cases if case.case_id not in report.skipped))
    if as_json:
        write_json({"store": str(out_store), **report.to_dict(), "splits": splits})
    else:
        _show_report(out_store, report, splits)


def class_names(classes: Sequence[str] | None) -> list[str] | None:
    """Read the values of `--classes`; None where all are wanted."""
    return None if classes is None else [name.strip() for each in classes for name in each.split(",")]


def _cases(dataset: Dataset, root: Path, classes: Sequence[str] | None, include_mri: bool) -> list[Case]:
    from radsam.data.adapters import amos, folder, msd, phantom_dataset, totalsegmentator

    if dataset is Dataset.AMOS:
        return amos.find_cases(root, classes=classes, include_mri=include_mri)
    find = {
        Dataset.TOTALSEGMENTATOR: totalsegmentator.find_cases,
        Dataset.MSD: msd.find_cases,
        Dataset.FOLDER: folder.find_cases,
        Dataset.PHANTOM: phantom_dataset.find_cases,
    }
    return find[dataset](root, classes=classes)


def fill_store(cases: Sequence[Case], store: Path, *, plane: str, min_pixels: int, quiet: bool) -> StoreReport:
    """Prepare cases with a progress bar, and refuse a result that cannot be trained on.

    Args:
        cases: The cases; each has its split.
        store: The store.
        plane: The plane of the slices.
        min_pixels: The least area of an object on a slice.
        quiet: Show no progress.

    Raises:
        DatasetError: Every case was skipped, or as for `prepare_store`.
    """
    from radsam.data.training_store import CaseOutcome, prepare_store
    from radsam.errors import DatasetError

    with progress_bar("Preparing", unit="cases", quiet=quiet) as update:

        def on_case(done: int, total: int, outcome: CaseOutcome) -> None:
            update(done, total)

        report = prepare_store(cases, store, plane=plane, min_pixels=min_pixels, progress=on_case)
    if len(report.skipped) == len(report.outcomes):
        name, why = next(iter(report.skipped.items()))
        raise DatasetError(
            f"None of the {len(report.outcomes)} cases can be used. The first one, {name}: {why} "
            f"{store / 'report.json'} has the reason for each."
        )
    return report


def _show_report(store: Path, report: StoreReport, splits: dict[str, int]) -> None:
    counts = report.counts
    out.print(
        f"{escape(str(store))}: {counts['written']} cases written, {counts['kept']} complete already, "
        f"{counts['skipped']} skipped.",
        soft_wrap=True,
    )
    out.print("  splits: " + ", ".join(f"{number} {split}" for split, number in sorted(splits.items())))
    out.print(
        f"  {counts['object_slices']} objects on slices to train on; {counts['small_slices']} left out with fewer than "
        f"{report.min_pixels} pixels",
        soft_wrap=True,
    )
    _show_modalities(report)
    absent = Counter(name for each in report.outcomes if each.state != "skipped" for name in each.absent)
    if absent:
        every = ", ".join(f"{name} ({number})" for name, number in absent.most_common(_MOST_LISTED))
        out.print(f"  classes without a voxel, and in how many cases: {escape(every)}", soft_wrap=True)
    if report.skipped:
        table = Table("skipped", "why", box=None)
        for name, why in list(report.skipped.items())[:_MOST_LISTED]:
            table.add_row(escape(name), escape(why))
        out.print(table)
        if len(report.skipped) > _MOST_LISTED:
            out.print(f"and {len(report.skipped) - _MOST_LISTED} more: see {escape(str(store / 'report.json'))}")
    for split in ("train", "val"):
        if not splits.get(split):
            note(f"No case is in the split {split}. Prepare more cases into this store, or change --val-share.")


def _show_modalities(report: StoreReport) -> None:
    """Say what the cases are, and where that is a guess."""
    used = [each for each in report.outcomes if each.state != "skipped"]
    counted = Counter(each.modality for each in used)
    out.print("  modalities: " + ", ".join(f"{number} {modality}" for modality, number in sorted(counted.items())))
    for doubt, what in (
        ("guessed", "The modality of these cases is a guess from their values"),
        ("unlikely", "The values of these cases do not look like what the dataset calls them"),
    ):
        names = [f"{each.case_id} ({each.modality})" for each in used if each.doubt == doubt]
        if names:
            rest = f", and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
            note(
                f"{what}: {', '.join(names[:_MOST_LISTED])}{rest}. State it as modality in manifest.json, as "
                "channel_names in dataset.json, or by the name of the image (ct, mr or pet)."
            )


@data_app.command("pack")
@command
def pack(
    store: Annotated[Path, typer.Argument(help="The store.", metavar="STORE", show_default=False)],
    target: Annotated[Path, typer.Option("--out", "-o", help="The pack, a file that ends in .pack.", metavar="FILE")],
    split: Annotated[str, typer.Option(help="Cases of this split are packed.")] = "train",
    step: Annotated[float, typer.Option(min=0.1, help="HU of one step of a value of a CT.")] = 2.0,
    step_hu: Annotated[float | None, typer.Option("--step-hu", min=0.1, hidden=True)] = None,
    megabytes: Annotated[float, typer.Option(min=0.001, help="Largest file; with more, nothing is written.")] = 36.0,
    as_json: AsJson = False,
) -> None:
    """Put a store's labelled slices into one small file: 8 bits a pixel, at most 256 pixels a side.

    Those of other modalities than CT have 256 steps over a bit more than the window of their volume.
    A training configuration may name it as its store (data.store), on a machine that the store is too large for.

    [bold]Example:[/] radsam data pack store -o store.pack
    """
    from radsam.data.packed_store import PACK_SUFFIX, write_pack
    from radsam.data.training_store import open_store

    if target.suffix != PACK_SUFFIX:
        raise usage_error(f"--out must end in {PACK_SUFFIX}, so that a configuration may name it as its store.")
    cases = [case for case in open_store(store).cases if case.split == split]
    with progress_bar("Packing", unit="cases", quiet=as_json) as update:
        write_pack(cases, target, step=step_hu or step, most_bytes=round(megabytes * 1e6), progress=update)
    licences = dict(Counter(case.licence for case in cases))
    size = target.stat().st_size
    if as_json:
        write_json({"pack": str(target), "cases": len(cases), "bytes": size, "licences": licences})
        return
    out.print(f"{escape(str(target))}: {len(cases)} cases, {size / 1e6:.1f} MB. Licences, as the pack holds them:")
    for licence, count in licences.items():
        out.print(f"  {count} × {escape(licence)}")


@data_app.command("rollouts")
@command
def rollouts(
    pack_path: Annotated[Path, typer.Argument(help="The pack.", metavar="PACK", show_default=False)],
    target: Annotated[Path, typer.Option("--out", "-o", help="The file of masks.", metavar="FILE")],
    model: Model = None,
    add: Annotated[
        Path | None, typer.Option("--add", help="Keep the masks of this earlier file, too.", metavar="FILE")
    ] = None,
    each: Annotated[int, typer.Option(min=1, help="Propagations of an object.")] = 1,
    bounded: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the propagations that are given the bounds.")
    ] = 0.6,
    seed: Annotated[int, typer.Option(min=0, help="Seed of starts and bounds.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Propagate the objects of a pack, and keep the masks: a training then learns from the errors that add up in use.

    A training configuration names the file (data.rollouts), and the share of masks that come from it
    (prompts.rollouts). A second round, with the weights that were trained so, keeps the masks of the first (--add).

    [bold]Example:[/] radsam data rollouts store.pack -o rollouts.zip --model radsam-lite
    """
    from radsam.data.packed_store import read_pack
    from radsam.disk.atomic_write import check_writable
    from radsam.disk.file_hash import sha256_of
    from radsam.io.input_files import refuse_inputs
    from radsam.session import load
    from radsam.training.rollout_recorder import record_rollouts
    from radsam.training.rollouts import joined, read_rollouts, write_rollouts

    check_writable(target)
    refuse_inputs([target], [pack_path])
    pack, identity = read_pack(pack_path), sha256_of(pack_path)
    earlier, engine = read_rollouts(add, identity) if add else {}, load(model, threads=threads)
    with progress_bar("Propagating", unit="cases", quiet=as_json) as update:
        made = record_rollouts(pack, engine, each=each, bounded=bounded, seed=seed, progress=update)
    made = joined(earlier, made)
    write_rollouts(made, identity, target)
    masks = sum(len(one.masks) for of_object in made.values() for one in of_object)
    if as_json:
        write_json({"rollouts": str(target), "objects": len(made), "masks": masks})
        return
    out.print(f"{escape(str(target))}: {masks} masks of {len(made)} objects", soft_wrap=True)


@data_app.command("show")
@command
def show(
    config: Config,
    picture: Annotated[Path, typer.Option("-o", "--out", help="The picture.", metavar="OUT.png")],
    overrides: Overrides = None,
    step: Annotated[int, typer.Option(min=0, help="Step of the training whose batch is drawn.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw one training batch as the model gets it: image, prompt and truth, and a prompt of each kind.

    Everything is drawn from the model's inputs, after augmentation: an error that the picture shows
    is in the training, too. Needs the store, not the embeddings.

    [bold]Example:[/] radsam data show radsam_lite -o batch.png embeddings.max_angle_deg=45
    """
    from radsam.disk.atomic_write import check_writable, replacing
    from radsam.errors import OutputError
    from radsam.settings import find_config, read_settings
    from radsam.training.batch_picture import draw_batch
    from radsam.training.training_config import TrainConfig

    if picture.suffix.lower() not in PICTURE_SUFFIXES:
        raise OutputError(f"{picture} is not a picture: its suffix must be one of {PICTURE_SUFFIXES}.")
    check_writable(picture)
    settings = read_settings(TrainConfig, find_config(config), overrides or ())
    with progress_bar("Choosing objects", unit="scenes", quiet=as_json) as update:
        drawn = draw_batch(settings, step, progress=update)
    with replacing(picture) as partial:
        drawn.page.save(partial)
    if as_json:
        found: dict[str, Any] = {"picture": str(picture), "step": step, "turns": drawn.turns}
        write_json(found | {"episodes": list(drawn.episodes), "kinds": list(drawn.kinds)})
        return
    for line in drawn.episodes:
        out.print(escape(line), soft_wrap=True)
    out.print(f"picture: {escape(str(picture))}", soft_wrap=True)
