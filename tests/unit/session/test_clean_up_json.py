"""The JSON forms of clean-ups: written and read back, easy to type, and refused in a sentence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from radsam.errors import PromptError
from radsam.session.clean_up_json import AnyCleanUpStep, clean_up_to_json
from radsam.volume.clean_up import (
    CleanUpStep,
    CopySlice,
    FillHoles,
    Grow,
    Interpolate,
    KeepAt,
    KeepLargest,
    RemoveIslands,
    Smooth,
)


class Holder(BaseModel):
    step: AnyCleanUpStep


FORMS: list[tuple[CleanUpStep, dict[str, Any]]] = [
    (KeepLargest(), {"step": "keep_largest"}),
    (KeepAt((150, 120, 50)), {"step": "keep_at", "voxel_ijk": [150, 120, 50]}),
    (RemoveIslands(0.5), {"step": "remove_islands", "smallest_ml": 0.5}),
    (FillHoles(in_slices=True, axis=1), {"step": "fill_holes", "in_slices": True, "axis": "j"}),
    (Smooth(2.5), {"step": "smooth", "mm": 2.5, "axis": "k"}),
    (Grow(-1.5), {"step": "grow", "mm": -1.5}),
    (Interpolate((30, 35, 40), axis=2), {"step": "interpolate", "slices": [30, 35, 40], "axis": "k"}),
    (CopySlice(41, (42, 43), axis=0), {"step": "copy_slice", "index": 41, "to": [42, 43], "axis": "i"}),
]


@pytest.mark.parametrize(("step", "form"), FORMS, ids=lambda each: each.get("step") if isinstance(each, dict) else "")
def test_steps_are_written_and_read_back(step: CleanUpStep, form: dict[str, Any]) -> None:
    assert clean_up_to_json(step) == form
    assert Holder.model_validate({"step": json.loads(json.dumps(form))}).step == step
    assert json.loads(Holder(step=step).model_dump_json()) == {"step": form}


def test_what_has_a_default_may_be_left_out_and_whole_numbers_are_numbers() -> None:
    assert Holder.model_validate({"step": {"step": "fill_holes"}}).step == FillHoles()
    assert Holder.model_validate({"step": {"step": "smooth", "mm": 2}}).step == Smooth(2)


def test_indices_of_numpy_become_plain_numbers() -> None:
    step = Interpolate((3, 9), axis=2)
    object.__setattr__(step, "slices", tuple(np.array([3, 9])))  # outside of tests, types are not checked
    assert json.dumps(clean_up_to_json(step)) == '{"step": "interpolate", "slices": [3, 9], "axis": "k"}'


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "one of keep_largest, keep_at"),
        ([], "one of keep_largest, keep_at"),
        ({"step": "melt"}, "one of keep_largest, keep_at"),
        ({"step": ["grow"]}, "one of keep_largest, keep_at"),
        ({"step": "grow"}, "Field required"),
        ({"step": "grow", "mm": "2"}, "valid number"),
        ({"step": "grow", "mm": float("nan")}, "finite number"),
        ({"step": "grow", "mm": 2, "axis": "k"}, "Extra inputs"),
        ({"step": "keep_at", "voxel_ijk": [1, 2]}, "at least 3 items"),
        ({"step": "interpolate", "slices": [1, 5]}, "Field required"),
        ({"step": "interpolate", "slices": [1, 5], "axis": 2}, "'i', 'j' or 'k'"),
        ({"step": "interpolate", "slices": [1.5, 5], "axis": "k"}, "valid integer"),
    ],
)
def test_forms_of_another_kind_are_refused(form: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Holder.model_validate({"step": form})


def test_values_that_are_not_possible_are_prompt_errors() -> None:
    with pytest.raises(PromptError, match="above 0"):
        Holder.model_validate({"step": {"step": "remove_islands", "smallest_ml": -1}})
