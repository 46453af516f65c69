"""How long one edit takes on a large CT with five objects, on the engine and through the server until it is on disk.

The CT is synthetic, 512×512×400, so that anyone can run it; one of the five objects lies in the coronal plane, and they
overlap. Every edit is undone before the next one. Its object was edited before it, as strokes come one after the other;
the row "after another object" has what the first one costs, which brings its object to the top of all others. A
correction is measured on its own slice, which is encoded already. Example::

    python benchmarks/edit_latency.py --rounds 9

The goals are 60 ms for the answer of a correction and 20 ms for an edit by hand. The last column has the time until the
server says "ended": label map, events, state, and the session file on disk.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import radsam
from radsam.io.volume_write import write_volume
from radsam.server.server_store import ServerStore
from radsam.server.service import Service
from radsam.session import Session
from radsam.session.edit_request import CorrectionRequest, StartFromMaskRequest
from radsam.session.hand_request import BoundsRequest, CleanUpRequest, ConfirmRequest, PaintRequest
from radsam.session.requests import ObjectRequest
from radsam.volume import Brush, Geometry, Lasso, Plane, Point, SparseMask, Volume
from radsam.volume.clean_up import CopySlice, KeepLargest

SHAPE_KJI = (400, 512, 512)
SPACING_MM = (0.8, 0.8, 1.5)
#: Centre and radii (k, j, i) in voxels, and plane; the objects overlap.
OBJECTS = {
    "liver": ((200, 260, 180), (90, 110, 130), Plane.AXIAL),
    "spleen": ((220, 300, 400), (40, 50, 45), Plane.AXIAL),
    "kidney": ((150, 330, 200), (50, 30, 28), Plane.AXIAL),
    "aorta": ((200, 300, 265), (190, 14, 15), Plane.AXIAL),
    "coronal": ((180, 200, 330), (60, 40, 50), Plane.CORONAL),
}
AT = 200


def ellipsoid(centre: tuple[int, int, int], radii: tuple[int, int, int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Return an ellipsoid and its place in the volume."""
    place = tuple(slice(c - r, c + r + 1) for c, r in zip(centre, radii, strict=True))
    away = sum(
        ((np.arange(-r, r + 1) / r) ** 2).reshape([-1 if axis == n else 1 for n in range(3)])
        for axis, r in enumerate(radii)
    )
    return np.asarray(away <= 1), place


def make_volume() -> Volume:
    """Return noise with five brighter ellipsoids."""
    random = np.random.default_rng(0)
    hu = np.empty(SHAPE_KJI, np.int16)
    for each in hu:
        each[:] = random.integers(-60, 20, each.shape)
    for n, (centre, radii, _) in enumerate(OBJECTS.values()):
        inside, place = ellipsoid(centre, radii)
        hu[place][inside] += 90 + 10 * n
    return Volume(hu, Geometry.from_parts(SHAPE_KJI, (0.0, 0.0, 0.0), SPACING_MM, np.eye(3)))


def starts() -> list[StartFromMaskRequest]:
    """Return the requests that start the objects."""
    requests = []
    for name, (centre, radii, plane) in OBJECTS.items():
        inside, place = ellipsoid(centre, radii)
        mask = SparseMask.of_part(inside, (place[0], place[1], place[2]), SHAPE_KJI, 2)
        requests.append(StartFromMaskRequest(name=name, mask=mask, plane=plane, zoom=False))
    return requests


def edits() -> dict[str, ObjectRequest]:
    """Return the edits that are measured, all around the liver's middle slice."""
    stroke = tuple((130 + 5 * n, 190 + n, AT) for n in range(20))
    brush = Brush(path_ijk=stroke, radius_mm=6)
    ball = Brush(path_ijk=((300, 200, AT),), radius_mm=12, ball=True)
    coronal = Brush(path_ijk=((130, 260, 190), (180, 260, 240)), radius_mm=6, plane=Plane.CORONAL)
    lasso = Lasso(k=AT, polygon=tuple((250 + 60 * np.cos(t), 260 + 50 * np.sin(t)) for t in np.linspace(0, 6, 60)))
    across = Point(i=300, j=200, k=120)
    return {
        "correct, this slice": CorrectionRequest(name="liver", points=(Point(i=60, j=200, k=AT),), reach="slice"),
        "correct coronal object": CorrectionRequest(name="coronal", points=(across,), reach="slice"),
        "brush": PaintRequest(name="liver", shape=brush),
        "brush, after another object": PaintRequest(name="liver", shape=brush),
        "erase": PaintRequest(name="liver", shape=brush, positive=False),
        "brush within HU": PaintRequest(name="liver", shape=brush, within=(0, 200)),
        "brush alike": PaintRequest(name="liver", shape=brush, alike=30),
        "lasso": PaintRequest(name="liver", shape=lasso),
        "3D brush": PaintRequest(name="liver", shape=ball),
        "brush in another plane": PaintRequest(name="liver", shape=coronal, positive=False),
        "brush on coronal object": PaintRequest(name="coronal", shape=coronal),
        "new object": PaintRequest(name="new", shape=brush),
        "trim": BoundsRequest(name="liver", low=150, change="trim"),
        "confirm": ConfirmRequest(name="liver", slices=(AT,)),
        "copy slice": CleanUpRequest(name="liver", step=CopySlice(AT, (AT + 1, AT + 2), 2)),
        "keep largest": CleanUpRequest(name="liver", step=KeepLargest()),
    }


def timed(do: Callable[[], object]) -> float:
    """Return the milliseconds of a call."""
    began = time.perf_counter()
    do()
    return 1000 * (time.perf_counter() - began)


def on_engine(session: Session, request: ObjectRequest, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of the slice's answer, and of the edit with label map and outcome."""
    slices, whole = [], []
    cache = session._replayer.cache
    _ = session.label_map
    known = set(cache)

    def forget() -> None:
        for edits in set(cache) - known:
            del cache[edits]

    def run() -> object:
        for _ in session.run(request):
            pass
        return session.label_map

    for _ in range(rounds + 1):
        slices.append(timed(lambda: session.preview(request)))
        forget()
        whole.append(timed(run))
        session.undo()
        _ = session.label_map
        forget()
    return statistics.median(slices[1:]), statistics.median(whole[1:])


def through_server(service: Service, session: str, request: ObjectRequest, rounds: int) -> float:
    """Return the median milliseconds from the request to the end of its job."""
    found = []
    for _ in range(rounds + 1):
        found.append(timed(lambda: service.edit("local", session, request).future.result(120)))
        service.undo("local", session).result(120)
    return statistics.median(found[1:])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--only", default="", help="only edits with this in their name")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    engine = radsam.load(threads=args.threads)
    volume = make_volume()
    session = engine.open(volume)
    with tempfile.TemporaryDirectory() as folder:
        write_volume(volume, Path(folder) / "ct.nii")
        service = Service(engine, ServerStore(Path(folder) / "state"), given=[Path(folder) / "ct.nii"])
        served = service.create("local", service.volume_rows("local")[0]["id"])["id"]
        for start in starts():
            for _ in session.run(start):
                pass
            service.edit("local", served, start).future.result(300)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        print(f"{platform.processor() or platform.machine()}, {cores} cores, threads {args.threads or 'all'},", end=" ")
        print(f"{engine.predictor.spec.name}; medians of {args.rounds} in ms")
        print("| edit | on its slices | whole edit | through the server |\n|---|---|---|---|")
        for name, request in edits().items():
            if args.only in name:
                if request.name in OBJECTS:
                    last = "spleen" if "another object" in name else request.name
                    centre = OBJECTS[last][0][OBJECTS[last][2] is Plane.CORONAL]
                    mark = ConfirmRequest(name=last, slices=(centre - 3,))
                    for _ in session.run(mark):
                        pass
                    service.edit("local", served, mark).future.result(120)
                one, whole = on_engine(session, request, args.rounds)
                saved = through_server(service, served, request, args.rounds)
                print(f"| {name} | {one:.1f} | {whole:.1f} | {saved:.1f} |", flush=True)
        service.close()


if __name__ == "__main__":
    main()
