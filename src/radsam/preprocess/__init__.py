"""From a slice of values to a model's input frame, and exactly back."""

from radsam.preprocess.crop import Crop
from radsam.preprocess.modality_window import DEFAULT_WINDOWS, window_of
from radsam.preprocess.normalisation import Normalisation, Percentiles, Window, WindowRule
from radsam.preprocess.slice_frame import SliceFrame

__all__ = [
    "DEFAULT_WINDOWS",
    "Crop",
    "Normalisation",
    "Percentiles",
    "SliceFrame",
    "Window",
    "WindowRule",
    "window_of",
]
