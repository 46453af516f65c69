"""Names of the objects of a label map: from an ITK-SNAP label description beside it, or the header of 3D Slicer's NRRD.

A label description is a text file with a line for each label: its number, red, green, blue (0 to 255), opacity
(0 to 1), whether it is visible and has a mesh (0 or 1), and its name in quotation marks.
"""

from __future__ import annotations

import re
from pathlib import Path

from radsam.io.image_file import NRRD, SUFFIXES, format_of
from radsam.io.nrrd_file import read_nrrd_key_values

#: What a legend is called that lies beside "organs.nii.gz"; the first is how RadSAM would call it.
_ENDINGS = (".txt", ".label", "_labels.txt", "_labels.label")
_LINE = re.compile(r'\s*(\d+)(?:\s+[\d.]+){6}\s+"(.*)"\s*')
#: A legend has a line for each of at most 65535 labels; a longer file is another one.
_MOST_BYTES = 1 << 23


def label_names(path: Path) -> dict[int, str]:
    """Return the names of the labels of a NIfTI, NRRD or MetaImage file that is readable, by their values.

    Where there are none, and of what cannot be read, the result is empty. Names that are empty are left out.
    """
    found = _slicer_names(path) if format_of(path) is NRRD else {}
    for each in () if found else legend_paths(path):
        found = read_legend(each)
        if found:
            break
    return {number: name for number, name in found.items() if number and name}


def legend_paths(path: Path) -> tuple[Path, ...]:
    """Return the paths where the legend of a label map is looked for, in their order."""
    suffix = next((each for each in SUFFIXES if path.name.lower().endswith(each)), path.suffix)
    stem = path.name[: len(path.name) - len(suffix)]
    stems = dict.fromkeys((stem, stem.removesuffix(".seg"), path.name))
    return tuple(path.with_name(each + ending) for each in stems for ending in _ENDINGS)


def read_legend(path: Path) -> dict[int, str]:
    """Return the names in a label description; none if it is another file or none at all."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return {}
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    found = (_LINE.fullmatch(line) for line in lines)
    return {int(each[1]): each[2].strip() for each in found if each}


def _slicer_names(path: Path) -> dict[int, str]:
    """Return the segments' names that 3D Slicer keeps in the header of a .seg.nrrd file."""
    fields = read_nrrd_key_values(path)
    names = {}
    for key, name in fields.items():
        segment = re.fullmatch(r"(Segment\d+_)Name", key)
        value = fields.get(f"{segment[1]}LabelValue", "") if segment else ""
        if value.isdecimal():
            names[int(value)] = name
    return names
