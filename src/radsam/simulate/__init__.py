"""A simulated user: prompts and corrections drawn from a known mask, the same for training and benchmark.

Masks are 2D, indexed ``[row, col]``, on any pixel grid (in `volume_click` 3D). Coordinates are pixel indices
(x = column, y = row) and both ends of a box are inclusive. `unit` is the size of one
pixel of a 1024-pixel image on the grid at hand (0.25 on a 256 grid), so that the
paper's figures, which are pixels at 1024, mean the same on every grid. The same
generator state gives the same prompt.
"""

from radsam.simulate.diameter import diameter_box, longest_diameter
from radsam.simulate.first_prompt import MaskNoise, broken_mask, exact_box, noisy_mask, random_box, random_point
from radsam.simulate.next_click import Click, centre_click, random_click
from radsam.simulate.noisy_object import noisy_object
from radsam.simulate.volume_click import centre_voxel, random_voxel, scribble_voxels

__all__ = [
    "Click",
    "MaskNoise",
    "broken_mask",
    "centre_click",
    "centre_voxel",
    "diameter_box",
    "exact_box",
    "longest_diameter",
    "noisy_mask",
    "noisy_object",
    "random_box",
    "random_click",
    "random_point",
    "random_voxel",
    "scribble_voxels",
]
