"""Does HTTP give the same masks, previews, undo and files as the engine?"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeBackend, fake_session
from phantoms import touching_balls
from radsam.io.volume_read import read_labels, read_volume
from radsam.session import Session
from radsam.volume import Box, Mask, Point, RunMask, Volume
from servers import BOUNDS, LEFT, RIGHT, Served, served

#: Overlapping objects are reported; `test_overlap.py` is about that.
pytestmark = pytest.mark.filterwarnings("ignore::radsam.OverlapWarning")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as it:
        yield it


@pytest.fixture
def engine(web: Served) -> Session:
    """The same edits without a server."""
    session = fake_session(read_volume(web.path, modality="ct"))
    session.segment(Box(**RIGHT["box"]), bounds=tuple(BOUNDS), name="right")
    return session


def decoded(packed: dict[str, Any]) -> np.ndarray:
    return RunMask(tuple(packed["shape"]), np.array(packed["runs"], np.uint32)).decode()


def test_masks_and_files_equal_the_engines(web: Served, engine: Session, tmp_path: Path) -> None:
    engine.segment(Box(**LEFT["box"]), bounds=tuple(BOUNDS), name="left")
    engine.correct(Point(i=9, j=14, k=14, positive=False), name="right")
    web.segment("right")
    web.segment("left", LEFT)
    web.post("/correct", {"name": "right", "points": [{"point": [9, 14, 14], "positive": False}]}, 202)
    state = web.settled()

    ids = np.zeros_like(engine.labels.ids)
    for (number, plane, index), mask in web.masks()[1].items():
        assert plane == 0
        ids[index][mask] = number
    np.testing.assert_array_equal(ids, engine.labels.ids)
    assert [each["name"] for each in state["objects"]] == ["right", "left"]
    assert [each["voxels"] for each in state["objects"]] == [int((ids == 1).sum()), int((ids == 2).sum())]
    assert [each["kind"] for each in state["objects"][0]["prompts"]] == ["box", "point"]

    for file_format, suffix in (("nii.gz", "nii.gz"), ("nrrd", "seg.nrrd")):
        response = web.client.get(web.url("/export"), params={"format": file_format})
        assert response.headers["content-disposition"] == f'attachment; filename="ct-labels.{suffix}"'
        path = tmp_path / f"out.{suffix}"
        path.write_bytes(response.content)
        np.testing.assert_array_equal(read_labels(path).ids, engine.labels.ids)
        assert read_labels(path).geometry.same_grid(engine.labels.geometry)
    only = web.client.get(web.url("/export"), params={"format": "nii.gz", "objects": "left"})
    path.with_name("left.nii.gz").write_bytes(only.content)
    # Alone, it has the voxels that the other one covers in the label map of both.
    whole = engine.mask("left", whole=True)
    assert whole.sum() > (ids == 2).sum()
    np.testing.assert_array_equal(read_labels(tmp_path / "left.nii.gz").ids, np.where(whole, 2, 0))


def test_only_changed_slices_are_sent(web: Served) -> None:
    first, before = web.segment()["revision"], web.masks()[1]
    assert web.masks(first)[1] == {}
    web.post("/correct", {"name": "right", "points": [{"point": [9, 14, 16], "positive": False}]}, 202)
    web.settled()
    second, changed = web.masks(first)
    assert second > first
    assert 0 < len(changed) < len(before)
    after = web.masks()[1]
    for place, mask in after.items():
        assert np.array_equal(mask, before[place]) == (place not in changed)
    web.post("/undo", status=200)
    assert all(np.array_equal(mask, before[place]) for place, mask in web.masks()[1].items())
    # A removed object is sent as empty slices.
    web.post("/undo", status=200)
    assert set(web.masks(second)[1]) == set(before)
    assert not any(mask.any() for mask in web.masks(second)[1].values())


@pytest.mark.parametrize("zoom", [True, False])
@pytest.mark.parametrize("prompt", [RIGHT, {"point": [9, 14, 13], "positive": True}], ids=["box", "point"])
def test_a_preview_equals_the_first_slice_of_the_propagation(web: Served, prompt: dict[str, Any], zoom: bool) -> None:
    shown = web.post("/preview", {"prompt": prompt, "plane": "axial", "zoom": zoom}, 200)
    assert shown["index"] == 13
    assert len(shown["masks"]) == 4
    web.segment(prompt=prompt, zoom=zoom)
    np.testing.assert_array_equal(web.masks()[1][1, 0, 13], decoded(shown["masks"][0]))


def test_a_preview_with_points_equals_the_corrected_slice(web: Served) -> None:
    point = {"point": [7, 14, 13], "positive": False}
    shown = web.post("/preview", {"prompt": RIGHT, "points": [point]}, 200)
    web.segment()
    of_object = web.post("/preview", {"name": "right", "points": [point]}, 200)
    web.post("/correct", {"name": "right", "points": [point]}, 202)
    web.settled()
    for preview in (shown, of_object):
        assert len(preview["masks"]) == 1
        np.testing.assert_array_equal(web.masks()[1][1, 0, 13], decoded(preview["masks"][0]))


def test_an_alternative_becomes_the_prompt(web: Served) -> None:
    masks = web.post("/preview", {"prompt": RIGHT}, 200)["masks"]
    state = web.segment(alternative=1)
    assert [each["kind"] for each in state["objects"][0]["prompts"]] == ["mask"]
    session = fake_session(read_volume(web.path, modality="ct"))
    session.segment(Mask(k=13, pixels=decoded(masks[1])), bounds=tuple(BOUNDS), name="right")
    assert state["objects"][0]["voxels"] == int(session.mask("right").sum())
    # The last mask of the fake model is empty.
    web.post("/segment", {"name": "x", "prompt": RIGHT, "alternative": 3}, 202)
    assert [each["name"] for each in web.settled()["objects"]] == ["right"]


def test_changes_of_an_object(web: Served) -> None:
    web.segment()
    url = web.url("/objects/right")
    state = web.client.patch(url, json={"color": "#102030", "visible": False, "locked": True}).json()
    shown = {name: state["objects"][0][name] for name in ("color", "visible", "locked")}
    assert shown == {"color": "#102030", "visible": False, "locked": True}
    refused = web.client.post(web.url("/correct"), json={"name": "right", "points": [{"point": [9, 14, 13]}]})
    assert refused.status_code == 409
    assert "'right' is locked" in refused.json()["error"]["message"]
    state = web.client.patch(url, json={"locked": False, "new_name": "liver"}).json()
    assert [(each["name"], each["color"]) for each in state["objects"]] == [("liver", "#102030")]
    assert web.client.patch(web.url(), json={"overlap": "keep first"}).json()["overlap"] == "keep first"
    assert web.client.delete(web.url("/objects/liver")).json()["objects"] == []
    assert web.post("/undo", status=200)["objects"][0]["name"] == "liver"
    assert web.client.delete(web.url("/prompts/0")).json()["objects"] == []


def test_the_slice_to_review_next_has_the_lowest_score(web: Served) -> None:
    assert web.client.get(web.url("/next")).status_code == 404
    state = web.segment()
    scores = {int(index): score for index, score in state["objects"][0]["scores"].items()}
    seen, cursor = [], None
    while True:
        params = {"name": "right"} | ({} if cursor is None else {"after": cursor})
        response = web.client.get(web.url("/next"), params=params)
        if response.status_code == 404:
            break
        seen.append(response.json()["index"])
        cursor = response.json()["cursor"]
    assert sorted(seen) == sorted(scores)
    assert [scores[index] for index in seen] == sorted(scores.values())


def test_a_session_is_restored_after_a_restart(web: Served, tmp_path: Path) -> None:
    before = web.segment()
    web.client.patch(web.url("/objects/right"), json={"color": "#102030"})
    masks = web.masks()[1]
    web.client.__exit__(None, None, None)
    with served(tmp_path, session=False) as again:
        again.session = web.session
        (row,) = again.client.get("/api/sessions").json()
        assert (row["id"], row["objects"], row["interrupted"]) == (web.session, 1, False)
        state = again.state()
        assert state["objects"][0]["color"] == "#102030"
        assert state["objects"][0]["voxels"] == before["objects"][0]["voxels"]
        assert state["can_undo"]
        assert state["revision"] > before["revision"]
        for place, mask in again.masks(before["revision"])[1].items():
            np.testing.assert_array_equal(mask, masks[place])
        assert not again.backend.encoded  # no slice is encoded again
    web.client.__enter__()  # the fixture closes it


def test_a_session_file_can_be_exported_and_imported(web: Served) -> None:
    web.segment()
    file = web.client.get(web.url("/export"), params={"format": "session"})
    assert file.headers["content-disposition"] == 'attachment; filename="ct.radsam"'
    response = web.client.post("/api/sessions/import", params={"volume": web.volume}, content=file.content)
    assert response.status_code == 201
    assert response.json()["id"] != web.session
    assert response.json()["objects"][0]["voxels"] == web.state()["objects"][0]["voxels"]
    broken = web.client.post("/api/sessions/import", params={"volume": web.volume}, content=file.content[:-40])
    assert broken.status_code == 409
    assert "not a complete RadSAM session" in broken.json()["error"]["message"]


def test_the_events_of_a_propagation(web: Served) -> None:
    session = web.service._sessions.open("local", web.session)
    frames: list[bytes] = []
    subscription = session.channel.subscribe(lambda: None, session.state)
    web.segment()
    alone = web.masks()[1][1, 0, 13]
    web.segment("left", LEFT)
    frames = subscription.take()
    kinds = [frame.split(b"\n")[1].removeprefix(b"event: ").decode() for frame in frames]
    assert kinds[0] == "state"
    assert kinds.count("slice") == kinds.count("progress") == 26
    assert kinds[kinds.index("ended") + 1] == "state"
    slices = [
        json.loads(frame.split(b"data: ")[1]) for frame, kind in zip(frames, kinds, strict=True) if kind == "slice"
    ]
    first = slices[0]
    assert (first["index"], first["object_id"], first["plane"], first["name"]) == (13, 1, "axial", "right")
    runs = np.frombuffer(base64.b64decode(first["runs_b64"]), "<u4").astype(np.uint32)
    np.testing.assert_array_equal(RunMask(tuple(first["shape"]), runs).decode(), alone)
    assert {each["object_id"] for each in slices[13:]} == {2}


BAD_PROMPTS = [
    ({"prompt": {"box": {"k": 99, "i0": 3, "j0": 7, "i1": 15, "j1": 20}}}, "k=99, but k goes from 0 to 25"),
    ({"prompt": {"point": [9, 14, -1]}}, "lies outside the volume"),
    ({"prompt": {"point": [9, 14, 13], "positive": False}}, "An object starts with a positive point"),
    ({"prompt": {"mask": {"k": 13}, "shape": [4, 4], "runs": [10, 6]}}, "the axial slice is (28, 30)"),
    ({"prompt": {"mask": {"k": 13}, "shape": [65535, 65535], "runs": [5]}}, "do not fill"),
    ({"prompt": {"box": {"k": 13, "i0": 9, "j0": 7, "i1": 3, "j1": 20}}}, "The box has no area"),
    ({"prompt": RIGHT, "bounds": [20, 22]}, "exclude the prompted slice"),
    ({"prompt": RIGHT, "bounds": [9, 7]}, "reversed"),
    ({"prompt": RIGHT, "window": [5, 5]}, "is empty"),
    ({"prompt": RIGHT, "plane": "coronal"}, "counted along j"),
    ({"prompt": RIGHT, "plane": "diagonal"}, "plane must be one of axial, coronal, sagittal"),
    ({"prompt": RIGHT, "name": "  "}, "name: give printable characters"),
    ({"prompt": RIGHT, "name": "a\n"}, "name: give printable characters"),
]


@pytest.mark.parametrize(("body", "words"), BAD_PROMPTS)
def test_an_impossible_request_gets_422_with_a_sentence(web: Served, body: dict[str, Any], words: str) -> None:
    response = web.client.post(web.url("/segment"), json={"name": "x", "plane": "axial"} | body)
    assert response.status_code == 422
    assert words in response.json()["error"]["message"]
    assert web.state()["objects"] == []


@pytest.mark.parametrize(
    ("method", "path", "content", "message"),
    [
        ("POST", "/segment", b"[]", "The request must be a JSON object, not []."),
        ("POST", "/segment", b'"x"', "The request must be a JSON object, not 'x'."),
        ("POST", "/segment", b"{name}", "The request must be a JSON object, but is not JSON: "),
        ("POST", "/segment", b"", "The request is missing."),
        ("DELETE", "/prompts/first", b"", "number must be a whole number, not 'first'."),
        ("DELETE", "/prompts/9999999999", b"", "number must be at most 2147483647, not '9999999999'."),
        ("GET", "/masks?since=-1", b"", "since must be at least 0, not '-1'."),
        ("GET", "/export?format=pdf", b"", "format must be one of nii.gz, nrrd, seg, rtstruct, session, not 'pdf'."),
        ("GET", "/next?name=" + 65 * "a", b"", f"name needs at most 64 characters, not '{65 * 'a'}'."),
    ],
)
def test_a_malformed_request_gets_422_with_a_sentence(
    web: Served, method: str, path: str, content: bytes, message: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = web.client.request(method, web.url(path), content=content, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["message"].startswith(message)


def test_nothing_is_lost_when_the_model_fails(web: Served) -> None:
    web.segment()
    masks = web.masks()
    web.backend.failing = True
    shown = web.client.post(web.url("/preview"), json={"prompt": LEFT})
    assert shown.status_code == 503
    assert shown.json()["error"] == {"kind": "model", "message": "The fake engine is set to fail."}
    web.segment("left", LEFT)
    web.backend.failing = False
    assert [each["name"] for each in web.state()["objects"]] == ["right"]
    assert web.masks()[0] == masks[0]
    assert [each["name"] for each in web.segment("left", LEFT)["objects"]] == ["right", "left"]


@pytest.mark.filterwarnings("ignore::radsam.PrecisionWarning")
def test_a_session_says_its_precision_and_that_it_continues_in_another(tmp_path: Path) -> None:
    with served(tmp_path, backend=FakeBackend(precision="bf16")) as web:
        assert web.client.get("/api/info").json()["model"]["precision"] == "bf16"
        assert (web.state()["precision"], web.state()["precisions"], web.state()["notes"]) == ("bf16", [], [])
        assert web.segment()["precisions"] == ["bf16"]
        session = web.session
    with served(tmp_path, session=False) as web:
        web.session = session
        state = web.state()
        assert (state["precision"], state["precisions"]) == ("f32", ["bf16"])
        assert "computed in bf16; new edits are computed in f32" in state["notes"][0]
        assert web.segment("left", LEFT)["precisions"] == ["bf16", "f32"]


def test_values_that_are_hardly_hu_come_with_a_warning(tmp_path: Path) -> None:
    scene = touching_balls()
    mr = Volume((scene.volume.values - scene.volume.values.min()) * np.int16(2), scene.volume.geometry)
    with served(tmp_path, volume=mr) as web:  # given as a CT
        published: list[tuple[str, Any]] = []
        (live,) = web.service._sessions.live
        live.channel.publish = lambda kind, data: published.append((kind, data))  # type: ignore[method-assign]
        web.segment()
        (warning,) = next(data["warnings"] for kind, data in published if kind == "ended")
    assert "hardly Hounsfield units" in warning


@pytest.mark.parametrize("prompt", [RIGHT, {"point": [9, 14, 13], "positive": True}, "lasso"], ids=str)
def test_an_object_can_start_again_from_the_prompt_that_started_it(web: Served, prompt: Any) -> None:
    if prompt == "lasso":
        prompt = {"lasso": {"k": 13}, "polygon": [[4, 8], [14, 8], [14, 19], [4, 19]], "positive": True}
    web.segment("right", prompt)
    before = web.masks()[1]
    start = web.client.get(web.url("/objects/right/start")).json()
    assert (start["plane"], start["index"], start["bounds"]) == ("axial", 13, BOUNDS)
    web.segment("right", start["prompt"])
    for key, mask in web.masks()[1].items():
        np.testing.assert_array_equal(mask, before[key])


def test_an_object_of_a_mask_has_no_prompt_to_start_from(web: Served) -> None:
    shape = {"brush": {"path": [[9, 14, 13]], "radius_mm": 6, "plane": "axial"}}
    web.post("/paint", {"name": "painted", "shape": shape}, 202)
    web.settled()
    refused = web.client.get(web.url("/objects/painted/start"))
    assert refused.status_code == 409
    assert "was started from a mask" in refused.json()["error"]["message"]
    assert web.client.get(web.url("/objects/nobody/start")).status_code == 404
