"""Does what CONTRIBUTING.md shows still work?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import fake_session
from phantoms import touching_balls
from radsam.predictor import SlicePrompt
from radsam.propagate import POLICIES
from radsam.volume import Box, RunMask

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
#: Two of the additions have a page of their own.
PAGES = TEXT + "".join(
    (ROOT / "docs" / "how-to" / name).read_text("utf-8") for name in ("add-a-dataset.md", "write-a-backend.md")
)


def example(function: str) -> Any:
    """The function that a block of code in CONTRIBUTING.md defines."""
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if f"def {function}(" in each)
    names: dict[str, Any] = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    return names[function]


def test_the_files_that_it_names_exist():
    named = re.findall(r"`((?:src|tests|scripts|docs|packaging|configs|web|benchmarks)/[\w./-]+)`", PAGES)
    assert len(named) > 25
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_the_names_that_it_says_to_extend_exist():
    for file, names in {
        "src/radsam/cli/data_command.py": ("class Dataset(", "def _cases("),
        "src/radsam/benchmark/cohort.py": ("msd.find_cases",),
        "src/radsam/benchmark/benchmark_config.py": ("layout: Literal[",),
        "src/radsam/propagate/propagation_step.py": ("class PropagationStep(",),
        "src/radsam/runtime/backend_choice.py": ("BACKENDS = ", "def open_backend(", "def _require("),
        "tests/parity/test_backends.py": ("ENGINES = ",),
        "src/radsam/session/edit_request.py": ("class PolicyName(",),
        "src/radsam/io/image_file.py": ("class FileFormat",),
        "src/radsam/io/volume_write.py": ("class LabelFormat", "def write_labels("),
    }.items():
        assert file in PAGES
        assert [each for each in names if each not in (ROOT / file).read_text("utf-8")] == []


def test_the_policy_passes_a_smaller_mask_on(monkeypatch: pytest.MonkeyPatch):
    core = example("core")
    pixels = np.zeros((8, 12), bool)
    pixels[2:7, 3:6] = True
    inner = np.zeros((8, 12), bool)
    inner[3:6, 4] = True
    points = SlicePrompt(points_uv=((10, 3, True),))
    assert core(RunMask.encode(pixels), points) == SlicePrompt(points_uv=points.points_uv, mask=RunMask.encode(inner))
    assert core(RunMask.encode(inner), points) == points
    # In the place of another one, it propagates.
    monkeypatch.setitem(POLICIES, "mask", core)
    scene = touching_balls()
    session = fake_session(scene.volume)
    session.segment(Box(k=13, i0=3, j0=7, i1=15, j1=20), bounds=(7, 19), name="right", policy="mask")
    assert session.mask("right").any(axis=(1, 2)).sum() > 1
