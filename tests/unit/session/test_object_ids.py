"""The values of objects in the label map: numbered in order, unless the user chooses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes import fake_engine, fake_session
from phantoms import ball
from radsam.errors import SessionError
from radsam.io.object_files import object_paths
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels
from radsam.server.mask_revisions import MaskRevisions
from radsam.session import Session, read_session
from radsam.session.edit import SetId, SetOrder, edit_from_json, edit_to_json
from radsam.volume import Mask
from servers import unpack

SCENE = ball("flipped")


def draw(session: Session, name: str, row: int) -> None:
    pixels = np.zeros(SCENE.volume.geometry.shape_kji[1:], bool)
    pixels[row, 2:7] = True
    session.segment(Mask(pixels=pixels, k=4), bounds=(4, 5), name=name, policy="copy")


@pytest.fixture
def session() -> Session:
    session = fake_session(SCENE.volume)
    for row, name in enumerate(["liver", "tumour", "vein"]):
        draw(session, name, row)
    return session


def ids(session: Session) -> dict[str, int]:
    return {name: each.id for name, each in session.objects.items()}


def test_values_are_chosen_undone_redone_and_saved(session: Session, tmp_path: Path) -> None:
    session.set_id("tumour", 300)
    assert ids(session) == {"liver": 1, "tumour": 300, "vein": 3}
    assert session.labels.ids.dtype == np.uint16
    assert (session.labels.ids[4, 1, 2:7] == 300).all()
    assert dict(session.labels.names) == {1: "liver", 3: "vein", 300: "tumour"}
    np.testing.assert_array_equal(session.mask("tumour"), session.labels.ids == 300)
    session.undo()
    assert ids(session) == {"liver": 1, "tumour": 2, "vein": 3}
    assert session.labels.ids.dtype == np.uint8
    session.redo()
    session.rename("tumour", "lesion")
    session.save(tmp_path / "s.radsam")
    again = fake_engine().reopen(read_session(tmp_path / "s.radsam"), SCENE.volume)
    assert ids(again) == {"liver": 1, "lesion": 300, "vein": 3}
    np.testing.assert_array_equal(again.labels.ids, session.labels.ids)


def test_new_objects_take_values_that_nobody_has(session: Session) -> None:
    session.set_id("liver", 4)
    draw(session, "cyst", 5)
    assert ids(session) == {"liver": 4, "tumour": 2, "vein": 3, "cyst": 5}
    session.remove("tumour")
    draw(session, "duct", 6)
    draw(session, "tumour", 1)
    assert ids(session) == {"liver": 4, "tumour": 2, "vein": 3, "cyst": 5, "duct": 6}


def test_the_value_of_a_removed_object_can_be_given_away(session: Session) -> None:
    session.remove("liver")
    session.set_id("vein", 1)
    draw(session, "liver", 0)
    assert ids(session) == {"liver": 4, "tumour": 2, "vein": 1}
    for _ in range(3):
        session.undo()
    assert ids(session) == {"liver": 1, "tumour": 2, "vein": 3}


def test_a_value_of_another_object_is_refused_by_its_name(session: Session) -> None:
    with pytest.raises(SessionError, match="The value 2 belongs to 'tumour'"):
        session.set_id("liver", 2)
    for number in (0, -1, 65536, True):
        with pytest.raises(SessionError, match=f"from 1 to 65535, not {number}"):
            session.set_id("liver", number)
    with pytest.raises(SessionError, match="no object 'lung'"):
        session.set_id("lung", 9)
    session.set_id("liver", 1)  # its own
    session.set_id("liver", 65535)
    assert session.labels.ids.max() == 65535


def test_both_edits_have_a_json_form() -> None:
    for edit, stored in (
        (SetId("liver", 300), {"name": "liver", "id": 300, "edit": "id"}),
        (SetOrder(("b", "a")), {"names": ["b", "a"], "edit": "order"}),
    ):
        assert edit_to_json(edit) == stored
        assert edit_from_json(stored) == edit
    for damaged in ({"edit": "id", "name": "a", "id": 0}, {"edit": "id", "name": "a", "id": True}):
        with pytest.raises(SessionError, match="damaged edit"):
            edit_from_json(damaged)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_label_maps_with_gaps_survive_every_format(session: Session, tmp_path: Path, suffix: str) -> None:
    session.set_id("tumour", 40_000)
    write_labels(session.labels, tmp_path / f"out{suffix}")
    read = read_labels(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(read.ids, session.labels.ids)
    assert read.present_ids == [1, 3, 40_000]
    paths = object_paths(tmp_path / "{id}_{name}.nii.gz", session.labels.names)
    assert [each.name for each in paths.values()] == ["1_liver.nii.gz", "3_vein.nii.gz", "40000_tumour.nii.gz"]


def test_the_page_gets_the_slices_under_the_new_value(session: Session) -> None:
    revisions = MaskRevisions()
    revisions.update(session.label_map, session.objects)
    session.set_id("tumour", 40_000)
    revisions.update(session.label_map, session.objects)
    _, slices = unpack(revisions.since(1))
    assert {(number, index): int(mask.sum()) for (number, _, index), mask in slices.items()} == {
        (2, 4): 0,
        (2, 5): 0,
        (40_000, 4): 5,
        (40_000, 5): 5,
    }
