"""How long a click takes beside a learning round: a correction on a slice whose embedding is cached.

Runs `radsam project learn DIR` in a process of its own and clicks in this one, then clicks without it. Between
clicks the annotator looks for a second, and the learning process works.

    python benchmarks/click_beside_learning.py DIR CT.nii.gz --clicks 60
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from radsam.io.volume_read import read_volume
from radsam.session import Session, load
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.volume import Bounds, Box, Plane, Point, SliceGrid


def main() -> None:
    """Measure, and print the median and the 95th percentile of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("volume", type=Path)
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds of learning before the first click")
    given = parser.parse_args()
    session = load().open(read_volume(given.volume))
    index = _start(session)
    measured = {"alone": _clicks(session, index, given.clicks, seed=1)}
    command = [sys.executable, "-m", "radsam", "project", "learn", str(given.project), "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as learner:
        time.sleep(given.warm_up)
        measured["beside learning"] = _clicks(session, index, given.clicks, seed=2)
        if learner.poll() is not None:
            sys.exit("The learning process ended before the last click: give it more cases or minutes.")
        learner.terminate()
    for name, seconds in measured.items():
        median, high = (1000 * np.percentile(seconds, each) for each in (50, 95))
        print(f"{name}: median {median:.0f} ms, 95th percentile {high:.0f} ms, {len(seconds)} clicks")


def _start(session: Session) -> int:
    """Segment a box in the middle of the volume, on one slice, and return that."""
    grid = SliceGrid.of(session.volume.geometry, Plane.AXIAL)
    index, (rows, cols) = grid.count // 2, grid.shape_vu
    box = Box.on(grid, index, cols // 3, rows // 3, 2 * cols // 3, 2 * rows // 3)
    for _ in session.run(SegmentRequest(name="object", prompt=box, bounds=Bounds(index, index))):
        pass
    return index


def _clicks(session: Session, index: int, number: int, seed: int) -> list[float]:
    """Click here and there in the box, each time undone; return the seconds of each.

    Another seed makes other clicks: a prediction that was made before is taken from the cache.
    """
    rng, seconds = np.random.default_rng(seed), []
    rows, cols = SliceGrid.of(session.volume.geometry, Plane.AXIAL).shape_vu
    for at in range(number):
        i, j = (int(rng.integers(n // 3, 2 * n // 3)) for n in (cols, rows))
        click = CorrectionRequest(name="object", points=(Point(i=i, j=j, k=index, positive=bool(at % 2)),))
        began = time.perf_counter()
        for _ in session.run(click):
            pass
        seconds.append(time.perf_counter() - began)
        session.undo()
        time.sleep(1.0)
    return seconds


if __name__ == "__main__":
    main()
