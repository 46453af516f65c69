"""How long to wait for a PACS, and how often to repeat a request that failed in passing."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from radsam.errors import PacsError, PacsRequestError

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """Time limits and repetitions of requests to a PACS.

    Args:
        connect_s: Longest time to connect, in seconds.
        silence_s: Longest time without a byte from the server, in seconds; ``$RADSAM_PACS_TIMEOUT``.
        attempts: How often one request is sent at most; ``$RADSAM_PACS_ATTEMPTS``.
        pause_s: Seconds before the second attempt; doubled each time.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    attempts: int = 4
    pause_s: float = 0.5

    @classmethod
    def from_environment(cls) -> RetryPolicy:
        """Read the two variables.

        Raises:
            PacsRequestError: A variable is not a positive number.
        """
        silence_s = _positive("RADSAM_PACS_TIMEOUT", cls.silence_s)
        attempts = math.ceil(_positive("RADSAM_PACS_ATTEMPTS", float(cls.attempts)))
        return cls(min(cls.connect_s, silence_s), silence_s, attempts)

    def send(self, request: Callable[[], T]) -> T:
        """Send a request, and again while its error is transient and attempts are left."""
        for attempt in range(1, self.attempts):
            try:
                return request()
            except PacsError as error:
                if not error.transient:
                    raise
                time.sleep(self.pause_s * 2 ** (attempt - 1))
        return request()


def _positive(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise PacsRequestError(f"{variable} is {text!r}; it must be a number above 0.")
    return value
