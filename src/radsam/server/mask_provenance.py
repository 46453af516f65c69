"""How an object of a session was made: what a finished mask says of its origin."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import Any

from radsam.errors import RadsamError
from radsam.project.task_state import StartedFrom
from radsam.server.server_store import CaseSession
from radsam.session import Session
from radsam.session.edit import Paint, StartEdit, StartFromMask
from radsam.session.history import History, numbered_edits_of
from radsam.session.prompt_json import prompt_to_json
from radsam.session.started_object import StartedObject
from radsam.session.user_state import started_by


def started_from(history: History, label: str, of_case: CaseSession) -> StartedFrom:
    """Return what an object was started from last: "proposal", "prompt", or "" where there is no object."""
    edits = numbered_edits_of(history.done, label)
    starts = [(number, edit) for number, edit in edits.items() if isinstance(edit, StartEdit)]
    if not starts:
        return ""
    number, edit = starts[-1]
    proposed = number < of_case.edits and isinstance(edit, StartFromMask) and label in of_case.begun_with
    return "proposal" if proposed else "prompt"


def provenance(session: Session, label: str, of_case: CaseSession) -> dict[str, Any]:
    """Describe how an object was made, as JSON values. Runs on the model's thread.

    Args:
        session: The session.
        label: The object.
        of_case: What the session began with.
    """
    found = session.objects[label]
    edits = numbered_edits_of(session.history.done, label)
    by_hand = [edit for edit in edits.values() if isinstance(edit, Paint)]
    prompts = [
        {"edit": each.number, "slice": each.index, **_without_pixels(prompt_to_json(each.prompt))}
        for each in found.placed_prompts
    ]
    began = started_from(session.history, label, of_case)
    proposal = {"proposal_of_round": of_case.begun_with[label]} if began == "proposal" else {}
    return {
        "session": of_case.session,
        "started_from": began,
        **proposal,
        "model": {
            "name": session.predictor.spec.name,
            "sha256": session.predictor.model_hash,
            "precision": list(session.precisions) or [session.predictor.backend.precision],
        },
        "modality": session.volume.modality.value,
        "plane": found.grid.plane.value,
        "window": list(found.window),
        "bounds": None if found.bounds is None else [found.bounds.low, found.bounds.high],
        "crop": _crop(session, label),
        "start": found.started_from,
        "prompts": prompts,
        "edits": dict(Counter(each.kind for each in found.edits)),
        "hand_edits": len(by_hand),
        "hand_voxels": sum(sum(each.area for each in edit.voxels.slices.values()) for edit in by_hand),
        "slices_marked_right": list(found.confirmed),
        "versions": {"radsam": version("radsam")},
    }


def _without_pixels(prompt: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in prompt.items() if name != "runs"}


def _crop(session: Session, label: str) -> dict[str, int] | None:
    """Return the part of a slice that the model saw, in rows and columns of the display; None for whole slices."""
    started = started_by(tuple(numbered_edits_of(session.history.done, label).values()))
    try:
        crop = StartedObject(session.volume, session.predictor, started).view.crop
    except RadsamError:
        return None
    return None if crop is None else {"row": crop.row, "col": crop.col, "rows": crop.rows, "cols": crop.cols}
