"""The modality that an image file states, as far as its format can: MetaImage's field, and the JSON sidecar of BIDS."""

from __future__ import annotations

import json
from pathlib import Path

from radsam.io.image_file import META, NIFTI, format_of
from radsam.io.meta_file import read_meta_fields
from radsam.volume import Modality

#: A sidecar has a few kilobytes; a larger JSON beside an image is something else.
_LARGEST_SIDECAR = 1 << 20


def stated_modality(path: Path) -> Modality | None:
    """Return the modality that a file, or the JSON that dcm2niix and BIDS write beside it, states.

    Args:
        path: A NIfTI, NRRD or MetaImage file that can be read.

    Returns:
        The modality; None if nothing states it.
    """
    kind = format_of(path)
    if kind is META:
        meta = read_meta_fields(path).get("Modality", "").upper().removeprefix("MET_MOD_")
        return {"CT": Modality.CT, "MR": Modality.MR, "PET": Modality.PET}.get(meta)
    if kind is not NIFTI:
        return None
    sidecar = path.with_name(path.name[: path.name.lower().rindex(".nii")] + ".json")
    try:
        if sidecar.stat().st_size > _LARGEST_SIDECAR:
            return None
        stated = json.loads(sidecar.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    code = stated.get("Modality") if isinstance(stated, dict) else None
    return Modality.of_dicom(code) if isinstance(code, str) and code else None
