"""Is an MR distinguished from a CT where no header says which, and a CT never doubted?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from radsam.volume.hu_check import hu_doubt

from radsam.io.volume_read import read_volume
from radsam.volume import Geometry, SeriesOrigin, Volume

rng = np.random.default_rng(0)


def noisy(hu: float, noise: float = 12.0, size: int = 12) -> np.ndarray:
    return rng.normal(hu, noise, (size, size, size)).round().astype(np.int16)


def head(background: float, tissue: float) -> np.ndarray:
    values = np.full((16, 16, 16), background, np.int16)
    values[4:12, 4:12, 4:12] = noisy(tissue, size=8)
    return values


@pytest.mark.parametrize(
    ("hu", "doubted"),
    [
        (head(-1000, 40), False),
        (head(-1000, 40).clip(-160, 240), False),  # cut to a window
        (noisy(100), False),  # a crop of the liver: no air, no fat, nothing below 0
        (noisy(40, noise=30), False),
        (noisy(900, noise=200).clip(30), False),  # a crop of bone
        (head(0, 40), False),  # a brain without its skull, on 0
        (noisy(-990, noise=3), False),  # air alone
        (head(0, 900), True),  # an MR
        (head(0, 200), True),  # an MR of 8 bits
        (head(24, 1064), False),  # too small to tell
        (np.tile(head(24, 1064), (4, 4, 4)), True),  # a CT with an offset
        (noisy(1064), True),  # a crop of it
        (head(0, 900).astype(np.float32) / 900, True),  # scaled to 1
        ((head(0, 900).astype(np.float32) - 100) / 300, True),  # z-scores
    ],
)
def test_values_that_are_no_hu_are_doubted(hu: np.ndarray, doubted: bool) -> None:
    assert bool(hu_doubt(hu)) == doubted


def test_a_header_that_says_what_it_is_is_believed() -> None:
    hu, grid = head(0, 900), Geometry.from_parts((16, 16, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3))
    assert "go from 0 to 9" in Volume(hu, grid).hu_doubt
    assert Volume(hu, grid, "MR").hu_doubt == ""
    assert Volume(hu, grid, series=SeriesOrigin("1", "1.2", "1.3", "")).hu_doubt == ""


@pytest.mark.parametrize(
    ("case", "doubted"),
    [("mr/mr_cord_t2", True), ("mr/mr_cord_t2s_gm", True), ("ct/abdomen_2mm_organs", False), ("ct/lidc_0001", False)],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of headers
def test_real_volumes_are_distinguished(shared_data: Path, case: str, doubted: bool) -> None:
    assert bool(read_volume(shared_data / case / f"{case[:2]}.nii.gz").hu_doubt) == doubted
