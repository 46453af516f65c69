"""Small archives of phantoms with a manifest, and the fake model of a worker."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from command_line import Target
from fakes import MODEL_HASH, FakeBackend
from phantoms import Scene, touching_balls
from radsam.batch.batch_plan import BatchPlan, make_plan
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.manifest import read_manifest
from radsam.batch.output_folder import OutputFolder
from radsam.batch.timed_model import TimedBackend, TimedModel
from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_write import write_labels, write_volume
from radsam.runtime import Bundle
from radsam.volume import LabelVolume, Volume

#: Large enough on a coarse grid to give a box on it.
BIG_ORGANS = {1: "liver", 3: "spleen", 4: "kidney_right", 5: "kidney_left", 8: "vertebrae"}


def write_manifest(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write a CSV manifest with the columns that the rows have."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def phantom_archive(root: Path, volumes: int) -> Path:
    """Write coarse abdominal phantoms and a manifest with five objects of each.

    Every fifth has the anatomy of the first, with other noise: making one takes longer than segmenting it.
    """
    rows = []
    anatomies = [
        make_phantom(seed=seed, shape_ijk=(40, 32, 14), spacing_mm_ijk=(8.4, 8.4, 14.0))
        for seed in range(min(volumes, 5))
    ]
    for number in range(volumes):
        phantom = anatomies[number % 5]
        noise = np.random.default_rng(number).integers(-12, 13, phantom.volume.values.shape).astype(np.int16)
        folder = root / f"case_{number:02}"
        folder.mkdir(parents=True)
        write_volume(Volume(phantom.volume.values + noise, phantom.volume.geometry), folder / "ct.nii.gz")
        write_labels(phantom.truth, folder / "seg.nii.gz")
        for value, organ in BIG_ORGANS.items():
            target = Target.of(phantom.mask(organ))
            rows.append(
                {
                    "id": f"{folder.name}_{organ}",
                    "volume": f"{folder.name}/ct.nii.gz",
                    "object": organ,
                    "coordinates": "ijk",
                    "slice": target.k,
                    "box": " ".join(map(str, target.box)),
                    "bounds": " ".join(map(str, target.near(2))),
                    "truth": f"{folder.name}/seg.nii.gz",
                    "truth_roi": value,
                }
            )
    return write_manifest(root / "manifest.csv", rows)


def write_balls(root: Path) -> Scene:
    """Write two touching balls, ``ct.nii.gz`` and ``seg.nii.gz`` with right = 1 and left = 2."""
    scene = touching_balls("anisotropic")
    write_volume(scene.volume, root / "ct.nii.gz")
    ids = scene.truths["right"] * 1 + (scene.truths["left"] & ~scene.truths["right"]) * 2
    write_labels(LabelVolume(ids.astype("uint8"), scene.volume.geometry), root / "seg.nii.gz")
    return scene


def ball_row(scene: Scene, name: str = "right", **changes: Any) -> dict[str, Any]:
    """Write a manifest row for one of the balls, with its box and bounds."""
    target = Target.of(scene.truths[name])
    row = {
        "id": name,
        "volume": "ct.nii.gz",
        "object": name,
        "coordinates": "ijk",
        "slice": target.k,
        "box": " ".join(map(str, target.box)),
        "bounds": " ".join(map(str, target.bounds)),
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not None}


def fake_model(backend: FakeBackend | None = None) -> TimedModel:
    """The fake model of a worker."""
    backend = backend or FakeBackend()
    return TimedModel(Bundle(backend.spec, b"", b"", "", MODEL_HASH, Path("fake")), TimedBackend(backend))


def planned(
    manifest: Path, out: Path, settings: BatchSettings | None = None, **options: Any
) -> tuple[BatchPlan, OutputFolder]:
    """Plan a manifest for the fake model and make its folder."""
    folder = OutputFolder(out)
    folder.make()
    identity = (settings or BatchSettings()).identity(MODEL_HASH)
    return make_plan(read_manifest(manifest), folder, identity, **options), folder
