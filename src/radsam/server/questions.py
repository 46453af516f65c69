"""What a user asks, and the edit that it means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from radsam.errors import PromptError
from radsam.predictor import SliceMask
from radsam.preprocess import Window
from radsam.propagate import default_policy
from radsam.session import Session
from radsam.session.edit import Segment
from radsam.volume import Bounds, Mask, Plane, Point, Prompt, SliceGrid, slice_index


@dataclass(frozen=True)
class Question:
    """A prompt as a user means it; what is left out follows from the model and the session.

    Args:
        prompt: The prompt.
        plane: The plane.
        name: The object.
        bounds: First and last slice; None lets the stop rule find the ends.
        window_hu: What the model sees, if other than the session's.
        policy: Name of the next-prompt policy.
        zoom: Whether the model looks at a crop around the object.
        alternative: Which of the model's four masks the user chose.
    """

    prompt: Prompt
    plane: Plane
    name: str = "object"
    bounds: tuple[int, int] | None = None
    window_hu: tuple[float, float] | None = None
    policy: str | None = None
    zoom: bool | None = None
    alternative: int = 0


@dataclass(frozen=True)
class Preview:
    """The answer on one slice.

    Args:
        masks: The primary mask and, for a first prompt, the alternatives.
        seconds: How long it took, with the time it waited.
    """

    masks: tuple[SliceMask, ...]
    seconds: float


def edit_of(question: Question, session: Session) -> Segment:
    """Make the edit of a question, and refuse what does not fit the volume.

    Raises:
        PromptError: The prompt or the bounds lie outside the volume, or the prompt cannot start an object.
    """
    spec, prompt = session.predictor.spec, question.prompt
    grid = SliceGrid.of(session.volume.geometry, question.plane)
    prompt.check(grid)
    if isinstance(prompt, Point) and not prompt.positive:
        raise PromptError("An object starts with a positive point; negative ones correct it afterwards.")
    bounds = None if question.bounds is None else Bounds(*question.bounds)
    if bounds is not None:
        bounds.check(grid, slice_index(prompt, grid))
    return Segment(
        name=question.name,
        prompt=prompt,
        bounds=bounds,
        plane=grid.plane,
        window=session.window if question.window_hu is None else Window(*question.window_hu),
        policy=question.policy or default_policy(spec),
        zoom=spec.max_zoom > 1 if question.zoom is None else question.zoom,
    )


def chosen(session: Session, edit: Segment, alternative: int) -> Segment:
    """Turn the mask that a user chose among the model's four into the prompt. Runs on the model's thread."""
    if alternative == 0:
        return edit
    masks = session.preview(edit)
    if alternative >= len(masks) or not masks[alternative].mask.area:
        raise PromptError(f"The model's mask number {alternative} is empty here: choose another one.")
    grid = SliceGrid.of(session.volume.geometry, edit.plane)
    return replace(edit, prompt=Mask.on(grid, masks[alternative].index, masks[alternative].mask.decode()))
