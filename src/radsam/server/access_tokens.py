"""Access tokens: which user a bearer token belongs to.

Only the SHA-256 of a token is stored. A token has 256 random bits, so a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from radsam.disk.atomic_write import private_folder, replacing
from radsam.disk.file_lock import locked
from radsam.errors import InputError
from radsam.server.server_store import now

#: The user of a server that needs no token.
LOCAL_USER = "local"
_MAX_NAME_LENGTH = 64


@runtime_checkable  # so that the tests can check signatures that name it
class Authenticator(Protocol):
    """Maps a token to its user."""

    def user_of(self, token: str | None) -> str | None:
        """Return the user of a token, or of a request without one; None if it is not valid."""


class NoAuthentication:
    """Needs no token: for loopback, where every client runs on this computer."""

    def user_of(self, token: str | None) -> str | None:
        """Return the local user for any token."""
        return LOCAL_USER


class OneToken:
    """One token for one run, held in memory only.

    Args:
        token: The token.
    """

    def __init__(self, token: str) -> None:
        self._hash = _hashed(token)

    def user_of(self, token: str | None) -> str | None:
        """Return the local user for the right token."""
        return LOCAL_USER if token is not None and hmac.compare_digest(_hashed(token), self._hash) else None


@dataclass(frozen=True)
class StoredToken:
    """A token as the file stores it.

    Args:
        user: Its user.
        sha256: Its hash.
        created: ISO time.
    """

    user: str
    sha256: str
    created: str


class TokenFile:
    """Tokens in a file that only its owner can read; a change of the file takes effect at once.

    Args:
        path: The file; a missing file holds no tokens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int] | None, tuple[StoredToken, ...]] = None, ()

    @property
    def tokens(self) -> tuple[StoredToken, ...]:
        """The tokens.

        Raises:
            InputError: The file cannot be read, or is not a token file.
        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise InputError(f"The tokens in {self.path} cannot be read: {error.strerror or error}.") from error
        stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
        with self._lock:
            if self._read[0] != stamp:
                self._read = stamp, self._parse()
            return self._read[1]

    def user_of(self, token: str | None) -> str | None:
        """Return the user of a token, in a time that does not depend on the token."""
        given = _hashed(token or "")
        found = None
        for each in self.tokens:
            if hmac.compare_digest(given, each.sha256):
                found = each.user
        return found if token else None

    def add(self, user: str) -> str:
        """Create a token for a user; only its hash is stored.

        Raises:
            InputError: The name is empty, too long, or has a token already.
            InUseError: Another process changes the file.
            OutputError: The file cannot be written.
        """
        if not user.strip() or len(user) > _MAX_NAME_LENGTH or not user.isprintable():
            raise InputError(f"{user!r} cannot be a user name: give 1 to {_MAX_NAME_LENGTH} printable characters.")
        private_folder(self.path.parent)
        with self._alone("radsam tokens add"):
            if any(each.user == user for each in self.tokens):
                raise InputError(f"{user} has a token already. Revoke it first: radsam tokens revoke {user}")
            token = new_token()
            self._write([*self.tokens, StoredToken(user, _hashed(token), now())])
        return token

    def revoke(self, user: str) -> None:
        """Remove the token of a user; a running server refuses it from then on.

        Raises:
            InputError: The user has no token.
            InUseError: Another process changes the file.
            OutputError: The file cannot be written.
        """
        with self._alone("radsam tokens revoke"):
            remaining = [each for each in self.tokens if each.user != user]
            if len(remaining) == len(self.tokens):
                known = ", ".join(each.user for each in self.tokens) or "none"
                raise InputError(f"{user} has no token. Users with a token: {known}.")
            self._write(remaining)

    def _parse(self) -> tuple[StoredToken, ...]:
        try:
            return tuple(StoredToken(**each) for each in json.loads(self.path.read_text())["tokens"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path} is not a token file ({error!r}). Create one with: radsam tokens add NAME"
            ) from error

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Read, change and write the file while no other process does."""
        with locked(self.path, what):
            self._read = None, ()  # two files written in one tick of the clock can have equal stamps
            yield

    def _write(self, tokens: Sequence[StoredToken]) -> None:
        with replacing(self.path) as scratch:
            scratch.touch(mode=0o600)
            scratch.write_text(json.dumps({"tokens": [vars(each) for each in tokens]}, indent=2) + "\n")
        self.path.chmod(0o600)


def new_token() -> str:
    """Create a random token of 256 bits."""
    return secrets.token_urlsafe(32)


def bearer(headers: dict[bytes, Any]) -> str | None:
    """Return the token of an Authorization header."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
