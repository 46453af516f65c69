"""The user's prompts on each slice of an object, from the object's edits."""

from __future__ import annotations

from radsam.predictor import SlicePrompt
from radsam.session.edit import Correct, Segment
from radsam.volume import Prompt, SliceGrid, slice_index

ObjectEdits = tuple[Segment | Correct, ...]


def started_by(edits: ObjectEdits) -> Segment:
    """Return the edit that started the object last."""
    return next(edit for edit in reversed(edits) if isinstance(edit, Segment))


def prompts_of(edit: Segment | Correct) -> tuple[Prompt, ...]:
    """Return the prompts of an edit, in voxels; all lie on one slice."""
    return (edit.prompt,) if isinstance(edit, Segment) else edit.points


def slice_prompt_of(edit: Segment | Correct, grid: SliceGrid) -> tuple[int, SlicePrompt]:
    """Return the slice that an edit lies on, and the prompt that it adds there."""
    prompt = SlicePrompt()
    for each in prompts_of(edit):
        prompt = prompt.merged(SlicePrompt.of(each, grid))
    return slice_index(prompts_of(edit)[0], grid), prompt


def user_prompts_by_slice(edits: ObjectEdits, grid: SliceGrid) -> dict[int, SlicePrompt]:
    """Collect the user's prompts by slice since the object was last started."""
    user_prompts: dict[int, SlicePrompt] = {}
    for edit in edits:
        if isinstance(edit, Segment):
            user_prompts = {}
        index, prompt = slice_prompt_of(edit, grid)
        user_prompts[index] = user_prompts.get(index, SlicePrompt()).merged(prompt)
    return user_prompts
