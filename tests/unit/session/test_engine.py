"""Does a volume get the model of its modality, and a session the one that it was made with?"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import FakeBackend, fake_engine
from phantoms import touching_balls
from radsam.errors import SessionError
from radsam.session import Engine
from radsam.volume import Box, Modality, Volume

CT = touching_balls().volume
MR = replace(CT, values=CT.values - CT.values.min(), modality=Modality.MR)
BOX = Box(k=13, i0=3, j0=7, i1=15, j1=20)


def engine() -> tuple[Engine, list[Engine]]:
    """An engine of CT, and what it has loaded beside."""
    loaded: list[Engine] = []
    first, second = fake_engine(FakeBackend()), fake_engine(FakeBackend())
    other = Engine(replace(second.bundle, sha256="d" * 64), second.backend)

    def load_other() -> Engine:
        loaded.append(other)
        return other

    return Engine(first.bundle, first.backend, load_other=load_other), loaded


def test_the_other_model_is_loaded_once_and_only_for_what_is_no_ct() -> None:
    both, loaded = engine()
    assert both.open(CT).predictor is both.predictor
    assert loaded == []
    assert both.open(MR).predictor is both.open(replace(MR, modality=Modality.PET)).predictor is not both.predictor
    assert len(loaded) == 1


def test_a_model_that_was_chosen_opens_all() -> None:
    chosen = fake_engine()
    assert chosen.open(MR).predictor is chosen.predictor


@pytest.mark.parametrize("volume", [CT, MR])
def test_a_session_is_reopened_with_its_model(volume: Volume, tmp_path: Path) -> None:
    both, _ = engine()
    session = both.open(volume)
    session.segment(BOX, bounds=(10, 16))
    session.save(tmp_path / "it")
    reopened = both.reopen(tmp_path / "it", volume)
    assert (reopened.predictor, reopened.labels.present_ids) == (session.predictor, [1])


def test_an_mr_that_was_segmented_with_the_model_of_ct_keeps_it(tmp_path: Path) -> None:
    both, _ = engine()
    session = Engine(both.bundle, both.backend).open(MR)
    session.save(tmp_path / "it")
    assert both.reopen(tmp_path / "it", MR).predictor is both.predictor


def test_a_session_of_neither_model_is_refused(tmp_path: Path) -> None:
    both, _ = engine()
    Engine(replace(both.bundle, sha256="e" * 64), both.backend).open(MR).save(tmp_path / "it")
    with pytest.raises(SessionError, match="was made with the bundle"):
        both.reopen(tmp_path / "it", MR)


def test_a_start_does_not_wait_for_what_only_edits_need() -> None:
    slow = "('scipy.ndimage', 'scipy.spatial', 'scipy.special', 'torch', 'onnx')"
    code = f"import radsam, sys; radsam.load; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
