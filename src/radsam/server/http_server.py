"""The HTTP server: the socket, the address to open, and a graceful stop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from radsam.errors import InputError
from radsam.server.service import Service

#: Open connections, event streams included.
_CONNECTIONS = 512
#: Time for running requests when the server stops.
_GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """Closes the event streams when the server stops: they would keep it waiting."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.end_streams()
        super().handle_exit(sig, frame)


def listen_on(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Args:
        host: Name or address.
        port: Port; 0 takes a free one.

    Raises:
        InputError: The port is in use or not permitted, or the host is not an address of this computer.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "another program uses it, perhaps another radsam serve. Give --port 0 for a free one, or another port"
        elif error.errno == errno.EACCES:
            why = "ports below 1024 need special permission. Give a higher one"
        else:
            why = f"{error.strerror or error}. Give an address of this computer with --host"
        raise InputError(f"The server cannot listen on {host}:{port}: {why}.") from error


def url_of(host: str, listening: socket.socket, token: str | None) -> str:
    """Return the URL of the page; a token goes into the fragment, which browsers do not send."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    name = f"[{shown}]" if ":" in shown else shown
    return f"http://{name}:{listening.getsockname()[1]}/" + (f"#token={token}" if token else "")


def serve_app(app: FastAPI, service: Service, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        app: The application.
        service: Its service.
        listening: The socket from `listen_on`.
        ready: Called once requests are accepted.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # names of files may name patients
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=30,
    )
    _Server(config, service, ready).run(sockets=[listening])
