"""`radsam cache`: the caches on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from radsam.cli.shared_options import AsJson
from radsam.cli.terminal import command, out, write_json

if TYPE_CHECKING:
    from radsam.disk.folder_cache import FolderCache

cache_app = typer.Typer(help="Show or empty the caches on disk.", no_args_is_help=True)


@cache_app.command("show")
@command
def show(as_json: AsJson = False) -> None:
    """Show the folders and sizes of the caches of embeddings, PACS images and compiled models.

    `radsam segment --session` and `radsam edit` write embeddings, `radsam segment dicomweb://…` writes
    images, and every command that loads a model writes its compiled form: the next start is faster.
    They are readable by you only, and hold no patient data but the images themselves.
    """
    sizes = {prefix: (str(cache.folder), cache.size_bytes()) for prefix, cache in _caches().items()}
    if as_json:
        folders = {f"{prefix}folder": folder for prefix, (folder, _) in sizes.items()}
        write_json(folders | {f"{prefix}bytes": size for prefix, (_, size) in sizes.items()})
        return
    for folder, size in sizes.values():
        out.print(f"{escape(folder)}: {size / 1e6:.1f} MB", soft_wrap=True)


@cache_app.command("clear")
@command
def clear() -> None:
    """Remove all embeddings, images and compiled models. Commands make or fetch them again when needed."""
    caches = _caches()
    freed = sum(each.clear() for each in reversed(caches.values()))  # the folder of the first may hold the others
    out.print(f"Removed {freed / 1e6:.1f} MB from {escape(str(caches[''].folder))}.", soft_wrap=True)


def _caches() -> dict[str, FolderCache]:
    """Return the caches by the prefix of their names in JSON."""
    from radsam.io.pacs.series_cache import series_cache
    from radsam.predictor.embedding_cache import EmbeddingStore, embeddings_folder
    from radsam.runtime.compiled_cache import compiled_cache

    return {"": EmbeddingStore(embeddings_folder()), "series_": series_cache(), "compiled_": compiled_cache()}
