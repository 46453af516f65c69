"""How long does writing a DICOM SEG take, next to a compressed NIfTI file and reading the headers?

Makes a CT of 300 slices of 512×512 and a mask of 219 of them in a temporary folder. No
real data, no model::

    python benchmarks/dicom_seg.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_info, read_labels
from radsam.io.volume_write import write_labels
from radsam.volume import LabelVolume

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    from dicom_files import write_series

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "ct"
        random = np.random.default_rng(0)
        write_series(folder, random.integers(-100, 100, (arguments.slices, 512, 512)).astype(np.int16))
        geometry = read_info(folder).geometry
        if geometry is None:
            raise SystemExit("The CT that was made is not one volume.")
        k, j, i = np.ogrid[: arguments.slices, :512, :512]
        radius = 0.365 * arguments.slices
        inside = ((k - arguments.slices / 2) / radius) ** 2 + ((j - 256) / 120) ** 2 + ((i - 256) / 120) ** 2 < 1
        labels = LabelVolume(inside.astype(np.uint8), geometry, {1: "liver"})
        nifti, seg, contours = (Path(scratch) / name for name in ("mask.nii.gz", "seg.dcm", "rt.dcm"))

        def median(work: Callable[[], object]) -> float:
            seconds = []
            for _ in range(arguments.repeats):
                started = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - started)
            return statistics.median(seconds)

        nifti_s = median(lambda: write_labels(labels, nifti))
        headers_s = median(lambda: read_info(folder))
        seg_s = median(lambda: write_labels(labels, seg, source=read_source(folder)))
        contours_s = median(lambda: write_labels(labels, contours, file_format="rtstruct", source=read_source(folder)))
        read_s = median(lambda: read_labels(seg))
    print(f"{arguments.slices} slices of 512×512, median of {arguments.repeats}")
    print(f"NIfTI, compressed and read back   {nifti_s:6.2f} s")
    print(f"headers of the series             {headers_s:6.2f} s")
    print(f"SEG, with reading the headers     {seg_s:6.2f} s = {seg_s / (nifti_s + headers_s):.2f} × the two above")
    print(f"RTSTRUCT, with reading the headers{contours_s:6.2f} s")
    print(f"SEG read                          {read_s:6.2f} s")


if __name__ == "__main__":
    main()
