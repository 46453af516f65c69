"""What a request can hold, every way into a session can take: the typed requests are the list to compare with."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from radsam.batch.batch_settings import BatchSettings
from radsam.batch.manifest import COLUMNS
from radsam.cli.commands import app
from radsam.io.volume_write import LabelFormat
from radsam.propagate import POLICIES
from radsam.runtime.backend_choice import BACKENDS
from radsam.server import api_schemas, edit_bodies
from radsam.session import Session
from radsam.session.edit_request import CorrectionRequest, PolicyName, SegmentRequest
from radsam.session.hand_request import BoundsRequest, CleanUpRequest, ConfirmRequest, ContinueRequest, PaintRequest
from radsam.volume import Plane

DOCS = Path(__file__).parents[3] / "docs"
#: Fields by the names that the command line, manifests and Python give them, where they differ.
NAMES = {
    "prompt": {"box", "point", "mask"},
    "window": {"window"},
    "points": {"fix", "fix_not"},
    "shape": {"paint", "radius", "ball"},
    "positive": {"paint", "erase"},
    "low": {"trim", "extend"},
    "high": {"trim", "extend"},
    "change": {"trim", "extend"},
    "slices": {"confirm"},
    "confirmed": {"confirm", "unconfirm"},
    "step": {
        *("keep_largest", "keep_at", "islands", "fill_holes", "in_slices", "smooth", "grow", "shrink"),
        *("interpolate", "copy_slice", "to"),
    },
}


def options(command: str) -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return {each.name: each for each in group.commands[command].params}


def can_give(field: str, known: Any) -> bool:
    return field in known or NAMES.get(field, {field}) <= set(known)


WAYS = {
    "radsam segment": (SegmentRequest, options("segment"), set()),
    "Session.segment": (SegmentRequest, inspect.signature(Session.segment).parameters, set()),
    "HTTP segment": (SegmentRequest, edit_bodies.SegmentRequest.model_fields, set()),
    # A preview is of one slice, and returns all alternatives.
    "HTTP preview": (
        SegmentRequest,
        edit_bodies.PreviewRequest.model_fields.keys() - {"bounds"},  # those of a trimmed or extended object
        {"bounds", "alternative"},
    ),
    # Nobody looks at the alternatives of a batch; the column object names the object.
    "radsam batch": (
        SegmentRequest,
        {*COLUMNS, *(each.name for each in fields(BatchSettings))},
        {"name", "alternative"},
    ),
    # Corrections in the command that starts the object go as far as the next slice that was prompted.
    "radsam segment, corrections": (CorrectionRequest, options("segment"), {"reach"}),
    "radsam edit": (CorrectionRequest, options("edit"), set()),
    "radsam edit, by hand": (PaintRequest, options("edit"), set()),
    "radsam edit, ends": (BoundsRequest, options("edit"), set()),
    "radsam edit, marks": (ConfirmRequest, options("edit"), set()),
    "radsam edit, clean-up": (CleanUpRequest, options("edit"), set()),
    "Session.paint": (PaintRequest, inspect.signature(Session.paint).parameters, set()),
    # The names of the methods say how the ends move.
    "Session.trim": (BoundsRequest, {*inspect.signature(Session.trim).parameters, "change"}, set()),
    "Session.extend": (BoundsRequest, {*inspect.signature(Session.extend).parameters, "change"}, set()),
    "Session.continue_object": (ContinueRequest, inspect.signature(Session.continue_object).parameters, set()),
    "Session.confirm": (ConfirmRequest, inspect.signature(Session.confirm).parameters, set()),
    "Session.clean_up": (CleanUpRequest, inspect.signature(Session.clean_up).parameters, set()),
    "Session.correct": (CorrectionRequest, {*inspect.signature(Session.correct).parameters, "points"}, set()),
    "HTTP correct": (CorrectionRequest, edit_bodies.CorrectRequest.model_fields, set()),
    "HTTP preview of a correction": (CorrectionRequest, edit_bodies.PreviewRequest.model_fields, set()),
    "HTTP paint": (PaintRequest, edit_bodies.PaintRequest.model_fields, set()),
    "HTTP bounds": (BoundsRequest, edit_bodies.BoundsRequest.model_fields, set()),
    "HTTP continue": (ContinueRequest, edit_bodies.ContinueRequest.model_fields, set()),
    "HTTP confirm": (ConfirmRequest, edit_bodies.ConfirmRequest.model_fields, set()),
    "HTTP clean-up": (CleanUpRequest, edit_bodies.CleanUpRequest.model_fields, set()),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_field_of_a_request_can_be_given(way: str) -> None:
    request, known, left_out = WAYS[way]
    missing = {field for field in request.model_fields if not can_give(field, known)}
    assert missing == left_out


CHOICES = {
    "policy": tuple(POLICIES),
    "backend": ("auto", *BACKENDS),
    "plane": tuple(Plane),
    "file_format": tuple(LabelFormat),
}


@pytest.mark.parametrize("command", ["segment", "batch"])
@pytest.mark.parametrize("option", CHOICES)
def test_help_names_every_choice(command: str, option: str) -> None:
    found = options(command)
    if option == "plane" and command == "batch":
        return  # a column of the manifest
    text = str(getattr(found[option], "help", ""))
    assert [each for each in CHOICES[option] if not re.search(rf"(?<![\w:]){each}(?![\w:])", text)] == []


def test_requests_and_the_description_of_the_api_know_every_policy() -> None:
    assert {each.value for each in PolicyName} == set(POLICIES)
    schema = edit_bodies.SegmentRequest.model_json_schema()
    assert set(schema["$defs"]["PolicyName"]["enum"]) == set(POLICIES)
    assert set(get_args(api_schemas.PlaneName)) == set(Plane)


@pytest.mark.parametrize("page", ["batch.md", "benchmark.md", "server.md"])
def test_the_docs_name_every_policy(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    assert [
        each for each in POLICIES if f"`{each}`" not in text and f"`:{each}`" not in text and f":{each}`" not in text
    ] == []
