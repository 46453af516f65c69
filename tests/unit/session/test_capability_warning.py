"""Does a model that gets a prompt it was not trained on come with a warning, and with the best prompt instead?"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_session, fake_spec
from phantoms import touching_balls
from radsam.runtime import Capability
from radsam.session import CapabilityWarning, ModalityWarning, OverlapWarning, Session
from radsam.volume import Box, Mask, Modality, ModalitySource, Point, Volume

SCENE = touching_balls()
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)
BOUNDS = (7, 19)
BOXES_ONLY = fake_spec(name="boxy", capabilities=(Capability.BOX,))


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda s: s.segment(Point(i=9, j=14, k=13), bounds=(12, 14)), "a point"),
        (lambda s: s.segment(RIGHT, bounds=(12, 14), policy="mask"), "masks"),
        (lambda s: s.segment(Mask(pixels=SCENE.truth[13], k=13), bounds=(12, 14), policy="mask"), "masks"),
        (lambda s: s.correct(Point(i=9, j=14, k=13), name="there"), "correction points"),
    ],
)
def test_a_prompt_that_the_model_was_not_trained_on_gives_a_warning(
    edit: Callable[[Session], object], what: str
) -> None:
    session = fake_session(SCENE.volume, FakeBackend(BOXES_ONLY))
    session.segment(RIGHT, bounds=BOUNDS, name="there")  # boxes: nothing to warn of
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        edit(session)
    untrained = {str(each.message) for each in caught if "was not trained on" in str(each.message)}
    assert len(untrained) == 1
    assert f"'boxy' was not trained on {what} (only on: box)" in untrained.pop()
    assert {each.category for each in caught} - {OverlapWarning} == {CapabilityWarning}  # "object" covers "there"


def test_the_warning_points_at_the_line_of_the_caller(tmp_path: Path) -> None:
    # In a process of its own: here, the checks of array shapes add frames between the calls.
    script = tmp_path / "caller.py"
    script.write_text(
        "import warnings\n"
        "from fakes import FakeBackend, fake_session, fake_spec\n"
        "from phantoms import touching_balls\n"
        "from radsam.volume import Box, Point\n"
        "session = fake_session(touching_balls().volume, FakeBackend(fake_spec(capabilities=('box',))))\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    session.segment(Point(i=9, j=14, k=13), bounds=(12, 14))\n"
        "    session.correct(Point(i=1, j=1, k=13))\n"
        "print([(each.filename == __file__, each.lineno) for each in caught])\n"
    )
    tests = Path(__file__).parents[2]
    run = [
        sys.executable,
        "-c",
        f"import sys, runpy; sys.path.insert(0, {str(tests)!r}); runpy.run_path({str(script)!r})",
    ]
    finished = subprocess.run(run, capture_output=True, text=True, check=True)
    # The second warning of the correction: its click is painted, since nothing bright is there.
    assert finished.stdout.strip() == "[(True, 8), (True, 9), (True, 9)]"


def test_a_model_that_was_not_trained_on_masks_gets_the_box_of_a_mask() -> None:
    backend = FakeBackend(fake_spec(capabilities=(Capability.BOX,)))
    session = fake_session(SCENE.volume, backend)
    with pytest.warns(CapabilityWarning, match="not trained on masks"):
        session.segment(Mask(pixels=SCENE.truths["left"][13], k=13), bounds=(12, 14))
    assert all(prompt.mask is None for prompt in backend.prompts)


def test_a_click_on_what_is_right_already_moves_no_box() -> None:
    session = fake_session(SCENE.volume, FakeBackend(BOXES_ONLY))
    session.segment(Box(k=13, i0=3, j0=7, i1=27, j1=20), bounds=BOUNDS)
    before = session.labels.ids.copy()
    # Between the two balls: the box would lose the top of both to leave it out.
    for point in (Point(i=15, j=10, k=13, positive=False), Point(i=9, j=14, k=12)):
        assert bool(before[point.k, point.j, point.i]) == point.positive
        with pytest.warns(CapabilityWarning, match="was not trained on correction points"):
            session.correct(point)
        assert (session.labels.ids == before).all()


def test_a_correction_of_what_is_right_already_says_nothing_of_the_one_before() -> None:
    session = fake_session(SCENE.volume, FakeBackend(BOXES_ONLY))
    session.segment(Box(k=13, i0=3, j0=7, i1=27, j1=20), bounds=BOUNDS)
    with pytest.warns(CapabilityWarning) as caught:
        assert session.correct(Point(i=1, j=1, k=14)).painted  # where nothing is bright
    assert len(caught) == 2
    with pytest.warns(CapabilityWarning) as caught:
        assert not session.correct(Point(i=9, j=14, k=12)).painted
    assert len(caught) == 1  # the model was not trained on points


def test_an_mr_without_a_header_that_says_so_is_segmented_with_a_warning() -> None:
    values = (SCENE.volume.values - SCENE.volume.values.min()) * np.int16(2)
    mr = Volume(values, SCENE.volume.geometry, Modality.MR, modality_source=ModalitySource.VALUES)
    session = fake_session(mr)
    with pytest.warns(ModalityWarning, match=r"taken for an MR by its values 0 to \d+.*--modality ct"):
        session.segment(Box(k=13, i0=3, j0=7, i1=27, j1=20), bounds=BOUNDS)
