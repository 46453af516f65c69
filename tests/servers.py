"""A server with the fake model, and clients that reach it without a network."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from starlette.testclient import TestClient

from fakes import FakeBackend, fake_engine
from phantoms import Scene, touching_balls
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.volume_write import write_volume
from radsam.project.project import Project
from radsam.server.access_tokens import Authenticator
from radsam.server.allowed_origins import AllowedOrigins
from radsam.server.learner_supervisor import LearnerSupervisor
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore
from radsam.server.service import Service
from radsam.server.web_app import create_app
from radsam.session import Engine
from radsam.session.label_set import LabelSet
from radsam.volume import Modality, RunMask, Volume
from waiting import HANG_SECONDS, wait_for

#: On the right ball of `touching_balls`.
RIGHT = {"box": {"k": 13, "i0": 3, "j0": 7, "i1": 15, "j1": 20}}
LEFT = {"box": {"k": 13, "i0": 15, "j0": 8, "i1": 26, "j1": 19}}
BOUNDS = [7, 19]


@dataclass
class Served:
    """A running service, its client, and the model behind it."""

    service: Service
    client: TestClient
    backend: FakeBackend
    scene: Scene
    volume: str = ""
    session: str = ""
    path: Path = field(default_factory=Path)

    def url(self, rest: str = "") -> str:
        return f"/api/sessions/{self.session}{rest}"

    def post(self, rest: str, body: Any = None, status: int | None = None) -> Any:
        response = self.client.post(self.url(rest), json=body)
        if status is not None:
            assert response.status_code == status, response.text
        return response.json() if response.content else None

    def state(self) -> dict[str, Any]:
        return self.client.get(self.url()).json()

    def settled(self) -> dict[str, Any]:
        """Wait until no edit runs and return the state."""
        return wait_for(self.state, lambda state: state["busy"] is None)

    def segment(self, name: str = "right", prompt: Any = None, **more: Any) -> dict[str, Any]:
        body = {"name": name, "prompt": prompt or RIGHT, "plane": "axial", "bounds": BOUNDS} | more
        self.post("/segment", body, 202)
        return self.settled()

    def masks(self, since: int = 0, part: str = "done") -> tuple[int, dict[tuple[int, int, int], np.ndarray]]:
        packed = self.client.get(self.url("/masks"), params={"since": since, "part": part}).content
        return unpack(packed)


@dataclass(eq=False)
class SlowBackend(FakeBackend):
    """Waits before it encodes, so that a test can act during a propagation.

    Args:
        free: How many slices it encodes without waiting.
        one_more: Lets one further slice pass for each release.
        hold: Once set, nothing waits.
    """

    free: int = 3
    one_more: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    hold: threading.Event = field(default_factory=threading.Event)

    def encode(self, images):
        if len(self.encoded) >= self.free:
            while not (self.hold.is_set() or self.one_more.acquire(timeout=0.02)):
                pass
        return super().encode(images)


def propagating(web: Served) -> dict:
    """Wait until a propagation has done two slices."""
    return wait_for(web.state, lambda state: (state["busy"] or {"done": 0})["done"] >= 2)


@contextmanager
def served(
    folder: Path,
    *,
    limits: Limits | None = None,
    authenticator: Authenticator | None = None,
    origins: AllowedOrigins | None = None,
    volume: Volume | None = None,
    backend: FakeBackend | None = None,
    token: str | None = None,
    session: bool = True,
    label_set: LabelSet | None = None,
    pacs: PacsAddress | None = None,
    modality: Modality | None = Modality.CT,
    project: Project | None = None,
    learner: LearnerSupervisor | None = None,
    engine: Engine | None = None,
) -> Iterator[Served]:
    """Run a service on a file of two balls, with a session on it. Its values alone do not tell surely what it is.

    A project without a learning process of the test's own learns nothing.
    """
    scene = touching_balls()
    path = folder / "ct.nii.gz"
    if not path.exists():
        write_volume(volume or scene.volume, path)
    backend = backend or FakeBackend()
    service = Service(
        engine or fake_engine(backend),
        ServerStore(folder / "state"),
        given=[path],
        limits=limits,
        label_set=label_set,
        pacs=pacs,
        modality=modality,
        project=project,
        learner=learner or LearnerSupervisor(None, lambda: False, folder / "learner.log"),
    )
    app = create_app(service, authenticator=authenticator, origins=origins)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with TestClient(app, base_url="http://127.0.0.1:8765", headers=headers, raise_server_exceptions=False) as client:
        it = Served(service, client, backend, scene, path=path)
        it.volume = client.get("/api/volumes").json()[0]["id"]
        if session:
            it.session = client.post("/api/sessions", json={"volume": it.volume}).json()["id"]
        yield it


def unpack(packed: bytes) -> tuple[int, dict[tuple[int, int, int], np.ndarray]]:
    """Unpack the response of /masks: the revision, and masks by (object, plane, index)."""
    assert packed[:4] == b"RSM1"
    revision, count = struct.unpack_from("<II", packed, 4)
    at, masks = 12, {}
    for _ in range(count):
        number, plane, zero, index, rows, cols, runs = struct.unpack_from("<HBBIIII", packed, at)
        assert zero == 0
        at += struct.calcsize("<HBBIIII")
        mask = RunMask((rows, cols), np.frombuffer(packed, "<u4", runs, at).astype(np.uint32))
        masks[number, plane, index] = mask.decode()
        at += 4 * runs
    assert at == len(packed)
    return revision, masks


def read_events(client: httpx.Client, url: str, until: str, after: str | None = None) -> list[tuple[str, str, Any]]:
    """Read events until one of a kind arrives; return (id, kind, data) of all.

    Earlier events are missed unless `after` names one; so it gives up after a while.
    """
    found, end = [], time.monotonic() + HANG_SECONDS
    with client.stream("GET", url, headers={"last-event-id": after} if after else {}) as response:
        assert response.status_code == 200
        event: dict[str, str] = {}
        for line in response.iter_lines():  # a comment arrives at least every 15 s
            assert time.monotonic() < end, f"no event {until!r} among {[kind for _, kind, _ in found]}"
            key, _, value = line.partition(": ")
            if line:
                event[key] = value
                continue
            if "data" in event:
                found.append((event["id"], event["event"], json.loads(event["data"])))
                if event["event"] == until:
                    break
            event = {}
    return found
