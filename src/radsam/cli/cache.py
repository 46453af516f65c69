"""`radsam cache`: what is kept on disk between runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from radsam.cli.console import command, out, write_json

cache_app = typer.Typer(help="Show or remove the encoded slices that are kept between runs.", no_args_is_help=True)


@cache_app.command("show")
@command
def show(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """Show where encoded slices are kept and how much room they take.

    They are written by `radsam segment --session` and `radsam edit`, are readable by you
    only, and hold no patient data but what can be told from the encoded images.
    """
    from radsam.predictor.embedding_cache import EmbeddingStore, cache_folder

    size = EmbeddingStore(cache_folder()).size_bytes()
    if as_json:
        write_json({"folder": str(cache_folder()), "bytes": size})
    else:
        out.print(f"{escape(str(cache_folder()))}: {size / 1e6:.1f} MB", soft_wrap=True)


@cache_app.command("clear")
@command
def clear() -> None:
    """Remove every encoded slice. They are made again when needed."""
    from radsam.predictor.embedding_cache import EmbeddingStore, cache_folder

    freed = EmbeddingStore(cache_folder()).clear()
    out.print(f"Removed {freed / 1e6:.1f} MB from {escape(str(cache_folder()))}.", soft_wrap=True)
