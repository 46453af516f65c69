"""The challenge's ``predict.sh``: segment every case of a folder by the prompts in its file.

A call has no memory of earlier calls, so it replays all clicks of a case in their order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from radsam.benchmark.challenge.challenge_case import ChallengeCase, ClassPrompts, read_case, write_segmentation
from radsam.disk.atomic_write import make_folder
from radsam.errors import InputError, PromptError
from radsam.io.input_files import refuse_inputs
from radsam.session import CapabilityWarning, Engine, Session
from radsam.volume import Bounds, Box, Point

#: The challenge's images are windowed already.
_WINDOW = (0.0, 255.0)


def predict_folder(
    engine: Engine,
    source: Path,
    target: Path,
    *,
    spacing_is_xyz: bool = True,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Path]:
    """Segment every case of a folder.

    Args:
        engine: The model.
        source: Folder with one .npz per case, or a single .npz file.
        target: Folder of the segmentations, which have the cases' names; made if missing.
        spacing_is_xyz: See `read_case`.
        progress: Called with the number of cases done and of all cases.

    Returns:
        The files written.

    Raises:
        InputError: There is no case, or a case cannot be read.
        OutputError: The folder cannot be written, or is that of the cases.
    """
    cases = find_cases(source)
    refuse_inputs([target / each.name for each in cases], cases)
    make_folder(target)
    written = []
    for number, path in enumerate(cases):
        progress(number, len(cases))
        write_segmentation(target / path.name, predict(engine, read_case(path, spacing_is_xyz=spacing_is_xyz)))
        written.append(target / path.name)
    progress(len(cases), len(cases))
    return written


def find_cases(source: Path) -> list[Path]:
    """List the cases of a folder, or the one file.

    Raises:
        InputError: There is none.
    """
    cases = [source] if source.is_file() else sorted(source.glob("*.npz"))
    if not cases:
        raise InputError(f"{source} holds no case of the challenge; a case is an .npz file.")
    return cases


def predict(engine: Engine, case: ChallengeCase) -> UInt8[np.ndarray, "d h w"]:
    """Segment one case: class n of its list becomes n + 1; a voxel of two classes goes to the later one."""
    found = np.zeros(case.volume.geometry.shape_kji, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapabilityWarning)
        for number, prompts in enumerate(case.prompts, start=1):
            name = str(number)
            session = engine.open(case.volume, window=_WINDOW)  # of its own: a label map of all is not needed
            if _segment_class(session, prompts, name):
                found[session.mask(name, whole=True)] = number
    return found


def _segment_class(session: Session, given: ClassPrompts, name: str) -> bool:
    """Segment and correct one class; False if the model finds nothing."""
    clicks = list(given.clicks)
    prompt: Box | Point
    bounds: Bounds | None
    if given.box is not None and given.bounds is not None:
        # The slices of positive clicks lie in the bounds, too.
        slices = [click.k for click in clicks if click.positive]
        prompt, bounds = given.box, Bounds(min([given.bounds.low, *slices]), max([given.bounds.high, *slices]))
    else:
        first = next((click for click in clicks if click.positive), None)
        if first is None:
            return False
        clicks.remove(first)
        prompt, bounds = first, None
    try:
        session.segment(prompt, bounds=bounds, name=name)
    except PromptError:
        # Nothing found at the box: try the first positive click.
        first = next((click for click in clicks if click.positive), None)
        if first is None:
            return False
        try:
            session.segment(first, bounds=bounds, name=name)
        except PromptError:
            return False
        clicks.remove(first)
    for click in clicks:
        if bounds is None or click.k in bounds:
            session.correct(click, name=name)
    return True
