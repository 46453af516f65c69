r"""The standard streams of the program: closed, full, cut short or not able to hold a character, they end no work.

What a stream cannot hold is written as ``\xe9``. A failure to write is remembered: the work goes on, so that the
files are written, and the program says it at its end.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from radsam.disk.utf8_path import PRINTABLE


class _LastingStream(io.TextIOWrapper):
    """A text stream whose failures to write are remembered instead of raised."""

    failure: OSError | None = None
    used = False

    def write(self, text: str, /) -> int:
        self.used = True
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Send the rest to nowhere, or the interpreter would fail on it when it ends."""
        self.failure = self.failure or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        with suppress(OSError):
            super().flush()


def open_streams() -> None:
    """Replace the standard output and error of this process, which may be closed."""
    # The next files to be opened would get the numbers of closed streams, and with them what is meant for those.
    while (number := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(number)
    sys.stdout, sys.stderr = _lasting(sys.stdout, 1), _lasting(sys.stderr, 2)


def close_streams(*, failed: bool) -> bool:
    """Write what is left, and say in a line where the standard output could not be written.

    A reader that has enough, such as ``head``, does not count as a failure.

    Args:
        failed: Whether the command failed; its own message stays the only one.

    Returns:
        Whether the standard output could not be written.
    """
    sys.stdout.flush()
    failure: OSError | None = getattr(sys.stdout, "failure", None)
    lost = None if failure is None or failure.errno == errno.EPIPE else failure
    if lost and not (failed and getattr(sys.stderr, "used", True)):
        why = "is closed" if lost.errno == errno.EBADF else f"cannot be written ({lost.strerror})"
        sys.stderr.write(
            f"Error: The result could not be shown: the standard output {why}. Files that the command writes are "
            "complete.\n"
        )
    sys.stderr.flush()
    return lost is not None


def _lasting(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        closed = open(number, "wb", closefd=False)  # noqa: SIM115 - as long as the program runs
        return _LastingStream(closed, "utf-8", PRINTABLE, line_buffering=True)
    with suppress(OSError):
        stream.flush()
    return _LastingStream(stream.buffer, stream.encoding, PRINTABLE, line_buffering=True)
