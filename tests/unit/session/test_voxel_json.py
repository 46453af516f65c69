from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radsam.errors import PromptError
from radsam.session.voxel_json import voxels_from_json, voxels_to_json
from radsam.volume import SparseMask


def packed(*runs: int) -> str:
    return base64.b64encode(zlib.compress(np.array(runs, "<u4").tobytes())).decode()


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)), st.integers(0, 2))
def test_voxels_come_back_from_json_text(array: np.ndarray, axis: int) -> None:
    mask = SparseMask.of(array, axis)
    assert voxels_from_json(json.loads(json.dumps(voxels_to_json(mask)))) == mask


def test_the_form_is_the_documented_one() -> None:
    array = np.zeros((3, 4, 5), dtype=bool)
    array[1, 0, 2:4] = True
    form = voxels_to_json(SparseMask.of(array, 2))
    assert {**form, "slices": list(form["slices"])} == {"axis": "k", "shape": [3, 4, 5], "slices": ["1"]}
    assert zlib.decompress(base64.b64decode(form["slices"]["1"])) == np.array([2, 2, 16], "<u4").tobytes()


def test_empty_runs_of_another_program_mean_the_same_mask() -> None:
    form = {"axis": "k", "shape": [1, 1, 4]}
    assert voxels_from_json({**form, "slices": {"0": packed(1, 1, 0, 1, 1)}}) == voxels_from_json(
        {**form, "slices": {"0": packed(1, 2, 1)}}
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"axis": "x"}, '"i", "j" or "k", not \'x\''),
        ({"shape": [3, 4]}, r"size along k, j and i, not \[3, 4\]"),
        ({"shape": [3, 4, 2.5]}, "size along k, j and i"),
        ({"shape": [3, 4, True]}, "size along k, j and i"),
        ({"shape": [1, 65535, 65535]}, "larger than any volume's"),
        ({"slices": []}, "are an object"),
        ({"slices": {"-1": packed(20)}}, "'-1' is not the number of a slice"),
        ({"slices": {"one": packed(20)}}, "'one' is not the number of a slice"),
        ({"slices": {"3": packed(0, 20)}}, "k=3, but k goes from 0 to 2"),
        ({"slices": {"1": 7}}, "slice 1 are not text"),
        ({"slices": {"1": "äöü"}}, "not base64 of zlib"),
        ({"slices": {"1": "!!!!"}}, "not base64 of zlib"),
        ({"slices": {"1": base64.b64encode(b"runs").decode()}}, "not base64 of zlib"),
        ({"slices": {"1": packed(0, 20)[:8]}}, "cut off or too many"),
        ({"slices": {"1": base64.b64encode(zlib.compress(b"\x14\x00\x00")).decode()}}, "cut off or too many"),
        ({"slices": {"1": base64.b64encode(zlib.compress(bytes(10_000_000))).decode()}}, "cut off or too many"),
        ({"slices": {"1": packed(5, 14)}}, "do not fill its 4×5 pixels"),
        ({"slices": {"1": packed()}}, "do not fill its 4×5 pixels"),
        ({"slices": {"1": packed(2**32 - 1, 21)}}, "do not fill its 4×5 pixels"),
        ({"extra": 1}, "keys"),
    ],
)
def test_damaged_voxels_are_refused_with_a_sentence(changed: dict[str, Any], message: str) -> None:
    form = {"axis": "k", "shape": [3, 4, 5], "slices": {"1": packed(0, 20)}}
    assert voxels_from_json(form).voxels == 20
    with pytest.raises(PromptError, match=message):
        voxels_from_json({**form, **changed})


@pytest.mark.parametrize("given_value", [None, [], "k", 3, {"axis": "k"}])
def test_what_is_not_voxels_at_all_is_refused(given_value: object) -> None:
    with pytest.raises(PromptError, match='keys "axis", "shape" and "slices"'):
        voxels_from_json(given_value)
