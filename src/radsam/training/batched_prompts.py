"""Prompts of a whole batch at once, on the device: what `radsam.simulate` draws for one mask.

Masks are in the model's frame at the size of the low-res masks; points and boxes are returned in the pixels of that
grid. Edges move by a smoothed mask's threshold, not by squares, so that no noise has axis-parallel edges.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from radsam.simulate import MaskNoise

Masks = Bool[Tensor, "b m m"]

#: Standard deviation of the smoothing that moves an edge, in low-res pixels, and the least half width that it is for.
_EDGE_SIGMA_PX, _LEAST_HALF_WIDTH_PX = 2.0, 3.0


def boxes_of(masks: Masks) -> Float[Tensor, "b 4"]:
    """First column, first row, last column and last row of each mask; zeros for an empty one."""
    found = []
    for axis in (1, 2):  # over rows: columns first
        held = masks.any(dim=axis).float()
        first = held.argmax(dim=1)
        last = held.shape[1] - 1 - held.flip(1).argmax(dim=1)
        found.append(torch.stack([first, torch.where(held.any(dim=1), last, first)], dim=1))
    (x0, x1), (y0, y1) = found[0].unbind(1), found[1].unbind(1)
    return torch.stack([x0, y0, x1, y1], dim=1).float()


def random_boxes(masks: Masks, generator: torch.Generator, *, shrink_px: float, grow_px: float) -> Float[Tensor, "b 4"]:
    """Loose boxes by their outer edges (x0, y0, x1, y1), each side moved on its own (paper section 3.3).

    Args:
        masks: Objects; none is empty.
        generator: Source of randomness.
        shrink_px: Farthest inwards, in pixels at 1024.
        grow_px: Farthest outwards, in pixels at 1024.
    """
    size = masks.shape[-1]
    out = _uniform(masks, (len(masks), 4), generator, -shrink_px, grow_px) * size / 1024
    boxes = boxes_of(masks)
    low = (boxes[:, :2] - 0.5 - out[:, :2]).clamp(-0.5, size - 2.5)
    high = torch.maximum(boxes[:, 2:] + 0.5 + out[:, 2:], low + 2).clamp(max=size - 0.5)
    return torch.cat([low, high], dim=1)


def random_points(masks: Masks, generator: torch.Generator, *, margin_px: int = 2) -> Float[Tensor, "b 2"]:
    """A pixel (x, y) of each mask, away from its edge where it has such pixels (paper section 3.3)."""
    side = 2 * margin_px + 1
    inner = functional.avg_pool2d(masks.float(), side, stride=1, padding=margin_px) > 1 - 1e-4
    deep = inner & masks
    return random_pixels(torch.where(deep.any(dim=(1, 2), keepdim=True), deep, masks), generator)


def random_pixels(masks: Masks, generator: torch.Generator) -> Float[Tensor, "b 2"]:
    """A pixel (x, y) of each mask, all of them alike; any pixel where a mask is empty."""
    weights = masks.flatten(1).float()
    weights = torch.where(masks.any(dim=(1, 2))[:, None], weights, torch.ones_like(weights))
    at = torch.multinomial(weights, 1, generator=generator)[:, 0]
    return torch.stack([at % masks.shape[2], at // masks.shape[2]], dim=1).float()


def noisy_masks(masks: Masks, generator: torch.Generator, strength: Tensor | float, noise: MaskNoise) -> Masks:
    """Wrong versions of masks, turned, scaled, moved, grown or shrunk; a mask of which nothing is left stays.

    Args:
        masks: Objects.
        generator: Source of randomness.
        strength: Of each mask's noise, relative to `noise`.
        noise: The amounts.
    """
    boxes, unit = boxes_of(masks), masks.shape[-1] / 1024
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    draws = _uniform(masks, (len(masks), 5), generator, -1.0, 1.0) * torch.as_tensor(
        strength, device=masks.device
    ).reshape(-1, 1)
    turn, growth, edge = draws[:, 0] * math.radians(noise.rotation_deg), draws[:, 1] * noise.scale, draws[:, 4]
    shift = draws[:, 2:4] * torch.minimum(torch.full_like(sizes, noise.shift_px * unit), noise.shift_share * sizes)
    moved = _moved(masks, (boxes[:, :2] + boxes[:, 2:]) / 2, turn, 1 + growth, shift)
    moved = torch.where(moved.any(dim=(1, 2), keepdim=True), moved, masks)
    width = _half_widths(moved)
    edge_px = edge * torch.minimum(torch.full_like(width, noise.edge_px * unit), noise.edge_share * width)
    changed = _with_moved_edges(moved, torch.where(width >= _LEAST_HALF_WIDTH_PX, edge_px, torch.zeros_like(width)))
    return torch.where(changed.any(dim=(1, 2), keepdim=True), changed, moved)


def broken_masks(masks: Masks, generator: torch.Generator) -> Masks:
    """Masks that are wrong in one part: a part is cut off along a line, or a second copy lies beside the object."""
    count, size = len(masks), masks.shape[-1]
    boxes = boxes_of(masks)
    at = torch.arange(size, device=masks.device, dtype=torch.float32)
    through = random_pixels(masks, generator)
    angle = _uniform(masks, (count,), generator, 0.0, 2 * math.pi)
    across, down = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    ahead = (at[None, None] - through[:, :1, None]) * across + (at[None, :, None] - through[:, 1:, None]) * down
    cut = masks & (ahead < 0)
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    shift = sizes * 0.7 * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    zeros = torch.zeros(count, device=masks.device)
    copied = masks | _moved(masks, (boxes[:, :2] + boxes[:, 2:]) / 2, zeros, zeros + 1, shift)
    cuts = _uniform(masks, (count,), generator, 0.0, 1.0) < 0.5
    # A copy may lie outside of the frame.
    cuts = (cuts | ~(copied ^ masks).any(dim=(1, 2))) & cut.any(dim=(1, 2))
    return torch.where(cuts[:, None, None], cut, copied)


def _moved(
    masks: Masks, centres: Float[Tensor, "b 2"], turn: Float[Tensor, " b"], scale: Float[Tensor, " b"], shift: Tensor
) -> Masks:
    """Turn and scale masks about a centre (x, y) and move them."""
    size = masks.shape[-1]
    cos, sin = torch.cos(turn) / scale, torch.sin(turn) / scale
    back = torch.stack([torch.stack([cos, sin], dim=1), torch.stack([-sin, cos], dim=1)], dim=1)
    at = torch.arange(size, device=masks.device, dtype=torch.float32)
    y, x = torch.meshgrid(at, at, indexing="ij")
    to = torch.stack([x, y], dim=-1)[None] - (centres + shift)[:, None, None]
    source = torch.einsum("bij,byxj->byxi", back, to) + centres[:, None, None]
    grid = (source + 0.5) * 2 / size - 1
    return functional.grid_sample(masks[:, None].float(), grid, align_corners=False)[:, 0] > 0.5


def _half_widths(masks: Masks) -> Float[Tensor, " b"]:
    """Usual half width of each mask: its area over its edge pixels."""
    inner = functional.avg_pool2d(masks[:, None].float(), 3, stride=1, padding=1)[:, 0] > 1 - 1e-4
    area = masks.sum(dim=(1, 2)).float()
    return area / (area - (inner & masks).sum(dim=(1, 2))).clamp(min=1)


def _with_moved_edges(masks: Masks, edge_px: Float[Tensor, " b"]) -> Masks:
    """Grow (positive) or shrink masks by up to a few pixels."""
    reach = math.ceil(3 * _EDGE_SIGMA_PX)
    at = torch.arange(-reach, reach + 1, device=masks.device, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * _EDGE_SIGMA_PX**2))
    kernel = kernel / kernel.sum()
    smooth = functional.conv2d(masks[:, None].float(), kernel.reshape(1, 1, 1, -1), padding=(0, reach))
    smooth = functional.conv2d(smooth, kernel.reshape(1, 1, -1, 1), padding=(reach, 0))[:, 0]
    # A straight edge's smoothed value a distance d outside of it.
    level = 0.5 * torch.erfc(edge_px / (_EDGE_SIGMA_PX * math.sqrt(2)))
    return torch.where((edge_px == 0)[:, None, None], masks, smooth > level[:, None, None])


def _uniform(like: Tensor, shape: tuple[int, ...], generator: torch.Generator, low: float, high: float) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device) * (high - low) + low
