"""From a slice of Hounsfield units to a model's input frame, and exactly back."""

from radsam.preprocess.crop import Crop
from radsam.preprocess.normalisation import Normalisation
from radsam.preprocess.slice_frame import SliceFrame
from radsam.preprocess.window import Window

__all__ = ["Crop", "Normalisation", "SliceFrame", "Window"]
