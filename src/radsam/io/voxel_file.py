"""The file beside a header that holds its voxels."""

from __future__ import annotations

import re
from pathlib import Path

from radsam.errors import VolumeError


def beside(path: Path, name: str) -> Path:
    """Return the data file that a header names; it must lie beside or below the header.

    A malicious header could otherwise show any file of this computer as voxels.

    Raises:
        VolumeError: It lies elsewhere, is missing, or is a list of files.
    """
    first = name.split(maxsplit=1)[0] if name else ""
    if first.upper() == "LIST" or first.startswith("LIST") or re.search(r"%\d*d.* -?\d", name):
        raise VolumeError(f"{path} keeps its voxels in several files. Save it as one .nii.gz or .nrrd file.")
    if ".." in re.split(r"[/\\]", name) or Path(name).is_absolute():
        raise VolumeError(f"{path} keeps its voxels in {name}, outside its folder. Put both files in one folder.")
    data_path = path.parent / name
    if not data_path.is_file():
        raise VolumeError(f"{path} keeps its voxels in {name}, which is missing beside it.")
    if "%" in name and (path.suffix.lower() in (".mhd", ".mha") or re.search(r"%\d*d", name)):
        raise VolumeError(
            f"{path} keeps its voxels in {name}, and % in such a name means a number. Rename that file, and write "
            "its new name in the header."
        )
    return data_path
