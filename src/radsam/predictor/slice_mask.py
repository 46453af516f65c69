"""The prompt of one slice, and its mask.

Coordinates are pixels (u, v) of the slice as stored; see `radsam.volume.plane`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64

from radsam.volume import Box, Lasso, Mask, Point, Prompt, RunMask, Scribble, SliceGrid

#: Points that the model gets of a scribble; more change its mask little.
_STROKE_POINTS = 5


@dataclass(frozen=True)
class MaskSource:
    """The slice that a mask comes from, and the way from there, for a model that takes them.

    Args:
        index: The slice.
        gap_mm: Distance to the slice that the mask prompts.
        way: Where the mask's slice and the prompted one are between the start (0) and one slice past the bound (1),
            and the distance from the prompted slice to the bound in millimetres; None without a known bound.
        start: The slice that the propagation started from, with its mask, for a model that compares with it.
    """

    index: int
    gap_mm: float
    way: tuple[float, float, float] | None = None
    start: SliceMask | None = None

    @classmethod
    def of(cls, source: int, prompted: int, start: int, bound: int | None, slice_mm: float) -> MaskSource:
        """Return the source of a mask that goes from one slice to another.

        Args:
            source: The slice that the mask is of.
            prompted: The slice that it prompts.
            start: The slice that the propagation started from.
            bound: The last slice of the object in this direction; None where it is unknown.
            slice_mm: Distance between slices.
        """
        gap_mm, side = abs(prompted - source) * slice_mm, 1 if prompted > source else -1
        if bound is None:
            return cls(source, gap_mm)
        length = max(1, (bound - start) * side + 1)
        before, here = (min(max((index - start) * side / length, 0.0), 1.0) for index in (source, prompted))
        return cls(source, gap_mm, (before, here, max(0, (bound - prompted) * side) * slice_mm))

    def distance(self, side_mm: float) -> Float32[np.ndarray, " d"]:
        """The way as the decoder takes it, see `radsam.model.prompt_tokens.DISTANCE_VALUES`.

        Args:
            side_mm: Side of the model's input, which distances are shares of.
        """
        before, here, left_mm = self.way or (0.0, 0.0, 0.0)
        known = float(self.way is not None)
        return np.array([known, before, here, left_mm / side_mm, self.gap_mm / side_mm], np.float32)


@dataclass(frozen=True)
class SlicePrompt:
    """All prompts of one slice together; hashable, so that predictions can be cached.

    Args:
        box_uvuv: An inclusive box u0, v0, u1, v1.
        points_uv: Points as (u, v, positive).
        mask: A mask of the slice.
        source: Where the mask comes from, if from another slice and the model takes it.
        strokes_uv: Pixels of scribbles as (u, v, positive). The model gets some of them as points.
        inside: Pixels that the user encircled as part of the object. The model gets them with the slice's mask.
        outside: Pixels that the user encircled as not part of it.
    """

    box_uvuv: tuple[int, int, int, int] | None = None
    points_uv: tuple[tuple[int, int, bool], ...] = ()
    mask: RunMask | None = None
    source: MaskSource | None = None
    strokes_uv: tuple[tuple[int, int, bool], ...] = ()
    inside: RunMask | None = None
    outside: RunMask | None = None

    @classmethod
    def by_slice(cls, prompt: Prompt, grid: SliceGrid) -> dict[int, SlicePrompt]:
        """Bring a prompt in voxels to the slices of `grid` that it lies on; a scribble of another plane has several."""
        match prompt:
            case Point():
                index, u, v = grid.split(prompt.index_ijk)
                return {index: cls(points_uv=((u, v, prompt.positive),))}
            case Scribble():
                strokes = prompt.pixels_by_slice(grid)
                return {index: cls._of_stroke(stroke, prompt.positive) for index, stroke in strokes.items()}
            case Box(positive=True):
                return {prompt.index: cls(box_uvuv=prompt.uvuv)}
            case Mask(positive=True):
                return {prompt.index: cls(mask=RunMask.encode(prompt.pixels))}
            case Lasso(positive=True):
                return {prompt.index: cls(inside=RunMask.encode(prompt.pixels(grid.shape_vu)))}
            case Lasso():
                return {prompt.index: cls(outside=RunMask.encode(prompt.pixels(grid.shape_vu)))}
            case Mask():
                return {prompt.index: cls(outside=RunMask.encode(prompt.pixels))}
            case Box(uvuv=(u0, v0, u1, v1)):
                pixels = np.zeros(grid.shape_vu, bool)
                pixels[v0 : v1 + 1, u0 : u1 + 1] = True
                return {prompt.index: cls(outside=RunMask.encode(pixels))}

    @classmethod
    def of(cls, prompt: Prompt, grid: SliceGrid) -> SlicePrompt:
        """Bring a prompt in voxels to its slice of `grid`; see `by_slice`."""
        return next(iter(cls.by_slice(prompt, grid).values()))

    @classmethod
    def _of_stroke(cls, pixels_uv: Int64[np.ndarray, "n 2"], positive: bool) -> SlicePrompt:
        chosen = np.unique(np.linspace(0, len(pixels_uv) - 1, min(_STROKE_POINTS, len(pixels_uv))).round().astype(int))
        stroke = tuple((u, v, positive) for u, v in pixels_uv.tolist())
        return cls(points_uv=tuple(stroke[each] for each in chosen), strokes_uv=stroke)

    @property
    def enclosing_box(self) -> tuple[int, int, int, int] | None:
        """The inclusive box u0, v0, u1, v1 around points, box and mask together; None without any."""
        boxes = [(u, v, u, v) for u, v, _ in self.points_uv]
        boxes += [each for each in (self.box_uvuv, self.mask and self.mask.enclosing_box) if each]
        if not boxes:
            return None
        u0s, v0s, u1s, v1s = zip(*boxes, strict=True)
        return min(u0s), min(v0s), max(u1s), max(v1s)

    def merged(self, later: SlicePrompt) -> SlicePrompt:
        """Return this prompt with a later one of the same slice: all add up, but a later box or mask replaces one."""
        return SlicePrompt(
            later.box_uvuv or self.box_uvuv,
            self.points_uv + later.points_uv,
            later.mask or self.mask,
            strokes_uv=self.strokes_uv + later.strokes_uv,
            inside=_region(self.inside, later.inside, later.outside),
            outside=_region(self.outside, later.outside, later.inside),
        )

    @property
    def for_model(self) -> SlicePrompt:
        """What the model gets of it: box, points and mask."""
        return SlicePrompt(self.box_uvuv, self.points_uv, self.mask, self.source)

    @property
    def drawn_uv(self) -> tuple[tuple[int, int, bool], ...]:
        """Every pixel (u, v, positive) that was clicked or lies on a scribble."""
        return self.points_uv + self.strokes_uv

    @property
    def is_anchor(self) -> bool:
        """Whether it has a box or a mask of the object, from which its slice is predicted anew."""
        return self.box_uvuv is not None or self.mask is not None

    @property
    def marks_object(self) -> bool:
        """Whether it marks the object, and not only voxels outside of it."""
        return self.is_anchor or self.inside is not None or any(positive for *_, positive in self.points_uv)

    def __bool__(self) -> bool:
        """Whether there is any prompt."""
        return self.is_anchor or bool(self.points_uv) or self.inside is not None or self.outside is not None


def _region(before: RunMask | None, added: RunMask | None, taken: RunMask | None) -> RunMask | None:
    """Return an encircled region after later ones: of the same sign, and of the other, which takes its pixels."""
    if before is None or not (added or taken):
        return added or before
    pixels = before.decode()
    if taken:
        pixels &= ~taken.decode()
    if added:
        pixels |= added.decode()
    return RunMask.encode(pixels) if pixels.any() else None


@dataclass(frozen=True)
class SliceMask:
    """The mask of one slice.

    Args:
        index: The slice.
        mask: The mask, on the slice as stored.
        score: The IoU that the model predicts for it; 1.0 where the mask was not predicted.
        presence: Log-odds that the object is on the slice, for the stop rule; None from a model that does not judge
            it, and for masks of a saved session, which does not keep them.
    """

    index: int
    mask: RunMask
    score: float
    presence: float | None = field(default=None, compare=False)
