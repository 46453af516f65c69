"""A RECIST diameter as a prompt: both ends of a lesion's longest diameter on one slice.

A diameter gives a lesion's position, length and direction, but not its width. The prompt is an ellipse
of a typical width, as a rough mask. On the validation patients' lesions it gave a higher Dice than the box
around it, and this width a higher one than others: `python benchmarks/recist_prompts.py DATA`, and
docs/batch.md. A model without mask prompts gets the box around the ellipse, as of every mask prompt.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError
from radsam.volume import SliceGrid

#: Width of the assumed ellipse, as a share of its length.
USUAL_WIDTH = 0.75


def diameter_ellipse(
    grid: SliceGrid, end_uv: tuple[int, int], other_uv: tuple[int, int], width: float = USUAL_WIDTH
) -> Bool[np.ndarray, "v u"]:
    """Return the pixels of the ellipse of a diameter, round in millimetres where `width` is 1.

    Args:
        grid: The slices.
        end_uv: One end, a pixel (u, v).
        other_uv: The other end.
        width: Width of the ellipse, as a share of its length, more than 0.

    Raises:
        PromptError: Both ends are the same pixel.
    """
    if end_uv == other_uv:
        raise PromptError(f"Both ends of the diameter are the pixel {end_uv}; a diameter has two ends.")
    spacing = np.array(grid.spacing_mm_vu[::-1])
    ends_mm = np.array([end_uv, other_uv], dtype=np.float64) * spacing
    along, centre = ends_mm[1] - ends_mm[0], ends_mm.mean(axis=0)
    length = float(np.hypot(*along))
    direction = along / length
    v, u = np.indices(grid.shape_vu)
    from_u, from_v = u * spacing[0] - centre[0], v * spacing[1] - centre[1]
    lengthwise = from_u * direction[0] + from_v * direction[1]
    crosswise = from_v * direction[0] - from_u * direction[1]
    # Half a pixel beyond the ends, whose pixels belong to the lesion.
    half = (length + float(spacing.min())) / 2
    return np.asarray((lengthwise / half) ** 2 + (crosswise / (width * half)) ** 2 <= 1)
