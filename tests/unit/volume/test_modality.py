"""Is an MR distinguished from a CT where no header says which, and is a doubt reported with the option to use?"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from radsam.io.volume_read import read_volume
from radsam.volume import Geometry, Modality, ModalitySource, SeriesOrigin, Volume
from radsam.volume.modality import guess_modality

rng = np.random.default_rng(0)


def noisy(hu: float, noise: float = 12.0, size: int = 12) -> np.ndarray:
    return rng.normal(hu, noise, (size, size, size)).round().astype(np.int16)


def head(background: float, tissue: float) -> np.ndarray:
    values = np.full((16, 16, 16), background, np.int16)
    values[4:12, 4:12, 4:12] = noisy(tissue, size=8)
    return values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (head(-1000, 40), (Modality.CT, True)),
        (noisy(-990, noise=3), (Modality.CT, True)),  # air alone
        (np.tile(head(-1000, 40), (2, 2, 2)) - np.int16(2024) * (np.arange(32) > 29), (Modality.CT, True)),  # padding
        (head(-32768, 40), (Modality.CT, False)),  # padding, and no air
        (head(-1000, 40).clip(-160, 240), (Modality.CT, True)),  # cut to a window
        (np.concatenate([head(-1024, 40), head(-1024, 1024)[4:7]]), (Modality.CT, True)),  # as far above 0 as below
        (head(-32768, 900), (Modality.MR, False)),  # padding around an MR
        (
            np.tile(noisy(0, noise=30), (4, 4, 4)) + np.tile(head(0, 900)[:12, :12, :12], (4, 4, 4)),
            (Modality.CT, False),
        ),
        (np.tile(head(-1000, -500), (2, 2, 2)), (Modality.CT, False)),  # an MR that was shifted
        (noisy(100), (Modality.CT, False)),  # a crop of the liver: no air, no fat, nothing below 0
        (noisy(40, noise=30), (Modality.CT, True)),
        (noisy(900, noise=200).clip(30), (Modality.CT, False)),  # a crop of bone
        (head(0, 40), (Modality.CT, False)),  # a brain without its skull, on 0
        (head(24, 1064), (Modality.CT, False)),  # too small to tell
        (head(0, 900), (Modality.MR, False)),
        (head(0, 200), (Modality.MR, False)),  # of 8 bits
        (head(0, 900) - (np.arange(16) == 3) * np.int16(30), (Modality.CT, False)),  # more negative than an overshoot
        (np.where(head(0, 900) == 900, -40, head(0, 900)).astype(np.int16), (Modality.MR, False)),  # an overshoot
        (np.tile(head(24, 1064), (4, 4, 4)), (Modality.MR, False)),  # a CT with an offset
        (noisy(1064), (Modality.MR, False)),  # a crop of it
        (head(0, 900).astype(np.float32) / 900, (Modality.MR, False)),  # scaled to 1
        ((head(0, 900).astype(np.float32) - 100) / 300, (Modality.MR, False)),  # z-scores
        (rng.integers(-4096, 4096, (8, 8, 8)).astype(np.int16), (Modality.MR, False)),  # phases
    ],
)
def test_the_modality_is_guessed_from_the_values(values: np.ndarray, expected: tuple[Modality, bool]) -> None:
    assert guess_modality(values) == expected


GRID = Geometry.from_parts((16, 16, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3))
CT, MR = head(-1000, 40), head(0, 900)


@pytest.mark.parametrize(
    ("values", "modality", "source", "reported"),
    [
        (CT, Modality.CT, ModalitySource.VALUES, ""),
        (CT, Modality.CT, ModalitySource.GIVEN, ""),
        (CT, Modality.CT, ModalitySource.HEADER, ""),
        (MR, Modality.MR, ModalitySource.GIVEN, ""),
        (MR, Modality.OTHER, ModalitySource.HEADER, ""),
        (MR, Modality.PET, ModalitySource.HEADER, r"does not say the unit .*, not as SUV.*--window 0 10"),
        (MR, Modality.PET, ModalitySource.GIVEN, r"does not say the unit"),
        (MR, Modality.MR, ModalitySource.VALUES, r"taken for an MR by its values 0 to 9.*--modality ct\|pet\|other"),
        (head(0, 40), Modality.CT, ModalitySource.VALUES, r"taken for a CT .*--modality mr\|pet\|other"),
        (MR, Modality.CT, ModalitySource.GIVEN, r"read as a CT, .* hardly Hounsfield units.*--modality mr\|pet\|other"),
        (CT, Modality.MR, ModalitySource.GIVEN, r"read as an MR, .* look like Hounsfield units.*--modality ct"),
        (CT, Modality.PET, ModalitySource.HEADER, r"read as a PET"),
    ],
)
def test_what_may_be_wrong_is_told_with_the_option_that_corrects_it(
    values: np.ndarray, modality: Modality, source: ModalitySource, reported: str
) -> None:
    doubt = Volume(values, GRID, modality, modality_source=source).modality_doubt
    assert bool(doubt) == bool(reported)
    assert re.search(reported, doubt)


def test_dicom_is_believed() -> None:
    assert Volume(MR, GRID, series=SeriesOrigin("1", "1.2", "1.3", "")).modality_doubt == ""
    given = Volume(MR, GRID, series=SeriesOrigin("1", "1.2", "1.3", ""), modality_source=ModalitySource.GIVEN)
    assert "--modality" in given.modality_doubt


def test_names_of_modalities() -> None:
    assert [Modality(name) for name in ("ct", "Mr", "PET", "Other")] == [*Modality]
    assert [Modality.of_dicom(code) for code in ("CT", "MR", "PT", "US")] == [*Modality]
    with pytest.raises(ValueError, match="xray"):
        Modality("xray")


def test_the_unit_follows_from_the_modality() -> None:
    assert Volume(CT, GRID).unit == "HU"
    assert Volume(MR, GRID, Modality.MR).unit == ""
    suv = Volume(MR, GRID, Modality.PET, stated_unit="SUV")
    assert (suv.unit, suv.modality_doubt) == ("SUV", "")


@pytest.mark.parametrize(
    ("case", "modality", "reported"),
    [
        ("mr/mr_cord_t2", Modality.MR, True),
        ("mr/mr_cord_t2s_gm", Modality.MR, True),
        ("mr/mr_brain_05", Modality.MR, True),
        ("ct/abdomen_2mm_organs", Modality.CT, False),
        ("ct/lidc_0001", Modality.CT, False),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of headers
def test_real_volumes_are_distinguished(shared_data: Path, case: str, modality: Modality, reported: bool) -> None:
    volume = read_volume(shared_data / case / f"{case[:2]}.nii.gz")
    assert (volume.modality, bool(volume.modality_doubt)) == (modality, reported)
