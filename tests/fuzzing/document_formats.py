"""Faulty sessions, bundles, manifests, configurations and requests."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from fakes import fake_engine, fake_session
from fuzzing.fuzz_target import Target, number_of_faults, require
from fuzzing.mutations import change_bytes, change_fields, change_json, odd_text
from phantoms import touching_balls
from radsam.batch.manifest import COLUMNS, TEMPLATE, read_manifest
from radsam.benchmark.benchmark_config import BenchmarkConfig
from radsam.errors import InputError
from radsam.preprocess import Window
from radsam.runtime.bundle import BundleSpec, Capability, read_bundle, write_bundle
from radsam.session import CorrectionRequest, SegmentRequest
from radsam.session.edit import edit_from_json, edit_to_json
from radsam.settings import read_settings, settings_from_dict
from radsam.settings.preset_files import presets_folder
from radsam.training.training_config import TrainConfig
from radsam.volume import Box, Mask, Modality, Point

RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)


def rewrite_zip(source: Path, target: Path, changes: dict[str, bytes | None]) -> None:
    """Copy a zip with other contents; None leaves a file out."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as out:
        for name in archive.namelist():
            content = changes.get(name, archive.read(name))
            if content is not None:
                out.writestr(name, content)


class SessionFiles(Target):
    """Session files, opened on their CT with the fake model."""

    name = "session"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.scene = touching_balls()
        session = fake_session(self.scene.volume)
        session.segment(RIGHT, bounds=(7, 19), name="right")
        session.correct(Point(i=4, j=14, k=14, positive=False), name="right")
        left = Mask(pixels=self.scene.truths["left"][13], k=13)
        session.segment(left, name="left", policy="box", window=(-200.0, 300.0))
        session.lock("right")
        session.undo()
        session.save(folder / "valid.radsam")
        self.ids = session.labels.ids

    def make(self, rng: Random, case: Path) -> str:
        source, path = self.folder / "valid.radsam", case / "s.radsam"
        kind = rng.random()
        if kind < 0.15:
            content, faults = change_bytes(rng, source.read_bytes())
            path.write_bytes(content)
            return faults
        with zipfile.ZipFile(source) as archive:
            description, masks = json.loads(archive.read("session.json")), archive.read("masks.npz")
        if kind < 0.3:
            with np.load(io.BytesIO(masks)) as stored:
                arrays = {name: stored[name].copy() for name in stored.files}
            faults = _change_array(rng, arrays)
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **arrays)
            rewrite_zip(source, path, {"masks.npz": buffer.getvalue()})
            return faults
        if kind < 0.34:
            name = rng.choice(["session.json", "masks.npz"])
            rewrite_zip(source, path, {name: rng.choice([None, b"", b"{}", rng.randbytes(40)])})
            return f"another {name}"
        changes = []
        for _ in range(number_of_faults(rng)):
            description, what = change_json(rng, description)
            changes.append(what)
        rewrite_zip(source, path, {"session.json": json.dumps(description).encode()})
        return "; ".join(changes)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        session = fake_engine().reopen(path, self.scene.volume)
        ids = session.labels.ids
        _ = [(each.slices, each.low_end, each.placed_prompts) for each in session.objects.values()]
        session.save(case / "again.radsam")
        again = fake_engine().reopen(case / "again.radsam", self.scene.volume)
        require(np.array_equal(again.labels.ids, ids), "saved again, it gives other labels")
        for _ in range(len(session.history.edits) + 1):
            if not session.history.cursor:
                break
            session.undo()
        require(not session.labels.ids.any(), "labels are left after undoing everything")
        return "compared"


def _change_array(rng: Random, arrays: dict[str, np.ndarray]) -> str:
    name = rng.choice([*arrays])
    array = arrays[name]
    kind = rng.choice(["value", "shorter", "type", "remove", "shape"])
    if kind == "value" and array.size:
        array.flat[rng.randrange(array.size)] = rng.choice([0, 1, 2**31 - 1, 77])
    elif kind == "shorter":
        arrays[name] = array[:-1]
    elif kind == "type":
        arrays[name] = array.astype(rng.choice(["float64", "int8", "U8", "bool"]))
    elif kind == "shape":
        arrays[name] = array.reshape(-1, 1)
    else:
        del arrays[name]
    return f"{kind} of {name}"


class Bundles(Target):
    """Bundles: folders and zips. Their graphs are only compared with their hashes."""

    name = "bundle"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.spec = BundleSpec(
            name="tiny", architecture="small_vit", model={"width": 8}, input_size=128, low_res_size=32,
            windows={Modality.CT: Window(-160.0, 240.0)}, pixel_mean=(0.0, 0.0, 0.0), pixel_std=(1.0, 1.0, 1.0),
            capabilities=tuple(Capability), licence="none", origin="made for tests",
        )  # fmt: skip
        for name in ("valid", "valid.zip"):
            if not (folder / name).exists():
                write_bundle(folder / name, self.spec, b"encoder", b"decoder", "# tiny\n")

    def make(self, rng: Random, case: Path) -> str:
        if rng.random() < 0.2:
            content, faults = change_bytes(rng, (self.folder / "valid.zip").read_bytes())
            (case / "b.zip").write_bytes(content)
            return faults
        path = Path(shutil.copytree(self.folder / "valid", case / "b"))
        if rng.random() < 0.15:
            file = rng.choice(sorted(path.iterdir()))
            content, faults = change_bytes(rng, file.read_bytes())
            file.write_bytes(content)
            return f"{file.name}: {faults}"
        description = json.loads((path / "bundle.json").read_text())
        changes = []
        for _ in range(number_of_faults(rng)):
            description, what = change_json(rng, description)
            changes.append(what)
        (path / "bundle.json").write_text(json.dumps(description))
        return "; ".join(changes)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        bundle = read_bundle(path)
        require((bundle.encoder, bundle.decoder) == (b"encoder", b"decoder"), "altered graphs were read")
        spec = bundle.spec
        for name in ("name", "architecture", "licence", "origin"):
            require(isinstance(getattr(spec, name), str), f"{name} is {getattr(spec, name)!r}")
        for name in ("input_size", "low_res_size"):
            value = getattr(spec, name)
            require(type(value) is int and value <= 1 << 14, f"{name} is {value!r}")
        ends = [end for rule in spec.windows.values() for end in (rule.low, rule.high)]
        numbers = (*ends, *spec.pixel_mean, *spec.pixel_std, spec.crop_ratio, spec.max_zoom, spec.taper)
        require(all(type(each) in (int, float) and math.isfinite(each) for each in numbers), f"numbers {numbers}")
        require(isinstance(spec.model, dict), f"the model is {spec.model!r}")
        return "compared"


class Manifests(Target):
    """Manifests: CSV and JSON lines. No row is lost, and none is changed."""

    name = "manifest"

    def make(self, rng: Random, case: Path) -> str:
        rows = list(csv.DictReader(io.StringIO(TEMPLATE)))
        changes = []
        for _ in range(number_of_faults(rng)):
            row, column = rng.choice(rows), rng.choice(COLUMNS)
            row[column] = rng.choice([odd_text(rng), "1 2 3", "1;2;3;4", "nan nan nan", '"', "=A1", " liver "])
            changes.append(f"{column}: {row[column]!r:.60}")
        if rng.random() < 0.3:
            values = [{name: value for name, value in row.items() if value} for row in rows]
            changed, what = change_json(rng, values)
            lines = changed if isinstance(changed, list) else [changed]
            content = "\n".join(json.dumps(each) for each in lines).encode()
            changes.append(what)
            path = case / "m.jsonl"
        else:
            out = io.StringIO()
            writer = csv.DictWriter(out, [*rows[0]], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
            content = out.getvalue().encode("utf-8", "replace")
            path = case / "m.csv"
        if rng.random() < 0.25:
            content, what = change_bytes(rng, content)
            changes.append(what)
        path.write_bytes(content)
        return "; ".join(changes)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        manifest = read_manifest(path)
        for each in manifest.rows:
            row = each.row
            for values in (row.box, row.point, row.recist, row.window, () if row.slice is None else (row.slice,)):
                require(all(math.isfinite(value) for value in values or ()), f"row {row.id} holds {values}")
        try:
            text = path.read_text("utf-8-sig")
            if path.suffix == ".csv":
                with path.open(encoding="utf-8-sig", newline="") as file:
                    rows = [each for each in csv.reader(file, strict=True) if any(cell.strip() for cell in each)][1:]
            else:
                rows = [[line] for line in text.splitlines() if line.strip()]
        except (UnicodeDecodeError, csv.Error):
            return "not compared"
        read = len(manifest.rows) + len(manifest.bad_rows)
        require(read == len(rows) or "volume,object" not in text, f"{read} of {len(rows)} rows were read")
        return "compared"


class Configurations(Target):
    """Configurations of training and benchmark, in TOML."""

    name = "settings"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.kinds = {
            path: kind
            for kind, group in ((TrainConfig, ""), (BenchmarkConfig, "benchmark"))
            for path in sorted(presets_folder(group).glob("*.toml"))
        }

    def make(self, rng: Random, case: Path) -> str:
        path = rng.choice([*self.kinds])
        lines = path.read_text("utf-8").splitlines()
        changes = [path.stem]
        for _ in range(number_of_faults(rng)):
            lines, what = change_fields(rng, lines, " = ", _odd_toml)
            changes.append(what)
        content = "\n".join(lines).encode("utf-8", "surrogatepass")
        if rng.random() < 0.1:
            content, what = change_bytes(rng, content)
            changes.append(what)
        kind = "train" if self.kinds[path] is TrainConfig else "benchmark"
        (case / f"{kind}.toml").write_bytes(content)
        return "; ".join(changes)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        kind: Any = TrainConfig if path.stem == "train" else BenchmarkConfig
        config = read_settings(kind, path, group="" if kind is TrainConfig else "benchmark")
        written = TypeAdapter(kind).dump_python(config, mode="json")
        require(settings_from_dict(kind, written) == config, "written and read again, it differs")
        return "compared"


def _odd_toml(rng: Random, key: str, value: str) -> str:
    text = odd_text(rng)
    odd = (text, json.dumps(text), "[]", "{}", "true", "nan", "-inf", "1979-05-27", f"[{value}]", f"-{value}", "'''")
    return rng.choice(odd)


class Requests(Target):
    """Requests in JSON, as HTTP, the journal and session files hold them."""

    name = "request"
    valid = (
        {"name": "liver", "prompt": {"box": {"k": 13, "i0": 3, "j0": 7, "i1": 15, "j1": 20}}, "bounds": [7, 19],
         "plane": "axial", "window": [-160, 240], "policy": "mask", "zoom": True, "alternative": 0},
        {"prompt": {"point": [9, 14, 13], "positive": True}, "plane": "coronal", "bounds": None},
        {"name": "m", "prompt": {"mask": {"k": 13}, "shape": [28, 30], "runs": [300, 5, 25, 5, 505]}},
        {"name": "liver", "points": [{"point": [9, 14, 13], "positive": False}, {"point": [8, 14, 13]}]},
    )  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.session = fake_session(touching_balls().volume)
        self.session.segment(RIGHT, bounds=(7, 19), name="liver")

    def make(self, rng: Random, case: Path) -> str:
        value: Any = rng.choice(self.valid)
        kind = "correct" if "points" in value else "segment"
        changes = [kind]
        for _ in range(number_of_faults(rng)):
            value, what = change_json(rng, value)
            changes.append(what)
        content = json.dumps(value).encode()
        if rng.random() < 0.1:
            content, what = change_bytes(rng, content)
            changes.append(what)
        (case / f"{kind}.json").write_bytes(content)
        return "; ".join(changes)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        kind = CorrectionRequest if path.stem == "correct" else SegmentRequest
        try:
            given = json.loads(path.read_bytes())
        except ValueError as error:
            raise InputError("The request is not JSON.") from error
        request = kind.model_validate(given)
        edit = request.to_edit(self.session.context)
        written = json.loads(json.dumps(edit_to_json(edit), allow_nan=False))
        require(edit_to_json(edit_from_json(written)) == edit_to_json(edit), "written and read again, it differs")
        return "compared"
