"""Limits of the server in memory, disk and time, and a rate limiter."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from radsam.errors import InputError

_MB, _GB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """Limits in memory, disk and time.

    Args:
        upload_bytes: The largest file that may be uploaded.
        unpacked_bytes: Size of an uploaded zip after unpacking.
        volume_bytes: The largest volume in memory.
        uploads_bytes: Disk space for the uploads of one user.
        body_bytes: The largest JSON body.
        session_file_bytes: The largest session file that may be imported; its parts may unpack to 32 times as much.
        cache_bytes: Memory for volumes; volumes of sessions in use are never evicted.
        sessions: Sessions of one user.
        objects: Objects of one session.
        queued_edits: Waiting and running edits of one session.
        previews: Waiting previews of one user.
        streams: Event streams of one user.
        leases: Leases of nnInteractive's protocol, of all users together.
        lease_idle_seconds: A lease ends after this time without an interaction.
        lease_silent_seconds: A lease ends after this time without a heartbeat.
        idle_seconds: A session leaves the memory, not the disk, after this time without a request.
        requests_per_second: Requests of one user on average.
        burst: Requests of one user at once.
        wrong_tokens_per_minute: Wrong tokens from one address before it must wait.

    Raises:
        InputError: A number is not positive.
    """

    upload_bytes: int = 2 * _GB
    unpacked_bytes: int = 4 * _GB
    volume_bytes: int = 2 * _GB
    uploads_bytes: int = 20 * _GB
    body_bytes: int = 8 * _MB
    session_file_bytes: int = 64 * _MB
    cache_bytes: int = 3 * _GB
    sessions: int = 500
    objects: int = 500
    queued_edits: int = 16
    previews: int = 32
    streams: int = 16
    leases: int = 16
    lease_idle_seconds: float = 1800.0
    lease_silent_seconds: float = 120.0
    idle_seconds: float = 1800.0
    requests_per_second: float = 100.0
    burst: float = 400.0
    wrong_tokens_per_minute: float = 20.0

    def __post_init__(self) -> None:
        wrong = [name for name, value in vars(self).items() if value <= 0]
        if wrong:
            raise InputError(f"These limits must be positive: {', '.join(wrong)}.")


class RateLimiter:
    """A token bucket per name: each use takes one token, and tokens come back with time.

    Args:
        per_second: Tokens that come back in a second.
        size: Tokens in a full bucket.
        clock: Seconds, for tests.
    """

    #: Number of buckets in memory; full ones are dropped.
    _MAX_BUCKETS = 10_000

    def __init__(self, per_second: float, size: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._size, self._clock = per_second, size, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, name: str) -> float:
        """Return the seconds until `name` may continue; 0 for now."""
        with self._lock:
            return max(0.0, (1.0 - self._now(name)[0]) / self._per_second)

    def take(self, name: str) -> float:
        """Take a token; return the seconds to wait if the bucket is empty, else 0."""
        with self._lock:
            left, now = self._now(name)
            if left < 1.0:
                return (1.0 - left) / self._per_second
            self._left[name] = left - 1.0, now
            self._left.move_to_end(name)
            if len(self._left) > self._MAX_BUCKETS:
                self._left.popitem(last=False)
            return 0.0

    def _now(self, name: str) -> tuple[float, float]:
        now = self._clock()
        left, then = self._left.get(name, (self._size, now))
        return min(self._size, left + (now - then) * self._per_second), now
