"""A baseline that ends its process at one case, as a segmentation fault or the kernel's memory killer would.

The benchmark's processes start anew and know nothing of a test's patches. They import this module when
they unpickle a `CrashingRuntime`, and importing it makes the baseline known.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from radsam.benchmark.benchmark_config import BenchmarkConfig
from radsam.benchmark.benchmark_run import plan_units
from radsam.benchmark.benchmark_unit import BenchmarkUnit
from radsam.benchmark.cohort import find_dataset
from radsam.benchmark.models import baselines
from radsam.benchmark.models.model_names import Runtime
from radsam.settings import settings_from_dict
from radsam.volume import Bounds, Prompt, SliceGrid, Volume

#: The case at which the process dies.
CRASHING_CASE = "phantom_0001"


def _crash(volume: Volume, grid: SliceGrid, prompt: Prompt, bounds: Bounds) -> dict[int, baselines.Pixels]:
    if CRASHING_CASE in volume.source:
        os.kill(os.getpid(), signal.SIGKILL)
    return baselines.box_fill(volume, grid, prompt, bounds)


baselines.RULES["crashing"] = _crash, "dies"


@dataclass(frozen=True)
class CrashingRuntime(Runtime):
    """Brings this module into a process."""


def find_units(data: Path) -> tuple[BenchmarkConfig, list[BenchmarkUnit]]:
    """One object of each phantom, with a baseline that crashes and one that does not."""
    config = settings_from_dict(
        BenchmarkConfig,
        {
            "name": "crash",
            "datasets": {"phantom": {"layout": "phantom", "split": "", "classes": ["liver"]}},
            "modes": [{}],
            "surface": {"enabled": False},
        },
    )
    cases = {"phantom": find_dataset("phantom", config.datasets["phantom"], data)}
    return config, plan_units(config, cases, ("crashing", "ellipsoid"), CrashingRuntime(), frozenset())
