"""Do the notebooks of the docs run, on the phantom and on a real CT, and do they show what their code gave?"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SEGMENT, TRAIN = "segment_and_measure", "train_and_benchmark"
SHARED = Path(os.environ.get("RADSAM_DATA", ROOT.parent / "shared" / "data")) / "dicom" / "abdomen_jpeg2000"


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def run(name: str, *arguments: str) -> None:
    script, notebook = ROOT / "scripts" / "notebooks.py", ROOT / "docs" / "notebooks" / f"{name}.ipynb"
    # One thread: with two, torch waits for the core on which another test runs.
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), "--check", str(notebook), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_one_for_radiologists_and_one_for_researchers():
    assert [path.stem for path in NOTEBOOKS] == [SEGMENT, TRAIN]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_outputs_are_those_of_this_code(path: Path):
    """After a change: python scripts/notebooks.py."""
    code = "\0".join("".join(cell["source"]) for cell in cells(path, "code"))
    stored = json.loads(path.read_text("utf-8"))["metadata"]["radsam"]["code"]
    assert stored == hashlib.sha256(code.encode()).hexdigest()
    shown = [kind for cell in cells(path, "code") for each in cell["outputs"] for kind in each.get("data", ())]
    assert {"image/jpeg", "image/svg+xml"} & {*shown}
    assert path.stat().st_size < 500_000
    assert str(ROOT) not in path.read_text("utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_lead_to_pages_that_exist(path: Path):
    text = "".join(line for cell in cells(path, "markdown") for line in cell["source"])
    assert "**Not for diagnostic use.**" in " ".join(text.split())
    links = [each.partition(")")[0] for each in text.split("](")[1:]]
    assert [each for each in links if not (path.parent / each).is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [SEGMENT, TRAIN])
def test_it_runs_on_the_phantom(name: str):
    run(name)


@pytest.mark.slow
def test_a_real_series_is_segmented_measured_and_exported():
    if not SHARED.is_dir():
        pytest.skip(f"no shared CT: {SHARED} does not exist; RADSAM_DATA names another folder")
    given = {"CT": str(SHARED), "SLICE": 16, "BOX": (107, 199, 278, 374), "BOUNDS": (0, 19), "CLICK": (120, 298, 16)}
    run(SEGMENT, *(word for name, value in given.items() for word in ("--set", f"{name}={value!r}")))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_site_shows_every_cell_and_picture(path: Path):
    pages = runpy.run_path(str(ROOT / "scripts" / "docs_site" / "notebook_pages.py"))["notebook_pages"](ROOT / "docs")
    page = pages[f"notebooks/{path.stem}.md"]
    assert page.startswith("# ")
    assert f"({path.name})" in page
    assert page.count("```python\n") == len(cells(path, "code"))
    pictures = [name for name in pages if name.startswith(f"notebooks/{path.stem}-")]
    assert [name for name in pictures if f"({Path(name).name})" not in page] == []
    shown = [each for cell in cells(path, "code") for each in cell["outputs"] if "data" in each]
    assert len(pictures) == sum(any(kind.startswith("image/") for kind in each["data"]) for each in shown) > 0
