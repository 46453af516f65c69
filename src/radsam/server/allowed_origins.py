"""Allowed origins: which Host and Origin headers a request may have.

A page of another site can make a browser send requests to this server, and a name of another site can be made to
point to it (DNS rebinding). Neither kind of request has a name of this server in Host and Origin.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class AllowedOrigins:
    """The names of this server.

    Args:
        host: The address that the server listens on.
        names: Further names of this server, as a proxy or the network uses them.
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
        # Listening on every address: any of them may be meant, and an address cannot be rebound.
        return self.host in ("0.0.0.0", "::") and (name in _LOOPBACK_NAMES or _address(name) is not None)

    def allows_page(self, origin: str | None, host: str | None, fetch_site: str | None) -> bool:
        """Whether a request comes from the server's own page, or from no page at all.

        Args:
            origin: The Origin header.
            host: The Host header.
            fetch_site: The Sec-Fetch-Site header.
        """
        if fetch_site not in (None, "same-origin", "none"):
            return False
        if origin is None:
            return True
        _, scheme, name = origin.partition("://")
        return bool(scheme) and host is not None and name.lower() == host.lower()


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server that listens on `host`."""
    address = _address(host.strip("[]"))
    return host == "localhost" or (address is not None and address.is_loopback)


def _host_name(header: str | None) -> str | None:
    """Return the name in a Host header, lower-case, without port and brackets; None if it is malformed."""
    if not header or any(each in header for each in "/@ ?#\\"):
        return None
    text = header.lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        return name if bracket and (not port or port[1:].isdecimal()) else None
    name, colon, port = text.partition(":")
    return name if name and (not colon or port.isdecimal()) else None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
