from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeBackend, fake_engine, fake_session
from phantoms import touching_balls
from radsam.errors import OutputError, RadsamError, SessionError
from radsam.preprocess import Window
from radsam.session import CapabilityWarning, PrecisionWarning, Session, read_session
from radsam.volume import Box, Geometry, Mask, Modality, ModalitySource, Point, Volume

#: Overlapping objects are reported; `test_overlap.py` is about that.
pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")

SCENE = touching_balls()
RIGHT = Box(k=13, i0=3, j0=7, i1=15, j1=20)


def worked_session(backend: FakeBackend | None = None) -> Session:
    """Every kind of edit, the last two of them undone."""
    session = fake_session(SCENE.volume, backend)
    session.segment(RIGHT, bounds=(7, 19), name="right")
    session.correct(Point(i=4, j=14, k=14, positive=False), name="right")
    session.segment(Mask(pixels=SCENE.truths["left"][13], k=13), name="left", policy="box", window=(-200.0, 300.0))
    session.lock("right")
    session.overlap = "keep first"
    session.correct(Point(i=21, j=14, k=14, positive=False), name="left")
    session.delete(5)
    session.lock("right", False)
    session.remove("left")
    session.undo()
    session.undo()
    return session


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sessions") / "work.radsam"
    worked_session().save(path)
    return path


def seen(session: Session) -> list[Any]:
    return [
        session.labels.ids.tobytes(),
        dict(session.labels.names),
        session.overlap,
        (session.window.low, session.window.high),
        [
            (o.name, o.id, o.slices, o.low_end, o.high_end, o.locked, o.window, o.painted)
            for o in session.objects.values()
        ],
        [(each.number, each.index) for o in session.objects.values() for each in o.placed_prompts],
        (len(session.history.edits), session.history.cursor),
    ]


def changed(path: Path, target: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Copy a session file with another description."""
    with zipfile.ZipFile(path) as archive:
        description, masks = json.loads(archive.read("session.json")), archive.read("masks.npz")
    change(description)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("session.json", json.dumps(description))
        archive.writestr("masks.npz", masks)
    return target


def test_a_reopened_session_is_the_same_and_needs_no_model(saved: Path) -> None:
    backend = FakeBackend()
    original, reopened = worked_session(), fake_engine(backend).reopen(saved, SCENE.volume)
    assert seen(reopened) == seen(original)
    for step in ("redo", "redo", *["undo"] * 9):
        getattr(original, step)()
        getattr(reopened, step)()
        assert seen(reopened) == seen(original), step
    assert backend.encoded == backend.prompts == []


def test_work_goes_on_after_reopening(saved: Path) -> None:
    original, reopened = worked_session(), fake_engine().reopen(saved, SCENE.volume)
    for session in (original, reopened):
        session.lock("right", False)
        session.correct(Point(i=9, j=8, k=16, positive=False), name="right")
        session.delete(1)
    assert seen(reopened) == seen(original)


def test_saving_what_was_reopened_gives_the_same_session(saved: Path, tmp_path: Path) -> None:
    fake_engine().reopen(saved, SCENE.volume).save(tmp_path / "again")
    again = fake_engine().reopen(tmp_path / "again", SCENE.volume)
    assert seen(again) == seen(worked_session())


def test_the_file_knows_its_precision_and_another_one_is_reported(tmp_path: Path) -> None:
    worked_session(FakeBackend(precision="bf16")).save(tmp_path / "a")
    assert read_session(tmp_path / "a").precisions == ("bf16",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fake_engine(FakeBackend(precision="bf16")).reopen(tmp_path / "a", SCENE.volume).precisions == ("bf16",)
    with pytest.warns(PrecisionWarning, match="computed in bf16; new edits are computed in f32"):
        reopened = fake_engine().reopen(tmp_path / "a", SCENE.volume)
    assert seen(reopened) == seen(worked_session(FakeBackend(precision="bf16")))
    reopened.lock("right", False)
    reopened.save(tmp_path / "b")
    assert read_session(tmp_path / "b").precisions == ("bf16",), "a lock computes nothing"
    reopened.correct(Point(i=9, j=8, k=16, positive=False), name="right")
    reopened.save(tmp_path / "c")
    assert read_session(tmp_path / "c").precisions == ("bf16", "f32")


def test_a_session_of_the_first_releases_opens_without_a_precision(saved: Path, tmp_path: Path) -> None:
    old = changed(saved, tmp_path / "old", lambda description: description["model"].pop("precisions"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fake_engine(FakeBackend(precision="bf16")).reopen(old, SCENE.volume).precisions == ()


def test_a_session_of_the_first_releases_names_its_windows_otherwise(saved: Path, tmp_path: Path) -> None:
    def former(description: dict[str, Any]) -> None:
        for place in (description, *description["edits"]):
            if "window" in place:
                place["window_hu"] = place.pop("window")
        for name in ("modality", "modality_given"):
            del description["volume"][name]

    old = changed(saved, tmp_path / "old", former)
    assert b"window_hu" in zipfile.ZipFile(old).read("session.json")
    assert seen(fake_engine().reopen(old, SCENE.volume)) == seen(worked_session())
    assert (read_session(old).modality, read_session(old).modality_given) == (Modality.CT, False)


def test_a_session_keeps_what_its_volume_was_taken_for(tmp_path: Path) -> None:
    given = replace(SCENE.volume, modality=Modality.PET, modality_source=ModalitySource.GIVEN)
    session = fake_session(given)
    session.save(tmp_path / "pet")
    found = read_session(tmp_path / "pet")
    assert (found.modality, found.modality_given) == (Modality.PET, True)
    reopened = fake_engine().reopen(found, SCENE.volume)
    assert reopened.window == session.window != Window(-160.0, 240.0)


def test_a_session_keeps_which_volume_of_its_file_it_is_on(tmp_path: Path) -> None:
    fake_session(replace(SCENE.volume, index=3)).save(tmp_path / "work.radsam")
    assert read_session(tmp_path / "work.radsam").volume_index == 3
    fake_session(SCENE.volume).save(tmp_path / "one.radsam")
    assert read_session(tmp_path / "one.radsam").volume_index is None

    def damaged(description: dict[str, Any]) -> None:
        description["volume"]["index"] = "first"

    with pytest.raises(SessionError, match="not a whole RadSAM session"):
        read_session(changed(tmp_path / "work.radsam", tmp_path / "damaged.radsam", damaged))


def test_an_empty_session_can_be_saved(tmp_path: Path) -> None:
    session = fake_session(SCENE.volume, window=Window(-1000.0, 500.0))
    session.save(tmp_path / "empty")
    reopened = fake_engine().reopen(tmp_path / "empty", SCENE.volume)
    assert (reopened.objects, reopened.window) == ({}, Window(-1000.0, 500.0))


def test_the_file_says_what_it_belongs_to(saved: Path) -> None:
    file = read_session(saved)
    assert file.volume_hash == SCENE.volume.content_hash
    assert (file.model_name, file.model_hash) == ("fake", "f" * 64)
    assert file.model_reference == "fake"  # its path is not there
    assert str(file.history.edits[0]) == str(worked_session().history.edits[0])


def test_the_bundle_is_found_again_by_its_path(saved: Path, tmp_path: Path) -> None:
    path = changed(saved, tmp_path / "s", lambda d: d["model"].update(path=str(tmp_path)))
    assert read_session(path).model_reference == str(tmp_path)


@pytest.mark.parametrize("change", ["voxel", "grid"])
def test_another_ct_is_refused(saved: Path, change: str) -> None:
    hu, geometry = SCENE.volume.values.copy(), SCENE.volume.geometry
    if change == "voxel":
        hu[0, 0, 0] += 1
    else:
        geometry = Geometry(geometry.shape_kji, geometry.affine_lps + np.eye(4, k=3))
    with pytest.raises(SessionError, match=r"made on another CT \(phantom\).*Give the CT that it was made on"):
        fake_engine().reopen(saved, Volume(hu, geometry, source="other.nii"))


def test_another_model_is_refused(saved: Path) -> None:
    with pytest.raises(SessionError, match=r"made with the bundle 'fake' of SHA-256 ffffffffffff….*given one is 0000"):
        fake_engine(model_hash="0" * 64).reopen(saved, SCENE.volume)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"no session file .*nowhere"):
        read_session(tmp_path / "nowhere")


def test_bytes_that_are_no_session_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(b"\x1f\x8b not a session")
    with pytest.raises(SessionError, match="not a whole RadSAM session"):
        read_session(tmp_path / "ct.nii.gz")
    with pytest.raises(SessionError, match="not a whole RadSAM session"):
        read_session(tmp_path)


def test_any_damage_to_the_file_is_noticed_or_harmless(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    expected = seen(worked_session())
    rng = np.random.default_rng(0)
    damaged = tmp_path / "damaged"
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        if rng.random() < 0.3:
            del content[rng.integers(len(content)) :]
        else:
            content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        damaged.write_bytes(content)
        try:
            reopened = fake_engine().reopen(damaged, SCENE.volume)
        except SessionError:
            refused += 1
        else:
            assert seen(reopened) == expected
    assert refused > 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=99), "version 99; this program reads version 1. Upgrade"),
        (lambda d: d.update(format="other"), "not a RadSAM session"),
        (lambda d: d.pop("edits"), "not a whole RadSAM session"),
        (lambda d: d.update(cursor=99), "cursor is 99"),
        (lambda d: d["edits"][0].update(edit="explode"), "'explode', which .* a newer version of RadSAM"),
        (lambda d: d["edits"][0].update(name=""), "needs a name"),
        (lambda d: d.update(window=[1]), "not a whole RadSAM session"),
        (lambda d: d.update(window=["%s", 1]), "not a whole RadSAM session"),
        (lambda d: d["model"].update(sha256=7), "not a whole RadSAM session"),
        (lambda d: d["model"].update(precisions=[7]), "not a whole RadSAM session"),
        (lambda d: d["volume"].update(source=None), "not a whole RadSAM session"),
    ],
)
def test_a_description_of_another_kind_is_refused(
    saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    with pytest.raises(RadsamError, match=message):
        read_session(changed(saved, tmp_path / "changed", change))


def test_masks_without_the_edit_that_starts_their_object_are_refused(saved: Path, tmp_path: Path) -> None:
    path = changed(saved, tmp_path / "changed", lambda d: d["steps"][0].update(edits=[]))
    with pytest.raises(SessionError, match="its masks do not fit its edits"):
        fake_engine().reopen(path, SCENE.volume)


def test_run_lengths_of_another_shape_are_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.radsam"
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(path, "w") as out:
        out.writestr("session.json", archive.read("session.json"))
        with np.load(io.BytesIO(archive.read("masks.npz"))) as stored:
            masks = io.BytesIO()
            np.savez(masks, shapes=stored["shapes"], lengths=stored["lengths"], runs=stored["runs"][:, None])
        out.writestr("masks.npz", masks.getvalue())
    with pytest.raises(SessionError, match="not a whole RadSAM session"):
        read_session(path)


def test_a_full_disk_leaves_the_earlier_file(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "work.radsam"
    worked_session().save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OutputError, match="disk is full"):
        worked_session().save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        worked_session().save(tmp_path / "no" / "work.radsam")


def test_whether_the_model_followed_a_correction_survives(tmp_path: Path) -> None:
    session = fake_session(SCENE.volume)
    session.segment(RIGHT, bounds=(7, 19), policy="box")
    with pytest.warns(CapabilityWarning, match="did not follow"):
        session.correct(Point(i=1, j=1, k=15))  # where nothing is bright
    session.save(tmp_path / "s.radsam")
    reopened = fake_engine().reopen(tmp_path / "s.radsam", SCENE.volume)
    assert reopened.objects["object"].painted
    reopened.undo()
    assert not reopened.objects["object"].painted
    reopened.redo()
    assert reopened.objects["object"].painted


def test_a_file_that_does_not_say_whether_corrections_were_followed_opens(saved: Path, tmp_path: Path) -> None:
    def as_first_releases(description: dict[str, Any]) -> None:
        for step in description["steps"]:
            del step["painted"]

    older = changed(saved, tmp_path / "older", as_first_releases)
    assert seen(fake_engine().reopen(older, SCENE.volume)) == seen(worked_session())
