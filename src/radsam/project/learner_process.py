"""The learning process: it waits for finished cases, learns, and proposes, at the lowest priority.

The server that starts it writes lines to its standard input: `pause`, `go`, and `now` for a round on request. When
the input ends, so does the process, at the latest after `_END_SECONDS`; what it was doing goes on at the next start.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from radsam.errors import RadsamError
from radsam.project.learning_round import LEARNER
from radsam.project.pause import Pause, StoppedError
from radsam.project.project import Project, Round
from radsam.project.round_plan import finished_cases, require_enough

_log = logging.getLogger(__name__)

#: How often the project is looked at.
_LOOK_SECONDS = 2.0
#: Time to come to the end of a unit of work when the input has ended.
_END_SECONDS = 20.0

#: Does a round for a user, as `run_round` does.
DoRound = Callable[[str], Round]


class LearnerProcess:
    """Learns for a project until its input ends.

    Args:
        project: The project.
        pause: What the work asks whether it may go on.
        do_round: Does a round.
        propose: Makes proposals for some cases with the weights in use; returns whether there may be more to do.
        lines: The input.
    """

    def __init__(
        self,
        project: Project,
        pause: Pause,
        do_round: DoRound,
        propose: Callable[[], bool],
        lines: Iterable[str],
    ) -> None:
        self._project, self._pause, self._do_round, self._propose = project, pause, do_round, propose
        self._lines = lines
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()  # whether a round is wanted; False at the end

    def run(self) -> None:
        """Work until the input ends."""
        threading.Thread(target=self._listen, name="commands", daemon=True).start()
        wanted = False
        with suppress(StoppedError):
            while True:
                self._pause.wait()
                if wanted or self._is_due():
                    self._learn(wanted)
                    wanted = False
                more = self._propose()
                with suppress(queue.Empty):
                    wanted = self._requests.get(timeout=0.01 if more else _LOOK_SECONDS)
                    if not wanted:
                        return

    def _listen(self) -> None:
        """Follow the commands; at their end let the work stop."""
        for line in self._lines:
            match line.split()[:1]:
                case ["pause"]:
                    self._pause.pause()
                case ["go"]:
                    self._pause.go()
                case ["now"]:
                    self._requests.put(True)
        self._pause.stop()
        self._requests.put(False)

    def _is_due(self) -> bool:
        """Whether a round was stopped, or enough cases were finished since the last one."""
        return is_due(self._project)

    def _learn(self, requested: bool) -> None:
        try:
            ended = self._do_round(LEARNER)
            _log.info("round %d was %s: %s", ended.number, ended.state, ended.message)
        except StoppedError:
            raise
        except RadsamError as error:
            if not requested:
                raise
            _log.warning("%s", error)  # too few cases; the page requests it all the same


def is_due(project: Project) -> bool:
    """Whether a round is to be done: one was stopped, or enough cases were finished since the last one began."""
    rounds, every = project.rounds(), project.settings.learn_every
    if any(each.state == "running" for each in rounds):
        return True
    cases = finished_cases(project)
    last = rounds[-1] if rounds else None
    known = {*last.trained_on, *last.compared_on} if last else set()
    if not every or len(cases.keys() - known) < every:
        return False
    try:
        require_enough(cases)
    except RadsamError:
        return False
    return True


def end_with_input(run: Callable[[], None], pause: Pause) -> None:
    """Run, and end the process soon after its work was stopped, whatever library it is in.

    Everything that it writes is written whole or not at all, so that nothing is lost.
    """

    def watch() -> None:
        pause.stopped.wait()
        if not ended.wait(_END_SECONDS):
            os._exit(0)

    ended = threading.Event()
    threading.Thread(target=watch, name="end", daemon=True).start()
    try:
        run()
    finally:
        ended.set()
