"""Legends of label maps: names of its objects by their values, in an ITK-SNAP label description beside it.

Names are read from the header of 3D Slicer's NRRD, too.

A label description is a text file with a line for each label: its number, red, green, blue (0 to 255), opacity
(0 to 1), whether it is visible and has a mesh (0 or 1), and its name in quotation marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from radsam.disk.atomic_write import check_writable
from radsam.errors import OutputError
from radsam.io.dicom.organ_codes import OrganCode, organ_code
from radsam.io.image_file import NRRD, SUFFIXES, format_of
from radsam.io.nrrd_segments import read_segments
from radsam.volume import LabelVolume
from radsam.volume.object_colours import Colour, hex_of

#: What a legend is called that lies beside "organs.nii.gz"; the first is how RadSAM calls it.
_ENDINGS = (".labels.txt", ".txt", ".label", "_labels.txt", "_labels.label")
_LINE = re.compile(r'\s*(\d{1,9})(?:\s+[\d.]+){6}\s+"(.*)"\s*')
#: A legend has a line for each of at most 65535 labels; a longer file is another one.
_MOST_BYTES = 1 << 23
#: The first line of a legend that RadSAM wrote: it may be replaced.
_OWN = "# Label map legend, written by RadSAM: ITK-SNAP reads it with Segmentation > Import Label Descriptions."


def known_labels(path: Path) -> tuple[dict[int, str], dict[int, Colour]]:
    """Return names and colours of the labels of a NIfTI, NRRD or MetaImage file that is readable, by their values.

    Where there are none, and of what cannot be read, they are empty. Names that are empty are left out, and only the
    header of a NRRD file tells colours.
    """
    found, colours = read_segments(path) if format_of(path) is NRRD else ({}, {})
    for each in () if found else legend_paths(path):
        found = read_legend(each)
        if found:
            break
    return {number: name for number, name in found.items() if number and name}, colours


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


def write_legend(path: Path, labels: LabelVolume) -> None:
    """Write a label description; the caller sees to it that it is written whole or not at all.

    Args:
        path: The file.
        labels: The objects; what would end a name or a line becomes an apostrophe or a space.
    """
    lines = [_OWN, "# value  red green blue  opacity visible mesh  name", '0  0 0 0  0 0 0  "Clear Label"']
    for number, name in sorted(labels.names.items()):
        red, green, blue = labels.colour(number)
        shown = " ".join(name.replace('"', "'").split())
        lines.append(f'{number}  {red} {green} {blue}  1 1 1  "{shown}"')
    path.write_text("\n".join(lines) + "\n", "utf-8")


def legend_json(labels: LabelVolume, codes: Mapping[str, OrganCode] | None = None) -> str:
    """Return a legend for programs: value, name and colour of each object, and its code if it has one."""
    described = []
    for number, name in sorted(labels.names.items()):
        organ = (codes or {}).get(name) or organ_code(name)
        code = {"scheme": organ.type.scheme, "value": organ.type.value, "meaning": organ.type.meaning}
        if organ.side is not None:
            code["side"] = organ.side.meaning
        described.append(
            {"value": number, "name": name, "color": hex_of(labels.colour(number))}
            | ({"code": code} if organ.known else {})
        )
    return json.dumps({"labels": described}, indent=2, ensure_ascii=False) + "\n"
