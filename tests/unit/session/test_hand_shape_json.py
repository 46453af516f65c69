"""Do shapes of hand edits come back from JSON?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from radsam.errors import PromptError
from radsam.session.hand_shape_json import AnyHandShape, hand_shape_to_json
from radsam.volume import Box, Brush, HandShape, Lasso, Mask, Plane, SparseMask

SHAPE: TypeAdapter[HandShape] = TypeAdapter(AnyHandShape)
BRUSH = {"path": [[1, 2, 3], [4, 2, 3]], "radius_mm": 4}
VOXELS = SparseMask.of(np.eye(4, 5, dtype=bool)[None].repeat(3, axis=0), 1)


@pytest.mark.parametrize(
    "shape",
    [
        Brush(path_ijk=((1, 2, 3), (4, 2, 3)), radius_mm=4.5, ball=True, plane=Plane.CORONAL),
        Lasso(polygon=((0.5, 1.0), (3.25, 1.0), (2.0, 4.0)), j=7),
        Box(j=3, i0=0, k0=1, i1=4, k1=5),
        VOXELS,
    ],
)
def test_a_shape_comes_back_from_json_text(shape: HandShape) -> None:
    assert SHAPE.validate_python(shape) is shape
    assert SHAPE.validate_python(json.loads(json.dumps(hand_shape_to_json(shape)))) == shape
    assert SHAPE.validate_json(SHAPE.dump_json(shape)) == shape


def test_a_mask_comes_back_with_its_slice() -> None:
    back = SHAPE.validate_python(hand_shape_to_json(Mask(pixels=np.eye(4, 5, dtype=bool), i=2)))
    assert isinstance(back, Mask)
    assert back.index == 2
    np.testing.assert_array_equal(back.pixels, np.eye(4, 5, dtype=bool))


def test_the_forms_are_the_documented_ones() -> None:
    assert SHAPE.validate_python({"brush": BRUSH}) == Brush(path_ijk=((1, 2, 3), (4, 2, 3)), radius_mm=4.0)
    assert hand_shape_to_json(Brush(path_ijk=((1, 2, 3),), radius_mm=4.0)) == {
        "brush": {"path": [[1, 2, 3]], "radius_mm": 4, "ball": False, "plane": "axial"}
    }
    lasso = {"lasso": {"k": 41}, "polygon": [[0.5, 1], [3, 1], [2, 4]]}
    assert hand_shape_to_json(SHAPE.validate_python(lasso)) == lasso
    assert list(hand_shape_to_json(VOXELS)) == ["voxels"]


@pytest.mark.parametrize(
    "form",
    [
        {"circle": 3},
        {"brush": {**BRUSH, "path": []}},
        {"brush": {**BRUSH, "radius_mm": float("inf")}},
        {"brush": {**BRUSH, "plane": "oblique"}},
        {"brush": {**BRUSH, "colour": "red"}},
        {"brush": {"path": [[1, 2, 3]]}},
        {"voxels": {"axis": "x", "shape": [1, 2, 3], "slices": {}}},
        {"voxels": {"axis": "k", "shape": [1, 2, 3], "slices": {"1": 5}}},
    ],
)
def test_values_of_a_wrong_type_or_range_are_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SHAPE.validate_python(form)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"brush": {**BRUSH, "radius_mm": 0}}, "radius of a brush"),
        ({"voxels": {"axis": "k", "shape": [1, 2, 3], "slices": {"0": "AAAA"}}}, "slice 0 are damaged"),
        (
            {"box": {"k": 1, "i0": 1, "i1": 3, "j0": 1, "j1": 3}, "positive": False},
            "the request says whether its voxels are set or erased",
        ),
    ],
)
def test_an_impossible_shape_is_refused_with_a_sentence(form: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        SHAPE.validate_python(form)
