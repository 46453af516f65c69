"""All formats by name."""

from __future__ import annotations

from pathlib import Path

from fuzzing.dicom_formats import Enhanced, RtStruct, Seg, Series
from fuzzing.document_formats import Bundles, Configurations, Manifests, Requests, SessionFiles
from fuzzing.fuzz_target import Target
from fuzzing.image_formats import MetaImage, Nifti, Nrrd
from fuzzing.server_bodies import Bodies, PackedArrays

_TARGETS: tuple[type[Target], ...] = (
    Nifti, Nrrd, MetaImage, Series, Enhanced, Seg, RtStruct, SessionFiles, Bundles, Manifests, Configurations, Requests,
    PackedArrays, Bodies,
)  # fmt: skip
TARGETS = {each.name: each for each in _TARGETS}


def make_target(name: str, folder: Path) -> Target:
    """Make the target of a name; its valid inputs go to `folder`."""
    return TARGETS[name](folder)
