"""Running a trained model: its weights bundle, and the backends that run it."""

from radsam.runtime.backend import Backend, Decoded, ForwardingBackend, FramePrompt, FrameSource, Precision
from radsam.runtime.backend_choice import open_backend
from radsam.runtime.bundle import Bundle, BundleSpec, Capability, find_bundle, read_bundle

__all__ = [
    "Backend",
    "Bundle",
    "BundleSpec",
    "Capability",
    "Decoded",
    "ForwardingBackend",
    "FramePrompt",
    "FrameSource",
    "Precision",
    "find_bundle",
    "open_backend",
    "read_bundle",
]
