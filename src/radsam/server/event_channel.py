"""Events of a session as server-sent events: a client can resume them, and their memory is bounded."""

from __future__ import annotations

import json
import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: Recent events for clients that resume: their number and bytes.
_RECENT_EVENTS, _RECENT_BYTES = 1024, 8 << 20
#: Bytes that may wait for one client before it is dropped.
_WAITING_BYTES = 16 << 20


class Subscription:
    """The events that wait for one client.

    Args:
        wake: Called from any thread when events wait.
        backlog: The first events.
    """

    def __init__(self, wake: Callable[[], None], backlog: list[bytes]) -> None:
        self._wake = wake
        self._frames = deque(backlog)
        self._bytes = sum(map(len, backlog))
        self._lock = threading.Lock()
        self.closed = False
        self.dropped = False

    def take(self) -> list[bytes]:
        """Remove and return the waiting events, in order."""
        with self._lock:
            frames = list(self._frames)
            self._frames.clear()
            self._bytes = 0
            return frames

    def close(self) -> None:
        """Close the subscription; waiting events can still be taken."""
        self.closed = True
        self._wake()

    def _put(self, frame: bytes) -> None:
        with self._lock:
            if self._bytes + len(frame) > _WAITING_BYTES:
                # The client reads too slowly: it may connect again and start from the state.
                self._frames.clear()
                self._bytes = 0
                self.closed = self.dropped = True
            else:
                self._frames.append(frame)
                self._bytes += len(frame)
        self._wake()


class EventChannel:
    """The events of one session.

    Args:
        on_drop: Called when a client was too slow and is dropped.
    """

    def __init__(self, on_drop: Callable[[], None] = lambda: None) -> None:
        # Event numbers are valid within one process only.
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0
        self._subscriptions: set[Subscription] = set()
        self._lock = threading.Lock()
        self._on_drop = on_drop

    @property
    def listeners(self) -> int:
        """Number of open subscriptions."""
        return len(self._subscriptions)

    def publish(self, event: str, data: dict[str, Any]) -> None:
        """Send an event to every subscription."""
        with self._lock:
            self._number += 1
            frame = self._frame(event, data)
            self._recent.append((self._number, frame))
            self._recent_bytes += len(frame)
            while len(self._recent) > _RECENT_EVENTS or self._recent_bytes > _RECENT_BYTES:
                self._recent_bytes -= len(self._recent.popleft()[1])
            for each in tuple(self._subscriptions):
                each._put(frame)
                if each.closed:
                    self._subscriptions.discard(each)
                    self._on_drop()

    def subscribe(
        self, wake: Callable[[], None], state: Callable[[], dict[str, Any]], after: str | None = None
    ) -> Subscription:
        """Subscribe.

        Args:
            wake: Called from any thread when events wait.
            state: Returns the state, the first event if `after` is None or too old.
            after: The id of the last event that the client got.
        """
        with self._lock:
            missed = self._missed(after)
            backlog = [self._frame("state", state())] if missed is None else missed
            subscription = Subscription(wake, backlog)
            self._subscriptions.add(subscription)
        wake()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        with self._lock:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """Close every subscription."""
        with self._lock:
            ending = tuple(self._subscriptions)
            self._subscriptions.clear()
        for each in ending:
            each.close()

    def _missed(self, after: str | None) -> list[bytes] | None:
        """Return the events after an event; None if they are not all in memory."""
        epoch, _, text = (after or "").partition("-")
        if epoch != self._epoch or not text.isdecimal() or len(text) > 18:
            return None
        number = int(text)
        first = self._recent[0][0] if self._recent else self._number + 1
        if not first - 1 <= number <= self._number:
            return None
        return [frame for each, frame in self._recent if each > number]

    def _frame(self, event: str, data: dict[str, Any]) -> bytes:
        text = json.dumps(data, separators=(",", ":"))
        return f"id: {self._epoch}-{self._number}\nevent: {event}\ndata: {text}\n\n".encode()
