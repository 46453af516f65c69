"""The first prompt of an object: a point, a box or a mask made from the truth (paper section 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from radsam.errors import InputError, PromptError
from radsam.volume.prompt import SMALLEST_BOX_SIDE

#: A float may be given as a whole number: settings come from TOML.
Number = int | float


@dataclass(frozen=True)
class MaskNoise:
    """How far a noisy mask may go from the truth; every amount is drawn uniformly.

    The paper names the operations and no amounts. These make the prompt similar to the
    mask of a neighbouring slice or a careless drawing. Small objects are moved and
    eroded less than `shift_px` and `edge_px` say, so that the prompt still lies on them.

    Args:
        rotation_deg: Turned by up to this angle either way.
        scale: Grown or shrunk by up to this share of its size, 0 to less than 1.
        shift_px: Moved by up to this along each axis, in pixels at 1024.
        shift_share: But not by more than this share of the object's own size along each
            axis, at most 0.5.
        edge_px: Eroded or dilated by up to this, in pixels at 1024.
        edge_share: But not by more than this share of half the object's usual width,
            less than 1, so that erosion leaves something.

    Raises:
        InputError: An amount is negative, or a share is too large.
    """

    rotation_deg: Number = 15.0
    scale: Number = 0.15
    shift_px: Number = 24.0
    shift_share: Number = 0.15
    edge_px: Number = 10.0
    edge_share: Number = 0.4

    def __post_init__(self) -> None:
        for each in fields(self):
            amount = getattr(self, each.name)
            if not (math.isfinite(amount) and amount >= 0):
                raise InputError(f"Mask noise needs {each.name} of 0 or more, not {amount}.")
        if self.scale >= 1 or self.edge_share >= 1 or self.shift_share > 0.5:
            raise InputError(
                "Mask noise needs scale and edge_share below 1 and shift_share of at most 0.5, not "
                f"{self.scale}, {self.edge_share} and {self.shift_share}: the object would be gone."
            )


_USUAL_NOISE = MaskNoise()


def random_point(
    mask: Bool[np.ndarray, "rows cols"], rng: np.random.Generator, *, margin_px: Number = 2.0
) -> tuple[int, int]:
    """Draw a click inside the object, away from its contour (paper section 3.3).

    The contour runs along the pixel edges, half a pixel from the centres of the
    outermost pixels; the border of the image counts as contour.

    Args:
        mask: The object.
        rng: Source of randomness.
        margin_px: Least distance to the contour, in pixels of this grid.

    Returns:
        A pixel (x, y), uniform among those deep enough; in an object with none, its
        deepest pixel.

    Raises:
        PromptError: The mask is empty.
    """
    x0, y0, x1, y1 = _enclosing(mask)
    # A frame of background, so that the border of the image is a contour too.
    object_ = np.pad(mask[y0 : y1 + 1, x0 : x1 + 1], 1)
    # Deep enough: no pixel centre outside the object is nearer than the contour plus half a pixel.
    deep = np.flatnonzero(object_ & ~_dilated(~object_, np.nextafter(margin_px + 0.5, 0)))
    chosen = deep[rng.integers(deep.size)] if deep.size else ndimage.distance_transform_edt(object_).argmax()
    y, x = divmod(int(chosen), object_.shape[1])
    return x0 + x - 1, y0 + y - 1


def exact_box(mask: Bool[np.ndarray, "rows cols"]) -> tuple[int, int, int, int]:
    """Return the smallest box around the object: (x0, y0, x1, y1), inclusive.

    An object one pixel wide gets a box of two, the smallest that is a box prompt.

    Raises:
        PromptError: The mask is empty.
    """
    x0, y0, x1, y1 = _enclosing(mask)
    rows, cols = mask.shape
    x0, x1 = _at_least_a_box(x0, x1, cols)
    y0, y1 = _at_least_a_box(y0, y1, rows)
    return x0, y0, x1, y1


def random_box(
    mask: Bool[np.ndarray, "rows cols"],
    rng: np.random.Generator,
    *,
    unit: Number,
    shrink_px: Number = 5.0,
    grow_px: Number = 20.0,
) -> tuple[int, int, int, int]:
    """Draw a loose box around the object (paper section 3.3).

    Each side of the enclosing box moves on its own, by a uniform amount between
    `shrink_px` inwards and `grow_px` outwards.

    Args:
        mask: The object.
        rng: Source of randomness.
        unit: Size of a pixel at 1024 on this grid.
        shrink_px: Farthest inwards, in pixels at 1024.
        grow_px: Farthest outwards, in pixels at 1024.

    Returns:
        (x0, y0, x1, y1), inclusive, inside the image, at least 2 pixels wide and high.

    Raises:
        PromptError: The mask is empty.
    """
    x0, y0, x1, y1 = _enclosing(mask)
    rows, cols = mask.shape
    left, top, right, bottom = (round(float(out)) for out in rng.uniform(-shrink_px, grow_px, 4) * unit)
    x0, x1 = _at_least_a_box(x0 - left, x1 + right, cols)
    y0, y1 = _at_least_a_box(y0 - top, y1 + bottom, rows)
    return x0, y0, x1, y1


def noisy_mask(
    mask: Bool[np.ndarray, "rows cols"],
    rng: np.random.Generator,
    *,
    unit: Number,
    noise: MaskNoise = _USUAL_NOISE,
) -> Bool[np.ndarray, "rows cols"]:
    """Draw a wrong version of the object's mask (paper section 3.3).

    The mask is turned and scaled about the centre of its box, moved, and then eroded or
    dilated by a disk.

    Args:
        mask: The object.
        rng: Source of randomness.
        unit: Size of a pixel at 1024 on this grid.
        noise: The amounts.

    Returns:
        A new mask of the same shape, never empty: where nothing would be left, as may
        happen to an object of a few pixels, it is the mask itself.

    Raises:
        PromptError: The mask is empty.
    """
    x0, y0, x1, y1 = _enclosing(mask)
    angle, growth, right, down, edge = rng.uniform(-1, 1, 5)
    height, width = y1 - y0 + 1, x1 - x0 + 1
    shift_yx = np.array([down, right]) * np.minimum(
        noise.shift_px * unit, noise.shift_share * np.array([height, width])
    )
    turn, scale = math.radians(noise.rotation_deg * angle), 1 + noise.scale * growth
    edge_px = edge * min(noise.edge_px * unit, noise.edge_share * _half_width(mask[y0 : y1 + 1, x0 : x1 + 1]))

    # Only pixels that the object can reach change.
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    grown_yx = np.array([height * cos + width * sin, width * cos + height * sin]) * scale
    around_y, around_x = np.ceil((grown_yx - [height, width]) / 2 + np.abs(shift_yx) + max(edge_px, 0)).astype(int) + 1
    rows = slice(max(0, y0 - max(1, around_y)), min(mask.shape[0], y1 + max(1, around_y) + 1))
    cols = slice(max(0, x0 - max(1, around_x)), min(mask.shape[1], x1 + max(1, around_x) + 1))
    seen = mask[rows, cols]

    centre_yx = np.array([(y0 + y1) / 2 - rows.start, (x0 + x1) / 2 - cols.start])
    moved = _moved(seen, turn, scale, centre_yx, shift_yx)
    changed = _dilated(moved, edge_px) if edge_px > 0 else ~_dilated(~moved, -edge_px)
    # Erosion may break thin parts of the object; a move never does.
    changed = changed if changed.any() else moved
    if not changed.any():
        return mask.copy()
    result = np.zeros_like(mask)
    result[rows, cols] = changed
    return result


def broken_mask(mask: Bool[np.ndarray, "rows cols"], rng: np.random.Generator) -> Bool[np.ndarray, "rows cols"]:
    """Draw a mask that is wrong in one part, as after a propagation that lost a part or leaked into another organ.

    Either a part of the object is cut off along a line, or a shifted copy of the object is added; beyond the paper,
    which corrects only errors of its model.

    Args:
        mask: The object.
        rng: Source of randomness.

    Returns:
        A new mask of the same shape; empty where an object of a few pixels loses all of them.

    Raises:
        PromptError: The mask is empty.
    """
    x0, y0, x1, y1 = _enclosing(mask)
    angle = rng.uniform(0, 2 * math.pi)
    amount = float(rng.uniform(0.2, 0.8))
    if rng.random() < 0.5:
        y, x = np.nonzero(mask)
        along = x * math.cos(angle) + y * math.sin(angle)
        lost = along >= np.quantile(along, 1 - amount)
        broken = mask.copy()
        broken[y[lost], x[lost]] = False
        return broken
    shift_yx = amount * np.array([math.sin(angle) * (y1 - y0 + 1), math.cos(angle) * (x1 - x0 + 1)])
    down, right = (int(each) for each in np.rint(shift_yx))
    broken = mask.copy()
    y, x = np.nonzero(mask)
    inside = (y + down >= 0) & (y + down < mask.shape[0]) & (x + right >= 0) & (x + right < mask.shape[1])
    broken[y[inside] + down, x[inside] + right] = True
    return broken


def _moved(
    mask: Bool[np.ndarray, "rows cols"],
    turn: float,
    scale: float,
    centre_yx: Float[np.ndarray, "2"],
    shift_yx: Float[np.ndarray, "2"],
) -> Bool[np.ndarray, "rows cols"]:
    """Turn (radians) and scale a mask about a pixel, then shift it, by the source of each pixel."""
    rows, cols = mask.shape
    back = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) / scale
    origin_yx = centre_yx - back @ (centre_yx + shift_yx)
    y, x = np.arange(rows, dtype=np.float32)[:, None], np.arange(cols, dtype=np.float32)[None]
    from_y, from_x = (
        np.rint(np.float32(to_y) * y + (np.float32(to_x) * x + np.float32(start))).astype(np.int32)
        for (to_y, to_x), start in zip(back, origin_yx, strict=True)
    )
    # One pixel of background around replaces everything outside.
    np.clip(from_y, -1, rows, out=from_y)
    np.clip(from_x, -1, cols, out=from_x)
    padded = np.pad(mask, 1)
    return np.asarray(np.take(padded, (from_y + 1) * (cols + 2) + (from_x + 1)))


def _dilated(mask: Bool[np.ndarray, "rows cols"], radius_px: float) -> Bool[np.ndarray, "rows cols"]:
    """Grow a mask by a disk; pixels outside of the image are background.

    The disk is a stack of horizontal runs, so that the cost grows with the radius and
    not with its square.
    """
    grown = mask.copy()
    run, half = mask, 0
    reach = math.floor(radius_px)
    # From the top of the disk, where it is narrowest, to its middle row.
    for down in range(reach, -1, -1):
        while (half + 1) ** 2 + down**2 <= radius_px**2:
            wider = run.copy()
            wider[:, 1:] |= run[:, :-1]
            wider[:, :-1] |= run[:, 1:]
            run, half = wider, half + 1
        if down:
            grown[down:] |= run[:-down]
            grown[:-down] |= run[down:]
        else:
            grown |= run
    return grown


def _half_width(mask: Bool[np.ndarray, "rows cols"]) -> float:
    """Half of the object's usual width in pixels, from its area and contour; cheaper than its depth."""
    area = int(mask.sum())
    inner = _dilated(~np.pad(mask, 1), 1.0)[1:-1, 1:-1]
    return area / int((inner & mask).sum())


def _enclosing(mask: Bool[np.ndarray, "rows cols"]) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of the object."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        raise PromptError("An empty mask has no prompt: give a slice on which the object has pixels.")
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(cols[0]), int(rows[0]), int(cols[-1]), int(rows[-1])


def _at_least_a_box(low: int, high: int, size: int) -> tuple[int, int]:
    """Bring one side of a box into an image of `size` pixels, wide enough to be a box."""
    missing = SMALLEST_BOX_SIDE - (high - low + 1)
    if missing > 0:
        low -= missing // 2
        high = low + SMALLEST_BOX_SIDE - 1
    low = max(0, min(low, size - SMALLEST_BOX_SIDE))
    return low, min(size - 1, max(high, low + SMALLEST_BOX_SIDE - 1))
