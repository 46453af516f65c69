"""Do prompts of every kind come back from JSON, and what older programs wrote?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from radsam.errors import PromptError
from radsam.session.prompt_json import AnyPrompt, prompt_to_json
from radsam.volume import Box, Lasso, Mask, Point, Prompt, Scribble

PROMPT: TypeAdapter[Prompt] = TypeAdapter(AnyPrompt)
PIXELS = np.eye(4, 5, dtype=bool)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(
    "prompt",
    [
        Point(i=1, j=2, k=3),
        Box(j=3, i0=0, k0=1, i1=4, k1=5),
        Mask(pixels=PIXELS, i=2),
        Scribble(voxels_ijk=((1, 2, 3), (4, 2, 3))),
        Lasso(polygon=((0.5, 1.0), (3.25, 1.0), (2.0, 4.0)), j=7),
    ],
)
def test_a_prompt_comes_back_from_json_text(prompt: Prompt, positive: bool) -> None:
    given = replace(prompt, positive=positive)
    back = PROMPT.validate_python(json.loads(json.dumps(prompt_to_json(given))))
    if isinstance(given, Mask):  # masks are compared by identity
        assert isinstance(back, Mask)
        assert (back.positive, back.axis, back.index) == (positive, 0, 2)
        np.testing.assert_array_equal(back.pixels, PIXELS)
    else:
        assert back == given


@pytest.mark.parametrize(
    ("prompt", "form"),
    [
        (Scribble(voxels_ijk=((1, 2, 3), (4, 2, 3))), {"scribble": [[1, 2, 3], [4, 2, 3]], "positive": True}),
        (
            Lasso(polygon=((0.5, 1.0), (3.0, 1.0), (2.0, 4.0)), k=41, positive=False),
            {"lasso": {"k": 41}, "polygon": [[0.5, 1.0], [3.0, 1.0], [2.0, 4.0]], "positive": False},
        ),
        (Box(k=1, i0=1, i1=3, j0=2, j1=4), {"box": {"k": 1, "i0": 1, "i1": 3, "j0": 2, "j1": 4}}),
        (
            Box(k=1, i0=1, i1=3, j0=2, j1=4, positive=False),
            {"box": {"k": 1, "i0": 1, "i1": 3, "j0": 2, "j1": 4}, "positive": False},
        ),
        (
            Mask(pixels=np.array([[False, True]]), k=2, positive=False),
            {"mask": {"k": 2}, "shape": [1, 2], "runs": [1, 1], "positive": False},
        ),
    ],
)
def test_the_form_is_the_documented_one(prompt: Prompt, form: dict[str, Any]) -> None:
    assert prompt_to_json(prompt) == form


@pytest.mark.parametrize(
    "form",
    [
        {"scribble": []},
        {"scribble": [[1, 2]]},
        {"scribble": [[1, 2, 3.5]]},
        {"scribble": [[1, 2, 3]] * 10_001},
        {"lasso": {"k": 1}},
        {"lasso": {"k": 1}, "polygon": [[1, 2, 3]] * 3},
        {"lasso": {"k": 1}, "polygon": [[1, float("inf")]] * 3},
        {"lasso": {"k": 1}, "polygon": [[1, "2"], ["x", 3], [4, 5]]},
        {"box": {"k": 1, "i0": 1, "i1": 3, "j0": 2, "j1": 4}, "positive": "maybe"},
    ],
)
def test_values_of_a_wrong_type_or_range_are_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PROMPT.validate_python(form)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"scribble": [[1, 2, 3], [2, 3, 4]]}, "leaves its slice"),
        ({"lasso": {"k": 1}, "polygon": [[1, 1], [2, 2]]}, "has 2 corners"),
        ({"lasso": {"k": 1, "j": 2}, "polygon": [[1, 1], [2, 2], [1, 5]]}, "exactly one of i, j, k"),
    ],
)
def test_an_impossible_prompt_is_refused_with_a_sentence(form: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        PROMPT.validate_python(form)
