"""Are events complete and in order, resumable after a reconnect, and bounded for a client that does not read?"""

from __future__ import annotations

from radsam.server import event_channel
from radsam.server.event_channel import EventChannel, Subscription


def kinds(subscription: Subscription) -> list[str]:
    frames = b"".join(subscription.take()).decode()
    return [line.removeprefix("event: ") for line in frames.splitlines() if line.startswith("event: ")]


def last_id(subscription: Subscription) -> str:
    frames = b"".join(subscription.take()).decode()
    return [line.removeprefix("id: ") for line in frames.splitlines() if line.startswith("id: ")][-1]


def test_a_client_gets_the_state_and_then_all_events_in_order() -> None:
    channel, woken = EventChannel(), []
    channel.publish("before", {})
    subscription = channel.subscribe(lambda: woken.append(1), lambda: {"now": 1})
    for number in range(3):
        channel.publish(f"n{number}", {"é": number})
    assert kinds(subscription) == ["state", "n0", "n1", "n2"]
    assert len(woken) == 4
    channel.leave(subscription)
    channel.publish("after", {})
    assert kinds(subscription) == []
    assert channel.listeners == 0


def test_a_client_that_reconnects_gets_the_missed_events() -> None:
    channel = EventChannel()
    first = channel.subscribe(lambda: None, dict)
    channel.publish("a", {})
    seen = last_id(first)
    channel.leave(first)
    channel.publish("b", {})
    channel.publish("c", {})
    assert kinds(channel.subscribe(lambda: None, dict, after=seen)) == ["b", "c"]
    for unknown in ("", "x", "deadbeef-1", seen + "9" * 30, seen.split("-")[0] + "-99", seen.split("-")[0] + "--1"):
        assert kinds(channel.subscribe(lambda: None, dict, after=unknown)) == ["state"]


def test_a_client_that_reconnects_too_late_starts_from_the_state(monkeypatch) -> None:
    monkeypatch.setattr(event_channel, "_RECENT_EVENTS", 3)
    channel = EventChannel()
    first = channel.subscribe(lambda: None, dict)
    channel.publish("a", {})
    seen = last_id(first)
    for name in "bcd":
        channel.publish(name, {})
    assert kinds(channel.subscribe(lambda: None, dict, after=seen)) == ["b", "c", "d"]
    channel.publish("e", {})
    assert kinds(channel.subscribe(lambda: None, dict, after=seen)) == ["state"]


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_not(monkeypatch) -> None:
    monkeypatch.setattr(event_channel, "_WAITING_BYTES", 2000)
    dropped = []
    channel = EventChannel(lambda: dropped.append(1))
    asleep = channel.subscribe(lambda: None, dict)
    awake = channel.subscribe(lambda: None, dict)
    for _ in range(20):
        channel.publish("event", {"filling": "x" * 200})
        assert len(awake.take()) >= 1
    assert asleep.closed
    assert asleep.dropped
    assert not awake.closed
    assert asleep.take() == []
    assert (channel.listeners, len(dropped)) == (1, 1)
    channel.close()
    assert awake.closed
