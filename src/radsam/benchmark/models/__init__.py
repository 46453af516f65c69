"""The systems that can be measured, behind one interface; none of them sees the truth."""

from radsam.benchmark.models.model_interface import Model, ModelCard, PaintedSlice, Voxels
from radsam.benchmark.models.model_names import find_models

__all__ = ["Model", "ModelCard", "PaintedSlice", "Voxels", "find_models"]
