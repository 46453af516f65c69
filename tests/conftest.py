"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real labelled CT; it is never part of the repository."""
    folder = Path(os.environ.get("RADSAM_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"no real CT here: {folder} has no manifest.json; set RADSAM_DATA to run this test")
    return folder
