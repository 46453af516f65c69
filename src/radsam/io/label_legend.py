"""Legends of label maps: names of its objects by their values, in an ITK-SNAP label description beside it.

Names are read from the header of 3D Slicer's NRRD, too.

A label description is a text file with a line for each label: its number, red, green, blue (0 to 255), opacity
(0 to 1), whether it is visible and has a mesh (0 or 1), and its name in quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from radsam.disk.atomic_write import check_writable
from radsam.errors import OutputError
from radsam.io.image_file import NRRD, SUFFIXES, format_of
from radsam.io.nrrd_file import read_nrrd_key_values

#: What a legend is called that lies beside "organs.nii.gz"; the first is how RadSAM calls it.
_ENDINGS = (".labels.txt", ".txt", ".label", "_labels.txt", "_labels.label")
_LINE = re.compile(r'\s*(\d+)(?:\s+[\d.]+){6}\s+"(.*)"\s*')
#: A legend has a line for each of at most 65535 labels; a longer file is another one.
_MOST_BYTES = 1 << 23
#: The first line of a legend that RadSAM wrote: it may be replaced.
_OWN = "# Label map legend, written by RadSAM: ITK-SNAP reads it with Segmentation > Import Label Descriptions."


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


def own_legend_path(path: Path) -> Path:
    """Return where RadSAM writes the legend of a label map: "organs.labels.txt" beside "organs.nii.gz"."""
    return legend_paths(path)[0]


def is_own_legend(path: Path) -> bool:
    """Whether a file is a legend that RadSAM wrote."""
    try:
        with path.open("rb") as file:
            return file.read(len(_OWN)) == _OWN.encode()
    except OSError:
        return False


def check_legend(path: Path) -> None:
    """Refuse to write a legend where it cannot be written, or where a file lies that RadSAM did not write.

    Raises:
        OutputError: It cannot be written there.
    """
    check_writable(path)
    if path.exists() and not is_own_legend(path):
        raise OutputError(
            f"{path} is where the legend of the label map belongs, and holds something else, so nothing was written. "
            "Move it, choose another name for the label map, or leave the legend out (--no-legend)."
        )


def write_legend(path: Path, names: Mapping[int, str], colours: Mapping[int, tuple[int, int, int]]) -> None:
    """Write a label description; the caller sees to it that it is written whole or not at all.

    Args:
        path: The file.
        names: The objects' names by their values; what would end a name or a line becomes an apostrophe or a space.
        colours: Red, green and blue of each, 0 to 255.
    """
    lines = [_OWN, "# value  red green blue  opacity visible mesh  name", '0  0 0 0  0 0 0  "Clear Label"']
    for number, name in sorted(names.items()):
        red, green, blue = colours[number]
        shown = " ".join(name.replace('"', "'").split())
        lines.append(f'{number}  {red} {green} {blue}  1 1 1  "{shown}"')
    path.write_text("\n".join(lines) + "\n", "utf-8")


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
