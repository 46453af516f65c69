"""The promises of docs/precision.md: what is equal to the last bit, and how far masks in bf16 may differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import radsam
from command_line import PhantomFile
from phantoms import touching_balls
from radsam.session import Session

SCENE = touching_balls()
BOX = radsam.Box(k=13, i0=3, j0=7, i1=15, j1=20)
FIX = radsam.Point(i=4, j=14, k=14, positive=False)


def corrected(session: Session) -> Session:
    session.segment(BOX, bounds=(11, 15))
    session.correct(FIX)
    return session


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_in_one_precision_replay_and_a_reopened_session_are_equal_to_the_last_bit(
    precision: str, tiny_bundle: Path, tmp_path: Path, bf16_machine: None, compiled_anew: None
) -> None:
    """Each slice is encoded alone and each prompt decoded alone, so the same work has the same shapes."""
    session = corrected(radsam.load(tiny_bundle, precision=precision, threads=1).open(SCENE.volume))
    expected = session.objects["object"].slices
    assert any(each.mask.area for each in expected.values())
    session.save(tmp_path / "s")
    # Afresh, on graphs compiled again and with an empty cache.
    engine = radsam.load(tiny_bundle, precision=precision, threads=1)
    assert corrected(engine.open(SCENE.volume)).objects["object"].slices == expected
    reopened = engine.reopen(tmp_path / "s", SCENE.volume)
    assert reopened.objects["object"].slices == expected
    # After the correction is deleted, the object is as it was with the box alone.
    reopened.delete(1)
    alone = engine.open(SCENE.volume)
    alone.segment(BOX, bounds=(11, 15))
    assert reopened.objects["object"].slices == alone.objects["object"].slices


def test_the_shipped_weights_give_nearly_the_same_mask_in_bf16(phantom_ct: PhantomFile, bf16_machine: None) -> None:
    target = phantom_ct.target("liver")
    i0, j0, i1, j1 = target.box
    masks = {}
    for precision in ("f32", "bf16"):
        session = radsam.load(precision=precision).open(phantom_ct.phantom.volume)
        session.segment(radsam.Box(k=target.k, i0=i0, j0=j0, i1=i1, j1=j1), bounds=(target.k, target.k))
        masks[precision] = session.mask("object")
    differing = np.count_nonzero(masks["f32"] != masks["bf16"])
    assert radsam.dice(masks["f32"], masks["bf16"]) >= 0.98
    assert differing <= 0.04 * np.count_nonzero(masks["f32"])
