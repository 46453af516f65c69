"""Every edit of `radsam edit`, on files, with the fake model; and what it refuses."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import CommandLine, Finished
from fakes import FakeBackend, fake_engine
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels, write_volume
from radsam.session import OverlapWarning, Session, read_session
from radsam.session.edit import edit_to_json
from radsam.volume import Box, Geometry, LabelVolume, Lasso, Mask, Plane, Point, Scribble, Volume
from radsam.volume.clean_up import (
    CopySlice,
    FillHoles,
    Grow,
    Interpolate,
    KeepAt,
    KeepLargest,
    RemoveIslands,
    Smooth,
)
from radsam.volume.hand_shape import Brush

#: Anisotropic, and of another size along each axis: nothing fits if two axes are swapped.
SPACING_MM, SHAPE_KJI = (1.0, 2.0, 3.0), (10, 24, 36)
#: A bright block, and a second one that does not touch it.
BLOCK, APART = np.s_[2:8, 4:16, 6:26], np.s_[4:6, 19:22, 30:34]
START = "--slice 4 --box 6 4 25 15 --bounds 2 7 --policy box --name it"


def voxels(*places: Any) -> np.ndarray:
    mask = np.zeros(SHAPE_KJI, bool)
    for each in places:
        mask[each] = True
    return mask


@dataclass(frozen=True)
class Desk:
    """A folder with ct.nii.gz and s.radsam, which holds the object "it"."""

    folder: Path
    start: CommandLine
    backend: FakeBackend

    def run(self, *line: str) -> Finished:
        return self.start.here(*line, cwd=self.folder)

    def edit(self, *line: str) -> Finished:
        return self.run("edit", "s.radsam", *line, "-o", "out.nii.gz", "--json")

    def mask(self, name: str = "it") -> np.ndarray:
        labels = read_labels(self.folder / "out.nii.gz")
        return labels.ids == [*self.session().objects].index(name) + 1

    def session(self) -> Session:
        saved = read_session(self.folder / "s.radsam")
        return fake_engine(self.backend).reopen(saved, replace(_volume(), source=saved.volume_source))

    def write(self, name: str, mask: np.ndarray) -> None:
        write_labels(LabelVolume(mask.astype(np.uint8), _volume().geometry), self.folder / name)

    def refused(self, *line: str, code: int = 3) -> str:
        """Run an edit that must be refused, and check that nothing was written."""
        path = self.folder / "s.radsam"
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        result = self.edit(*line)
        assert result.returncode == code, result.stderr
        assert hashlib.sha256(path.read_bytes()).hexdigest() == before
        assert not (self.folder / "out.nii.gz").exists()
        return result.stderr_line


def _volume() -> Volume:
    hu = np.full(SHAPE_KJI, -100, np.int16)
    hu[BLOCK] = hu[APART] = 110
    hu[3:7, 6:9, 8:12] = 60
    return Volume(hu, Geometry(SHAPE_KJI, np.diag([*SPACING_MM, 1.0])))


@pytest.fixture(scope="module")
def started(run_radsam: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edit")
    write_volume(_volume(), folder / "ct.nii.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radsam.cli.segment_command.load_engine", lambda *given, **more: fake_engine())
        line = f"segment ct.nii.gz {START} --session s.radsam -o first.nii.gz"
        run_radsam.here(*line.split(), cwd=folder).done()
    return folder


@pytest.fixture
def desk(started: Path, run_radsam: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    (tmp_path / "s.radsam").write_bytes((started / "s.radsam").read_bytes())
    backend = FakeBackend()
    monkeypatch.setattr("radsam.cli.edit_command.load_engine", lambda *given, **more: fake_engine(backend))
    return Desk(tmp_path, run_radsam, backend)


def python_edits(desk: Desk, do: Any) -> list[dict[str, Any]]:
    session = desk.session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of overlap, and clicks that are not followed
        do(session)
    return [edit_to_json(edit) for edit in session.history.edits]


ONE_SLICE = voxels(np.s_[4, 6:12, 8:20])
TRIANGLE = ((8.0, 5.0), (20.5, 5.0), (14.0, 14.0))
INSIDE, OUTSIDE = Point(i=9, j=7, k=5), Point(i=24, j=5, k=5, positive=False)

EDITS = [
    ("--fix|9|7|5|--fix-not|24|5|5", lambda s: s.correct(INSIDE, OUTSIDE, name="it")),
    ("--fix|9|7|5|--reach|slice", lambda s: s.correct(INSIDE, name="it", reach="slice")),
    ("--reach|2|--fix|9|7|5|--fix-not|24|5|5", lambda s: s.correct(INSIDE, OUTSIDE, name="it", reach=2)),
    ("--fix-box|5|7|5|24|14", lambda s: s.correct(Box(k=5, i0=7, j0=5, i1=24, j1=14), name="it")),
    (
        "--fix-not-box|5|20|5|24|14",
        lambda s: s.correct(Box(k=5, i0=20, j0=5, i1=24, j1=14, positive=False), name="it"),
    ),
    ("--fix-mask|one.nii.gz", lambda s: s.correct(Mask(k=4, pixels=ONE_SLICE[4]), name="it")),
    ("--fix-mask|all.nii.gz|--slice|6", lambda s: s.correct(Mask(k=6, pixels=voxels(BLOCK)[6]), name="it")),
    (
        "--fix-not-mask|one.nii.gz|--reach|ends",
        lambda s: s.correct(Mask(k=4, pixels=ONE_SLICE[4], positive=False), name="it", reach="ends"),
    ),
    ("--scribble|8 6 5, 12 9 5", lambda s: s.correct(Scribble(voxels_ijk=((8, 6, 5), (12, 9, 5))), name="it")),
    (
        "--scribble-not|20 6 3, 20 6 6",
        lambda s: s.correct(Scribble(voxels_ijk=((20, 6, 3), (20, 6, 6)), positive=False), name="it"),
    ),
    ("--lasso|5: 8 5, 20.5 5, 14 14", lambda s: s.correct(Lasso(k=5, polygon=TRIANGLE), name="it")),
    ("--lasso-not|5: 8 5, 20.5 5, 14 14", lambda s: s.correct(Lasso(k=5, polygon=TRIANGLE, positive=False), name="it")),
    ("--paint|one.nii.gz", lambda s: s.paint(ONE_SLICE, name="it")),
    ("--paint|one.nii.gz|--reach|next", lambda s: s.paint(ONE_SLICE, name="it", reach="next")),
    ("--erase|one.nii.gz|--within-hu|0|80", lambda s: s.erase(voxels(np.s_[4, 6:9, 8:12]), name="it")),
    (
        "--paint|30 19 4, 33 21 4|--radius|3",
        lambda s: s.paint(Brush(path_ijk=((30, 19, 4), (33, 21, 4)), radius_mm=3.0), name="it"),
    ),
    (
        "--erase|20 9 4|--radius|4|--ball|--alike|30",
        lambda s: s.erase(Brush(path_ijk=((20, 9, 4),), radius_mm=4.0, ball=True), name="it", alike=30.0),
    ),
    (
        "--paint|j=20: 27 3, 31 3, 29 6",
        lambda s: s.paint(Lasso(j=20, polygon=((27.0, 3.0), (31.0, 3.0), (29.0, 6.0))), name="it"),
    ),
    (
        "--paint|27 20 3, 30 20 6|--radius|2",
        lambda s: s.paint(Brush(path_ijk=((27, 20, 3), (30, 20, 6)), radius_mm=2.0, plane=Plane.CORONAL), name="it"),
    ),
    ("--paint|one.nii.gz|--name|new", lambda s: s.paint(ONE_SLICE, name="new")),
    ("--delete-slice|3|5-6", lambda s: s.delete_slice(3, 5, 6, name="it")),
    ("--trim|3|6", lambda s: s.trim(3, 6, name="it")),
    ("--trim|-|6", lambda s: s.trim(None, 6, name="it")),
    ("--extend|1|-", lambda s: s.extend(1, None, name="it")),
    ("--confirm|3|5-6", lambda s: s.confirm(3, 5, 6, name="it")),
    (
        "--confirm|3,4|--unconfirm|4",
        lambda s: (s.confirm(3, 4, name="it"), s.confirm(4, name="it", confirmed=False)),
    ),
    ("--keep-largest", lambda s: s.clean_up(KeepLargest(), name="it")),
    ("--keep-at|9|7|5", lambda s: s.clean_up(KeepAt((9, 7, 5)), name="it")),
    ("--islands|0.5ml", lambda s: s.clean_up(RemoveIslands(0.5), name="it")),
    ("--islands|500 mm3", lambda s: s.clean_up(RemoveIslands(0.5), name="it")),
    ("--fill-holes", lambda s: s.clean_up(FillHoles(), name="it")),
    ("--fill-holes|--in-slices", lambda s: s.clean_up(FillHoles(in_slices=True), name="it")),
    ("--smooth|1.5", lambda s: s.clean_up(Smooth(1.5), name="it")),
    ("--grow|2|--shrink|1|--grow|3", lambda s: [s.clean_up(Grow(mm), name="it") for mm in (2, -1, 3)]),
    ("--interpolate|2|5|7", lambda s: s.clean_up(Interpolate((2, 5, 7), 2), name="it")),
    ("--copy-slice|4|--to|5,6", lambda s: s.clean_up(CopySlice(4, (5, 6), 2), name="it")),
    (
        "--paint|one.nii.gz|--undo|--trim|3|6|--confirm|4",
        lambda s: (s.paint(ONE_SLICE, name="it"), s.undo(), s.trim(3, 6, name="it"), s.confirm(4, name="it")),
    ),
    (
        "--trim|3|6|--grow|2|--undo|2|--redo|--delete|1",
        lambda s: (s.trim(3, 6, name="it"), s.clean_up(Grow(2), name="it"), s.undo(), s.undo(), s.redo(), s.delete(1)),
    ),
    (
        "--fix|9|7|5|--confirm|5|--fix|9|7|6|--fix-not|24|5|5",
        lambda s: (
            s.correct(INSIDE, name="it"),
            s.confirm(5, name="it"),
            s.correct(Point(i=9, j=7, k=6), name="it"),
            s.correct(OUTSIDE, name="it"),
        ),
    ),
]


@pytest.mark.parametrize(("line", "do"), EDITS, ids=[line for line, _ in EDITS])
def test_every_option_is_the_edit_of_python_in_the_order_of_typing(desk: Desk, line: str, do: Any) -> None:
    desk.write("one.nii.gz", ONE_SLICE)
    desk.write("all.nii.gz", voxels(BLOCK))
    wanted = python_edits(desk, do)
    result = desk.edit(*line.split("|")).done()
    session = desk.session()
    assert [edit_to_json(edit) for edit in session.history.edits] == wanted
    for name in session.objects:
        assert (desk.mask(name) == session.mask(name)).all()
    outcomes = result.json["outcomes"]
    assert result.json["outcome"] == outcomes[-1]
    numbers = [each["number"] for each in outcomes if each["number"] is not None]
    assert numbers[-1] == session.history.cursor - 1


def test_what_an_edit_did_is_reported(desk: Desk) -> None:
    desk.write("apart.nii.gz", voxels(APART))
    outcome = desk.edit("--paint", "apart.nii.gz").done().json["outcome"]
    assert (outcome["slices"], outcome["added"], outcome["taken"]) == ([4, 5], 24, 0)
    assert outcome["added_ml"] == pytest.approx(24 * 6 / 1000)
    assert (desk.mask()[APART]).all()
    text = desk.run("edit", "s.radsam", "--erase", "4: 30 19, 33 19, 33 21, 30 21", "-o", "out.nii.gz").done().stdout
    assert "--erase (edit 2 of 'it'): 1 slice changed (4), +0 voxels (0.000 ml), -12 (0.072 ml)." in text
    objects = desk.edit().done().json["objects"]
    kinds = [(each["number"], each["edit"], each["slices"]) for each in objects[0]["edits"]]
    assert kinds == [(0, "segment", [4]), (1, "paint", [4, 5]), (2, "paint", [4])]


def test_edits_by_hand_ask_no_model(desk: Desk) -> None:
    desk.write("apart.nii.gz", voxels(APART))
    desk.edit("--paint", "apart.nii.gz", "--trim", "3", "6", "--confirm", "4", "--smooth", "1", "--undo").done()
    assert not desk.backend.prompts


def test_the_list_has_the_numbers_that_delete_takes(desk: Desk) -> None:
    desk.edit("--trim", "3", "6", "--confirm", "4-5", "--undo").done()
    before = (desk.folder / "s.radsam").read_bytes()
    shown = desk.run("edit", "s.radsam", "--list").done().stdout
    assert [line.split() for line in shown.splitlines()[1:3]] == [
        ["0", "it", "segment", "4"],
        ["1", "it", "bounds", "all"],
    ]
    assert "1 undone" in shown
    assert desk.run("edit", "s.radsam", "--list", "--json").done().json["edits"] == [
        {"number": 0, "name": "it", "edit": "segment", "slices": [4]},
        {"number": 1, "name": "it", "edit": "bounds", "slices": []},
    ]
    assert (desk.folder / "s.radsam").read_bytes() == before
    assert len(desk.edit("--delete", "1").done().json["objects"][0]["edits"]) == 1


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_slices_count_along_the_plane_of_the_object(desk: Desk, plane: str) -> None:
    axis, index, ends = {"coronal": (1, 10, (4, 15)), "sagittal": (0, 12, (6, 25))}[plane]
    other = Mask(**{"ijk"[axis]: index}, pixels=np.ascontiguousarray(voxels(BLOCK).take(index, 2 - axis)))
    session = desk.session()
    with pytest.warns(OverlapWarning):
        session.segment(other, bounds=ends, plane=plane, policy="copy", name="other")
    session.save(desk.folder / "s.radsam")
    line = ("--name", "other", "--delete-slice", str(index), "--trim", str(ends[0] + 1), "-")
    desk.edit(*line, "--lasso-not", f"{index + 1}: 7 2, 9 2, 9 4", "--reach", "slice").done()
    whole = desk.session().mask("other", whole=True)
    wanted = voxels(BLOCK)
    across = np.moveaxis(wanted, 2 - axis, 0)
    across[index] = across[ends[0]] = False
    gone = np.moveaxis(whole ^ wanted, 2 - axis, 0)
    assert set(np.flatnonzero(gone.any(axis=(1, 2)))) <= {index + 1}


def test_positions_in_millimetres(desk: Desk) -> None:
    line = ("--paint", "30 38 12, 33 42 12", "--radius", "3", "--trim", "9", "-", "--confirm", "12", "--mm")
    lasso = ("--erase", "12: 8 10, 20.5 10, 14 28")
    desk.edit(*line, *lasso).done()

    def the_same(session: Session) -> None:
        session.paint(Brush(path_ijk=((30, 19, 4), (33, 21, 4)), radius_mm=3.0), name="it")
        session.trim(3, name="it")
        session.confirm(4, name="it")
        session.erase(Lasso(k=4, polygon=TRIANGLE), name="it")

    fresh = fake_engine().open(_volume())
    fresh.segment(Box(k=4, i0=6, j0=4, i1=25, j1=15), bounds=(2, 7), policy="box", name="it")
    the_same(fresh)
    assert [edit_to_json(each) for each in desk.session().history.edits] == [
        edit_to_json(each) for each in fresh.history.edits
    ]


REFUSED = [
    ("--paint|nothere.nii.gz", 3, "nothere.nii.gz does not exist"),
    ("--paint|", 2, "is none of them"),
    ("--paint|30 19", 2, "none of them"),
    ("--paint|other.nii.gz", 3, "other.nii.gz"),
    ("--fix-mask|other.nii.gz|--slice|4", 3, "other.nii.gz"),
    ("--paint|empty.nii.gz", 3, "empty"),
    ("--fix-mask|all.nii.gz", 2, "6 with voxels: choose one with --slice"),
    ("--fix-mask|all.nii.gz|--slice|9", 3, "is empty on slice k=9; it has voxels on the slices 2 to 7"),
    ("--paint|90 7 4|--radius|2", 3, "outside the volume"),
    ("--paint|9 7 4, 9 8 5, 10 8 5|--radius|2", 3, "all of its points have to lie on one"),
    ("--paint|9 7 4", 2, "needs a radius in mm"),
    ("--paint|one.nii.gz|--radius|3", 2, "--radius is a setting of a brush stroke"),
    ("--paint|nothing", 2, "takes a mask file, a brush stroke"),
    ("--paint|9 7 4|--radius|2|--within-hu|900|950", 3, "No voxel of the stroke lies between 900 and 950 HU"),
    ("--scribble|9 7, 8 6", 2, "--scribble takes a line"),
    ("--scribble|9 7 4.5", 3, "whole numbers"),
    ("--scribble|9 7 90", 3, "outside the volume"),
    ("--lasso|5", 2, "--lasso takes a slice and corners"),
    ("--lasso|5: 1 1, 2 2", 3, "2 corners"),
    ("--lasso|j=5: 1 1, 2 1, 2 2", 3, "lies on a slice across j"),
    ("--fix|9|7|5|--fix-not|9|7|5", 3, "as part of 'it' and as not part of it"),
    ("--fix|9|7|9", 3, "outside the bounds 2 to 7"),
    ("--fix|9|7|5|--reach|far", 2, "--reach is slice, next, ends or a number of slices"),
    ("--trim|5|7", 3, "cut off slice 4"),
    ("--trim|5", 2, "--trim takes two ends, LO HI"),
    ("--trim|-|-", 3, "Give the first slice, the last slice, or both"),
    ("--trim|1|-", 3, "would extend it, not trim it"),
    ("--extend|-|90", 3, "leave the volume"),
    ("--confirm|9", 3, "Slice 9 lies outside 'it'"),
    ("--confirm|x", 2, "numbers of slices"),
    ("--confirm|6-4", 2, "the range 6-4 is reversed"),
    ("--delete-slice|40", 3, "no axial slice 40"),
    ("--islands|much", 2, "such as 0.5ml or 500mm3"),
    ("--islands|0ml", 3, "above 0"),
    ("--smooth|80", 3, "80"),
    ("--copy-slice|4", 2, "needs the slices that it replaces"),
    ("--to|3", 2, "--to is a setting of --copy-slice, and none was given"),
    ("--smooth|1|--radius|3", 2, "--radius does not belong to --smooth"),
    ("--fix|9|7|5|--reach|2|--reach|3", 2, "--reach is given twice"),
    ("--delete|7", 3, "no edit number 7"),
    ("--undo|2", 3, "nothing to undo"),
    ("--redo", 3, "nothing to redo"),
    ("--trim|3|6|--smooth|80", 3, "80"),
    ("--name|that|--trim|3|6", 3, "no object 'that'"),
]


@pytest.mark.parametrize(("line", "code", "words"), REFUSED, ids=[line for line, _, _ in REFUSED])
def test_bad_input_is_refused_in_a_sentence_and_the_session_stays(desk: Desk, line: str, code: int, words: str) -> None:
    desk.write("one.nii.gz", ONE_SLICE)
    desk.write("all.nii.gz", voxels(BLOCK))
    desk.write("empty.nii.gz", voxels())
    elsewhere = Geometry(SHAPE_KJI, np.diag([1.0, 2.0, 4.0, 1.0]))
    write_labels(LabelVolume(ONE_SLICE.astype(np.uint8), elsewhere), desk.folder / "other.nii.gz")
    assert words in desk.refused(*line.split("|"), code=code)


def test_a_locked_object_is_not_edited(desk: Desk) -> None:
    session = desk.session()
    session.lock("it")
    session.save(desk.folder / "s.radsam")
    for line in ("--paint|8 6 4|--radius|2", "--trim|3|6", "--smooth|1", "--fix|9|7|5", "--confirm|4"):
        assert "locked" in desk.refused(*line.split("|"))


def test_no_output_replaces_a_mask_that_is_read(desk: Desk) -> None:
    desk.write("one.nii.gz", ONE_SLICE)
    before = (desk.folder / "one.nii.gz").read_bytes()
    result = desk.run("edit", "s.radsam", "--paint", "one.nii.gz", "-o", "one.nii.gz")
    assert result.returncode == 3
    assert (desk.folder / "one.nii.gz").read_bytes() == before


def test_a_mask_to_write_is_needed_and_the_list_stands_alone(desk: Desk) -> None:
    without = desk.run("edit", "s.radsam", "--grow", "1")
    assert (without.returncode, "'-o'" in without.stderr_line) == (2, True)
    both = desk.run("edit", "s.radsam", "--list", "--grow", "1")
    assert (both.returncode, "give it alone" in both.stderr_line) == (2, True)
