"""Settings that make a batch's worker process end at some rows, as the kernel's out-of-memory killer would.

Worker processes start anew and know nothing of a test's patches. They import this module when they unpickle
`CrashingSettings`, and importing it there puts the fake model and the killer in place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archives import fake_model
from radsam.batch import volume_work
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.timed_model import TimedModel


@dataclass(frozen=True, kw_only=True)
class CrashingSettings(BatchSettings):
    """Brings this module into a process."""


def _crash(task: Any, opened: Any, settings: Any, folder: Any) -> Any:
    mark = Path(f"{folder.path}-{task.row.id}")
    if task.row.id.startswith("deadly") or (task.row.id.startswith("once") and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return _segment_row(task, opened, settings, folder)


_segment_row = volume_work._segment_row
if multiprocessing.current_process().name != "MainProcess":
    volume_work._segment_row = _crash
    TimedModel.load = lambda settings: fake_model()  # type: ignore[method-assign, assignment]
