"""Does a worker get a volume only where there is memory for it, and is a lost one replaced?"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archives import planned, write_manifest
from radsam.batch.batch_plan import VolumeTask
from radsam.batch.batch_settings import Settings
from radsam.batch.engines.ray_engine import _check_answers, _Crew
from radsam.batch.output_folder import OutputFolder
from radsam.errors import ExecutionError

ray = pytest.importorskip("ray")
GB = 1 << 30


class Cluster:
    """Stands in for Ray: one machine of 8 GB, whose volumes end when the test says so."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.exceptions = ray.exceptions
        self.given: list[str] = []
        self.started = 0

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "here", "Alive": True, "Resources": {"memory": 8.0 * GB}}]

    def get(self, ref: str) -> Any:
        if ref in self.lost:
            raise ray.exceptions.RayActorError
        return "here" if ref.startswith("node") else []

    def actor(self) -> Any:
        def segment(task: VolumeTask, retry_failed: bool) -> str:
            self.given.append(task.volume)
            return task.volume

        return SimpleNamespace(segment=SimpleNamespace(remote=segment))

    def remote(self, *_: Any) -> Any:
        self.started += 1
        actor = self.actor()
        actor.node = SimpleNamespace(remote=lambda number=self.started: f"node {number}")
        return actor


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def crew(cluster: Cluster, tmp_path: Path) -> _Crew:
    made = _Crew(Settings(threads=1), OutputFolder(tmp_path), False, lambda result: None)
    made._ray = cluster
    made._actor = cluster
    return made


@pytest.fixture
def volumes(tmp_path: Path) -> deque[VolumeTask]:
    rows = [{"id": n, "volume": n, "coordinates": "ijk", "slice": 1, "box": "1 1 9 9"} for n in ("big", "one", "two")]
    return deque(planned(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")[0].volumes)


def test_volumes_wait_for_memory_and_what_fits_nowhere_is_alone(
    crew: _Crew, cluster: Cluster, volumes: deque[VolumeTask]
) -> None:
    needs = {each.key: {"big": 20, "one": 5, "two": 3}[each.volume] * GB for each in volumes}
    crew._idle = [(cluster.actor(), "here"), (cluster.actor(), "here"), (cluster.actor(), "here")]
    crew._hand_out(volumes, needs)
    assert cluster.given == ["big"]
    assert crew._finish("big", volumes) == []
    crew._hand_out(volumes, needs)
    assert cluster.given == ["big", "one", "two"]
    assert not volumes


def test_a_lost_worker_is_replaced_and_its_volume_is_next(
    crew: _Crew, cluster: Cluster, volumes: deque[VolumeTask]
) -> None:
    needs = {each.key: GB for each in volumes}
    crew._idle = [(cluster.actor(), "here")]
    crew._hand_out(volumes, needs)
    cluster.lost.add("big")
    assert crew._finish("big", volumes) == []
    assert [each.volume for each in volumes] == ["big", "one", "two"]
    assert cluster.started == 1
    assert not crew._idle, "the lost one gets nothing more"
    crew._welcome("node 1")
    crew._hand_out(volumes, needs)
    assert cluster.given == ["big", "big"]


def test_workers_that_never_start_end_the_run(crew: _Crew, cluster: Cluster) -> None:
    crew._start()
    cluster.lost |= {f"node {number}" for number in range(10)}
    crew._welcome("node 1")
    crew._welcome("node 2")
    with pytest.raises(ExecutionError, match="do not start"):
        crew._welcome("node 3")
    assert cluster.started == 3


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1", "127.0.0.1:port", "ray://127.0.0.1:9", "127.0.0.1:9"])
def test_an_address_where_nobody_answers_is_told_at_once(address: str) -> None:
    with pytest.raises(ExecutionError, match=r"no address|No Ray cluster answers"):
        _check_answers(address)
