"""Logins of a PACS: from the environment or the system's keyring, never from a command line.

In the environment: ``RADSAM_PACS_USER`` and ``RADSAM_PACS_PASSWORD``, or ``RADSAM_PACS_TOKEN``
for a bearer token. They take precedence over the keyring and are used for every PACS. In the
keyring: one entry per server, written by `save_credentials`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

import keyring
from keyring.errors import KeyringError, PasswordDeleteError

from radsam.errors import PacsRequestError
from radsam.io.pacs.pacs_address import PacsAddress

#: One entry holds the login and its name: not every keyring can be searched for a name.
_ENTRY = "login"


@dataclass(frozen=True)
class Credentials:
    """A login. Its secrets are not part of its `repr`.

    Args:
        source: Where it was found, for messages.
        user: User name; empty for a token.
        password: The password.
        token: A bearer token; used instead of user and password.
    """

    source: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def find_credentials(address: PacsAddress) -> Credentials | None:
    """Return the login of a server; None if none is stored.

    Raises:
        PacsRequestError: Only half of a login is in the environment, or the keyring's entry is not readable.
    """
    token = os.environ.get("RADSAM_PACS_TOKEN", "")
    user, password = os.environ.get("RADSAM_PACS_USER", ""), os.environ.get("RADSAM_PACS_PASSWORD", "")
    if token:
        return Credentials("RADSAM_PACS_TOKEN", token=token)
    if bool(user) != bool(password):
        raise PacsRequestError("Only one of RADSAM_PACS_USER and RADSAM_PACS_PASSWORD is set. Set both, or neither.")
    if user:
        return Credentials("RADSAM_PACS_USER and RADSAM_PACS_PASSWORD", user=user, password=password)
    try:
        stored = keyring.get_password(_service(address), _ENTRY)
    except KeyringError:
        return None  # no keyring, or a locked one: the server may not need a login, and refuses with 401 otherwise
    if stored is None:
        return None
    try:
        return Credentials("the keyring", **json.loads(stored))
    except (TypeError, ValueError):
        raise PacsRequestError(
            f"The keyring's entry '{_service(address)}' was not written by RadSAM. Write it with `radsam pacs login`."
        ) from None


def save_credentials(address: PacsAddress, credentials: Credentials) -> None:
    """Write the login of a server into the keyring.

    Raises:
        PacsRequestError: The system has no keyring, or it refuses.
    """
    named = {"user": credentials.user, "password": credentials.password, "token": credentials.token}
    try:
        keyring.set_password(
            _service(address), _ENTRY, json.dumps({name: each for name, each in named.items() if each})
        )
    except KeyringError as error:
        raise PacsRequestError(_no_keyring(error)) from None


def delete_credentials(address: PacsAddress) -> bool:
    """Remove the login of a server from the keyring; False if there was none.

    Raises:
        PacsRequestError: The system has no keyring, or it refuses.
    """
    try:
        keyring.delete_password(_service(address), _ENTRY)
    except PasswordDeleteError:
        return False
    except KeyringError as error:
        raise PacsRequestError(_no_keyring(error)) from None
    return True


def _service(address: PacsAddress) -> str:
    return f"radsam {address.base}"


def _no_keyring(error: KeyringError) -> str:
    return (
        f"The keyring of this system cannot be used ({type(error).__name__}). Unlock or install one, or set "
        "RADSAM_PACS_USER and RADSAM_PACS_PASSWORD, or RADSAM_PACS_TOKEN, in the environment."
    )
