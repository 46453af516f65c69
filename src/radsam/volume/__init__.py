"""Values of the domain: volumes, grids, planes and prompts. No files, no model."""

from radsam.volume.bounds import Bounds
from radsam.volume.geometry import Geometry
from radsam.volume.hand_shape import Brush, HandShape
from radsam.volume.hand_voxels import HandVoxels
from radsam.volume.modality import Modality, ModalitySource
from radsam.volume.plane import Plane, SliceGrid
from radsam.volume.prompt import Box, Lasso, Mask, Point, Prompt, Scribble, slice_index
from radsam.volume.run_mask import RunMask
from radsam.volume.sparse_mask import SparseMask
from radsam.volume.volume import LabelVolume, SeriesOrigin, Volume

__all__ = [
    "Bounds",
    "Box",
    "Brush",
    "Geometry",
    "HandShape",
    "HandVoxels",
    "LabelVolume",
    "Lasso",
    "Mask",
    "Modality",
    "ModalitySource",
    "Plane",
    "Point",
    "Prompt",
    "RunMask",
    "Scribble",
    "SeriesOrigin",
    "SliceGrid",
    "SparseMask",
    "Volume",
    "slice_index",
]
