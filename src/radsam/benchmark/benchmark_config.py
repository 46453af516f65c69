"""What a benchmark measures: frozen dataclasses, read from TOML by `radsam.settings`.

A configuration names datasets and modes; the models and the folders of the data are
given when it is run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radsam.settings import Checked, at_least, find_config, one_of, read_settings

LAYOUTS = ("amos", "totalsegmentator", "msd", "folder", "phantom")
LEVELS = ("volume", "slice")
STARTS = ("box", "point", "mask", "diameter")
BOXES = ("exact", "loose")
PLACES = ("largest", "random")
EDITS = ("random", "centre", "scribble")

#: Where the shipped configurations are, below `configs`.
GROUP = "benchmark"


@dataclass(frozen=True)
class DatasetConfig(Checked):
    """Which objects of a dataset are measured.

    Args:
        layout: How its folder is laid out; an adapter of `radsam.data.adapters`.
        split: Split of the dataset; "" takes every labelled case.
        cases: Cases by name or pattern; all where empty.
        classes: Classes by name; all where empty.
        min_voxels: Smaller objects are left out, and counted.
        min_pixels: Slices with fewer pixels of the object get no prompt (paper 3.2).
        most_objects: At most so many objects of a case, spread evenly over their sizes; 0 takes all.
        most_cases: At most so many cases, the first ones; 0 takes all.
        make: Phantom only: make so many where the folder has fewer.
        case_groups: Columns of the report: name of a group to cases by name or pattern; the first match counts.
        class_groups: The same by class.
    """

    layout: str
    split: str = "val"
    cases: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    min_voxels: int = 1
    min_pixels: int = 1
    most_objects: int = 0
    most_cases: int = 0
    make: int = 0
    case_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def _problems(self) -> Iterator[str]:
        yield from one_of(self, "layout", LAYOUTS)
        yield from one_of(self, "split", ("train", "val", "test", ""))
        for name in ("min_voxels", "min_pixels"):
            yield from at_least(self, name, 1)
        for name in ("most_objects", "most_cases", "make"):
            yield from at_least(self, name, 0)
        if self.make and self.layout != "phantom":
            yield "make is for the layout phantom only"
        if self.case_groups and self.class_groups:
            yield "give case_groups or class_groups, not both"


@dataclass(frozen=True)
class ModeConfig(Checked):
    """What the simulated user does.

    Args:
        level: "volume": one prompt and the bounds (paper 4.1); "slice": a prompt on every slice.
        start: First prompt (paper 3.3): "box", "point", "mask" (the truth), or "diameter", the longest one
            in the plane, as for RECIST.
        box: "exact", or "loose": each side moved by -5 to +20 pixels at 1024 (paper 3.3).
        prompt_slice: Volume level: the slice of "largest" area, or a "random" one.
        bounds: Volume level: say the first and last slice; otherwise the stop rule finds them.
        edits: Corrections after the first answer: of the volume, or of each slice.
        edit: "random": uniform in the error (paper 3.3, 4.2); "centre" of the largest error; "scribble".
        most_slices: Slice level: at most so many slices of an object, spread evenly; 0 takes all.
        oracle: Slice level: of the masks that the model offers the best one is taken (paper, Table 6).
    """

    level: str = "volume"
    start: str = "box"
    box: str = "exact"
    prompt_slice: str = "largest"
    bounds: bool = True
    edits: int = 0
    edit: str = "random"
    most_slices: int = 0
    oracle: bool = False

    def _problems(self) -> Iterator[str]:
        for name, known in (
            ("level", LEVELS),
            ("start", STARTS),
            ("box", BOXES),
            ("prompt_slice", PLACES),
            ("edit", EDITS),
        ):
            yield from one_of(self, name, known)
        yield from at_least(self, "edits", 0)
        yield from at_least(self, "most_slices", 0)
        if self.level == "slice" and (not self.bounds or self.prompt_slice != "largest"):
            yield "bounds and prompt_slice mean nothing at slice level, where every slice has its prompt"
        if self.level == "volume" and (self.most_slices or self.oracle):
            yield "most_slices and oracle are for the slice level only"
        if self.oracle and self.edits:
            yield "oracle goes without edits, as in the paper"
        if self.level == "slice" and self.start == "diameter":
            yield "a diameter is drawn once; use level = 'volume'"

    @property
    def name(self) -> str:
        """What tells this mode from the others, in words: "volume, box", and whatever is unusual."""
        words = [self.level, self.start if self.box == "exact" else f"{self.box} {self.start}"]
        words += ["random slice"] if self.prompt_slice == "random" else []
        words += [] if self.bounds else ["no bounds"]
        words += [f"{self.edit} edits"] if self.edits and self.edit != "random" else []
        words += [f"at most {self.most_slices} slices"] if self.most_slices else []
        words += ["oracle"] if self.oracle else []
        return ", ".join(words)

    @property
    def model_start(self) -> str:
        """What the model is given at first: a diameter reaches it as a box."""
        return "box" if self.start == "diameter" else self.start


@dataclass(frozen=True)
class SurfaceConfig(Checked):
    """Surface metrics (NSD, HD95), which cost more than Dice.

    Args:
        enabled: Compute them; needs the extra "benchmark".
        tolerance_mm: Surfaces this close agree.
        every: After the first answer, every so many edits, and after the last.
    """

    enabled: bool = True
    tolerance_mm: float = 2.0
    every: int = 10

    def _problems(self) -> Iterator[str]:
        yield from at_least(self, "tolerance_mm", 0)
        yield from at_least(self, "every", 1)


@dataclass(frozen=True)
class BenchmarkConfig(Checked):
    """A benchmark.

    Args:
        name: Its name.
        datasets: Name, as `--data NAME=DIR` gives it, to what is measured of it.
        modes: What the simulated user does.
        notes: What it stands for, for the report.
        seed: Seed of the simulated user; object i of a case draws from [seed, i].
        models: What is measured where `--models` names nothing.
        paper: Tables of the paper that stand beside ours in the report.
        pictures: Worst objects of each model and mode that get a picture.
        surface: Surface metrics.
    """

    name: str
    datasets: Mapping[str, DatasetConfig]
    modes: tuple[ModeConfig, ...]
    notes: str = ""
    seed: int = 0
    models: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()
    pictures: int = 3
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)

    def _problems(self) -> Iterator[str]:
        if not self.datasets:
            yield "datasets is empty; name one: [datasets.NAME] with its layout"
        if not self.modes:
            yield "modes is empty; write one: [[modes]]"
        names = [mode.name for mode in self.modes]
        if len(set(names)) < len(names):
            yield "two modes are the same but for the number of edits; the larger one holds the smaller"
        yield from at_least(self, "seed", 0)
        yield from at_least(self, "pictures", 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON takes them."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides a score: results of another fingerprint cannot stand in one table."""
        decides = self.to_dict()
        for name in ("name", "notes", "models", "paper", "pictures"):
            del decides[name]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @classmethod
    def read(cls, name_or_path: str, overrides: tuple[str, ...] = ()) -> BenchmarkConfig:
        """Read a configuration: a file, or a shipped one by name.

        Raises:
            InputError: It is neither, or something in it is wrong; all of it is listed.
        """
        path: Path = find_config(name_or_path, GROUP)
        return read_settings(cls, path, overrides, group=GROUP)
