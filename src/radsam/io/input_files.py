"""The files that an input is read from, so that no result replaces one of them.

The readers of images are loaded where they are needed: training has none of them on a bare machine.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from radsam.errors import OutputError, VolumeError

#: DICOM objects that describe images: a result may replace one, which may be an earlier result.
_RESULTS = ("SEG", "RTSTRUCT")
#: Suffixes of headers that may name a second file.
_HEADERS = (".mhd", ".mha", ".nhdr", ".nrrd")


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse results that would replace a file that is read, by whatever name, link or spelling.

    Of a MetaImage or NRRD header, the file of its voxels is read, too; of a folder, every DICOM file in it and in
    the folders below, except segmentations and structure sets.

    Args:
        outputs: Files to write; they need not exist.
        inputs: Files and folders that are read; those that do not exist are read by nobody.

    Raises:
        OutputError: A result is one of these files.
    """
    written = {_place(each): each for each in outputs}
    folders = []
    for each in inputs:
        if each.is_dir():
            folders.append(each)
            continue
        for read in _files_of(each):
            if (output := written.get(_place(read))) is not None:
                raise OutputError(_refusal(output, read))
    # A folder is searched only if a result is a file that could be one of it.
    images = {place: each for place, each in written.items() if folders and _is_dicom_image(each)}
    for folder in folders if images else ():
        for read in _below(folder):
            if (output := images.get(_place(read))) is not None:
                raise OutputError(_refusal(output, read))


def refuse_same(outputs: Iterable[Path]) -> None:
    """Refuse results of one command that would be the same file.

    Raises:
        OutputError: Two are.
    """
    places: set[Hashable] = set()
    for each in outputs:
        if _place(each) in places:
            raise OutputError(f"Two results have the same path, {each}; give each its own.")
        places.add(_place(each))


def _place(path: Path) -> Hashable:
    """Return what is equal for two names of one file; of a file that does not exist, its path without case."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return str(path.resolve()).casefold()
    return found.st_dev, found.st_ino


def _files_of(path: Path) -> Iterator[Path]:
    yield path
    if path.suffix.lower() not in _HEADERS:
        return
    from radsam.io.image_file import voxel_file

    with suppress(VolumeError, OSError, ValueError, KeyError):
        if (voxels := voxel_file(path)) is not None:
            yield voxels


def _is_dicom_image(path: Path) -> bool:
    """Whether a file is DICOM, and not a segmentation or structure set."""
    import pydicom

    from radsam.io.dicom.dicom_zip import looks_like_dicom

    try:
        with path.open("rb") as stream:
            if not looks_like_dicom(stream.read(132)):
                return False
        with warnings.catch_warnings(action="ignore"):
            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"], force=True)
    except OSError:
        return False
    except Exception:  # pydicom has no common base for what damaged bytes provoke
        return True
    return str(head.get("Modality", "")) not in _RESULTS


def _below(folder: Path) -> Iterator[Path]:
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        if (place := _place(Path(here))) in seen:
            folders.clear()  # a link to a folder above it
            continue
        seen.add(place)
        yield from (Path(here, each) for each in files)


def _refusal(output: Path, read: Path) -> str:
    same = "" if output == read else f" (as {read})"
    return f"{output} is one of the inputs{same}: it would be lost. Choose another path for the result."
