"""Does a worker get a volume only where there is memory for it, and is a lost one replaced?"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archives import planned, write_manifest
from radsam.batch.batch_plan import VolumeTask
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.engines.ray_engine import _check_address, _gpus_of_a_worker, _RayPool
from radsam.batch.output_folder import OutputFolder
from radsam.errors import ExecutionError

ray = pytest.importorskip("ray")
GB = 1 << 30


class FakeCluster:
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
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def pool(cluster: FakeCluster, tmp_path: Path) -> _RayPool:
    made = _RayPool(BatchSettings(threads=1), OutputFolder(tmp_path), False, lambda result: None)
    made._ray = cluster
    made._actor = cluster
    return made


@pytest.fixture
def volumes(tmp_path: Path) -> deque[VolumeTask]:
    rows = [{"id": n, "volume": n, "coordinates": "ijk", "slice": 1, "box": "1 1 9 9"} for n in ("big", "one", "two")]
    return deque(planned(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")[0].volumes)


def test_volumes_wait_for_memory_and_one_that_fits_nowhere_runs_alone(
    pool: _RayPool, cluster: FakeCluster, volumes: deque[VolumeTask]
) -> None:
    needs = {each.key: {"big": 20, "one": 5, "two": 3}[each.volume] * GB for each in volumes}
    pool._idle = [(cluster.actor(), "here"), (cluster.actor(), "here"), (cluster.actor(), "here")]
    pool._hand_out(volumes, needs)
    assert cluster.given == ["big"]
    assert pool._on_end("big", volumes) == []
    pool._hand_out(volumes, needs)
    assert cluster.given == ["big", "one", "two"]
    assert not volumes


def test_a_lost_worker_is_replaced_and_its_volume_is_next(
    pool: _RayPool, cluster: FakeCluster, volumes: deque[VolumeTask]
) -> None:
    needs = {each.key: GB for each in volumes}
    pool._idle = [(cluster.actor(), "here")]
    pool._hand_out(volumes, needs)
    cluster.lost.add("big")
    assert pool._on_end("big", volumes) == []
    assert [each.volume for each in volumes] == ["big", "one", "two"]
    assert cluster.started == 1
    assert not pool._idle, "the lost one gets nothing more"
    pool._on_ready("node 1")
    pool._hand_out(volumes, needs)
    assert cluster.given == ["big", "big"]


def test_workers_that_never_start_end_the_run(pool: _RayPool, cluster: FakeCluster) -> None:
    pool._start()
    cluster.lost |= {f"node {number}" for number in range(10)}
    pool._on_ready("node 1")
    pool._on_ready("node 2")
    with pytest.raises(ExecutionError, match="do not start"):
        pool._on_ready("node 3")
    assert cluster.started == 3


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1", "127.0.0.1:port", "ray://127.0.0.1:9", "127.0.0.1:9"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str) -> None:
    with pytest.raises(ExecutionError, match=r"not the address|There is no Ray cluster"):
        _check_address(address)


@pytest.mark.parametrize(
    ("backend", "with_gpus", "without"),
    [("auto", 0, 0), ("onnx", 0, 0), ("torch:cpu", 0, 0), ("torch", 1, 0), ("torch:cuda", 1, None)],
)
def test_a_worker_asks_for_the_gpu_that_its_backend_uses(backend: str, with_gpus: int, without: int | None) -> None:
    assert _gpus_of_a_worker(backend, {"CPU": 4.0, "GPU": 2.0}) == with_gpus
    if without is None:
        with pytest.raises(ExecutionError, match="No machine of the Ray cluster has a GPU"):
            _gpus_of_a_worker(backend, {"CPU": 4.0})
    else:
        assert _gpus_of_a_worker(backend, {"CPU": 4.0}) == without
