from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radsam.data.adapters.phantom import make_phantom
from radsam.data.adapters.phantom_dataset import find_cases, write_phantoms
from radsam.data.case_load import load_case
from radsam.errors import DatasetError, OutputError

SMALL = {"shape_ijk": (48, 40, 14), "spacing_mm_ijk": (7.0, 7.0, 16.0)}


def test_phantoms_are_written_listed_and_read_as_they_were_made(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    write_phantoms(tmp_path / "root", 2, **SMALL, progress=lambda done, total: reported.append((done, total)))
    assert reported == [(1, 2), (2, 2)]
    cases = find_cases(tmp_path / "root")
    assert [each.case_id for each in cases] == ["phantom_0000", "phantom_0001"]
    volume, labels = load_case(cases[1])
    made = make_phantom(seed=1, **SMALL)
    np.testing.assert_array_equal(volume.values, made.volume.values)
    np.testing.assert_array_equal(labels.ids, made.truth.ids)
    assert labels.names == made.truth.names


def test_what_is_there_is_not_made_again_and_what_is_incomplete_is(tmp_path: Path) -> None:
    write_phantoms(tmp_path, 2, **SMALL)
    first, second = (tmp_path / f"phantom_000{n}" / "seg.nii.gz" for n in range(2))
    second.unlink()
    before = first.stat().st_mtime_ns
    write_phantoms(tmp_path, 3, **SMALL)
    assert first.stat().st_mtime_ns == before
    assert len(find_cases(tmp_path)) == 3


def test_organs_can_be_chosen(tmp_path: Path) -> None:
    write_phantoms(tmp_path, 1, **SMALL)
    (case,) = find_cases(tmp_path, classes=["spleen"])
    assert list(case.labels) == ["spleen"]
    with pytest.raises(DatasetError, match="no class called 'brain'"):
        find_cases(tmp_path, classes=["brain"])


def test_a_folder_without_phantoms_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"looked for phantom_0000/ct\.nii\.gz .* --count 5"):
        find_cases(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        write_phantoms(tmp_path / "file", 1, **SMALL)
