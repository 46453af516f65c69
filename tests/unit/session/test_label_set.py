"""Label sets: names with fixed values and colours, and the values of new objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine
from phantoms import touching_balls
from radsam.errors import InputError
from radsam.io.dicom.organ_codes import Code
from radsam.session import Session
from radsam.session.edit import SetId
from radsam.session.edit_request import SegmentRequest
from radsam.session.label_set import LabelSet, read_label_set
from radsam.volume import Box, Plane

ABDOMEN = """
name = "Abdomen"

[[label]]
name = "liver"
value = 5
color = "#0080FF"

[[label]]
name = "kidney_left"
value = 2

[[label]]
name = "implant"
value = 1
code = { value = "40388003", meaning = "Implant", category = "finding" }
"""


@pytest.fixture
def labels(tmp_path: Path) -> LabelSet:
    return written(tmp_path, ABDOMEN)


def written(folder: Path, text: str) -> LabelSet:
    (folder / "labels.toml").write_text(text)
    return read_label_set(folder / "labels.toml")


def start(session: Session, name: str, labels: LabelSet) -> None:
    request = SegmentRequest(name=name, prompt=Box(k=13, i0=3, j0=7, i1=15, j1=20), plane=Plane.AXIAL, bounds=(12, 14))
    for _ in session.run(request, number=labels.value_for(name, session.history.done)):
        pass


def test_a_file_names_values_colours_and_codes(labels: LabelSet) -> None:
    assert (labels.name, [each.name for each in labels.label]) == ("Abdomen", ["liver", "kidney_left", "implant"])
    assert labels.colours == {"liver": (0, 128, 255), "kidney_left": (185, 102, 83)}  # the second is the table's
    assert labels.codes["implant"].type == Code("40388003", "Implant")
    assert labels.codes["implant"].category == Code("49755003", "Morphologically Abnormal Structure")
    assert list(labels.codes) == ["implant"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("value = 5", "value = 0"), r"label\[0\]\.value must be at least 1, not 0"),
        (("value = 5", "value = 70000"), "at most 65535"),
        (("value = 5", "value = 2"), "two have 2"),
        (('"liver"', '"kidney_left"'), "two called kidney_left"),
        (('"liver"', '""'), "name"),
        (("#0080FF", "blue"), "color"),
        (('color = "#0080FF"', 'colour = "#0080FF"'), "colour"),
        (("40388003", "a b"), "code"),
        (('category = "finding"', 'category = "thing"'), "organ"),
        ((ABDOMEN, 'name = "empty"'), "label"),
        ((ABDOMEN, "label = 3"), "label"),
        ((ABDOMEN, "[[label"), "not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=rf"labels\.toml(.|\n)*{message}"):
        written(tmp_path, ABDOMEN.replace(*change))
    with pytest.raises(InputError, match=r"cannot be read"):
        read_label_set(tmp_path / "none.toml")


def test_objects_of_the_set_have_its_values_and_others_stay_out_of_them(labels: LabelSet) -> None:
    session = fake_engine(FakeBackend()).open(touching_balls().volume)
    for name in ("object 1", "liver", "object 2", "implant", "kidney_left", "object 3"):
        start(session, name, labels)
    assert {each.name: each.id for each in session.objects.values()} == {
        "object 1": 3,
        "liver": 5,
        "object 2": 4,
        "implant": 1,
        "kidney_left": 2,
        "object 3": 6,
    }


def test_a_value_that_another_object_has_is_left_to_it(labels: LabelSet) -> None:
    session = fake_engine(FakeBackend()).open(touching_balls().volume)
    start(session, "object 1", labels)
    session.set_id("object 1", 5)
    start(session, "liver", labels)
    assert session.objects["liver"].id == 3


def test_undo_and_redo_take_an_object_and_its_value_in_one_step(labels: LabelSet) -> None:
    session = fake_engine(FakeBackend()).open(touching_balls().volume)
    start(session, "liver", labels)
    start(session, "kidney_left", labels)
    ids = session.labels.ids
    session.undo()
    assert list(session.objects) == ["liver"]
    session.undo()
    assert not session.history.cursor
    session.redo()
    assert session.objects["liver"].id == 5
    session.redo()
    np.testing.assert_array_equal(session.labels.ids, ids)
    assert session.history.cursor == len(session.history.edits)


def test_a_value_that_was_chosen_for_an_object_is_a_step_of_its_own(labels: LabelSet) -> None:
    session = fake_engine(FakeBackend()).open(touching_balls().volume)
    start(session, "liver", labels)
    session.set_id("liver", 9)
    start(session, "liver", labels)  # once more, from another prompt
    session.undo()
    assert session.objects["liver"].id == 9
    assert session.history.done[-1] == SetId("liver", 9)
