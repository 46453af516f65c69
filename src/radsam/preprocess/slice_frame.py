"""The map between one slice of a volume and a model's square input frame.

The slice is turned to the radiological display (`SliceGrid.to_display`), cut to a crop
where there is one, scaled in millimetres so that its longer side fills the frame, and
padded at the right and the bottom. Points, boxes and masks go through the same map and
its exact inverse.

A pixel index means the pixel's centre, in the slice and in the frame: pixel ``x`` of
``n`` covers ``x - 0.5`` to ``x + 0.5``, and the edges of both grids coincide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped
from PIL import Image

from radsam.preprocess.crop import Crop
from radsam.preprocess.normalisation import Normalisation
from radsam.volume import SliceGrid


@dataclass(frozen=True)
class SliceFrame:
    """How the slices of one grid lie in a model's input.

    Args:
        grid: The slices.
        input_size: Side of the model's square input, in pixels.
        low_res_size: Side of the model's low-res mask, in pixels; divides `input_size`.
        crop: The part of the displayed slice that the model sees; None for all of it.
    """

    grid: SliceGrid
    input_size: int
    low_res_size: int
    crop: Crop | None = None

    @property
    def seen(self) -> Crop:
        """The part of the displayed slice that the model sees."""
        return self.crop or Crop(0, 0, *self.grid.display_shape)

    @property
    def side_mm(self) -> float:
        """Side of the model's input, in millimetres: the longer side of what it sees."""
        return max(n * mm for n, mm in zip(self.seen.shape, self.grid.display_spacing_mm, strict=True))

    @property
    def content_shape(self) -> tuple[int, int]:
        """Rows and columns of the frame that the slice fills; the rest is padding.

        Whole low-res pixels, so that an image and its masks end at the same place.
        """
        sizes = zip(self.seen.shape, self.grid.display_spacing_mm, strict=True)
        low_res = (low_res_length(n * mm / self.side_mm, self.low_res_size) for n, mm in sizes)
        rows, cols = (n * (self.input_size // self.low_res_size) for n in low_res)
        return rows, cols

    def image(self, values: Shaped[np.ndarray, "v u"], normalisation: Normalisation) -> Float32[np.ndarray, "3 n n"]:
        """Turn the values of a slice into the model's normalised input; the padding is 0."""
        seen = normalisation.to_unit(np.ascontiguousarray(self.seen.take(self.grid.to_display(values))))
        rows, cols = self.content_shape
        frame = np.zeros((3, self.input_size, self.input_size), np.float32)
        frame[:, :rows, :cols] = normalisation.to_channels(_resize(seen, (rows, cols)))
        return frame

    def points_to_frame(self, points_uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Map stored pixels (u, v) to frame pixels (x, y)."""
        xy = np.array([self.grid.uv_to_display_xy(u, v) for u, v in points_uv], np.float64).reshape(-1, 2)
        return np.asarray((xy - self._corner_xy + 0.5) * self._scale_xy - 0.5)

    def points_from_frame(self, points_xy: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Map frame pixels (x, y) to stored pixels (u, v); the inverse of `points_to_frame`."""
        xy = (np.asarray(points_xy, np.float64).reshape(-1, 2) + 0.5) / self._scale_xy - 0.5 + self._corner_xy
        return np.array([self.grid.display_xy_to_uv(x, y) for x, y in xy], np.float64).reshape(-1, 2)

    def box_to_frame(self, uvuv: tuple[int, int, int, int]) -> Float[np.ndarray, "2 2"]:
        """Map an inclusive box of stored pixels to its outer corners (x, y) in the frame.

        The first corner is the upper left one. Corners lie on the outer edges of the
        box's pixels, so a box keeps its extent at any scale.
        """
        u0, v0, u1, v1 = uvuv
        edges = self.points_to_frame(np.array([[u0 - 0.5, v0 - 0.5], [u1 + 0.5, v1 + 0.5]]))
        return np.stack([edges.min(axis=0), edges.max(axis=0)])

    def box_from_frame(self, corners_xy: Float[np.ndarray, "2 2"]) -> tuple[int, int, int, int]:
        """Map corners in the frame to the inclusive box of stored pixels; the inverse of `box_to_frame`."""
        edges = self.points_from_frame(corners_xy)
        low, high = edges.min(axis=0) + 0.5, edges.max(axis=0) - 0.5
        u0, v0 = (round(float(a)) for a in low)
        u1, v1 = (round(float(a)) for a in high)
        return u0, v0, u1, v1

    def mask_to_frame(self, mask_vu: Bool[np.ndarray, "v u"]) -> Float32[np.ndarray, "m m"]:
        """Turn a mask of the slice into the model's binary low-res mask, 0 or 1 (paper 3.3)."""
        display = np.ascontiguousarray(self.seen.take(self.grid.to_display(mask_vu))).astype(np.float32)
        rows, cols = self._low_res_content
        low_res = np.zeros((self.low_res_size, self.low_res_size), np.float32)
        covered = _resize(display, (rows, cols))
        # A mask that covers no low-res pixel by half gets the ones that it covers most: a small mask must not vanish.
        low_res[:rows, :cols] = (covered > 0) & (covered >= min(0.5, float(covered.max())))
        return low_res

    def logits_to_slice(self, low_res: Float32[np.ndarray, "m m"]) -> Float32[np.ndarray, "v u"]:
        """Bring low-res logits to the slice as stored, by bilinear interpolation; -inf beyond the crop."""
        rows, cols = self._low_res_content
        display = _resize(np.ascontiguousarray(low_res[:rows, :cols]), self.seen.shape)
        if self.crop is not None:
            whole = np.full(self.grid.display_shape, -np.inf, np.float32)
            self.crop.take(whole)[:] = display
            display = whole
        return np.ascontiguousarray(self.grid.from_display(display))

    @property
    def _low_res_content(self) -> tuple[int, int]:
        rows, cols = self.content_shape
        stride = self.input_size // self.low_res_size
        return rows // stride, cols // stride

    @property
    def _scale_xy(self) -> Float[np.ndarray, "2"]:
        rows, cols = self.content_shape
        from_rows, from_cols = self.seen.shape
        return np.array([cols / from_cols, rows / from_rows])

    @property
    def _corner_xy(self) -> Float[np.ndarray, "2"]:
        return np.array([self.seen.col, self.seen.row], np.float64)


def low_res_length(share: float, low_res_size: int) -> int:
    """Whole low-res pixels of a share of the frame."""
    # Rounded twice: spacings that differ in the seventh digit, as between a DICOM
    # series and its NIfTI, must not fall to two sides of a half.
    return max(1, round(round(share * low_res_size, 3)))


def _resize(image: Float32[np.ndarray, "rows cols"], shape: tuple[int, int]) -> Float32[np.ndarray, "*shape"]:
    """Resize with a triangle filter whose support grows when shrinking: no aliasing."""
    if image.shape == shape:
        return image
    rows, cols = shape
    return np.asarray(Image.fromarray(image).resize((cols, rows), Image.Resampling.BILINEAR))
