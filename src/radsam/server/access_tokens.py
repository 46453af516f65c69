"""Who may ask: tokens, and the checks that keep other web pages out.

A token is kept as its SHA-256 only. It has 256 random bits, so a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.server.server_store import now

#: Who works at a server that asks for no token.
LOCAL_USER = "local"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_MOST_NAME_LENGTH = 64


@runtime_checkable  # so that the tests can check signatures that name it
class Authenticator(Protocol):
    """Knows whose a token is."""

    def user_of(self, token: str | None) -> str | None:
        """Return the user of a token, or of no token; None where it is nobody's."""


class NoAuthentication:
    """Asks for no token: for loopback, where who reaches the server is at this computer."""

    def user_of(self, token: str | None) -> str | None:
        """Return the local user, whatever is given."""
        return LOCAL_USER


class OneToken:
    """One token for one run, kept in memory only.

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
    """A token as it is kept.

    Args:
        user: Whose it is.
        sha256: Its hash.
        created: ISO time.
    """

    user: str
    sha256: str
    created: str


class TokenFile:
    """Tokens in a file that only its owner can read; a change of the file counts at once.

    Args:
        path: The file; one that is missing holds no tokens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int] | None, tuple[StoredToken, ...]] = None, ()

    @property
    def tokens(self) -> tuple[StoredToken, ...]:
        """The tokens.

        Raises:
            InputError: The file is no token file.
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
        """Return the user of a token; the time it takes tells nothing."""
        given = _hashed(token or "")
        found = None
        for each in self.tokens:
            if hmac.compare_digest(given, each.sha256):
                found = each.user
        return found if token else None

    def add(self, user: str) -> str:
        """Make a token for a user; it is returned once and kept as a hash.

        Raises:
            InputError: The name is empty, too long, or has a token already.
            OutputError: The file cannot be written.
        """
        if not user.strip() or len(user) > _MOST_NAME_LENGTH or not user.isprintable():
            raise InputError(f"{user!r} is no name of a user: give 1 to {_MOST_NAME_LENGTH} printable characters.")
        if any(each.user == user for each in self.tokens):
            raise InputError(f"{user} has a token already. Revoke it first: radsam tokens revoke {user}")
        token = new_token()
        self._write([*self.tokens, StoredToken(user, _hashed(token), now())])
        return token

    def revoke(self, user: str) -> None:
        """Take a user's token back; a running server refuses it from now on.

        Raises:
            InputError: There is none.
            OutputError: The file cannot be written.
        """
        left = [each for each in self.tokens if each.user != user]
        if len(left) == len(self.tokens):
            known = ", ".join(each.user for each in self.tokens) or "nobody"
            raise InputError(f"{user} has no token. Tokens have: {known}.")
        self._write(left)

    def _parse(self) -> tuple[StoredToken, ...]:
        try:
            return tuple(StoredToken(**each) for each in json.loads(self.path.read_text())["tokens"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path} is no file of tokens ({error!r}). Make one with: radsam tokens add NAME"
            ) from (error)

    def _write(self, tokens: Sequence[StoredToken]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(self.path) as scratch:
            scratch.touch(mode=0o600)
            scratch.write_text(json.dumps({"tokens": [vars(each) for each in tokens]}, indent=2) + "\n")
        self.path.chmod(0o600)


def new_token() -> str:
    """Make a token that nobody can guess."""
    return secrets.token_urlsafe(32)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches an address that is listened to."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class AllowedOrigins:
    """Which names and which pages a request may come through.

    A page of another site can make a browser send requests here, and a name of another site can be made to
    point here (DNS rebinding): neither has our name in Host and Origin.

    Args:
        host: The address that is listened to.
        names: Further names of this server, as a proxy or the network knows it.
    """

    host: str
    names: tuple[str, ...] = ()

    def allows_host(self, header: str | None) -> bool:
        """Whether a Host header names this server."""
        name = _host_name(header)
        if name is None:
            return False
        if name in self.names or name == self.host or (is_loopback(self.host) and name in _LOOPBACK_NAMES):
            return True
        # Listening everywhere: any address of ours may be meant, and an address cannot be rebound.
        return self.host in ("0.0.0.0", "::") and (name in _LOOPBACK_NAMES or _is_address(name))

    def allows_page(self, origin: str | None, host: str | None, fetch_site: str | None) -> bool:
        """Whether a request comes from our own page, or from no page at all."""
        if fetch_site not in (None, "same-origin", "none"):
            return False
        if origin is None:
            return True
        _, scheme, place = origin.partition("://")
        return bool(scheme) and host is not None and place.lower() == host.lower()


def _host_name(header: str | None) -> str | None:
    """Return the name in a Host header, lower-case, without port and brackets."""
    if not header or any(each in header for each in "/@ ?#\\"):
        return None
    text = header.lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        return name if bracket and (not port or port[1:].isdecimal()) else None
    name, colon, port = text.partition(":")
    return name if name and (not colon or port.isdecimal()) else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def bearer(headers: dict[bytes, Any]) -> str | None:
    """Return the token of an Authorization header."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
