"""Does the README stay short, lead somewhere, and show well where its folders are missing?"""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from fakes import fake_engine
from radsam.data.adapters.phantom import make_phantom
from radsam.volume import Bounds, Box, Point

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FILM = ROOT / "docs" / "box-mask-click.webp"
#: Markdown links and pictures: what they lead to.
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_it_is_read_in_a_minute():
    assert len(README.splitlines()) <= 90


def test_it_names_the_two_commands_and_the_limit_of_use():
    assert {"bash scripts/demo.sh", "bash scripts/test.sh"} <= set(re.findall(r"^bash \S+", README, re.MULTILINE))
    assert "**Not for diagnostic use.**" in README


def test_its_links_into_the_repository_lead_somewhere():
    inside = [each for each in LINK.findall(README) if not each.startswith("https://")]
    assert inside
    assert [each for each in inside if not (ROOT / each.partition("#")[0]).exists()] == []
    for page, _, anchor in (each.partition("#") for each in inside if "#" in each):
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


def test_the_package_index_gets_no_link_into_folders():
    """It shows the README alone; pictures and links without an address would be broken there."""
    hook: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["metadata"]
    shown = README
    for each in hook["hooks"]["fancy-pypi-readme"]["substitutions"]:
        shown = re.sub(each["pattern"], each["replacement"], shown)
    assert [each for each in LINK.findall(shown) if not each.startswith("https://")] == []
    assert "editing" in shown
    assert len(LINK.findall(shown)) > 10


def test_the_film_is_light_and_moves():
    assert FILM.stat().st_size < 400_000
    with Image.open(FILM) as film:
        assert sum(1 for _ in ImageSequence.Iterator(film)) > 20
        assert film.info["loop"] == 0


@pytest.fixture(scope="module")
def film_script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "film.py"))


def test_the_film_shows_the_box_then_the_mask_then_the_correction(film_script: dict[str, Any], tmp_path: Path):
    phantom = make_phantom(shape_ijk=(64, 52, 14), spacing_mm_ijk=(5.4, 5.4, 14.0))
    story = film_script["Story"](
        phantom.volume, Box(k=7, i0=8, j0=12, i1=30, j1=40), Bounds(5, 9), Point(i=20, j=25, k=6, positive=False), "o"
    )
    masks = film_script["segment"](story, fake_engine())
    assert sorted(masks.order) == [5, 6, 7, 8, 9]
    assert masks.order[0] == 7
    assert (masks.first != masks.corrected).any()
    frames = list(film_script["Film"](story, masks).frames())
    blue = [_share_of(frame, film_script["_COLOUR"]) for frame, _ in frames]
    assert max(blue[:9]) == 0 < blue[9]
    assert blue[-1] != blue[-4]  # before and after the click
    film_script["save"](iter(frames), tmp_path / "film.webp", 40)
    with Image.open(tmp_path / "film.webp") as film:
        assert film.size == film_script["SIZE"]


def _share_of(frame: Image.Image, colour: tuple[int, int, int]) -> float:
    """The share of pixels that have exactly this colour, which only outlines do."""
    return float((np.asarray(frame) == colour).all(axis=2).mean())
