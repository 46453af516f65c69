"""The server's own errors, and the HTTP status and kind of every error: the only place that maps them."""

from __future__ import annotations

from asyncio import CancelledError

from radsam.errors import (
    BackendError,
    BundleError,
    GridMismatchError,
    InputError,
    InUseError,
    MissingExtraError,
    OutputError,
    PromptError,
    RadsamError,
    RequestError,
    SessionError,
    VolumeError,
)


class ServerError(RadsamError):
    """The server rejects a request that the engine could do."""


class NotFoundError(ServerError):
    """Does not exist for this user, or belongs to another user."""


class ForbiddenError(ServerError):
    """The user's role in the project does not allow it."""


class BusyError(ServerError):
    """An edit of this session is running, or the state does not allow the request."""


class LeaseEndedError(ServerError):
    """The lease has ended, or never existed."""


class TooLargeError(ServerError):
    """More bytes, voxels or files than the limits allow."""


class UnsupportedFileError(ServerError):
    """Not a file of a supported kind."""


class TooManyError(ServerError):
    """Too much at once, or too often."""


class ServerFullError(ServerError):
    """The memory or disk of the server is used up."""


class EditCancelledError(Exception):
    """The task was cancelled; session and files are unchanged."""


class ServerStoppingError(Exception):
    """The server is stopping; the task is left for the next start."""


_STOPPING = "The server is stopping. Send the request again when it is back."
#: Status, kind and, for errors without a message for users, the message. The first match counts: subclasses first.
_STATUSES: tuple[tuple[type[BaseException], int, str, str], ...] = (
    (NotFoundError, 404, "missing", ""),
    (ForbiddenError, 403, "role", ""),
    (BusyError, 409, "busy", ""),
    (LeaseEndedError, 410, "missing", ""),
    (TooLargeError, 413, "limit", ""),
    (UnsupportedFileError, 415, "input", ""),
    (TooManyError, 429, "limit", ""),
    (ServerFullError, 503, "limit", ""),
    (RequestError, 422, "input", ""),
    (PromptError, 422, "prompt", ""),
    (SessionError, 409, "session", ""),
    (OutputError, 507, "storage", ""),
    (VolumeError, 422, "input", ""),
    (GridMismatchError, 422, "input", ""),
    (BundleError, 503, "model", ""),
    (InputError, 422, "input", ""),
    (BackendError, 503, "model", ""),
    (InUseError, 409, "busy", ""),
    (MissingExtraError, 503, "model", ""),
    (RadsamError, 503, "failed", ""),
    (MemoryError, 507, "memory", "There is not enough memory for this volume. Close others, or crop it."),
    (EditCancelledError, 409, "busy", "The edit was cancelled, here or in the page. Nothing was changed."),
    (ServerStoppingError, 503, "stopping", _STOPPING),
    (CancelledError, 503, "stopping", _STOPPING),  # requests are cancelled only when the server stops
    (BaseException, 500, "bug", "This is a bug in RadSAM; the server's log has the details."),
)


def classify(error: BaseException) -> tuple[int, str, str]:
    """Return the HTTP status of an error, its kind (a word for programs) and its message (a sentence for users)."""
    return next(
        (status, kind, message or str(error))
        for branch, status, kind, message in _STATUSES
        if isinstance(error, branch)
    )
