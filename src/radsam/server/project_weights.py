"""The weights of a project: new sessions get those that were accepted last, and open ones keep theirs."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from radsam.errors import RadsamError
from radsam.project.project import Project
from radsam.runtime import read_bundle
from radsam.session import Engine

_log = logging.getLogger(__name__)


class ProjectWeights:
    """Follows the round whose weights are in use.

    Args:
        project: The project.
        engine: The engine of the server, with the weights that the project began with.

    Attributes:
        problem: Why the weights of the round in use cannot be loaded; empty if they are.
    """

    def __init__(self, project: Project, engine: Engine) -> None:
        self._project = project
        self._engine = engine
        self._lock = threading.Lock()
        self._engines: dict[int, Engine] = {}
        self._hashes: dict[int, str] = {}
        self._number: int | None = None
        self.problem = ""
        engine.find = self._find
        self.follow()

    def follow(self) -> None:
        """Let new sessions use the weights of the round in use, which another process may have chosen, too."""
        with self._lock:
            number = self._project.current_round()
            if number == self._number and not self.problem:
                return
            try:
                self._engine.trained = None if number is None else self._load(number)
                self._number, self.problem = number, ""
            except RadsamError as error:
                if not self.problem:
                    _log.warning("the weights of round %s are not used: %s", number, error)
                self.problem = f"The weights of round {number} cannot be used: {error}"

    def require(self, number: int) -> None:
        """Load the weights of a round, before they are accepted.

        Raises:
            BundleError: They are missing or damaged.
        """
        with self._lock:
            self._load(number)

    def round_of(self, model_hash: str) -> int | None:
        """Return the round that a session's model is of; None for the weights that the project began with."""
        return next((number for number, known in self._hashes.items() if known == model_hash), None)

    def _load(self, number: int) -> Engine:
        if number not in self._engines:
            self._engines[number] = self._engine.load(self._bundle(number))
            self._hashes[number] = self._engines[number].bundle.sha256
        return self._engines[number]

    def _find(self, model_hash: str) -> Engine | None:
        """Return the engine of a round that a session was made with."""
        with self._lock:
            for each in reversed(self._project.rounds()):
                try:
                    if each.number not in self._hashes and self._bundle(each.number).exists():
                        self._hashes[each.number] = read_bundle(self._bundle(each.number)).sha256
                    if self._hashes.get(each.number) == model_hash:
                        return self._load(each.number)
                except RadsamError as error:
                    _log.warning("the weights of round %s cannot be read: %s", each.number, error)
        return None

    def _bundle(self, number: int) -> Path:
        return self._project.weights_folder(number) / "bundle"
