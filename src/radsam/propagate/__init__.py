"""One object through the volume, slice by slice."""

from radsam.propagate.next_prompt import POLICIES, Policy, default_policy
from radsam.propagate.propagation import Record, SideDone, SliceDone, propagate
from radsam.propagate.propagation_plan import PropagationPlan
from radsam.propagate.propagation_step import PropagationStep, step_for
from radsam.propagate.stop_rule import EndReason, StopRule

__all__ = [
    "POLICIES",
    "EndReason",
    "Policy",
    "PropagationPlan",
    "PropagationStep",
    "Record",
    "SideDone",
    "SliceDone",
    "StopRule",
    "default_policy",
    "propagate",
    "step_for",
]
