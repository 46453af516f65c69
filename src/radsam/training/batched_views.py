"""The slices of a pack on the device, and random views of many of them at once.

A view here shows what `radsam.training.slice_view.View` shows in the model's frame: the same crop, turn, shear, window
and padding. One interpolation goes from the slice to the frame, where the other path has two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from radsam.data.packed_store import Pack
from radsam.preprocess.slice_frame import low_res_length
from radsam.runtime import BundleSpec
from radsam.training.slice_view import View


@dataclass(frozen=True, eq=False)
class SliceStack:
    """All slices of a pack, on the device.

    Args:
        pack: The pack.
        values: Its values, one tensor for each case.
        ids: Its object ids, likewise.
        side: Rows and columns that hold any slice.
    """

    pack: Pack
    values: tuple[Tensor, ...]
    ids: tuple[Tensor, ...]
    side: int

    @classmethod
    def of(cls, pack: Pack, device: torch.device) -> SliceStack:
        """Bring a pack to a device."""
        values = tuple(torch.from_numpy(case.values).to(device) for case in pack.cases)
        ids = tuple(torch.from_numpy(case.ids.astype(np.int16)).to(device) for case in pack.cases)
        return cls(pack, values, ids, max(max(case.values.shape[1:]) for case in pack.cases))

    def slices(self, where: Sequence[tuple[int, int]]) -> Float[Tensor, "b 1 s s"]:
        """Slices in steps of their cases, each (case, slice of the whole case), with 0 around them."""
        return self._gathered(self.values, where)

    def scales(self, where: Sequence[tuple[int, int]]) -> tuple[Float[Tensor, "b 1 1 1"], Float[Tensor, "b 1 1 1"]]:
        """What 0 means in each of these slices, and a step."""
        of_cases = [(self.pack.cases[case].low, self.pack.cases[case].step) for case, _ in where]
        scales = torch.tensor(of_cases, dtype=torch.float32, device=self.values[0].device)
        low, step = scales.reshape(-1, 2, 1, 1, 1).unbind(1)
        return low, step

    def objects(self, where: Sequence[tuple[int, int]], object_ids: Sequence[int]) -> Float[Tensor, "b 1 s s"]:
        """1 where an object is, 0 elsewhere; a slice that is not in the pack has none."""
        ids = self._gathered(self.ids, where)
        wanted = torch.tensor(object_ids, device=ids.device, dtype=ids.dtype)
        return (ids == wanted.reshape(-1, 1, 1, 1)).float()

    def _gathered(self, of_cases: tuple[Tensor, ...], where: Sequence[tuple[int, int]]) -> Float[Tensor, "b 1 s s"]:
        gathered = torch.zeros(len(where), 1, self.side, self.side, device=of_cases[0].device)
        for place, (case, index) in enumerate(where):
            within = index - self.pack.cases[case].first
            if 0 <= within < len(of_cases[case]):
                one = of_cases[case][within]
                gathered[place, 0, : one.shape[0], : one.shape[1]] = one
        return gathered


class BatchedViews:
    """One view for each episode of a batch.

    Args:
        views: The views.
        spec: The model.
        device: Where pictures are made.
    """

    def __init__(self, views: Sequence[View], spec: BundleSpec, device: torch.device) -> None:
        self.views, self._spec, self._device = views, spec, device
        self.side_mm = [max(view.rows * view.row_mm, view.cols * view.col_mm) for view in views]
        self._window = self._tensor([(view.window.low, view.window.high) for view in views])
        self._noise = self._tensor([view.noise for view in views]).reshape(-1, 1, 1, 1)
        self.content = self._inside(spec.low_res_size)

    def images(
        self, stack: SliceStack, where: Sequence[tuple[int, int]], generator: torch.Generator
    ) -> Float[Tensor, "b 3 n n"]:
        """The model's input for one slice of each episode, with new noise."""
        spec, size = self._spec, self._spec.input_size
        least, step = stack.scales(where)
        values = _sampled(stack.slices(where) * step, self._grid(size, stack.side)) + least
        values = values + self._noise * torch.randn(values.shape, generator=generator, device=values.device)
        low, high = self._window.reshape(-1, 2, 1, 1, 1).unbind(1)
        unit = ((values - low) / (high - low)).clamp(0, 1)
        mean, std = (self._tensor([each]).reshape(1, 3, 1, 1) for each in (spec.pixel_mean, spec.pixel_std))
        return (unit - mean) / std * self._inside(size)[:, None]

    def masks(
        self, stack: SliceStack, where: Sequence[tuple[int, int]], object_ids: Sequence[int]
    ) -> Bool[Tensor, "b m m"]:
        """The object on one slice of each episode."""
        return self.shown(stack.objects(where, object_ids))

    def shown(self, slices: Float[Tensor, "b 1 s s"]) -> Bool[Tensor, "b m m"]:
        """Masks of one slice of each episode, 1 inside; `s` as in `SliceStack.slices`."""
        seen = _sampled(slices, self._grid(self._spec.low_res_size, slices.shape[-1]))[:, 0]
        return (seen > 0.5) & (self.content > 0.5)

    def _inside(self, size: int) -> Float[Tensor, "b size size"]:
        """1 where the frame shows the view, 0 in its padding: whole low-res pixels, as in `SliceFrame`."""
        stride, low_res = size // self._spec.low_res_size, self._spec.low_res_size
        lengths = [
            [low_res_length(n * mm / side, low_res) for n, mm in ((view.rows, view.row_mm), (view.cols, view.col_mm))]
            for view, side in zip(self.views, self.side_mm, strict=True)
        ]
        ends = self._tensor(lengths) * stride
        at = torch.arange(size, device=self._device)
        return ((at[None, :, None] < ends[:, :1, None]) & (at[None, None] < ends[:, 1:, None])).float()

    def _grid(self, size: int, side: int) -> Float[Tensor, "b size size 2"]:
        """Where each pixel of a frame of `size` pixels lies in a stack's slices, from -1 to 1."""
        matrices, offsets = [], []
        for view, side_mm in zip(self.views, self.side_mm, strict=True):
            # Frame pixel to view pixel, view pixel to slice pixel; edges of both grids coincide.
            scale = np.array([side_mm / size / view.row_mm, side_mm / size / view.col_mm])
            to_slice = view.to_slice()
            centre = np.array([(view.rows - 1) / 2, (view.cols - 1) / 2])
            corner = np.array([view.centre_row, view.centre_col]) + to_slice @ (0.5 * scale - 0.5 - centre)
            matrices.append(to_slice * scale[None])
            offsets.append(corner)
        at = torch.arange(size, device=self._device, dtype=torch.float32)
        frame = torch.stack(torch.meshgrid(at, at, indexing="ij"), dim=-1)
        slices = torch.einsum("bij,yxj->byxi", self._tensor(matrices), frame) + self._tensor(offsets)[:, None, None]
        return ((slices + 0.5) * 2 / side - 1).flip(-1)

    def _tensor(self, values: object) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self._device)


def _sampled(slices: Float[Tensor, "b 1 s s"], grid: Float[Tensor, "b n n 2"]) -> Float[Tensor, "b 1 n n"]:
    return functional.grid_sample(slices, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
