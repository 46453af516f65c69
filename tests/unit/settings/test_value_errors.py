"""Are the errors of values sentences that name the value and what is needed?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from radsam.errors import RequestError
from radsam.session.edit_request import CorrectionRequest, SegmentRequest
from radsam.settings.value_errors import describe_errors


class Part(BaseModel):
    size: int = 0


class Values(BaseModel):
    number: float = 0
    count: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)] = 0
    share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.5
    flag: bool = False
    word: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    color: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] = "#000000"
    choice: Literal["", "all", "none"] = ""
    few: Annotated[list[int], Field(min_length=1, max_length=2)] = [0]
    part: Part = Part()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"number": "x"}, "number must be a number, not 'x'"),
        ({"count": "x"}, "count must be a whole number, not 'x'"),
        ({"count": 1.5}, "count must be a whole number, not 1.5"),
        ({"count": 2**31}, "count must be at most 2147483647, not 2147483648"),
        ({"share": 0}, "share must be greater than 0, not 0"),
        ({"share": 1}, "share must be at most 0.5, not 1"),
        ({"flag": "x"}, "flag must be true or false, not 'x'"),
        ({"word": ""}, "word needs at least 1 character, not ''"),
        ({"word": "abcd"}, "word needs at most 3 characters, not 'abcd'"),
        ({"color": "red"}, "color must match ^#[0-9a-f]{6}$, not 'red'"),
        ({"choice": "some"}, "choice must be one of \"\", all, none, not 'some'"),
        ({"few": []}, "few needs at least 1 value, not 0"),
        ({"few": [1, 2, 3]}, "few needs at most 2 values, not 3"),
        ({"part": 5}, "part must be a JSON object, not 5"),
        ([], "The request must be a JSON object, not []"),
        ({"flag": "x", "few": []}, "flag must be true or false, not 'x'; few needs at least 1 value, not 0"),
    ],
)
def test_an_error_names_the_value_and_what_is_needed(given: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Values.model_validate(given)
    assert describe_errors(refused.value) == message


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (
            CorrectionRequest,
            {"points": [{"point": [1, 2, 1.5]}]},
            "points[0].point[2] must be a whole number, not 1.5.",
        ),
        (CorrectionRequest, {"points": []}, "points needs at least 1 value, not 0."),
        (CorrectionRequest, "x", "The request must be a JSON object, not 'x'."),
        (SegmentRequest, {"prompt": {"point": [1, 2, 1.5]}}, "prompt.point[2] must be a whole number, not 1.5."),
        (
            SegmentRequest,
            {"prompt": {"point": [1, 2, 3], "positive": 2}},
            "prompt.positive must be true or false, not 2.",
        ),
        (SegmentRequest, {"prompt": {"box": {"k": "x"}}}, "prompt.box.k must be a whole number, not 'x'."),
        (SegmentRequest, {"prompt": {"mask": {"k": 1}, "shape": [2, 2]}}, "prompt.runs is missing."),
    ],
)
def test_a_request_names_a_wrong_value_once_where_the_user_wrote_it(kind: Any, given: Any, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        kind.model_validate(given)
    assert str(refused.value) == message
