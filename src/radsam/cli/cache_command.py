"""`radsam cache`: the caches on disk."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from radsam.cli.terminal import command, out, write_json

cache_app = typer.Typer(help="Show or empty the caches on disk.", no_args_is_help=True)


@cache_app.command("show")
@command
def show(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """Show the folders and sizes of the caches of embeddings, PACS images and compiled models.

    `radsam segment --session` and `radsam edit` write embeddings, `radsam segment dicomweb://…` writes
    images, and every command that loads a model writes its compiled form: the next start is faster.
    They are readable by you only, and hold no patient data but the images themselves.
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
    """Remove all embeddings, images and compiled models. Commands make or fetch them again when needed."""
    from radsam.io.pacs.series_cache import clear_kept
    from radsam.predictor.embedding_cache import EmbeddingStore, cache_folder
    from radsam.runtime.compiled_cache import clear_kept_graphs

    freed = clear_kept() + clear_kept_graphs() + EmbeddingStore(cache_folder()).clear()
    out.print(f"Removed {freed / 1e6:.1f} MB from {escape(str(cache_folder()))}.", soft_wrap=True)
