"""Waiting for what must happen: tests wait for an event, never for a number of seconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

#: Only ends a test that hangs, and tells what it waited for; below pytest's own limit, far above any busy machine.
HANG_SECONDS = 400.0


def wait_for(
    read: Callable[[], Value], good: Callable[[Value], bool], process: subprocess.Popen[str] | None = None
) -> Value:
    """Read until `good` accepts the value, and return it.

    Args:
        read: Reads the value.
        good: Whether it is the expected one.
        process: Who brings it about: there is nothing to wait for once it has ended.
    """
    end = time.monotonic() + HANG_SECONDS
    while True:
        ended = process is not None and process.poll() is not None
        if good(found := read()):
            return found
        assert not ended, f"the process ended; still {found}"
        assert time.monotonic() < end, f"still {found}"
        time.sleep(0.02)
