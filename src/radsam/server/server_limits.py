"""How much the server does for whom: numbers, and a bucket that counts requests."""

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
    """What bounds memory, disk and time.

    Args:
        upload_bytes: The largest file that may be uploaded.
        unpacked_bytes: What an uploaded zip may unpack to.
        volume_bytes: The largest volume in memory.
        uploads_bytes: What one user's uploads may take on disk.
        body_bytes: The largest JSON body.
        session_file_bytes: The largest session file that may be imported, and what its parts may unpack to in total
            is this many times 32.
        cache_bytes: Memory for volumes; sessions in use keep theirs.
        sessions: Sessions of one user.
        objects: Objects of one session.
        queued_edits: Edits of one session that wait or run.
        previews: Previews of one user that wait.
        streams: Event streams of one user.
        leases: Leases of nnInteractive's protocol at once, of all users.
        lease_idle_seconds: A lease with which nothing was done for so long ends.
        lease_silent_seconds: So does one whose program gave no sign of life for so long.
        idle_seconds: A session that nobody used for so long leaves the memory, not the disk.
        requests_per_second: What one user may ask on average.
        burst: What one user may ask at once.
        wrong_tokens_per_minute: Wrong tokens from one address before it has to wait.

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
    """A token bucket per name: each use takes one, and they come back with time.

    Args:
        per_second: How many come back in a second.
        size: How many there are at most.
        clock: Seconds, for tests.
    """

    #: Names remembered; a full bucket need not be.
    _MOST = 10_000

    def __init__(self, per_second: float, size: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._size, self._clock = per_second, size, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, name: str) -> float:
        """Return the seconds until `name` may ask again; 0 where it may now."""
        with self._lock:
            return max(0.0, (1.0 - self._now(name)[0]) / self._per_second)

    def take(self, name: str) -> float:
        """Take one; return the seconds to wait where there is none."""
        with self._lock:
            left, now = self._now(name)
            if left < 1.0:
                return (1.0 - left) / self._per_second
            self._left[name] = left - 1.0, now
            self._left.move_to_end(name)
            if len(self._left) > self._MOST:
                self._left.popitem(last=False)
            return 0.0

    def _now(self, name: str) -> tuple[float, float]:
        now = self._clock()
        left, then = self._left.get(name, (self._size, now))
        return min(self._size, left + (now - then) * self._per_second), now
