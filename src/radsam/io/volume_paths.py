"""Finds volume files and DICOM folders below a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from radsam.io.dicom.dicom_zip import looks_like_dicom
from radsam.io.image_file import SUFFIXES

#: Below this depth nothing is looked for.
_MAX_DEPTH = 6
_NOT_DICOM = (".json", ".txt", ".md", ".csv", ".toml", ".html", ".xml", ".pdf", ".png", ".jpg")


def paths_below(folder: Path, most: int = sys.maxsize) -> Iterator[Path]:
    """Find volume files and DICOM folders below a folder, hidden ones excluded; of linked folders each once.

    Args:
        folder: The folder.
        most: Largest number of paths.
    """
    pending = [(folder, 0, False)]
    found = 0
    seen: set[Path] = set()
    while pending and found < most:
        here, depth, listed = pending.pop(0)
        if here.resolve() in seen:
            continue
        seen.add(here.resolve())
        try:
            inside = sorted(each for each in here.iterdir() if not each.name.startswith("."))
        except OSError:
            continue
        files = [each for each in inside if each.is_file()]
        for each in files:
            if each.name.lower().endswith((*SUFFIXES, ".zip")):
                found += 1
                yield each
        if not listed and any(_is_dicom_file(each) for each in files):
            found += 1
            listed = True
            yield here  # with the DICOM files of all folders below it, like `read_volume`
        if depth < _MAX_DEPTH:
            pending += [(each, depth + 1, listed) for each in inside if each.is_dir()]


def _is_dicom_file(path: Path) -> bool:
    if path.name.lower().endswith((*SUFFIXES, ".zip", *_NOT_DICOM)):
        return False
    try:
        with path.open("rb") as stream:
            return looks_like_dicom(stream.read(132))
    except OSError:
        return False
