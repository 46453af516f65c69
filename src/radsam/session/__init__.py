"""One user's work on one volume: prompts, corrections, undo, and the label map."""

from radsam.session.capability_warnings import CapabilityWarning, ModalityWarning
from radsam.session.covered_voxels import CoveredVoxels, OverlapWarning
from radsam.session.edit import Overlap
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.session.engine import Engine, PrecisionWarning, load
from radsam.session.segmented_object import SegmentedObject
from radsam.session.session import Session
from radsam.session.session_file import SessionFile, read_session

__all__ = [
    "CapabilityWarning",
    "CorrectionRequest",
    "CoveredVoxels",
    "Engine",
    "ModalityWarning",
    "Overlap",
    "OverlapWarning",
    "PrecisionWarning",
    "SegmentRequest",
    "SegmentedObject",
    "Session",
    "SessionFile",
    "load",
    "read_session",
]
