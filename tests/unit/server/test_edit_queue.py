"""Queued, cancelled and interrupted edits, two tabs, idle sessions, encoding ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fakes import fake_engine
from radsam.disk.file_lock import locked
from radsam.errors import InUseError
from radsam.server import session_registry
from radsam.server.model_thread import ModelThread, Task
from radsam.server.preview_service import PreviewService
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore
from servers import BOUNDS, LEFT, RIGHT, Served, SlowBackend, propagating, served
from waiting import HANG_SECONDS, wait_for


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Served]:
    backend = SlowBackend()
    with served(tmp_path, backend=backend, limits=Limits(queued_edits=3)) as it:
        yield it
        backend.hold.set()


def test_edits_queue_and_other_changes_are_refused(slow: Served) -> None:
    assert isinstance(slow.backend, SlowBackend)
    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    busy = propagating(slow)["busy"]
    assert (busy["name"], busy["total"]) == ("right", 13)
    slow.post("/correct", {"name": "right", "points": [{"point": [9, 14, 13], "positive": False}]}, 202)
    slow.post("/segment", {"name": "left", "prompt": LEFT, "bounds": BOUNDS}, 202)
    refused = slow.post("/segment", {"name": "third", "prompt": LEFT}, 429)
    assert "3 edits of this session wait already" in refused["error"]["message"]
    for rest in ("/undo", "/redo"):
        assert "An edit of 'right' is still running" in slow.post(rest, status=409)["error"]["message"]
    shown = slow.client.patch(slow.url("/objects/right"), json={"locked": True})
    assert shown.status_code == 404  # it does not exist yet
    slow.backend.hold.set()
    state = slow.settled()
    assert [each["name"] for each in state["objects"]] == ["right", "left"]
    assert [each["kind"] for each in state["objects"][0]["prompts"]] == ["box", "point"]


def test_a_cancelled_edit_leaves_the_session_as_it_was(slow: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(slow.backend, SlowBackend)
    plain = ModelThread.cancel

    def cancel(thread: ModelThread, task: Task) -> None:
        plain(thread, task)
        slow.backend.hold.set()  # only now does the slice in flight end

    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    slow.post("/segment", {"name": "left", "prompt": LEFT, "bounds": BOUNDS}, 202)
    propagating(slow)
    monkeypatch.setattr(ModelThread, "cancel", cancel)
    state = slow.post("/cancel", status=200)
    assert (state["objects"], state["busy"], state["can_undo"], state["revision"]) == ([], None, False, 0)
    assert not (slow.service._store.session_folder(slow.session) / "journal.jsonl").exists()
    assert slow.post("/resume", status=409)["error"]["kind"] == "session"
    assert len(slow.segment()["objects"]) == 1


def test_two_tabs_press_undo_together(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        web.segment()
        web.segment("left", LEFT)
        codes: list[int] = []
        tabs = [
            threading.Thread(target=lambda: codes.append(web.client.post(web.url("/undo")).status_code)) for _ in "ab"
        ]
        for each in tabs:
            each.start()
        for each in tabs:
            each.join()
        assert codes == [200, 200]
        assert web.state()["objects"] == []
        assert web.post("/undo", status=409)["error"]["message"] == "There is nothing to undo."


def test_an_interrupted_edit_can_be_resumed_from_its_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SlowBackend()
    plain = ModelThread.close

    def close(thread: ModelThread) -> None:
        with thread._changed:
            thread._closing = True
        backend.hold.set()  # only now does the slice in flight end
        plain(thread)

    monkeypatch.setattr(ModelThread, "close", close)
    with served(tmp_path, backend=backend) as web:
        web.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
        done = propagating(web)["busy"]["done"]
    with served(tmp_path, session=False) as again:
        again.session = web.session
        assert again.client.get("/api/sessions").json()[0]["interrupted"] is True
        offered = again.state()["interrupted"]
        assert (offered["name"], offered["what"]) == ("right", "segment")
        assert done <= len(offered["finished"]) < 13
        assert offered["finished"][:3] == [13, 12, 14]
        seen = again.masks(part="interrupted")[1]
        assert {index for _, _, index in seen} == set(offered["finished"])
        again.post("/resume", status=202)
        state = again.settled()
        assert state["interrupted"] is None
        assert state["objects"][0]["slices"] == BOUNDS
        for (_, plane, index), mask in seen.items():
            np.testing.assert_array_equal(again.masks()[1][1, plane, index], mask)


def test_an_interrupted_edit_can_be_given_up(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        web.segment()
        journal = web.service._store.session_folder(web.session) / "journal.jsonl"
    from radsam.server.edit_journal import Journal
    from radsam.session.edit import Correct
    from radsam.volume import Point

    Journal(journal, Correct("right", (Point(i=9, j=14, k=13, positive=False),))).close()
    with journal.open("ab") as file:
        file.write(b'{"index": 13, "sco')  # an incomplete line
    with served(tmp_path, session=False) as again:
        again.session = web.session
        assert again.state()["interrupted"] == {"name": "right", "finished": [], "what": "correct"}
        assert again.post("/cancel", status=200)["interrupted"] is None
        assert not journal.exists()
        assert len(again.state()["objects"]) == 1


def test_an_edit_that_cannot_be_saved_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radsam.errors import OutputError
    from radsam.session import Session

    with served(tmp_path) as web:
        web.segment()
        before = web.masks()[1]
        with monkeypatch.context() as patch:
            patch.setattr(Session, "save", lambda *_: (_ for _ in ()).throw(OutputError("the disk is full")))
            web.segment("left", LEFT)
            assert web.post("/undo", status=507)["error"]["kind"] == "storage"
        state = web.state()
        assert [each["name"] for each in state["objects"]] == ["right"]
        now = web.masks()[1]
        assert all(np.array_equal(now[place], mask) for place, mask in before.items())
        assert not any(mask.any() for place, mask in now.items() if place not in before)
        assert len(web.segment("left", LEFT)["objects"]) == 2


def test_an_idle_session_leaves_the_memory_not_the_disk(tmp_path: Path) -> None:
    with served(tmp_path, limits=Limits(idle_seconds=0.2)) as web:
        web.segment()
        wait_for(lambda: len(web.service._sessions.live), lambda count: count == 0)
        assert [each["name"] for each in web.state()["objects"]] == ["right"]


def test_slices_are_encoded_ahead_outward_from_the_one_in_view(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        assert web.client.post(web.url("/view"), json={"plane": "coronal", "index": 99}).status_code == 422
        assert web.client.post(web.url("/view"), json={"plane": "axial", "index": 4}).status_code == 204
        state = wait_for(web.state, lambda state: len(state["encoded"]["axial"]) == 26)
        encoded = len(web.backend.encoded)
        assert encoded == 26
        web.segment(zoom=False)
        assert len(web.backend.encoded) == encoded
        # With a prompt that zooms, the crop is encoded ahead, and the propagation finds it in the cache.
        web.client.post(web.url("/view"), json={"plane": "axial", "index": 13, "zoom_prompt": RIGHT})
        state = web.state()
        assert state["encoded"]["coronal"] == []


def test_one_folder_has_one_server(tmp_path: Path) -> None:
    from radsam.errors import InputError

    first = ServerStore(tmp_path)
    with pytest.raises(InputError, match=r"Another radsam serve uses .*: radsam serve \(process \d+ on .*, since 20"):
        ServerStore(tmp_path)
    first.close()
    ServerStore(tmp_path).close()


def test_a_session_in_memory_is_in_use_and_one_on_disk_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_registry, "_WAIT_SECONDS", 0.0)
    with served(tmp_path) as web:
        web.segment()
        file = tmp_path / "state" / "sessions" / web.session / "session.radsam"
        with pytest.raises(InUseError, match=r"session\.radsam is in use by radsam serve \(process"):  # noqa: SIM117
            with locked(file, "radsam edit", wait_seconds=0.0):
                pass
        web.service._sessions.expire(0.0)
        with locked(file, "radsam edit", wait_seconds=0.0):
            refused = web.client.get(web.url(""))
            assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "busy")
            assert "in use by radsam edit (process" in refused.json()["error"]["message"]
            saved = fake_engine().reopen(file, web.scene.volume)
            saved.undo()
            saved.save(file)
        assert web.state()["objects"] == []  # what the other program saved
    with locked(file, "radsam edit", wait_seconds=0.0):
        pass


def test_a_preview_waits_for_one_slice_of_a_propagation_only(slow: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(slow.backend, SlowBackend)
    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    propagating(slow)
    queued = threading.Event()
    plain = PreviewService.preview

    def preview(*given):
        waiting = plain(*given)
        queued.set()
        return waiting

    monkeypatch.setattr(PreviewService, "preview", preview)
    with ThreadPoolExecutor(1) as pool:
        # Its slice is encoded already.
        answer = pool.submit(slow.post, "/preview", {"prompt": LEFT}, 200)
        assert queued.wait(HANG_SECONDS)
        slow.backend.one_more.release()
        assert answer.result(HANG_SECONDS)["index"] == 13
    busy = slow.state()["busy"]
    assert busy["done"] < busy["total"]
    slow.backend.hold.set()
    slow.settled()
