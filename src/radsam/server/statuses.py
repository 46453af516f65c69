"""Which error is which HTTP status and kind: the only place that says so."""

from __future__ import annotations

from radsam.errors import (
    BackendError,
    BundleError,
    GridMismatchError,
    InputError,
    MissingExtraError,
    OutputError,
    PromptError,
    RadsamError,
    SessionError,
    VolumeError,
)
from radsam.server.server_errors import (
    BusyError,
    LeaseEndedError,
    NotFoundError,
    ServerFullError,
    TooLargeError,
    TooManyError,
    UnsupportedFileError,
)

#: The first that fits counts: branches before what they grow from.
_OF: tuple[tuple[type[BaseException], int, str], ...] = (
    (NotFoundError, 404, "missing"),
    (BusyError, 409, "busy"),
    (LeaseEndedError, 410, "missing"),
    (TooLargeError, 413, "limit"),
    (UnsupportedFileError, 415, "input"),
    (TooManyError, 429, "limit"),
    (ServerFullError, 503, "limit"),
    (PromptError, 422, "prompt"),
    (SessionError, 409, "session"),
    (OutputError, 507, "storage"),
    (VolumeError, 422, "input"),
    (GridMismatchError, 422, "input"),
    (BundleError, 503, "model"),
    (InputError, 422, "input"),
    (BackendError, 503, "model"),
    (MissingExtraError, 503, "model"),
    (RadsamError, 503, "failed"),
    (MemoryError, 507, "memory"),
)


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error; 500 for a bug."""
    return next((status for branch, status, _ in _OF if isinstance(error, branch)), 500)


def kind_of(error: BaseException) -> str:
    """Return the word that programs tell errors apart by."""
    return next((kind for branch, _, kind in _OF if isinstance(error, branch)), "bug")
