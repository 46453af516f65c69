"""`radsam cache`: what is kept on disk between runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from radsam.cli.terminal import command, out, write_json

cache_app = typer.Typer(help="Show or remove what is kept between runs.", no_args_is_help=True)


@cache_app.command("show")
@command
def show(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """Show where encoded slices, images of a PACS and compiled models are kept and how much room they take.

    Encoded slices are written by `radsam segment --session` and `radsam edit`, images by
    `radsam segment dicomweb://…`, compiled models by whatever loads a model: the next start is
    faster. They are readable by you only, and hold no patient data but what can be told from the images.
    """
    from radsam.io.pacs.series_cache import kept_bytes, kept_folder
    from radsam.predictor.embedding_cache import EmbeddingStore, cache_folder
    from radsam.runtime.compiled_cache import kept_graphs_bytes, kept_graphs_folder

    size, images = EmbeddingStore(cache_folder()).size_bytes(), kept_bytes()
    if as_json:
        write_json(
            {
                "folder": str(cache_folder()),
                "bytes": size,
                "series_folder": str(kept_folder()),
                "series_bytes": images,
                "compiled_folder": str(kept_graphs_folder()),
                "compiled_bytes": kept_graphs_bytes(),
            }
        )
    else:
        out.print(f"{escape(str(cache_folder()))}: {size / 1e6:.1f} MB", soft_wrap=True)
        out.print(f"{escape(str(kept_folder()))}: {images / 1e6:.1f} MB", soft_wrap=True)
        out.print(f"{escape(str(kept_graphs_folder()))}: {kept_graphs_bytes() / 1e6:.1f} MB", soft_wrap=True)


@cache_app.command("clear")
@command
def clear() -> None:
    """Remove every encoded slice, image and compiled model. They are made, and fetched, again when needed."""
    from radsam.io.pacs.series_cache import clear_kept
    from radsam.predictor.embedding_cache import EmbeddingStore, cache_folder
    from radsam.runtime.compiled_cache import clear_kept_graphs

    freed = clear_kept() + clear_kept_graphs() + EmbeddingStore(cache_folder()).clear()
    out.print(f"Removed {freed / 1e6:.1f} MB from {escape(str(cache_folder()))}.", soft_wrap=True)
