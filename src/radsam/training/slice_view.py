"""A view of a case's slices: whole as at inference, or cropped, turned and windowed.

A view gives slices of a new, smaller volume. Everything downstream treats it as a volume
of its own, with the very frame and prompts of inference, so augmentation cannot differ
between image, mask and prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int16, Shaped, UInt8, UInt16
from scipy.ndimage import affine_transform

from radsam.data.stored_case import AIR_HU
from radsam.preprocess import SliceFrame, Window
from radsam.runtime import BundleSpec
from radsam.volume import Plane, SliceGrid

#: A window of CT.
SOFT_TISSUE = Window(-160.0, 240.0)


@dataclass(frozen=True)
class View:
    """A window onto displayed slices, on pixels of the same size.

    Args:
        rows: Rows of the view.
        cols: Columns of the view.
        row_mm: Millimetres between rows.
        col_mm: Millimetres between columns.
        centre_row: Row of the displayed slice that the view's centre shows.
        centre_col: Column likewise.
        angle_deg: Turn about the centre.
        shear: Shear along the columns, as a fraction.
        window: The window of the model's input, in the unit of the values.
        noise: Standard deviation of Gaussian noise, likewise.
        outside: The value outside of the slice, likewise.
    """

    rows: int
    cols: int
    row_mm: float
    col_mm: float
    centre_row: float
    centre_col: float
    angle_deg: float = 0.0
    shear: float = 0.0
    window: Window = SOFT_TISSUE
    noise: float = 0.0
    outside: float = AIR_HU

    @classmethod
    def whole(
        cls, shape: tuple[int, int], row_mm: float, col_mm: float, window: Window, outside: float = AIR_HU
    ) -> View:
        """The view of inference: the whole slice, unchanged."""
        rows, cols = shape
        return cls(rows, cols, row_mm, col_mm, (rows - 1) / 2, (cols - 1) / 2, window=window, outside=outside)

    @property
    def identity(self) -> str:
        """All that the view depends on, for hashes; of a CT as earlier versions wrote it."""
        own = [each.name for each in fields(self) if each.name not in ("window", "noise", "outside")]
        parts = {name: getattr(self, name) for name in own}
        parts |= {"window_hu": (self.window.low, self.window.high), "noise_hu": self.noise}
        if self.outside != AIR_HU:
            parts["outside"] = self.outside
        return f"View({', '.join(f'{name}={value!r}' for name, value in parts.items())})"

    def grid(self, count: int) -> SliceGrid:
        """The grid of `count` slices seen through this view; stored as they are displayed."""
        return SliceGrid(
            plane=Plane.AXIAL,
            axis=2,
            count=count,
            shape_vu=(self.rows, self.cols),
            spacing_mm_vu=(self.row_mm, self.col_mm),
            transpose=False,
            flip_rows=False,
            flip_cols=False,
        )

    def frame(self, spec: BundleSpec, count: int) -> SliceFrame:
        """How the view's slices lie in a model's input."""
        return SliceFrame(self.grid(count), spec.input_size, spec.low_res_size)

    @property
    def unit_px(self) -> float:
        """How many of the view's pixels one pixel of a 1024 px frame is; the paper's figures are in those."""
        longest_mm = max(self.rows * self.row_mm, self.cols * self.col_mm)
        return longest_mm / 1024 / min(self.row_mm, self.col_mm)

    def values(
        self, slice_values: Int16[np.ndarray, "r c"] | Float32[np.ndarray, "r c"], rng: np.random.Generator
    ) -> Int16[np.ndarray, "rows cols"] | Float32[np.ndarray, "rows cols"]:
        """See one slice of values, with noise where the view has it."""
        seen = self._see(slice_values, order=1, outside=self.outside)
        if self.noise:
            noise = rng.normal(0.0, self.noise, seen.shape).astype(np.float32)
            return np.asarray(seen.astype(np.float32) + noise)
        return seen

    def ids(
        self, slice_ids: UInt8[np.ndarray, "r c"] | UInt16[np.ndarray, "r c"]
    ) -> UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"]:
        """See one slice of object ids."""
        return self._see(slice_ids, order=0, outside=0.0)

    def _see(
        self, pixels: Shaped[np.ndarray, "r c"], order: Literal[0, 1], outside: float
    ) -> Shaped[np.ndarray, "rows cols"]:
        corner_row, corner_col = self.centre_row - (self.rows - 1) / 2, self.centre_col - (self.cols - 1) / 2
        if not (self.angle_deg or self.shear) and corner_row.is_integer() and corner_col.is_integer():
            return self._cropped(pixels, int(corner_row), int(corner_col), outside)
        to_slice = self.to_slice()
        centre = np.array([(self.rows - 1) / 2, (self.cols - 1) / 2])
        offset = np.array([self.centre_row, self.centre_col]) - to_slice @ centre
        # Through float: interpolation in whole numbers would round towards zero.
        turned = affine_transform(
            pixels.astype(np.float32), to_slice, offset, (self.rows, self.cols), order=order, cval=outside
        )
        whole = np.issubdtype(pixels.dtype, np.integer)
        return np.asarray(np.rint(turned).astype(pixels.dtype) if whole else turned)

    def _cropped(
        self, pixels: Shaped[np.ndarray, "r c"], row: int, col: int, outside: float
    ) -> Shaped[np.ndarray, "rows cols"]:
        seen = np.full((self.rows, self.cols), outside, pixels.dtype)
        r0, r1 = max(row, 0), min(row + self.rows, pixels.shape[0])
        c0, c1 = max(col, 0), min(col + self.cols, pixels.shape[1])
        if r0 < r1 and c0 < c1:
            seen[r0 - row : r1 - row, c0 - col : c1 - col] = pixels[r0:r1, c0:c1]
        return seen

    def to_slice(self) -> Float[np.ndarray, "2 2"]:
        """Turn (row, column) offsets of the view into those of the slice; turned in millimetres."""
        angle = np.deg2rad(self.angle_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sheared = turn @ np.array([[1.0, 0.0], [self.shear, 1.0]])
        mm = np.array([self.row_mm, self.col_mm])
        return np.asarray(sheared * mm[None, :] / mm[:, None])
