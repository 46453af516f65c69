"""From a slice of Hounsfield units to a model's input frame, and exactly back."""

from radsam.preprocess.crop import Crop
from radsam.preprocess.normalisation import Normalisation, Window
from radsam.preprocess.slice_frame import SliceFrame

__all__ = ["Crop", "Normalisation", "SliceFrame", "Window"]
