"""What MkDocs does for this site beside its plugins: pages from the program, and a check of the result."""

from __future__ import annotations

import re
from pathlib import Path

from command_pages import command_pages
from http_pages import http_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from notebook_pages import notebook_pages
from settings_pages import settings_pages

#: A page of the site, whatever folder it is built in, loads these kinds of addresses from itself only.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*?\bhref=["']?(?:https?:)?//[^"'\s>]+""",
    re.IGNORECASE,
)
_LOADED_BY_STYLE = re.compile(r"""(?:@import\s+|url\()["']?(?:https?:)?//[^"')\s]+""", re.IGNORECASE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the generated pages to the navigation, behind the index of their folder."""
    pages = generated_pages()
    for section in config.nav or ():
        for entries in section.values() if isinstance(section, dict) else ():
            for entry in entries if isinstance(entries, list) else ():
                for below in entry.values() if isinstance(entry, dict) else ():
                    if isinstance(below, list) and below and str(below[0]).endswith("/index.md"):
                        folder = below[0].removesuffix("index.md")
                        below += [each for each in pages if each.startswith(folder) and each not in below]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of the program, and of the notebooks."""
    for path, content in (generated_pages() | notebook_pages(Path(config.docs_dir))).items():
        files.append(File.generated(config, path, content=content))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that loads anything from other hosts."""
    loads = foreign_loads(Path(config.site_dir))
    if loads:
        raise PluginError("The site loads from other hosts:\n" + "\n".join(loads))


def generated_pages() -> dict[str, str]:
    """Every generated page by its path below docs/, in the order of the navigation."""
    if not _pages:
        _pages.update(command_pages() | http_pages() | settings_pages())
    return _pages


_pages: dict[str, str] = {}


def foreign_loads(site: Path) -> list[str]:
    """What the built pages and styles would fetch from other hosts; links to follow by hand are none."""
    found = []
    for path in sorted(each for each in site.rglob("*") if each.suffix in (".html", ".css")):
        pattern = _LOADED if path.suffix == ".html" else _LOADED_BY_STYLE
        found += [f"{path.relative_to(site)}: {match[0]}" for match in pattern.finditer(path.read_text("utf-8"))]
    return found
