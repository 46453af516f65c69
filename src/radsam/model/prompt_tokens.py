"""How points and boxes become the one list of labelled points that SAM reads. No torch.

A box is its two corners. When points come without a box, SAM was trained with one
meaningless point behind them; when a box comes, with none, and its corners last. A mask
on its own goes with an empty list.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

#: Labels, as SAM numbers them.
PAD = -1
NEGATIVE = 0
POSITIVE = 1
BOX_START = 2
BOX_END = 3

#: Numbers that state the way from the slice of a mask to the slice that it prompts: whether the bound is known (1 or
#: 0); where the mask's slice and the prompted slice are between the start (0) and one slice past the bound (1); the
#: distance to the bound; the distance of the two slices. Distances are shares of the side of the model's input. Without
#: a known bound only the last one is given; the others are 0.
DISTANCE_VALUES = 5

#: Masks of a prediction: the primary one, and three for the readings of an ambiguous prompt.
MASKS = 4

#: Mean embeddings of the prompted slice: of the object, and of its surroundings.
PROTOTYPES = 2
#: So many cells around an object are its surroundings.
SURROUNDING_CELLS = 4


def arrange(
    points_xy: Float[np.ndarray, "n 2"],
    labels: Int[np.ndarray, " n"],
    box_xyxy: Float[np.ndarray, " 4"] | None = None,
) -> tuple[Float[np.ndarray, "1 p 2"], Float[np.ndarray, "1 p"]]:
    """Arrange prompts in the order that SAM was trained with.

    Args:
        points_xy: Clicks as pixel (column, row) of the input frame; there may be none.
        labels: `POSITIVE` or `NEGATIVE` for each click.
        box_xyxy: Corners of the box: first column, first row, last column, last row.

    Returns:
        `points_xy` and `point_labels` for one decoder call, both float32: the clicks, then
        either the two corners or, if there are clicks and no box, one `PAD` point at (0, 0).
    """
    xy, kinds = np.asarray(points_xy, np.float32).reshape(-1, 2), np.asarray(labels, np.float32)
    if box_xyxy is not None:
        xy = np.concatenate([xy, np.asarray(box_xyxy, np.float32).reshape(2, 2)])
        kinds = np.concatenate([kinds, np.array([BOX_START, BOX_END], np.float32)])
    elif len(xy):
        xy = np.concatenate([xy, np.zeros((1, 2), np.float32)])
        kinds = np.concatenate([kinds, np.array([PAD], np.float32)])
    return xy[None], kinds[None]
