"""A store of a few small volumes, a small random bundle, and a configuration that trains on both in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK

from radsam.data.case import Case, LabelSource
from radsam.data.training_store import prepare_store
from radsam.model.onnx_export import export_graphs
from radsam.preprocess import Window
from radsam.runtime.bundle import BundleSpec, Capability, write_bundle
from radsam.settings import settings_from_dict
from radsam.training.training_config import TrainConfig
from radsam.volume import Modality
from small_models import SMALL_TINY_VIT, random_model

SPLITS = {"tube_a": "train", "tube_b": "train", "tube_c": "val"}


def write_store(folder: Path) -> Path:
    """Three volumes of 9 slices, each with a bright tube from slice 1 to 7 and a dark ball from 3 to 5."""
    cases = [
        Case(
            case_id=name,
            image=folder / f"{name}.nii.gz",
            labels={
                "tube": LabelSource(folder / f"{name}_seg.nii.gz", 1),
                "ball": LabelSource(folder / f"{name}_seg.nii.gz", 2),
            },
            split=split,
            licence="CC0-1.0",
        )
        for name, split in SPLITS.items()
    ]
    for number, case in enumerate(cases):
        _write_volume(folder, case.case_id, number)
    prepare_store(cases, folder / "store", min_pixels=5)
    return folder / "store"


def _write_volume(folder: Path, name: str, number: int) -> None:
    rng = np.random.default_rng(number)
    k, j, i = np.mgrid[:9, :40, :48]
    tube = (np.hypot(j - 14 - k, i - 16 - number) < 7) & (k >= 1) & (k <= 7)
    ball = (k - 4) ** 2 * 9 + (j - 28) ** 2 + (i - 35) ** 2 < 36
    hu = np.select([tube, ball], [140, -60], 30) + rng.normal(0, 5, tube.shape)
    for suffix, array in (("", hu.astype(np.int16)), ("_seg", np.select([tube, ball], [1, 2], 0).astype(np.uint8))):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing((1.0, 1.25, 3.0))
        # Stored upside down: the store must turn it to the display.
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        SimpleITK.WriteImage(image, str(folder / f"{name}{suffix}.nii.gz"))


def write_small_bundle(path: Path) -> Path:
    """A bundle with random weights that knows boxes only."""
    model = random_model(SMALL_TINY_VIT)
    path.parent.mkdir(parents=True, exist_ok=True)
    graphs = export_graphs(model, path.parent)
    spec = BundleSpec(
        name=path.name,
        architecture="lite_medsam",
        model=SMALL_TINY_VIT.to_dict(),
        input_size=SMALL_TINY_VIT.input_size,
        low_res_size=SMALL_TINY_VIT.low_res_size,
        windows={Modality.CT: Window(-160.0, 240.0)},
        pixel_mean=(0.0, 0.0, 0.0),
        pixel_std=(1.0, 1.0, 1.0),
        capabilities=(Capability.BOX,),
        licence="CC0-1.0",
        origin="random weights",
    )
    write_bundle(path, spec, graphs.encoder.read_bytes(), graphs.decoder.read_bytes(), "# random")
    return path


def tiny_config(folder: Path, **sections: dict[str, object]) -> TrainConfig:
    """Train the bundle of `write_small_bundle` on the store of `write_store`, both in `folder`."""
    values: dict[str, dict[str, object]] = {
        "data": {"store": str(folder / "store"), "min_pixels": 5},
        "embeddings": {"folder": str(folder / "embeddings"), "scenes": 2, "scene_slices": 3},
        "optim": {"steps": 6, "batch": 3, "lr": 1e-3},
        "prompts": {"turns": [0.3, 0.4, 0.3]},
        "validation": {"min_voxels": 20, "objects_per_case": 2, "edits": 2},
        "run": {"precision": "32-true", "validate_minutes": 0, "log_steps": 1},
    }
    for name, changes in sections.items():
        values[name] = {**values.get(name, {}), **changes}
    return settings_from_dict(
        TrainConfig, {"name": "tiny", "start": str(folder / "random-bundle"), "seed": 5, **values}
    )


def write_config(folder: Path) -> Path:
    """Write the configuration of `tiny_config` as ``tiny.toml``."""
    lines = []
    values = tiny_config(folder).to_dict()
    for key in ("name", "start", "seed"):
        lines.append(f"{key} = {json.dumps(values[key])}")
    for section in ("data", "embeddings", "optim", "prompts", "validation", "run"):
        lines.append(f"[{section}]")
        # A list or a number of JSON is one of TOML; empty tables are left to their defaults.
        lines += [f"{key} = {json.dumps(value)}" for key, value in values[section].items() if value not in ({}, [])]
    path = folder / "tiny.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
