"""One file per object: a template such as ``out_{name}.nii.gz`` and the file names that follow from it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from radsam.errors import OutputError
from radsam.volume import LabelVolume

_PLACEHOLDER = re.compile(r"\{(name|id)\}")
#: Characters that some systems refuse in file names, or that lead out of a folder.
_FORBIDDEN = frozenset('/\\:*?"<>|')
#: File names have at most 255 bytes; the template's own text, an id and a temporary name need some of them.
_MAX_NAME_BYTES = 120


def is_template(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of one file per object: it holds ``{name}`` or ``{id}``."""
    return _PLACEHOLDER.search(os.fspath(path)) is not None


def object_paths(template: str | os.PathLike[str], names: Mapping[int, str]) -> dict[int, Path]:
    """Return the path of each object.

    Characters that a file name cannot hold become ``_``; of two names that are then equal, also but for upper and
    lower case, the object with the higher id gets its id as a suffix.

    Args:
        template: A path whose last part holds ``{name}``, ``{id}`` or both.
        names: Object id to name.

    Raises:
        OutputError: A folder of the path, instead of the file, has a placeholder.
    """
    path = Path(template)
    if is_template(path.parent) or not is_template(path.name):
        raise OutputError(f"{path}: {{name}} and {{id}} belong into the name of the file, not of a folder.")
    paths: dict[int, Path] = {}
    taken: set[str] = set()
    for number, name in sorted(names.items()):
        shown = _file_name(name) or "object"
        file = _filled(path.name, number, shown)
        while file.casefold() in taken:
            shown = f"{shown}_{number}"
            file = _filled(path.name, number, shown)
        taken.add(file.casefold())
        paths[number] = path.with_name(file)
    return paths


def one_object(labels: LabelVolume, number: int) -> LabelVolume:
    """Return one object, whole, as a label map with the value 1."""
    names = {1: labels.names[number]} if number in labels.names else {}
    colours = {1: labels.colours[number]} if number in labels.colours else {}
    return LabelVolume(
        labels.mask(number).astype(np.uint8), labels.geometry, names, source=labels.source, colours=colours
    )


def _filled(file: str, number: int, name: str) -> str:
    return _PLACEHOLDER.sub(lambda found: name if found[1] == "name" else str(number), file)


def _file_name(name: str) -> str:
    """Make a name part of a file name: without forbidden, control and formatting characters, and not too long."""
    composed = unicodedata.normalize("NFC", name)
    safe = "".join(
        "_" if each in _FORBIDDEN or unicodedata.category(each) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp") else each
        for each in composed
    )
    return safe.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip(" .")
