"""Progress of a training run: bars on a terminal, plain lines where output is piped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape

from radsam.cli.terminal import notes, open_progress

if TYPE_CHECKING:
    from rich.progress import Progress

#: The lines of `radsam.training.training_run.train` and `distill` that report progress; a test compares them.
ENCODED = re.compile(r"encoded (?P<done>\d+) of (?P<total>\d+) slices")
STEP = re.compile(r"step (?P<done>\d+) of (?P<total>\d+): (?P<loss>(loss|relative error) [^,]+)")
RESUMED = re.compile(r"resumed at step (?P<done>\d+)")


@contextmanager
def training_progress(steps: int, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show the progress of a run.

    Args:
        steps: Optimizer steps of the whole run.
        quiet: Show nothing anywhere.

    Yields:
        A function that takes a line of the run.
    """
    if quiet:
        yield lambda line: None
    elif notes.is_terminal:
        # Steps differ in their number of turns: a short memory would let the estimate jump.
        with open_progress(notes, speed_seconds=600.0) as bar:
            yield _Bars(bar, steps)
    else:
        yield _Lines()


class _Lines:
    """Prints every line, but only one for each tenth of encoding."""

    def __init__(self) -> None:
        self._tenths = 0

    def __call__(self, line: str) -> None:
        found = ENCODED.match(line)
        if found:
            tenths = 10 * int(found["done"]) // max(1, int(found["total"]))
            if tenths == self._tenths:
                return
            self._tenths = tenths
        notes.print(escape(line), soft_wrap=True)


class _Bars:
    """One bar for encoding, one for training with the latest loss; all other lines above them."""

    def __init__(self, bar: Progress, steps: int) -> None:
        self._bar, self._steps = bar, steps
        self._encoding = bar.add_task("Encoding", total=None, visible=False, unit="slices")
        self._training = bar.add_task("Training", total=steps, visible=False, unit="steps")

    def __call__(self, line: str) -> None:
        if found := ENCODED.match(line):
            self._bar.update(self._encoding, completed=int(found["done"]), total=int(found["total"]), visible=True)
        elif found := STEP.match(line):
            self._bar.update(self._encoding, visible=False)
            self._bar.update(
                self._training, completed=int(found["done"]), description=f"Training, {found['loss']}", visible=True
            )
        else:
            if found := RESUMED.match(line):
                # Steps of an earlier session say nothing about this one's speed.
                self._bar.reset(self._training, completed=int(found["done"]), total=self._steps, visible=True)
            self._bar.console.print(escape(line), soft_wrap=True)
