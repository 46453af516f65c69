"""The configuration of a benchmark: frozen dataclasses, read from TOML and checked by `radsam.settings`.

A configuration names datasets and modes; the models and the folders of the data are
given when it is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt
from pydantic.dataclasses import dataclass

from radsam.errors import InputError
from radsam.settings import STRICT, Count, find_config, hash_of_values, plain_values, read_settings, require

#: Where the shipped configurations are, below `configs`.
GROUP = "benchmark"


@dataclass(frozen=True, config=STRICT)
class DatasetConfig:
    """Which objects of a dataset are measured.

    Args:
        layout: How its folder is laid out; an adapter of `radsam.data.adapters`.
        split: Split of the dataset; "" takes every labelled case.
        cases: Cases by name or pattern; empty for all.
        classes: Classes by name; empty for all.
        min_voxels: Smaller objects are left out and counted.
        min_pixels: Slices with fewer pixels of the object get no prompt (paper 3.2).
        most_objects: Most objects of a case, spread evenly over their sizes; 0 for all.
        most_cases: Most cases, from the first on; 0 for all.
        include_mri: AMOS only: the MRI cases, too. Their scores are kept apart from those of CT.
        make: Phantom only: number of phantoms, which are made where the folder has fewer.
        case_groups: Columns of the report: name of a group to cases by name or pattern; the first match counts.
        class_groups: The same by class.
    """

    layout: Literal["amos", "totalsegmentator", "msd", "folder", "phantom"]
    split: Literal["train", "val", "test", ""] = "val"
    cases: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    min_voxels: Count = 1
    min_pixels: Count = 1
    most_objects: NonNegativeInt = 0
    most_cases: NonNegativeInt = 0
    include_mri: bool = False
    make: NonNegativeInt = 0
    case_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            (not self.make or self.layout == "phantom", "make is for the layout phantom only"),
            (not self.include_mri or self.layout == "amos", "include_mri is for the layout amos only"),
            (not (self.case_groups and self.class_groups), "give case_groups or class_groups, not both"),
        )


@dataclass(frozen=True, config=STRICT)
class ModeConfig:
    """The behaviour of the simulated user.

    Args:
        level: "volume": one prompt and the bounds (paper 4.1); "slice": a prompt on every slice.
        start: First prompt (paper 3.3): "box", "point", "mask" (the truth), or "diameter", the longest one
            in the plane, as for RECIST; "object" is a mask of the whole object with a model's kind of errors.
        box: "exact", or "loose": each side moved by -5 to +20 pixels at 1024 (paper 3.3).
        prompt_slice: Volume level: the slice of "largest" area, or a "random" one.
        bounds: Volume level: give the first and last slice; otherwise the stop rule finds them.
        edits: Corrections after the first mask: of the volume, or of each slice.
        edit: "random": a click, uniform in the error (paper 3.3, 4.2); a click at the "centre" of the largest error;
            "scribble"; "box", one on every fifth slice; "paint", a slice as it should be.
        most_slices: Slice level: most slices of an object, spread evenly; 0 for all.
        oracle: Slice level: take the best of the model's masks (paper, Table 6).
    """

    level: Literal["volume", "slice"] = "volume"
    start: Literal["box", "point", "mask", "diameter", "object"] = "box"
    box: Literal["exact", "loose"] = "exact"
    prompt_slice: Literal["largest", "random"] = "largest"
    bounds: bool = True
    edits: NonNegativeInt = 0
    edit: Literal["random", "centre", "scribble", "box", "paint"] = "random"
    most_slices: NonNegativeInt = 0
    oracle: bool = False

    def __post_init__(self) -> None:
        volume = self.level == "volume"
        require(
            (
                volume or (self.bounds and self.prompt_slice == "largest"),
                "bounds and prompt_slice have no effect at slice level, where every slice has its prompt",
            ),
            (
                not volume or not (self.most_slices or self.oracle),
                "most_slices and oracle are for the slice level only",
            ),
            (not (self.oracle and self.edits), "oracle needs edits = 0, as in the paper"),
            (volume or self.start != "diameter", "a diameter is drawn once; use level = 'volume'"),
            (
                volume or (self.start != "object" and self.edit not in ("box", "paint")),
                "start = 'object' and the edits 'box' and 'paint' are for the volume level only",
            ),
        )

    @property
    def name(self) -> str:
        """Its name in tables: "volume, box", and each setting that differs from the default."""
        words = [self.level, self.start if self.box == "exact" else f"{self.box} {self.start}"]
        words += ["random slice"] if self.prompt_slice == "random" else []
        words += [] if self.bounds else ["no bounds"]
        words += [f"{self.edit} edits"] if self.edits and self.edit != "random" else []
        words += [f"at most {self.most_slices} slices"] if self.most_slices else []
        words += ["oracle"] if self.oracle else []
        return ", ".join(words)

    @property
    def model_start(self) -> str:
        """The kind of the first prompt that the model gets: a diameter becomes a box."""
        return "box" if self.start == "diameter" else self.start


@dataclass(frozen=True, config=STRICT)
class SurfaceConfig:
    """Surface metrics (NSD, HD95), which cost more than Dice.

    Args:
        enabled: Compute them; needs the extra "benchmark".
        tolerance_mm: Surfaces this close agree.
        every: Compute them after the first mask, after this number of edits again and again, and after the last.
    """

    enabled: bool = True
    tolerance_mm: NonNegativeFloat = 2.0
    every: Count = 10


@dataclass(frozen=True, config=STRICT)
class BenchmarkConfig:
    """A benchmark.

    Args:
        name: Its name.
        datasets: Name, as in `--data NAME=DIR`, to its measured objects.
        modes: The behaviours of the simulated user.
        notes: Its purpose, for the report.
        seed: Seed of the simulated user; object i of a case draws from [seed, i].
        models: The models where `--models` is left out.
        paper: Tables of the paper to quote in the report.
        pictures: Number of worst objects of each model and mode with a picture.
        surface: Surface metrics.
    """

    name: str
    datasets: Annotated[Mapping[str, DatasetConfig], Field(min_length=1)]
    modes: Annotated[tuple[ModeConfig, ...], Field(min_length=1)]
    notes: str = ""
    seed: NonNegativeInt = 0
    models: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()
    pictures: NonNegativeInt = 3
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)

    def __post_init__(self) -> None:
        names = [mode.name for mode in self.modes]
        require(
            (
                len(set(names)) == len(names),
                "two modes differ only in edits; keep the one with more, which includes the other",
            )
        )

    @property
    def fingerprint(self) -> str:
        """Hash of all settings that change a score: results with different fingerprints do not mix in one table."""
        decides = plain_values(self)
        for name in ("name", "notes", "models", "paper", "pictures"):
            del decides[name]
        for each in decides["datasets"].values():
            if not each["include_mri"]:  # earlier versions did not have it
                del each["include_mri"]
        return hash_of_values(decides)

    def with_mri(self) -> BenchmarkConfig:
        """Return the same with the MRI cases of its datasets.

        Raises:
            InputError: None of them has any.
        """
        amos = {name: replace(each, include_mri=True) for name, each in self.datasets.items() if each.layout == "amos"}
        if not amos:
            raise InputError(
                f"The configuration {self.name!r} has no dataset with the layout 'amos', which --include-mri is for."
            )
        return replace(self, datasets={**self.datasets, **amos})

    @classmethod
    def read(cls, name_or_path: str, overrides: tuple[str, ...] = ()) -> BenchmarkConfig:
        """Read a configuration: a file, or a shipped one by name.

        Raises:
            InputError: It is neither, or something in it is wrong; all of it is listed.
        """
        path: Path = find_config(name_or_path, GROUP)
        return read_settings(cls, path, overrides, group=GROUP)
