"""A server on loopback, for clients of other programs, which use HTTP themselves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn
from jaxtyping import Bool

from command_line import CommandLine
from fakes import FakeBackend, fake_engine
from phantoms import Scene, touching_balls
from radsam.io.volume_write import write_volume
from radsam.server.access_tokens import OneToken
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore
from radsam.server.service import Service
from radsam.server.web_app import create_app

TOKEN = "a-token-for-tests"

Voxels = Bool[np.ndarray, "k j i"]


@dataclass
class Listening:
    """A running server.

    Args:
        url: Where.
        service: What is behind it.
        scene: Its volume.
        path: The file of it.
    """

    url: str
    service: Service
    scene: Scene
    path: Path


@contextmanager
def listening(
    folder: Path, *, limits: Limits | None = None, token: bool = False, given: Sequence[Path] = ()
) -> Iterator[Listening]:
    """Serve two balls, and the given volumes, with the fake model."""
    scene, path = touching_balls(), folder / "ct.nii.gz"
    write_volume(scene.volume, path)
    service = Service(fake_engine(FakeBackend()), ServerStore(folder / "state"), given=[path, *given], limits=limits)
    app = create_app(service, authenticator=OneToken(TOKEN) if token else None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
        thread.start()
        try:
            yield Listening(f"http://127.0.0.1:{taken.getsockname()[1]}", service, scene, path)
        finally:
            server.should_exit = True
            thread.join(20)


def command_line_mask(path: Path, folder: Path, *args: object) -> Voxels:
    """Segment with the command line, with the fake model, and read its mask."""
    from unittest.mock import patch

    from radsam.io.volume_read import read_labels

    out = folder / "cli.nii.gz"
    with patch("radsam.cli.segment_command.load_engine", lambda *_, **__: fake_engine(FakeBackend())):
        done = CommandLine(folder).here("segment", path, *args, "-o", out, cwd=folder)
    assert done.returncode == 0, done.stderr
    return np.asarray(read_labels(out).ids > 0)
