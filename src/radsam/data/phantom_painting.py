"""Painting a CT: signed distances, smooth random fields, and the canvas that mixes tissues.

Positions are millimetres along the LPS axes about an origin of the painter's choice, as
arrays (3, k, j, i) of x, y, z. A distance is negative inside a shape and right to first
order at its surface, as the edge of a voxel needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int16, UInt8
from scipy.interpolate import CubicSpline
from scipy.ndimage import find_objects, gaussian_filter, label
from scipy.spatial.transform import Rotation

from radsam.volume import Geometry

#: Standard deviation of the warp in mm: enough to bend an organ, too little to fold one.
WARP_MM = 2.2
#: How far outside its bounding box a warped, blurred shape may still reach, in mm.
_REACH_MM = 12.0

Field = Float32[np.ndarray, "k j i"]
Positions = Float32[np.ndarray, "3 k j i"]
#: Whole numbers are allowed; type checkers at run time do not accept them as floats.
Number = float | int
#: Three numbers along x, y and z, or one for each point of a course.
Numbers = Sequence[Number] | Float[np.ndarray, " n"]
#: Values from the signed distance in a part of the grid and that part.
Tissue = Callable[[Field, tuple[slice, ...]], Field]


def waves(
    geometry: Geometry,
    origin_lps: tuple[float, float, float],
    rng: np.random.Generator,
    wavelength_mm: tuple[Number, Number],
    count: int = 12,
) -> Field:
    """Sum plane waves of random direction into a smooth field of unit standard deviation.

    A wave is a product of one factor per voxel axis, so the sum is one matrix product.
    """
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    per_mm = 2 * np.pi * directions / rng.uniform(*wavelength_mm, size=(count, 1))
    start = per_mm @ (geometry.affine_lps[:3, 3] - np.asarray(origin_lps)) + rng.uniform(0, 2 * np.pi, count)
    along_i, along_j, along_k = (
        np.exp(1j * step[:, None] * np.arange(n))
        for step, n in zip((per_mm @ geometry.affine_lps[:3, :3]).T, geometry.shape_ijk, strict=True)
    )
    plane = np.einsum("wk,wj,w->kjw", along_k, along_j, np.exp(1j * start) * np.sqrt(2 / count))
    parts = np.concatenate([plane.real, -plane.imag], axis=2).astype(np.float32)
    return np.asarray(parts @ np.concatenate([along_i.real, along_i.imag]).astype(np.float32))


@dataclass(frozen=True)
class Shape:
    """A signed distance in mm and the body box that holds its inside."""

    distance: Callable[[Positions], Field]
    low_mm: Float[np.ndarray, "3"]
    high_mm: Float[np.ndarray, "3"]

    def __sub__(self, other: Shape) -> Shape:
        return Shape(lambda p: np.maximum(self.distance(p), -other.distance(p)), self.low_mm, self.high_mm)

    def __and__(self, other: Shape) -> Shape:
        low, high = np.maximum(self.low_mm, other.low_mm), np.minimum(self.high_mm, other.high_mm)
        return Shape(lambda p: np.maximum(self.distance(p), other.distance(p)), low, high)

    def grown(self, mm: Number) -> Shape:
        """Move the surface outwards by `mm`, or inwards when it is negative."""
        return Shape(lambda p: self.distance(p) - np.float32(mm), self.low_mm - mm, self.high_mm + mm)

    def blended(self, other: Shape, mm: Number) -> Shape:
        """Join two shapes with a fillet of about `mm`."""
        low, high = np.minimum(self.low_mm, other.low_mm) - mm, np.maximum(self.high_mm, other.high_mm) + mm
        return Shape(lambda p: _smooth_minimum(self.distance(p), other.distance(p), mm), low, high)


def _smooth_minimum(a: Field, b: Field, mm: Number) -> Field:
    share = np.clip(0.5 + (b - a) / np.float32(2 * mm), 0, 1)
    return np.asarray(b + (a - b) * share - np.float32(mm) * share * (1 - share))


def ellipsoid(centre: Numbers, radii: Numbers, tilt_deg: tuple[Number, Number, Number] = (0, 0, 0)) -> Shape:
    """Make an ellipsoid, turned about its own centre."""
    turn = Rotation.from_euler("xyz", tilt_deg, degrees=True).as_matrix()
    reach = np.sqrt((turn**2) @ np.square(radii))
    middle, scale = _column(centre), 1 / _column(radii)
    inverse = turn.T.astype(np.float32)

    def distance(positions: Positions) -> Field:
        offset = positions - middle
        if any(tilt_deg):
            offset = np.einsum("ab,bkji->akji", inverse, offset)
        offset *= scale
        level = np.sqrt(np.einsum("akji,akji->kji", offset, offset))
        offset *= scale
        # First-order distance: exact at the surface, as the edge needs.
        steepness = np.sqrt(np.einsum("akji,akji->kji", offset, offset)) + np.float32(1e-6)
        return np.asarray(level * (level - 1) / steepness)

    return Shape(distance, np.asarray(centre) - reach, np.asarray(centre) + reach)


def _column(xyz: Numbers) -> Float32[np.ndarray, "3 1 1 1"]:
    return np.asarray(xyz, dtype=np.float32)[:, None, None, None]


def tube(points: Sequence[Numbers] | Float[np.ndarray, "n 3"], radii: Numbers, steps: int = 0) -> Shape:
    """Make a bent tube through `points`; `steps` > 0 rounds its course by a spline of that many segments."""
    course, width = np.asarray(points, dtype=np.float64), np.asarray(radii, dtype=np.float64)
    if steps:
        knots, fine = np.linspace(0, 1, len(course)), np.linspace(0, 1, steps + 1)
        course, width = CubicSpline(knots, course)(fine), np.interp(fine, knots, width)

    def distance(positions: Positions) -> Field:
        nearest = np.full(positions.shape[1:], np.inf, dtype=np.float32)
        for start, end, first, last in zip(course[:-1], course[1:], width[:-1], width[1:], strict=True):
            step = (end - start).astype(np.float32)
            offset = positions - _column(start)
            along = np.clip(np.einsum("a,akji->kji", step / (step @ step), offset), 0, 1)
            offset -= step[:, None, None, None] * along
            gap = np.sqrt(np.einsum("akji,akji->kji", offset, offset)) - np.float32(first)
            np.minimum(nearest, gap - np.float32(last - first) * along, out=nearest)
        return nearest

    return Shape(distance, (course - width[:, None]).min(axis=0), (course + width[:, None]).max(axis=0))


@dataclass(frozen=True, eq=False)
class Canvas:
    """A CT and its truth while they are painted.

    Args:
        hu: Hounsfield units so far.
        ids: Object ids so far.
        positions: Warped millimetres (x, y, z) of every voxel.
        unwarped: The same without the warp.
        texture: Smooth fields of unit standard deviation: slow (about 100 mm), fine (about 20 mm).
        geometry: The grid.
        origin_lps: Where the positions are zero, in LPS mm.
        numbers: Name to object id; "background" is 0.
        edge_mm: Width over which a voxel mixes two tissues (partial volume).
    """

    hu: Field
    ids: UInt8[np.ndarray, "k j i"]
    positions: Positions
    unwarped: Positions
    texture: tuple[Field, Field]
    geometry: Geometry
    origin_lps: tuple[float, float, float]
    numbers: Mapping[str, int]
    edge_mm: Number

    @classmethod
    def of(
        cls,
        geometry: Geometry,
        origin_lps: tuple[float, float, float],
        names: Mapping[int, str],
        rng: np.random.Generator,
    ) -> Canvas:
        """Start with air everywhere; `rng` decides warp and texture."""
        k, j, i = np.indices(geometry.shape_kji, dtype=np.float32, sparse=True)
        step = geometry.affine_lps[:3, :3].astype(np.float32)
        start = (geometry.affine_lps[:3, 3] - origin_lps).astype(np.float32)
        unwarped = np.stack([step[a, 0] * i + step[a, 1] * j + step[a, 2] * k + start[a] for a in range(3)])
        positions = unwarped.copy()
        for axis in positions:
            axis += np.float32(WARP_MM) * waves(geometry, origin_lps, rng, (70, 140))
            axis += np.float32(0.35 * WARP_MM) * waves(geometry, origin_lps, rng, (28, 45))
        slow = waves(geometry, origin_lps, rng, (70, 130))
        return cls(
            hu=np.full(geometry.shape_kji, -1000, dtype=np.float32),
            ids=np.zeros(geometry.shape_kji, dtype=np.uint8),
            positions=positions,
            unwarped=unwarped,
            texture=(slow, waves(geometry, origin_lps, rng, (14, 26), count=24)),
            geometry=geometry,
            origin_lps=origin_lps,
            numbers={"background": 0, **{name: number for number, name in names.items()}},
            edge_mm=float(np.clip(min(geometry.spacing_mm_ijk), 1.0, 4.0)),
        )

    def fill(
        self, distance: Field, hu: Field | Number, where: tuple[slice, ...] = (), name: str = "background"
    ) -> None:
        """Paint where `distance` is negative, mixing both tissues over the edge.

        Args:
            distance: Signed distance in mm, over `where`.
            hu: The value or tissue to paint.
            where: The part of the grid; all of it by default.
            name: Object of the voxels in the truth.
        """
        self._mix(self._share(distance), hu, where)
        self.ids[where][distance < 0] = self.numbers[name]

    def paint(self, shape: Shape, hu: Number | Tissue, name: str = "background") -> None:
        """Paint a shape with one value, or with a tissue that has an inner structure."""
        where = self._around(shape)
        if where is not None:
            distance = shape.distance(self.positions[(slice(None), *where)])
            self.fill(distance, hu(distance, where) if callable(hu) else hu, where, name)

    def tint(self, shape: Shape, hu: Number | Tissue, only_on: str) -> None:
        """Change the values of `only_on` inside a shape and leave the truth as it is."""
        where = self._around(shape)
        if where is not None:
            distance = shape.distance(self.positions[(slice(None), *where)])
            share = self._share(distance) * (self.ids[where] == self.numbers[only_on])
            self._mix(share, hu(distance, where) if callable(hu) else hu, where)

    def _share(self, distance: Field) -> Field:
        return np.asarray(np.clip(0.5 - distance / np.float32(self.edge_mm), 0, 1))

    def _mix(self, share: Field, hu: Field | Number, where: tuple[slice, ...]) -> None:
        self.hu[where] += share * (hu - self.hu[where])

    def _around(self, shape: Shape) -> tuple[slice, ...] | None:
        ends = np.stack([shape.low_mm - _REACH_MM, shape.high_mm + _REACH_MM])
        corners = np.array([[ends[a, 0], ends[b, 1], ends[c, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
        index = self.geometry.mm_to_index(corners + self.origin_lps)
        first = np.maximum(np.floor(index.min(axis=0)), 0).astype(int)
        last = np.minimum(np.ceil(index.max(axis=0)) + 1, self.geometry.shape_ijk).astype(int)
        if (first >= last).any():
            return None
        return tuple(slice(int(first[a]), int(last[a])) for a in (2, 1, 0))

    def keep_one_piece(self) -> None:
        """Clear specks that a neighbour's edge cut off an organ."""
        boxes = find_objects(self.ids)
        for number in np.unique(self.ids[self.ids > 0]):
            where = boxes[number - 1]
            pieces, count = label(self.ids[where] == number)
            if count > 1:
                largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
                self.ids[where][(pieces > 0) & (pieces != largest)] = 0

    def scan(self, noise_hu: Number, rng: np.random.Generator) -> Int16[np.ndarray, "k j i"]:
        """Blur as a reconstruction kernel does, add noise of its grain, and round to whole HU."""
        spacing_kji = np.array(self.geometry.spacing_mm_ijk[::-1])
        hu = gaussian_filter(self.hu, 0.75 / spacing_kji, truncate=3)
        if noise_hu > 0:
            grain = rng.standard_normal(size=hu.shape, dtype=np.float32)
            noise = gaussian_filter(grain, 0.9 / spacing_kji, truncate=3)
            hu += noise * np.float32(noise_hu / noise.std())
        return np.asarray(np.clip(np.round(hu), -1024, 3071).astype(np.int16))
