"""News of a session for whoever listens: server-sent events that can be resumed, and that never pile up."""

from __future__ import annotations

import json
import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: What is kept for who comes back: events, and bytes of them.
_KEPT_EVENTS, _KEPT_BYTES = 1024, 8 << 20
#: What may wait for one listener before it is dropped.
_WAITING_BYTES = 16 << 20


class Subscription:
    """One listener: frames that wait for it, until it is closed.

    Args:
        wake: Called from any thread when there is something to take.
        backlog: What it missed.
    """

    def __init__(self, wake: Callable[[], None], backlog: list[bytes]) -> None:
        self._wake = wake
        self._frames = deque(backlog)
        self._bytes = sum(map(len, backlog))
        self._lock = threading.Lock()
        self.closed = False
        self.dropped = False

    def take(self) -> list[bytes]:
        """Return what waits, in order."""
        with self._lock:
            frames = list(self._frames)
            self._frames.clear()
            self._bytes = 0
            return frames

    def close(self) -> None:
        """End it; what waits can still be taken."""
        self.closed = True
        self._wake()

    def _put(self, frame: bytes) -> None:
        with self._lock:
            if self._bytes + len(frame) > _WAITING_BYTES:
                # It reads more slowly than things happen: it may come back and start from the state.
                self._frames.clear()
                self._bytes = 0
                self.closed = self.dropped = True
            else:
                self._frames.append(frame)
                self._bytes += len(frame)
        self._wake()


class EventChannel:
    """The news of one session.

    Args:
        on_drop: Called when a listener was too slow.
    """

    def __init__(self, on_drop: Callable[[], None] = lambda: None) -> None:
        # Numbers of an earlier process mean nothing in this one.
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._subscriptions: set[Subscription] = set()
        self._lock = threading.Lock()
        self._on_drop = on_drop

    @property
    def listeners(self) -> int:
        """Number of open subscriptions."""
        return len(self._subscriptions)

    def publish(self, event: str, data: dict[str, Any]) -> None:
        """Send an event to every listener."""
        with self._lock:
            self._number += 1
            frame = self._frame(event, data)
            self._kept.append((self._number, frame))
            self._kept_bytes += len(frame)
            while len(self._kept) > _KEPT_EVENTS or self._kept_bytes > _KEPT_BYTES:
                self._kept_bytes -= len(self._kept.popleft()[1])
            for each in tuple(self._subscriptions):
                each._put(frame)
                if each.closed:
                    self._subscriptions.discard(each)
                    self._on_drop()

    def subscribe(
        self, wake: Callable[[], None], state: Callable[[], dict[str, Any]], after: str | None = None
    ) -> Subscription:
        """Listen.

        Args:
            wake: Called from any thread when there is something to take.
            state: What stands now, for who was not there, or too long ago.
            after: The id of the last event that was seen.
        """
        with self._lock:
            missed = self._missed(after)
            backlog = [self._frame("state", state())] if missed is None else missed
            subscription = Subscription(wake, backlog)
            self._subscriptions.add(subscription)
        wake()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a listener."""
        with self._lock:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every subscription."""
        with self._lock:
            ending = tuple(self._subscriptions)
            self._subscriptions.clear()
        for each in ending:
            each.close()

    def _missed(self, after: str | None) -> list[bytes] | None:
        """Return what came after an event; None where that is not known any more."""
        epoch, _, text = (after or "").partition("-")
        if epoch != self._epoch or not text.isdecimal() or len(text) > 18:
            return None
        number = int(text)
        first = self._kept[0][0] if self._kept else self._number + 1
        if not first - 1 <= number <= self._number:
            return None
        return [frame for kept, frame in self._kept if kept > number]

    def _frame(self, event: str, data: dict[str, Any]) -> bytes:
        text = json.dumps(data, separators=(",", ":"))
        return f"id: {self._epoch}-{self._number}\nevent: {event}\ndata: {text}\n\n".encode()
