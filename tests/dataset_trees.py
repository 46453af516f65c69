"""Small datasets in their official layouts, written by the tests themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SHAPE_KJI = (4, 12, 10)
SPACING_MM_IJK = (0.8, 0.9, 2.5)


def write_image(path: Path, array_kji: np.ndarray, *, spacing_mm_ijk: tuple[float, ...] = SPACING_MM_IJK) -> Path:
    """Write one volume or label map, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array_kji)
    image.SetSpacing(spacing_mm_ijk)
    sitk.WriteImage(image, str(path))
    return path


def ct(seed: int = 0, shape_kji: tuple[int, int, int] = SHAPE_KJI) -> np.ndarray:
    """Noise that is different for each seed."""
    return np.random.default_rng(seed).integers(-1000, 1000, shape_kji).astype(np.int16)


def blocks(*values: int, shape_kji: tuple[int, int, int] = SHAPE_KJI) -> np.ndarray:
    """A label map with one 4×5 block per value on slices 1 and 2, side by side."""
    ids = np.zeros(shape_kji, np.uint8)
    for place, value in enumerate(values):
        ids[1:3, 1:5, place * 5 : place * 5 + 5] = value
    return ids


def write_json(path: Path, content: object) -> None:
    """Write a description, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
