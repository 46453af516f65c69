"""Peak memory of `radsam segment` on a 512×512×400 CT, from file to mask.

The CT is the phantom and its mirror image, stacked in turn up to the number of slices. It is
written to a temporary folder and segmented by the command line in a separate process. Example::

    python benchmarks/memory.py --slices 400
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import radsam
from radsam.data.adapters.phantom import make_phantom


def main() -> None:
    """Parse the arguments and print the peak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--object-slices", type=int, default=60)
    parser.add_argument("--suffix", default=".nii.gz", choices=[".nii", ".nii.gz", ".nrrd"])
    arguments = parser.parse_args()
    peak = peak_bytes(arguments.slices, arguments.object_slices, arguments.suffix) / 1e9
    print(
        f"512×512×{arguments.slices} {arguments.suffix}, object of {arguments.object_slices} slices: peak {peak:.2f} GB"
    )


def peak_bytes(slices: int, object_slices: int, suffix: str = ".nii.gz") -> float:
    """Segment an object in a process of its own; return the most memory that any child of this one had."""
    with tempfile.TemporaryDirectory() as folder:
        ct = Path(folder) / f"ct{suffix}"
        box = _write(ct, slices)
        low = slices // 2 - object_slices // 2
        command = [sys.executable, "-m", "radsam", "segment", ct, "--slice", slices // 2, "--box", *box]
        command += ["--bounds", low, low + object_slices - 1, "-o", Path(folder) / "mask.nii.gz"]
        subprocess.run([str(each) for each in command], check=True, stdout=subprocess.DEVNULL)
    # Linux reports kilobytes, of the largest child.
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1e3


def _write(path: Path, slices: int) -> tuple[int, int, int, int]:
    """Write the CT and return a box around its liver on the middle slice."""
    phantom = make_phantom(shape_ijk=(512, 512, 40), spacing_mm_ijk=(0.75, 0.75, 2.5))
    index = np.arange(slices) - slices // 2 + 20
    index = np.abs((index - 40) % 80 - 39.5).astype(int)  # 0 … 39, 39 … 0, again and again
    affine = phantom.volume.geometry.affine_lps
    volume = radsam.Volume(phantom.volume.values[index], radsam.Geometry((slices, 512, 512), affine))
    from radsam.io.volume_write import write_volume

    write_volume(volume, path)
    rows, cols = np.nonzero(phantom.mask("liver")[index[slices // 2]])
    return int(cols.min()), int(rows.min()), int(cols.max()), int(rows.max())


if __name__ == "__main__":
    main()
