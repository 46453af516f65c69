"""The cost of an archive: the share of each step, two workers against one, and an estimate for 10,000 studies.

Objects of phantoms are segmented by `radsam batch`'s engines, with one thread per worker. The runs of one
and of two Ray workers alternate, so that other load of the machine affects both alike; their clock
starts when all workers are ready and have done one volume each. Example::

    python benchmarks/batch_scaling.py
    python benchmarks/batch_scaling.py --shape 256 256 40 --volumes 8 --rounds 2 --slices 8 --report model

``--report scaling`` is the comparison, ``model`` the steps and the 10,000 studies, ``all`` both. The
model of costs is a sum: an object costs what its row took, a volume what reading it took; neither
depends on how many there are. Where workers share a disk, their reading and writing together in a second
is printed beside it: a disk that gives less is the bottleneck.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from radsam.batch.batch_plan import VolumeTask, make_plan
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.engines.local_engine import run_in_process
from radsam.batch.engines.ray_engine import run_on_ray
from radsam.batch.manifest import GoodRow, Manifest
from radsam.batch.manifest_row import ManifestRow
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult, Status
from radsam.batch.timed_model import TimedModel
from radsam.data.adapters.phantom import ORGANS, make_phantom
from radsam.io.volume_write import write_volume

_STUDIES, _OBJECTS_PER_STUDY = 10_000, 5
_CHOSEN = {1: "liver", 3: "spleen", 4: "kidney_right", 5: "kidney_left", 8: "vertebrae"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--report", choices=["scaling", "model", "all"], default="all")
    parser.add_argument("--volumes", type=int, default=8)
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 104, 24), metavar=("I", "J", "K"))
    parser.add_argument("--slices", type=int, default=4, help="slices of each object, at most")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of runs")
    parser.add_argument("--zoom", action=argparse.BooleanOptionalAction, help="as the model was trained if left out")
    arguments = parser.parse_args()
    settings = BatchSettings(model=arguments.model, threads=1, zoom=arguments.zoom)
    with tempfile.TemporaryDirectory(prefix="radsam-bench-") as name:
        manifest = _archive(Path(name), arguments)
        identity = settings.identity(TimedModel.load(settings).bundle.sha256)
        plan = make_plan(manifest, OutputFolder(Path(name) / "none"), identity)
        if arguments.report in ("model", "all"):
            _report_costs(plan.volumes, settings, Path(name), arguments)
        if arguments.report in ("scaling", "all"):
            _report_scaling(plan.volumes, settings, Path(name), arguments)


def _archive(root: Path, arguments: argparse.Namespace) -> Manifest:
    """Write the phantoms and name their objects."""
    rows: list[GoodRow] = []
    shape = tuple(arguments.shape)
    spacing = tuple(round(size / count, 3) for size, count in zip((340.0, 270.0, 200.0), shape, strict=True))
    for seed in range(arguments.volumes):
        phantom = make_phantom(seed=seed, shape_ijk=shape, spacing_mm_ijk=spacing)
        write_volume(phantom.volume, root / f"{seed}.nii.gz")
        for value, organ in _CHOSEN.items():
            assert ORGANS[value] == organ
            areas = phantom.mask(organ).sum(axis=(1, 2))
            k, held = int(areas.argmax()), np.flatnonzero(areas)
            v, u = np.nonzero(phantom.mask(organ)[k])
            low = max(int(held[0]), k - arguments.slices // 2)
            high = min(int(held[-1]), low + arguments.slices - 1)
            row = ManifestRow(
                id=f"{seed}_{organ}",
                volume=f"{seed}.nii.gz",
                object=organ,
                coordinates="ijk",
                slice=float(k),
                box=(float(u.min()), float(v.min()), float(u.max()), float(v.max())),
                bounds=(float(low), float(max(high, k))),
            )
            rows.append(GoodRow(len(rows) + 2, row))
    return Manifest(root / "manifest.csv", tuple(rows), (), ())


def _report_costs(
    volumes: Sequence[VolumeTask], settings: BatchSettings, root: Path, arguments: argparse.Namespace
) -> None:
    """Print the cost of each step for one worker with one thread, and of an archive."""
    model = TimedModel.load(settings)
    folder = _fresh(root / "costs")
    run_in_process(volumes[:1], settings, folder, model=model)  # the first volume warms everything up
    folder = _fresh(root / "costs")
    cpu, wall = time.process_time(), time.perf_counter()
    found = run_in_process(volumes, settings, folder, model=model)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    _check(found)
    objects = len(found)
    total = {
        name: sum(getattr(each, f"seconds_{name}") or 0.0 for each in found) for name in ("model", "encode", "write")
    }
    read = sum(next(each.seconds_read or 0.0 for each in found if each.volume == v.volume) for v in volumes)
    rows = sum(each.seconds or 0.0 for each in found)
    steps = {
        "reading the volume": read / objects,
        "encoding slices": total["encode"] / objects,
        "prompts, propagation, mask": (total["model"] - total["encode"]) / objects,
        "writing the mask": total["write"] / objects,
        "thumbnail, prompt": (rows - total["model"] - total["write"]) / objects,
        "plan, locks, results": (wall - rows - read) / objects,
    }
    shape = "×".join(map(str, arguments.shape))
    print(
        f"\n{objects} objects of at most {arguments.slices} slices in {len(volumes)} volumes of {shape}, "
        f"{model.bundle.spec.name} on {model.backend.name}, 1 thread, load of the machine {os.getloadavg()[0]:.1f}\n"
    )
    print("| step | ms per object | share |\n|---|---|---|")
    for name, seconds in steps.items():
        print(f"| {name} | {1000 * seconds:.1f} | {100 * seconds / (wall / objects):.1f} % |")
    print(f"| together | {1000 * wall / objects:.1f} | CPU time {1000 * cpu / objects:.1f} |")
    beside = steps["thumbnail, prompt"] + steps["plan, locks, results"]
    print(
        f"\nOverhead per object beside reading, inference and writing the mask: {1000 * beside:.1f} ms; with "
        f"writing: {1000 * (beside + steps['writing the mask']):.1f} ms"
    )
    encoded = sum(each.encoded or 0 for each in found)
    propagated = sum((each.last_slice or 0) - (each.first_slice or 0) + 1 for each in found)
    per_slice = total["encode"] / max(encoded, 1), (total["model"] - total["encode"]) / max(propagated, 1)
    _print_model(read / len(volumes), per_slice, (rows - total["model"]) / objects, volumes, folder)


def _print_model(
    read: float, per_slice: tuple[float, float], fixed: float, volumes: Sequence[VolumeTask], folder: OutputFolder
) -> None:
    """Print the cost of an archive, by how many slices an object has, and the load of a shared disk."""
    encode, propagate = per_slice
    volume_mb = np.mean([Path(each.location).stat().st_size for each in volumes]) / 1e6
    mask_mb = np.mean([each.stat().st_size for each in folder.masks.iterdir()]) / 1e6
    print(
        f"\nMeasured: {read:.3f} s a volume, {encode:.3f} s an encoded slice, {propagate:.3f} s a propagated one, "
        f"{fixed:.3f} s an object. Then {_STUDIES:,} studies of {_OBJECTS_PER_STUDY} objects cost:\n"
    )
    print("| slices an object | encoded | core hours | reading | encoding | propagation | rest | 32 workers | disk |")
    print("|---|---|---|---|---|---|---|---|---|")
    count = _STUDIES * _OBJECTS_PER_STUDY
    # Each object in its own crop; and whole slices, which the objects of a study share.
    for slices, encoded in ((5, 5), (20, 20), (60, 60), (20, 20 / _OBJECTS_PER_STUDY)):
        seconds = [_STUDIES * read, count * encoded * encode, count * slices * propagate, count * fixed]
        whole = sum(seconds)
        rate = (_STUDIES * volume_mb + count * mask_mb) / (whole / 32)
        shares = " | ".join(f"{100 * part / whole:.0f} %" for part in seconds)
        hours = whole / 3600
        print(f"| {slices} | {encoded:g} | {hours:,.0f} | {shares} | {hours / 32:.1f} h | {rate:.1f} MB/s |")


def _report_scaling(
    volumes: Sequence[VolumeTask], settings: BatchSettings, root: Path, arguments: argparse.Namespace
) -> None:
    """Print the throughput of two workers against twice that of one, pair by pair."""
    ratios = []
    print("\n| round | one worker, objects/s | two workers, objects/s | two / (2 × one) |\n|---|---|---|---|")
    for number in range(arguments.rounds):
        order = (1, 2) if number % 2 == 0 else (2, 1)
        rates = {count: _rate(volumes, settings, root / "scaling", count) for count in order}
        ratios.append(rates[2] / (2 * rates[1]))
        print(f"| {number + 1} | {rates[1]:.2f} | {rates[2]:.2f} | {ratios[-1]:.3f} |", flush=True)
    print(f"\nMedian {np.median(ratios):.3f}, {os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}")


def _rate(volumes: Sequence[VolumeTask], settings: BatchSettings, folder: Path, workers: int) -> float:
    """Return objects per second while all workers are warm and at work."""
    found = run_on_ray(volumes, settings, _fresh(folder), workers=workers)
    _check(found)
    by_worker: dict[str, list[float]] = {}
    for each in found:
        by_worker.setdefault(each.worker, []).append(np.datetime64(each.finished[:-6], "ms").astype(float) / 1000)
    if len(by_worker) != workers:
        raise SystemExit(f"Only {len(by_worker)} of {workers} workers came to work: take more volumes.")
    # From when the last worker has done its first volume to when the first has nothing left to do.
    per_volume = len(volumes[0].tasks)
    start = max(sorted(times)[per_volume - 1] for times in by_worker.values())
    end = min(max(times) for times in by_worker.values())
    return sum(start < each <= end for times in by_worker.values() for each in times) / (end - start)


def _fresh(path: Path) -> OutputFolder:
    shutil.rmtree(path, ignore_errors=True)
    folder = OutputFolder(path)
    folder.make()
    return folder


def _check(found: Sequence[RowResult]) -> None:
    wrong = [replace(each, volume="") for each in found if each.status is not Status.DONE]
    if wrong:
        raise SystemExit(f"{len(wrong)} rows failed, the first: {wrong[0]}")


if __name__ == "__main__":
    main()
