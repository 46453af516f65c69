"""Letting every other process come first; imports nothing, so that it is done before libraries start threads."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def lower_priority() -> None:
    """Let every other process come first, as far as the system can.

    Linux: the processor and the disk are used only while nobody else wants them (the scheduler's class "idle" has
    both). Elsewhere the lowest niceness; Windows: the class below normal.
    """
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x4000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
        return
    with suppress(OSError):
        os.nice(19)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def limit_threads(threads: int) -> None:
    """Let numerical libraries that are loaded from now on use so many threads."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
