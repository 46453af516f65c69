"""One object through the volume, slice by slice."""

from radsam.propagate.next_prompt import POLICIES, Policy, default_policy
from radsam.propagate.propagator import SideDone, SliceDone, propagate
from radsam.propagate.stop_rule import EndReason, StopRule

__all__ = [
    "POLICIES",
    "EndReason",
    "Policy",
    "SideDone",
    "SliceDone",
    "StopRule",
    "default_policy",
    "propagate",
]
