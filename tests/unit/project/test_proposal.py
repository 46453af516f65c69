from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radsam.errors import InputError, OutputError
from radsam.project.proposal import Proposal, read_proposals, write_proposals
from radsam.volume import Plane, SparseMask


def some_proposal(label: str = "cord", axis: int = 2) -> Proposal:
    array = np.zeros((7, 9, 5), dtype=bool)
    array[2:5, 3:6, 1:3] = True
    array[3, 0, 4] = True
    mask = SparseMask.of(array, axis)
    return Proposal(label, mask, 0.75, Plane.AXIAL, min(mask.slices), max(mask.slices))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reads_what_it_wrote(tmp_path: Path, axis: int) -> None:
    written = {"cord": some_proposal("cord", axis), "brain stem": replace(some_proposal("brain stem"), certainty=0.1)}
    write_proposals(tmp_path / "case.npz", written)
    assert read_proposals(tmp_path / "case.npz") == written
    assert (tmp_path / "case.npz").stat().st_mode & 0o077 == 0


def test_a_case_may_have_no_proposal(tmp_path: Path) -> None:
    write_proposals(tmp_path / "case.npz", {})
    assert read_proposals(tmp_path / "case.npz") == {}


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_damaged_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "case.npz"
    write_proposals(path, {"cord": some_proposal()})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_proposals(path)


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "case.npz"
    write_proposals(path, {"cord": some_proposal()})
    content = bytearray(path.read_bytes())
    place = content.find(b"facts.npy") + 40
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_proposals(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"format": "other", "version": 1, "proposals": []}, "damaged or holds no"),
        ({"format": "radsam-proposals", "version": 9, "proposals": []}, "version 9"),
        ({"format": "radsam-proposals", "version": 1, "proposals": [{"label": "cord"}]}, "damaged"),
        ([], "damaged"),
    ],
)
def test_another_description_is_refused(tmp_path: Path, facts: object, message: str) -> None:
    path = tmp_path / "case.npz"
    described = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(path, facts=described, lengths=np.zeros(0, np.int64), runs=np.zeros(0, np.uint32))
    with pytest.raises(InputError, match=message):
        read_proposals(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz"):
        read_proposals(tmp_path / "none.npz")


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "case.npz"
    write_proposals(path, {"cord": some_proposal()})
    broken = replace(some_proposal(), label="x")
    object.__setattr__(broken, "label", {1})  # not JSON
    with pytest.raises(TypeError):
        write_proposals(path, {"x": broken})
    with pytest.raises(OutputError):
        write_proposals(tmp_path / "no" / "case.npz", {})
    assert list(read_proposals(path)) == ["cord"]
    assert [each.name for each in tmp_path.iterdir()] == ["case.npz"]


@pytest.mark.parametrize(
    "change", [{"certainty": 1.2}, {"low": 3}, {"high": 3}, {"mask": SparseMask(2, (7, 9, 5), {})}]
)
def test_a_proposal_is_valid_where_it_exists(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(some_proposal(), **change)  # type: ignore[arg-type]
