"""Does HTTP give every edit as the engine does: painted, erased, bounds, marks, clean-up, masks; with its events?"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import fake_session
from radsam.io.volume_read import read_volume
from radsam.server.edit_journal import Journal
from radsam.server.model_thread import ModelThread
from radsam.session import Session
from radsam.session.edit_request import StartFromMaskRequest
from radsam.session.prompt_json import prompt_to_json
from radsam.session.voxel_json import voxels_to_json
from radsam.volume import Box, Brush, Lasso, Plane, Point, RunMask, Scribble, SparseMask
from radsam.volume.clean_up import Grow
from servers import BOUNDS, RIGHT, Served, served
from waiting import HANG_SECONDS

Body = dict[str, Any]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("by_hand")) as it:
        it.segment()
        yield it


@pytest.fixture
def web(shared: Served) -> Iterator[Served]:
    """A session with one object, as every test leaves it again."""
    before = shared.state()["objects"]
    yield shared
    shared.backend.failing = False
    shared.client.patch(shared.url("/objects/right"), json={"locked": False})
    while shared.state()["objects"] != before:
        shared.post("/undo", status=200)


@pytest.fixture
def engine(web: Served) -> Session:
    """The same object without a server."""
    session = fake_session(read_volume(web.path, modality="ct"))
    session.segment(Box(**RIGHT["box"]), bounds=tuple(BOUNDS), name="right")
    return session


def corner() -> SparseMask:
    """A few voxels of an odd shape at a corner of the volume, on two slices."""
    voxels = np.zeros((26, 28, 30), bool)
    voxels[4, 2:5, 3:9] = True
    voxels[5, 2, 3] = True
    return SparseMask.of(voxels, 2)


SCRIBBLE = Scribble(voxels_ijk=((6, 13, 14), (12, 13, 14)), positive=False)
LASSO = Lasso(k=14, polygon=((3.0, 8.0), (8.0, 8.0), (8.0, 19.0)), positive=False)
ANCHOR = Box(k=17, i0=5, j0=9, i1=14, j1=18)
FROM_MASK = StartFromMaskRequest(name="new", mask=corner(), plane=Plane.CORONAL)
CORONAL = {"path": [[8, 13, 12], [11, 13, 15]], "radius_mm": 2.5, "plane": "coronal"}


def correction(*prompts: Any, **more: Any) -> Body:
    return {"name": "right", "points": [prompt_to_json(each) for each in prompts], **more}


@dataclass
class Edit:
    """An edit by HTTP and in Python."""

    route: str
    body: Body
    python: Callable[[Session], Any]


EDITS = {
    "scribble": Edit("/correct", correction(SCRIBBLE), lambda each: each.correct(SCRIBBLE, name="right")),
    "lasso": Edit("/correct", correction(LASSO, reach=1), lambda each: each.correct(LASSO, name="right", reach=1)),
    "second box": Edit("/correct", correction(ANCHOR), lambda each: each.correct(ANCHOR, name="right")),
    "negative box": Edit(
        "/correct",
        correction(Box(k=11, i0=3, j0=7, i1=9, j1=20, positive=False), reach="slice"),
        lambda each: each.correct(Box(k=11, i0=3, j0=7, i1=9, j1=20, positive=False), name="right", reach="slice"),
    ),
    "brush in another plane": Edit(
        "/paint",
        {"name": "right", "shape": {"brush": CORONAL}, "positive": False},
        lambda each: each.erase(
            Brush(path_ijk=((8, 13, 12), (11, 13, 15)), radius_mm=2.5, plane=Plane.CORONAL), name="right"
        ),
    ),
    "paint within HU": Edit(
        "/paint",
        {"name": "right", "shape": {"box": {"k": 9, "i0": 1, "j0": 2, "i1": 20, "j1": 25}}, "within": [40, 200]},
        lambda each: each.paint(Box(k=9, i0=1, j0=2, i1=20, j1=25), name="right", within=(40.0, 200.0)),
    ),
    "painted new object": Edit(
        "/paint",
        {"name": "new", "shape": {"voxels": voxels_to_json(corner())}},
        lambda each: each.paint(corner(), name="new"),
    ),
    "mask": Edit(
        "/start-from-mask",
        {"name": "new", "mask": voxels_to_json(corner()), "plane": "coronal"},
        lambda each: list(each.run(FROM_MASK)),
    ),
    "deleted slices": Edit(
        "/delete-slices", {"name": "right", "slices": [12, 8]}, lambda each: each.delete_slice(12, 8, name="right")
    ),
    "trim": Edit("/bounds", {"name": "right", "low": 10, "change": "trim"}, lambda each: each.trim(10, name="right")),
    "extend": Edit("/bounds", {"name": "right", "low": 5, "high": 21}, lambda each: each.extend(5, 21, name="right")),
    "confirm": Edit("/confirm", {"name": "right", "slices": [14, 9]}, lambda each: each.confirm(14, 9, name="right")),
    "clean-up": Edit(
        "/clean-up",
        {"name": "right", "step": {"step": "grow", "mm": -1.0}},
        lambda each: each.clean_up(Grow(-1.0), name="right"),
    ),
}


def engine_masks(session: Session) -> dict[str, np.ndarray]:
    return {name: session.mask(name) for name in session.objects}


def web_masks(web: Served) -> dict[str, np.ndarray]:
    objects = {each["id"]: each for each in web.state()["objects"]}
    masks = {each["name"]: np.zeros(web.scene.volume.values.shape, bool) for each in objects.values()}
    for (number, plane, index), mask in web.masks()[1].items():
        if number in objects:
            at = (index,) if plane == 0 else (slice(None), index)
            masks[objects[number]["name"]][at] |= mask
    return masks


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask)


def done(web: Served, route: str, body: Body) -> dict[str, list[Any]]:
    """Send an edit, wait for its end, and return the data of its events by kind."""
    live = web.service._sessions.open("local", web.session)
    subscription = live.channel.subscribe(lambda: None, live.state)
    web.post(route, body, 202)
    web.settled()
    events: dict[str, list[Any]] = {}
    for frame in subscription.take():
        lines = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
        events.setdefault(lines["event"], []).append(json.loads(lines["data"]))
    live.channel.leave(subscription)
    return events


@pytest.mark.filterwarnings("ignore::radsam.CapabilityWarning", "ignore::radsam.OverlapWarning")
@pytest.mark.parametrize("kind", EDITS)
def test_every_edit_gives_the_engines_masks_and_can_be_undone_and_deleted(
    web: Served, engine: Session, kind: str
) -> None:
    edit, before = EDITS[kind], engine_masks(engine)
    edit.python(engine)
    first = web.state()["revision"]
    events = done(web, edit.route, edit.body)
    assert_same(web_masks(web), engine_masks(engine))
    (end,) = events["ended"]
    assert engine.outcome is not None
    assert end["outcome"] == json.loads(json.dumps(engine.outcome.to_dict(0.001)))
    changed = {index for _, _, index in web.masks(first)[1]}
    assert changed == set(end["outcome"]["slices"])
    # The last event of a slice shows it as it is now.
    shown = {each["index"]: each for each in events.get("slice", ())}
    assert changed <= set(shown)
    name = end["name"]
    grid, now = engine.objects[name].grid, engine.mask(name, whole=True)
    for index in changed:
        runs = np.frombuffer(base64.b64decode(shown[index]["runs_b64"]), "<u4").astype(np.uint32)
        mask = RunMask(tuple(shown[index]["shape"]), runs).decode()
        np.testing.assert_array_equal(mask, grid.take(now, index))
    after = web_masks(web)
    web.post("/undo", status=200)
    assert_same(web_masks(web), before)
    web.post("/redo", status=200)
    assert_same(web_masks(web), after)
    shown = next(each for each in web.state()["objects"] if each["name"] == name)
    number = shown["edits"][-1]["number"]
    assert web.client.delete(web.url(f"/edits/{number}")).status_code == 200
    assert_same(web_masks(web), before)


@pytest.mark.parametrize("kind", [each for each in EDITS if EDITS[each].route not in ("/correct", "/delete-slices")])
def test_an_edit_by_hand_is_previewed_without_the_model(web: Served, kind: str) -> None:
    edit = EDITS[kind]
    first, before = web.state(), web_masks(web)
    web.backend.failing = True
    shown = web.post("/preview", {edit.route[1:].replace("-", "_"): edit.body}, 200)
    web.backend.failing = False
    assert web.state() == first
    assert_same(web_masks(web), before)
    web.post(edit.route, edit.body, 202)
    web.settled()
    changed = {index: mask for (*_, index), mask in web.masks(first["revision"])[1].items()}
    if kind == "extend":
        assert shown["masks"] == []  # it takes nothing away, and the new slices need the model
        return
    assert [each["index"] for each in shown["masks"]] == sorted(changed)
    for each in shown["masks"]:
        mask = RunMask(tuple(each["shape"]), np.array(each["runs"], np.uint32)).decode()
        np.testing.assert_array_equal(mask, changed[each["index"]])


def test_a_preview_says_how_far_a_correction_reaches(web: Served) -> None:
    web.post("/confirm", {"name": "right", "slices": [17]}, 202)
    web.settled()
    point = Point(i=7, j=14, k=11, positive=False)
    reached = {}
    for reach in ("slice", 1, "next", "ends"):
        shown = web.post("/preview", correction(point, reach=reach), 200)
        reached[reach] = shown["reach"]
        before = web.state()["revision"]
        web.post("/correct", correction(point, reach=reach), 202)
        web.settled()
        low, high = shown["reach"]
        assert all(low <= index <= high for *_, index in web.masks(before)[1])
        web.post("/undo", status=200)
    # The prompt lies on 13 and the marked slice is 17.
    assert reached == {"slice": [11, 11], 1: [10, 12], "next": [7, 11], "ends": [7, 19]}
    painted = {"name": "right", "shape": {"box": {"k": 9, "i0": 5, "j0": 9, "i1": 8, "j1": 12}}, "reach": 2}
    assert web.post("/preview", {"paint": painted}, 200)["reach"] == [7, 11]
    assert web.post("/preview", {"confirm": {"name": "right", "slices": [8]}}, 200)["reach"] is None


def test_the_state_lists_edits_and_marks(web: Served) -> None:
    for kind in ("deleted slices", "confirm", "scribble", "clean-up"):
        web.post(EDITS[kind].route, EDITS[kind].body, 202)
    (shown,) = web.settled()["objects"]
    assert [each["kind"] for each in shown["edits"]] == ["segment", "paint", "confirm", "correct", "clean_up"]
    assert shown["edits"][1]["slices"] == [8, 12]
    assert (shown["confirmed"], shown["start"]) == ([9, 14], "segment")
    assert [each["kind"] for each in shown["prompts"]] == ["box", "scribble"]


def test_every_edit_outlives_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        web.segment()
        for kind, edit in EDITS.items():
            if kind not in ("mask", "trim"):
                web.post(edit.route, edit.body, 202)
                web.settled()
        masks, objects = web_masks(web), web.state()["objects"]
    with served(tmp_path, session=False) as again:
        again.session = web.session
        assert_same(web_masks(again), masks)
        assert again.state()["objects"] == objects
        assert objects[0]["confirmed"] == [9, 14]
        assert not again.backend.encoded


@pytest.mark.parametrize("kind", ["lasso", "brush in another plane", "painted new object", "extend", "clean-up"])
def test_an_interrupted_edit_of_any_kind_is_resumed(tmp_path: Path, kind: str) -> None:
    edit = EDITS[kind]
    with served(tmp_path) as web:
        web.segment()
        session = web.service._sessions.open("local", web.session)
        web.post(edit.route, edit.body, 202)
        web.settled()
        masks = web_masks(web)
        made = session.session.history.done[-1]
        web.post("/undo", status=200)
    # As a crash leaves it: nothing of the edit is in the session file, and its journal has the edit.
    Journal(session.journal_path, made).close()
    with served(tmp_path, session=False) as again:
        again.session = web.session
        assert again.state()["interrupted"]["name"] == edit.body["name"]
        again.post("/resume", status=202)
        assert again.settled()["interrupted"] is None
        assert_same(web_masks(again), masks)
        assert not session.journal_path.exists()


def test_a_cancelled_extension_leaves_the_object_as_it_was(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    before, masks, hold = web.state(), web_masks(web), threading.Event()
    encode = web.backend.encode

    def slow(images: np.ndarray) -> np.ndarray:
        hold.wait(HANG_SECONDS)
        return encode(images)

    monkeypatch.setattr(web.backend, "encode", slow)
    web.post("/bounds", {"name": "right", "low": 1, "high": 24, "change": "extend"}, 202)
    monkeypatch.setattr(ModelThread, "cancel", _then(ModelThread.cancel, hold.set))
    web.post("/cancel", status=200)
    assert web.settled()["objects"] == before["objects"]
    assert_same(web_masks(web), masks)


def _then(first: Callable[..., None], after: Callable[[], None]) -> Callable[..., None]:
    def both(*args: Any) -> None:
        first(*args)
        after()

    return both


@pytest.mark.parametrize(
    ("route", "body", "status", "words"),
    [
        ("/paint", {"name": "x", "shape": {"brush": CORONAL | {"path": [[99, 13, 12]]}}}, 422, "outside the volume"),
        ("/paint", {"name": "x", "shape": {"brush": CORONAL | {"path": []}}}, 422, "path"),
        ("/paint", {"name": "x", "shape": {"brush": CORONAL}, "positive": False}, 404, "no object 'x'"),
        ("/paint", {"name": "x", "shape": {"stamp": 1}}, 422, "brush, lasso, box, mask or voxels"),
        ("/paint", {"name": "right", "shape": {"brush": CORONAL}, "within": [3000, 3001]}, 422, "No voxel of the"),
        ("/paint", {"name": "right", "shape": {"brush": CORONAL}, "reach": -1}, 422, "reach"),
        ("/bounds", {"name": "right"}, 422, "first slice"),
        ("/bounds", {"name": "right", "low": 15}, 422, "cut off slice 13"),
        ("/bounds", {"name": "right", "high": 99}, 422, "leave the volume"),
        ("/confirm", {"name": "right", "slices": [3]}, 422, "outside 'right'"),
        ("/confirm", {"name": "right", "slices": []}, 422, "slices"),
        ("/delete-slices", {"name": "right", "slices": [26]}, 422, "no axial slice 26"),
        ("/delete-slices", {"name": "x", "slices": [2]}, 404, "no object 'x'"),
        ("/clean-up", {"name": "right", "step": {"step": "polish"}}, 422, "keep_largest"),
        ("/clean-up", {"name": "x", "step": {"step": "keep_largest"}}, 404, "no object 'x'"),
        ("/start-from-mask", {"name": "x", "mask": {"axis": "k", "shape": [1, 2, 3], "slices": {}}}, 422, "grid"),
        ("/preview", {"paint": {"name": "x", "shape": {"brush": CORONAL}}, "prompt": RIGHT}, 422, "one edit"),
    ],
)
def test_an_impossible_edit_is_refused_with_a_sentence(
    web: Served, route: str, body: Body, status: int, words: str
) -> None:
    before = web.state()
    response = web.client.post(web.url(route), json=body)
    assert (response.status_code, words in response.json()["error"]["message"]) == (status, True), response.text
    assert web.state() == before


def test_a_locked_object_refuses_every_edit(web: Served) -> None:
    web.client.patch(web.url("/objects/right"), json={"locked": True})
    before = web.state()
    for edit in EDITS.values():
        if edit.body["name"] == "right":
            assert "is locked" in web.post(edit.route, edit.body, 409)["error"]["message"]
    assert "is locked" in web.client.delete(web.url("/edits/0")).json()["error"]["message"]
    assert web.state() == before
