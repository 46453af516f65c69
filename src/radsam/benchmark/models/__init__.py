"""What can be measured, behind one interface; nothing here knows the truth or who knows it."""

from radsam.benchmark.models.model_interface import Model, ModelCard, Voxels
from radsam.benchmark.models.model_names import find_models

__all__ = ["Model", "ModelCard", "Voxels", "find_models"]
