"""Stopping keeps what is done, if the user wants it: of a running edit, and of one that a crash interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend
from radsam.propagate import SideDone
from radsam.server.edit_journal import Journal, read_journal
from radsam.server.model_thread import ModelThread, Task
from radsam.server.server_errors import BusyError
from radsam.server.server_limits import Limits
from servers import BOUNDS, LEFT, RIGHT, Served, SlowBackend, propagating, served

KEEP = "/cancel?keep=true"


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server that ends the slice in flight once an edit is to be kept."""
    backend, plain = SlowBackend(), ModelThread.hasten

    def hasten(thread: ModelThread, task: Task) -> None:
        plain(thread, task)
        backend.hold.set()

    monkeypatch.setattr(ModelThread, "hasten", hasten)
    with served(tmp_path, backend=backend, limits=Limits(queued_edits=3)) as it:
        yield it
        backend.hold.set()


def test_what_is_done_becomes_an_object_that_can_be_continued(slow: Served) -> None:
    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    slow.post("/segment", {"name": "left", "prompt": LEFT, "bounds": BOUNDS}, 202)
    propagating(slow)
    state = slow.post(KEEP, status=200)
    assert (state["busy"], state["can_undo"], [each["name"] for each in state["objects"]]) == (None, True, ["right"])
    shown = state["objects"][0]
    assert (shown["low_end"], shown["high_end"]) == ("stopped", "stopped")
    assert shown["unfinished"] == {"low": BOUNDS[0], "high": BOUNDS[1]}
    assert BOUNDS[0] < shown["slices"][0] <= 13 <= shown["slices"][1] < BOUNDS[1]
    assert shown["bounds"] == shown["slices"]
    kept = slow.masks()[1]
    assert not (slow.service._store.session_folder(slow.session) / "journal.jsonl").exists()

    encoded = len(slow.backend.encoded)
    slow.post("/continue", {"name": "right"}, 202)
    done = slow.settled()["objects"][0]
    assert (done["slices"], done["unfinished"]) == (BOUNDS, {})
    assert [each["kind"] for each in done["edits"]] == ["segment", "continue"]
    assert len(set(slow.backend.encoded)) == len(slow.backend.encoded) > encoded
    for key, mask in kept.items():
        np.testing.assert_array_equal(slow.masks()[1][key], mask)
    assert slow.post("/continue", {"name": "right"}, 409)["error"]["kind"] == "session"
    slow.post("/undo", status=200)
    assert slow.state()["objects"][0] == shown | {"edits": shown["edits"]}
    assert slow.post("/undo", status=200)["objects"] == []


def test_its_event_says_that_it_was_stopped(slow: Served) -> None:
    live = slow.service._sessions.open("local", slow.session)
    events: list[tuple[str, dict]] = []
    publish = live.channel.publish
    live.channel.publish = lambda kind, data: (events.append((kind, data)), publish(kind, data))  # type: ignore[assignment, method-assign]
    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    propagating(slow)
    slow.post(KEEP, status=200)
    (ended,) = [data for kind, data in events if kind == "ended"]
    assert (ended["name"], ended["stopped"], ended["low_end"]) == ("right", True, "stopped")
    slices = [data["index"] for kind, data in events if kind == "slice"]
    assert len(slices) == len(set(slices)), "no slice is sent twice"
    assert not [kind for kind, _ in events if kind in ("cancelled", "failed")]


def test_a_kept_object_is_there_after_a_restart_and_continues(tmp_path: Path, slow: Served) -> None:
    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    propagating(slow)
    kept = slow.post(KEEP, status=200)["objects"]
    slow.service.close()
    with served(tmp_path, session=False) as again:
        again.session = slow.session
        assert again.state()["interrupted"] is None
        assert again.state()["objects"] == kept
        again.post("/continue", {"name": "right"}, 202)
        assert again.settled()["objects"][0]["slices"] == BOUNDS


def test_a_stopped_extension_keeps_the_slices_that_it_has_added(slow: Served) -> None:
    slow.backend.hold.set()
    before = slow.segment()
    masks = slow.masks()[1]
    slow.backend.hold.clear()
    slow.backend.free = 0
    slow.post("/bounds", {"name": "right", "low": 3, "high": 23}, 202)
    state = slow.post(KEEP, status=200)
    shown = state["objects"][0]
    assert shown["unfinished"].items() <= {"low": 3, "high": 23}.items()
    assert [each["kind"] for each in shown["edits"]] == ["segment", "bounds"]
    for key, mask in masks.items():
        np.testing.assert_array_equal(slow.masks()[1][key], mask)
    assert slow.post("/undo", status=200)["objects"][0] == before["objects"][0]


def test_nothing_to_stop_changes_nothing(slow: Served) -> None:
    slow.backend.hold.set()
    state = slow.segment()
    assert slow.post(KEEP, status=200) == state
    assert slow.post("/cancel?keep=perhaps", status=422)["error"]["kind"] == "input"
    assert slow.post("/continue", {"name": "liver"}, 404)["error"]["kind"] == "missing"
    assert slow.post("/continue", {"name": "right", "to": 4}, 422)["error"]["kind"] == "input"


def test_an_interrupted_edit_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        whole = web.segment()["objects"][0]
        masks = web.masks()[1]
        live = web.service._sessions.open("local", web.session)
        edit, found = live.session.history.done[-1], live.session.objects["right"].slices
        web.post("/undo", status=200)
    # As a crash leaves it.
    journal = Journal(live.journal_path, edit)
    for index in (13, 12, 14, 11):
        journal.append(found[index])
    journal.close()
    with served(tmp_path, session=False) as again:
        again.session = web.session
        assert again.state()["interrupted"]["finished"] == [13, 12, 14, 11]
        state = again.post(KEEP, status=200)
        shown = state["objects"][0]
        assert (state["interrupted"], shown["slices"], shown["unfinished"]) == (None, [11, 14], {"low": 7, "high": 19})
        for (_, plane, index), mask in again.masks()[1].items():
            np.testing.assert_array_equal(mask, masks[1, plane, index])
        assert not live.journal_path.exists()
        again.post("/continue", {"name": "right"}, 202)
        assert again.settled()["objects"][0]["slices"] == whole["slices"]


def test_a_kept_edit_that_was_saved_before_a_crash_is_not_offered_again(tmp_path: Path, slow: Served) -> None:
    slow.post("/segment", {"name": "right", "prompt": RIGHT, "bounds": BOUNDS}, 202)
    live = slow.service._sessions.open("local", slow.session)
    propagating(slow)
    left = live.journal_path.read_bytes()
    slow.post(KEEP, status=200)
    slow.service.close()
    live.journal_path.write_bytes(left)
    with served(tmp_path, session=False) as again:
        again.session = slow.session
        assert again.state()["interrupted"] is None
        assert len(again.state()["objects"]) == 1


def test_the_journal_has_the_sides_that_were_finished(tmp_path: Path) -> None:
    with served(tmp_path) as web:
        web.segment(bounds=None)
        live = web.service._sessions.open("local", web.session)
        journal = Journal(live.journal_path, live.session.history.done[-1])
        live.session._replayer.cache.clear()
        records = tuple(live.session._replayer.replay(live.session.history.done))
        for each in records:
            journal.append_end(each) if isinstance(each, SideDone) else journal.append(each.slice_mask)
        journal.close()
        found = read_journal(live.journal_path)
        assert found is not None
        assert [each for each in found.records if isinstance(each, SideDone)] == [
            each for each in records if isinstance(each, SideDone)
        ]


class UnsureBackend(FakeBackend):
    """From the sixth slice on, it is unsure of two slices of three; three in a row would end the object."""

    def decode(self, embedding, prompt):
        """Predict as the fake does, with a lower score."""
        found = super().decode(embedding, prompt)
        return replace(found, scores=found.scores * 0.65) if len(self.prompts) > 5 and len(self.prompts) % 3 else found


def test_where_the_stop_rule_was_unsure_the_state_says_so_until_the_user_has_chosen(tmp_path: Path) -> None:
    with served(tmp_path, backend=UnsureBackend()) as web:
        events = []
        live = web.service._sessions.open("local", web.session)
        publish = live.channel.publish
        live.channel.publish = lambda kind, data: (events.append((kind, data)), publish(kind, data))  # type: ignore[assignment, method-assign]
        shown = web.segment(bounds=None)["objects"][0]
        (low,), (high,) = shown["other_ends"]["low"], shown["other_ends"]["high"]
        assert shown["slices"][0] < low < 13 < high < shown["slices"][1]
        (ended,) = [data for kind, data in events if kind == "ended"]
        assert ended["other_ends"] == shown["other_ends"]
        # One end moves to the other slice: that end is settled, and the other one still unsure.
        web.post("/bounds", {"name": "right", "high": high}, 202)
        shown = web.settled()["objects"][0]
        assert (shown["slices"][1], shown["other_ends"]) == (high, {"low": [low]})
        # The user keeps the found one.
        web.post("/bounds", {"name": "right", "low": shown["slices"][0]}, 202)
        assert web.settled()["objects"][0]["other_ends"] == {}


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Served]:
    """A server that was started again after a crash during a correction."""
    with served(tmp_path) as web:
        web.segment()
        web.post("/bounds", {"name": "right", "low": 3, "high": 23}, 202)
        web.settled()
        live = web.service._sessions.open("local", web.session)
        edit, found = live.session.history.done[-1], live.session.objects["right"].slices
        web.post("/undo", status=200)
    journal = Journal(live.journal_path, edit)
    for index in (6, 5):
        journal.append(found[index])
    journal.close()
    with served(tmp_path, session=False) as again:
        again.session = web.session
        yield again


def test_an_interrupted_edit_follows_its_object_to_a_new_name(interrupted: Served) -> None:
    renamed = interrupted.client.patch(interrupted.url("/objects/right"), json={"new_name": "liver"}).json()
    assert renamed["interrupted"]["name"] == "liver"
    assert {key[2] for key in interrupted.masks(part="interrupted")[1]} == {5, 6}
    interrupted.post("/resume", status=202)
    (liver,) = interrupted.settled()["objects"]
    assert (liver["name"], liver["slices"]) == ("liver", [3, 23])


def test_an_interrupted_edit_of_a_removed_object_is_offered_once_that_is_back(interrupted: Served) -> None:
    assert interrupted.client.delete(interrupted.url("/objects/right")).json()["interrupted"] is None
    assert interrupted.masks(part="interrupted")[1] == {}
    assert interrupted.post("/resume", status=409)["error"]["kind"] == "session"
    assert interrupted.post(KEEP, status=200)["objects"] == []
    assert interrupted.post("/undo", status=200)["interrupted"]["name"] == "right"


def test_an_interrupted_edit_is_resumed_once(interrupted: Served) -> None:
    live = interrupted.service._sessions.open("local", interrupted.session)
    with live.lock:
        interrupted.service.resume("local", interrupted.session)
        with pytest.raises(BusyError):  # as a second window asks before the first slice
            interrupted.service.resume("local", interrupted.session)
    assert [each["kind"] for each in interrupted.settled()["objects"][0]["edits"]] == ["segment", "bounds"]
