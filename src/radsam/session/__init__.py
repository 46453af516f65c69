"""One user's work on one volume: prompts, corrections, undo, and the label map."""

from radsam.session.capability_warnings import CapabilityWarning, HuWarning
from radsam.session.covered_voxels import CoveredVoxels, OverlapWarning
from radsam.session.edit import Overlap
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.session.engine import Engine, PrecisionWarning, load
from radsam.session.segmented_object import SegmentedObject
from radsam.session.session import Session, require_window
from radsam.session.session_file import SessionFile, read_session

__all__ = [
    "CapabilityWarning",
    "CorrectionRequest",
    "CoveredVoxels",
    "Engine",
    "HuWarning",
    "Overlap",
    "OverlapWarning",
    "PrecisionWarning",
    "SegmentRequest",
    "SegmentedObject",
    "Session",
    "SessionFile",
    "load",
    "read_session",
    "require_window",
]
