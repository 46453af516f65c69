"""What can be measured, behind one interface; nothing here knows the truth or who knows it."""

from radsam.benchmark.models.choose import find_models
from radsam.benchmark.models.interface import Model, ModelCard, Voxels

__all__ = ["Model", "ModelCard", "Voxels", "find_models"]
