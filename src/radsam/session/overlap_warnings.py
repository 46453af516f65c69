"""Warnings about voxels that two objects claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from radsam.session.covered_voxels import CoveredVoxels
from radsam.session.edit import ObjectEdit
from radsam.session.label_map import LabelMap
from radsam.session.user_state import prompts_of
from radsam.volume import Point, Scribble

#: Why an object keeps a voxel that another one claims, too, by `LabelMap.reason`.
_REASONS = {
    "locked": "{by!r} is locked",
    "order": "{by!r} comes first in the priority order",
    "first": "{by!r} was started first (keep first)",
    "later": "{by!r} was edited later (last wins)",
}


def overlap_warnings(
    before: Sequence[CoveredVoxels],
    label_map: LabelMap,
    voxels: Mapping[str, int],
    edited: str | None,
) -> tuple[str, ...]:
    """Return a warning for each pair of objects of which one has more voxels of the other than before.

    Args:
        before: What was covered before the edit.
        label_map: The label map after it.
        voxels: How many voxels each object has, whole.
        edited: The object that was edited: voxels that it does not get are explained; None if none was.
    """
    ml = label_map.geometry.voxel_volume_mm3 / 1000
    known = {(each.name, each.by): each.voxels for each in before}
    messages = []
    for each in label_map.covered:
        if each.voxels <= known.get((each.name, each.by), 0):
            continue
        whole = voxels[each.name]
        left = whole - sum(other.voxels for other in label_map.covered if other.name == each.name)
        taken = (
            f"{each.by!r} takes {each.voxels} voxels ({each.voxels * ml:.3f} ml) of {each.name!r}"
            if each.by
            else f"{each.voxels} voxels of {each.name!r} belong to no object, as it was locked without them"
        )
        message = f"{taken}: the label map holds {left * ml:.3f} of its {whole * ml:.3f} ml."
        if each.by and each.name == edited:
            message += f" {_reason(label_map, each.by)}, so this edit of {edited!r} gets none of them."
        messages.append(message)
    if messages and label_map.chosen is None:
        messages[-1] += " DICOM SEG and RTSTRUCT, and one file per object, hold every object whole."
    return tuple(messages)


def clicks_inside_others(edit: ObjectEdit, label_map: LabelMap) -> tuple[str, ...]:
    """Return a warning for each object that keeps the voxels of clicks or strokes that add to another one.

    Args:
        edit: The edit with the clicks.
        label_map: The label map after it.
    """
    inside: dict[str, tuple[int, int, int]] = {}
    for prompt in prompts_of(edit):
        if isinstance(prompt, Point | Scribble) and prompt.positive:
            for voxel in (prompt.index_ijk,) if isinstance(prompt, Point) else prompt.voxels_ijk:
                owner = label_map.owner(voxel)
                if owner not in ("", edit.name):
                    inside.setdefault(owner, voxel)
    return tuple(
        f"The click {voxel} on {edit.name!r} lies inside {owner!r}, which keeps its voxels: "
        f"{_reason(label_map, owner)}."
        for owner, voxel in inside.items()
    )


def _reason(label_map: LabelMap, by: str) -> str:
    return _REASONS[label_map.reason(by)].format(by=by)
