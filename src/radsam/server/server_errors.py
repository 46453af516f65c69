"""What the server refuses although the engine would not: each kind is one HTTP status.

::

    RadsamError
    └── Refusal
        ├── NotFound      404: there is none, or it belongs to somebody else
        ├── Busy          409: an edit is running, or the state does not allow it
        ├── Gone          410: a lease that ended
        ├── TooLarge      413: more bytes, voxels or files than the limits allow
        ├── UnknownKind   415: not a file of a known kind
        ├── TooMany       429: too much at once, or too often
        └── Full          503: the memory or the disk that is set aside is used up
"""

from __future__ import annotations

from radsam.errors import RadsamError


class ServerError(RadsamError):
    """The server does not do this now."""


class NotFoundError(ServerError):
    """There is no such thing for this user; what belongs to others is not there either."""


class BusyError(ServerError):
    """An edit of this session is running, or there is nothing to do this with."""


class LeaseEndedError(ServerError):
    """It was there and has ended."""


class TooLargeError(ServerError):
    """More than the limits allow."""


class UnsupportedFileError(ServerError):
    """Not a file that can be read."""


class TooManyError(ServerError):
    """Too much at once, or too often."""


class ServerFullError(ServerError):
    """Memory or disk is used up."""
