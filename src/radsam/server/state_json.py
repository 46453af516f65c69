"""Volumes and sessions as JSON values, as the page gets them."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import numpy as np

from radsam.preprocess import Window
from radsam.server.api_schemas import LONGEST_NAME
from radsam.server.mask_revisions import MaskRevisions
from radsam.server.mask_uploads import ReadMasks
from radsam.server.uploads import Upload
from radsam.server.volume_listing import VolumeEntry
from radsam.session import SegmentedObject, Session
from radsam.session.engine import other_precision
from radsam.session.history import chosen_order
from radsam.session.label_objects import names_in
from radsam.session.label_set import LabelSet
from radsam.session.prompt_json import prompt_to_json
from radsam.volume import Geometry, Plane, SliceGrid
from radsam.volume.object_colours import hex_of, object_colour
from radsam.volume.plane import AXIS_NAMES


def volume_row(entry: VolumeEntry) -> dict[str, Any]:
    """Describe a volume in a listing."""
    return {
        "id": entry.id,
        "name": entry.name,
        "shape_ijk": list(entry.geometry.shape_ijk),
        "spacing_mm_ijk": list(entry.geometry.spacing_mm_ijk),
        "modality": entry.modality or None,
        "modality_source": entry.modality_source or None,
        "modality_doubt": entry.modality_doubt,
        "unit": entry.unit or None,
        "source": entry.source,
        "notes": list(entry.notes),
        "bytes": entry.file_bytes,
        "added": entry.added,
        "upload": entry.upload or None,
        "labels": entry.labels,
        "scan": asdict(entry.scan) if entry.scan else None,
        "patient": asdict(entry.patient) if entry.patient else None,
    }


def upload_row(upload: Upload) -> dict[str, Any]:
    """Describe an upload in a listing."""
    row = upload.row
    volumes = [each.id for each in upload.volumes]
    return {"id": row.id, "name": row.name, "bytes": row.bytes, "created": row.created, "volumes": volumes}


def volume_details(entry: VolumeEntry, window: Window) -> dict[str, Any]:
    """Describe a volume.

    Args:
        entry: The volume.
        window: The display window that it opens with.
    """
    return volume_row(entry) | {
        "affine_lps": entry.geometry.affine_lps.tolist(),
        "default_window": [window.low, window.high],
        "dicom": entry.is_dicom,
        "planes": {plane.value: _plane(entry.geometry, plane) for plane in Plane},
    }


def _plane(geometry: Geometry, plane: Plane) -> dict[str, Any]:
    grid = SliceGrid.of(geometry, plane)
    return {
        "axis": grid.axis_name,
        "count": grid.count,
        "uv_axes": [AXIS_NAMES[axis] for axis in grid.uv_axes],
        "transpose": grid.transpose,
        "flip_rows": grid.flip_rows,
        "flip_cols": grid.flip_cols,
        "spacing_mm_vu": list(grid.spacing_mm_vu),
    }


def session_details(session: Session, masks: MaskRevisions) -> dict[str, Any]:
    """Describe a session as it follows from its edits."""
    voxels = masks.voxels()
    ml = session.volume.geometry.voxel_volume_mm3 / 1000
    history = session.history
    precision = session.predictor.backend.precision
    other = other_precision(session.precisions, precision)
    return {
        "revision": masks.revision,
        "window": [session.window.low, session.window.high],
        "model": session.predictor.spec.name,
        "modality": session.volume.modality.value,
        "unit": session.volume.unit or None,
        "can_undo": history.cursor > 0,
        "can_redo": history.cursor < len(history.edits),
        "overlap": session.overlap.value,
        "order": list(chosen_order(history.done)),
        "precision": precision,
        "precisions": list(session.precisions),
        "notes": [other] if other else [],
        "overlaps": [each.to_dict(ml) for each in session.covered],
        "objects": [_object(each, voxels.get(each.id, 0), ml) for each in session.objects.values()],
    }


def _object(each: SegmentedObject, voxels: int, ml: float) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.name,
        "color": hex_of(object_colour(each.id)),
        "visible": True,
        "locked": each.locked,
        "plane": each.grid.plane.value,
        "bounds": None if each.bounds is None else [each.bounds.low, each.bounds.high],
        "low_end": each.low_end.value,
        "high_end": each.high_end.value,
        "slices": [min(each.slices), max(each.slices)],
        "volume_ml": round(voxels * ml, 3),
        "voxels": voxels,
        "whole_volume_ml": round(each.whole_voxels * ml, 3),
        "whole_voxels": each.whole_voxels,
        "prompts": [
            {"number": placed.number, "index": placed.index, "kind": type(placed.prompt).__name__.lower()}
            | ({} if "mask" in (shown := prompt_to_json(placed.prompt)) else shown)
            for placed in each.placed_prompts
        ],
        "scores": {str(index): round(prediction.score, 4) for index, prediction in each.slices.items()},
        "expected_dice": {str(index): round(value, 4) for index, value in each.expected_dice.items()},
        "by_hand": each.painted,
        "unfollowed": [list(voxel) for voxel in each.unfollowed],
        "start": each.start,
        "confirmed": list(each.confirmed),
        "unfinished": dict(each.unfinished),
        "other_ends": {end: [index] for end, index in each.other_ends.items()},
        "edits": [{"number": one.number, "kind": one.kind, "slices": list(one.slices)} for one in each.edits],
    }


def mask_contents(found: ReadMasks, label_set: LabelSet | None) -> dict[str, Any]:
    """Describe the objects of a mask file; one without a name gets that of its value in the label set."""
    labels = found.labels
    ml = labels.geometry.voxel_volume_mm3 / 1000
    of_set = {each.value: each.name for each in label_set.label} if label_set else {}
    objects = []
    for number, name in names_in(labels).items():
        voxels = int(np.count_nonzero(labels.mask(number)))
        named = number in labels.names
        objects.append(
            {
                "number": number,
                "name": name,
                "suggested": _suggested(name if named else of_set.get(number, name)) or f"label {number}",
                "color": hex_of(labels.colours[number]) if number in labels.colours else None,
                "voxels": voxels,
                "volume_ml": round(voxels * ml, 3),
            }
        )
    return {"objects": objects, "resampled": found.resampled or None, "notes": list(found.notes)}


def _suggested(name: str) -> str:
    """Return a name that an object may have: printable, and as long as names may be; "" if nothing is left."""
    cut = re.sub(r"[\x00-\x1f\x7f]", " ", name).strip()[:LONGEST_NAME].strip()
    return "" if cut in (".", "..") else cut
