"""Promptable 3D segmentation of radiological images from one prompt on one slice.

::

    volume = radsam.read_volume("ct.nii.gz")
    session = radsam.load().open(volume)
    session.segment(radsam.Box(k=41, i0=120, j0=88, i1=210, j1=170), bounds=(30, 70), name="liver")
    session.correct(radsam.Point(i=150, j=120, k=50, positive=False), name="liver")
    session.erase(radsam.Brush(path_ijk=((140, 96, 44), (152, 99, 44)), radius_mm=4), name="liver")
    radsam.write_labels(session.labels, "out.nii.gz")

Voxel coordinates are (i, j, k) = (column, row, slice) as stored, zero-based; both ends
of boxes and bounds are inclusive; arrays are indexed [k, j, i]; millimetres are LPS.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radsam.errors import RadsamError
    from radsam.io.dicom.source_series import read_source
    from radsam.io.volume_read import read_info, read_labels, read_volume
    from radsam.io.volume_write import write_labels
    from radsam.metrics import dice
    from radsam.preprocess import Window
    from radsam.render.preview import render_preview
    from radsam.session import (
        CapabilityWarning,
        Engine,
        ModalityWarning,
        Overlap,
        OverlapWarning,
        PrecisionWarning,
        Session,
        load,
    )
    from radsam.volume import (
        Bounds,
        Box,
        Brush,
        Geometry,
        LabelVolume,
        Lasso,
        Mask,
        Modality,
        Plane,
        Point,
        Scribble,
        SparseMask,
        Volume,
    )

_HOME = {
    "Bounds": "radsam.volume",
    "Box": "radsam.volume",
    "Brush": "radsam.volume",
    "CapabilityWarning": "radsam.session",
    "Engine": "radsam.session",
    "Geometry": "radsam.volume",
    "LabelVolume": "radsam.volume",
    "Lasso": "radsam.volume",
    "Mask": "radsam.volume",
    "Modality": "radsam.volume",
    "ModalityWarning": "radsam.session",
    "Overlap": "radsam.session",
    "OverlapWarning": "radsam.session",
    "Plane": "radsam.volume",
    "Point": "radsam.volume",
    "PrecisionWarning": "radsam.session",
    "RadsamError": "radsam.errors",
    "Scribble": "radsam.volume",
    "Session": "radsam.session",
    "SparseMask": "radsam.volume",
    "Volume": "radsam.volume",
    "Window": "radsam.preprocess",
    "dice": "radsam.metrics",
    "load": "radsam.session",
    "read_info": "radsam.io.volume_read",
    "read_labels": "radsam.io.volume_read",
    "read_source": "radsam.io.dicom.source_series",
    "read_volume": "radsam.io.volume_read",
    "render_preview": "radsam.render.preview",
    "write_labels": "radsam.io.volume_write",
}

__all__ = [
    "Bounds",
    "Box",
    "Brush",
    "CapabilityWarning",
    "Engine",
    "Geometry",
    "LabelVolume",
    "Lasso",
    "Mask",
    "Modality",
    "ModalityWarning",
    "Overlap",
    "OverlapWarning",
    "Plane",
    "Point",
    "PrecisionWarning",
    "RadsamError",
    "Scribble",
    "Session",
    "SparseMask",
    "Volume",
    "Window",
    "dice",
    "load",
    "read_info",
    "read_labels",
    "read_source",
    "read_volume",
    "render_preview",
    "write_labels",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package is cheap."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'radsam' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
