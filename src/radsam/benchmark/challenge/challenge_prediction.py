"""The challenge's ``predict.sh``: every case of a folder is answered from what its file says.

A call knows nothing of the calls before it, so all clicks of a case are played again, in order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from radsam.benchmark.challenge.challenge_case import ChallengeCase, ClassPrompts, read_case, write_segmentation
from radsam.errors import InputError, OutputError, PromptError
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
        source: Folder with one .npz per case, or one such file.
        target: Folder of the answers, which have the cases' names; made if it is not there.
        spacing_is_xyz: See `read_case`.
        progress: Told of cases done and their number.

    Returns:
        The files written.

    Raises:
        InputError: There is no case, or one that cannot be read.
        OutputError: The folder cannot be written.
    """
    cases = find_cases(source)
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
        raise InputError(f"{source} holds no case of the challenge: looked for *.npz.")
    return cases


def make_folder(folder: Path) -> None:
    """Make a folder for answers.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error


def predict(engine: Engine, case: ChallengeCase) -> UInt8[np.ndarray, "d h w"]:
    """Segment one case: class n of its list becomes n + 1; a voxel of two classes goes to the later one."""
    session = engine.open(case.volume, window=_WINDOW)
    found = np.zeros(case.volume.geometry.shape_kji, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapabilityWarning)
        for number, said in enumerate(case.prompts, start=1):
            name = str(number)
            if _said(session, said, name):
                found[session.mask(name)] = number
    return found


def _said(session: Session, said: ClassPrompts, name: str) -> bool:
    """Segment and correct one class; False where nothing was found."""
    clicks = list(said.clicks)
    prompt: Box | Point
    bounds: Bounds | None
    if said.box is not None and said.bounds is not None:
        prompt, bounds = said.box, _holding(said.bounds, [click.k for click in clicks if click.positive])
    else:
        first = next((click for click in clicks if click.positive), None)
        if first is None:
            return False
        clicks.remove(first)
        prompt, bounds = first, None
    try:
        session.segment(prompt, bounds=bounds, name=name)
    except PromptError:
        # Nothing at the box: the first click inside may find it.
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


def _holding(bounds: Bounds, slices: list[int]) -> Bounds:
    """Widen bounds to hold what was clicked as part of the object."""
    return Bounds(min([bounds.low, *slices]), max([bounds.high, *slices]))
