"""Ray's workers, on this machine or a cluster: each holds the model and does one volume at a time.

A worker gets its next volume when it has done the last one, and only if its machine has enough free memory. A
worker that dies, by a crash, by Ray's memory monitor or with its preempted machine, is replaced; its volume goes
back to the front of the queue, and the volume's results file lists the rows that are done.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from radsam.batch.attempts import MOST_ATTEMPTS, MOST_LOSSES
from radsam.batch.batch_plan import BASE_BYTES, VolumeTask
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult
from radsam.batch.timed_model import TimedModel
from radsam.batch.volume_work import Report, segment_volume
from radsam.errors import ExecutionError, MissingExtraError
from radsam.runtime.backend_choice import can_use_gpu

#: Ray's shared memory; almost nothing goes through it, since results are files.
_OBJECT_STORE_BYTES = 80 << 20
_CONNECT_SECONDS = 10.0


class RayWorker:
    """A worker; Ray makes an actor of it.

    Args:
        settings: The settings of the batch.
        folder: The output folder.
    """

    def __init__(self, settings: BatchSettings, folder: OutputFolder) -> None:
        self._settings = settings
        self._folder = folder
        self._model = TimedModel.load(settings)

    def node(self) -> str:
        """Return the id of the worker's machine, once the worker is ready."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def segment(self, task: VolumeTask, retry_failed: bool) -> list[RowResult]:
        """Do a volume; see `segment_volume`."""
        return segment_volume(task, self._model, self._settings, self._folder, retry_failed=retry_failed)


@dataclass(frozen=True, eq=False)
class _Running:
    """A volume that a worker is doing, the worker's machine, and the estimated memory."""

    actor: Any
    node: str
    task: VolumeTask
    bytes: int


def run_on_ray(
    volumes: Sequence[VolumeTask],
    settings: BatchSettings,
    folder: OutputFolder,
    *,
    workers: int | None = None,
    address: str | None = None,
    retry_failed: bool = False,
    report: Report = lambda result: None,
) -> list[RowResult]:
    """Do every volume with Ray.

    Args:
        volumes: Volumes with the rows to do.
        settings: The settings of the batch.
        folder: The output folder; on a cluster, on a disk that all of its machines share.
        workers: Number of workers; None takes as many as CPUs and memory allow, and at most one per volume.
        address: A running cluster ("host:6379", "ray://host:10001" or "auto"); None starts one on this
            machine, reachable from it alone, that ends with this run.
        retry_failed: Also do rows that failed.
        report: Called for each row of a volume when the volume is done.

    Raises:
        MissingExtraError: Ray is not installed.
        ExecutionError: There is no cluster at the address, or its workers do not start.
        OutputError: The folder's disk has no locks.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("--engine ray", "batch")
    settings = replace(settings, threads=settings.threads or 1)
    with _cluster(address, workers, settings):
        return _RayPool(settings, folder, retry_failed, report).do(volumes, workers)


class _RayPool:
    """The workers of one run and the queue of volumes."""

    def __init__(self, settings: BatchSettings, folder: OutputFolder, retry_failed: bool, report: Report) -> None:
        import ray

        self._ray: Any = ray
        self._settings = settings
        self._folder = folder
        self._retry_failed = retry_failed
        self._report = report
        self._dead = (
            ray.exceptions.RayActorError,
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.NodeDiedError,
        )
        self._gpus = _gpus_of_a_worker(
            settings.backend, self._ray.cluster_resources() if can_use_gpu(settings.backend) else {}
        )
        self._actor: Any = ray.remote(RayWorker).options(
            num_cpus=settings.threads,
            num_gpus=self._gpus,
            memory=BASE_BYTES,
            max_restarts=0,  # this class restarts it: Ray's own restart would not say which volume was lost
        )
        self._starting: dict[Any, Any] = {}
        self._idle: list[tuple[Any, str]] = []
        self._running: dict[Any, _Running] = {}
        self._losses: Counter[str] = Counter()
        self._failed_starts = 0

    def do(self, volumes: Sequence[VolumeTask], workers: int | None) -> list[RowResult]:
        """Do all volumes."""
        needs = {each.key: each.memory_bytes() for each in volumes}
        # The largest first, so that it is not the last one to finish. The order of equal sizes stays.
        queue = deque(sorted(volumes, key=lambda each: -needs[each.key]))
        for _ in range(min(len(volumes), workers or self._most_workers(needs))):
            self._start()
        found: list[RowResult] = []
        while queue or self._running:
            self._hand_out(queue, needs)
            ready, _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
            for ref in ready:
                if ref in self._starting:
                    self._on_ready(ref)
                    continue
                done = self._on_end(ref, queue)
                found += done
                for each in done:
                    self._report(each)
        return found

    def _most_workers(self, needs: dict[str, int]) -> int:
        resources = self._ray.cluster_resources()
        by_cpu = int(resources.get("CPU", 1)) // (self._settings.threads or 1)
        typical = sorted(needs.values())[len(needs) // 2]
        by_memory = int(resources.get("memory", 0)) // typical
        by_gpu = int(resources.get("GPU", 0)) if self._gpus else by_cpu
        return max(1, min(by_cpu, by_memory, by_gpu))

    def _start(self) -> None:
        actor = self._actor.remote(self._settings, self._folder)
        self._starting[actor.node.remote()] = actor

    def _on_ready(self, ref: Any) -> None:
        """Make a worker available that is ready; replace one that died first."""
        actor = self._starting.pop(ref)
        try:
            self._idle.append((actor, self._ray.get(ref)))
            self._failed_starts = 0
        except self._dead as error:
            self._failed_starts += 1
            if self._failed_starts >= MOST_ATTEMPTS:
                last = str(error).strip().splitlines()[-1]
                raise ExecutionError(
                    f"Ray's workers do not start: {last} "
                    "RadSAM and the model have to be on every machine of the cluster."
                ) from None
            self._start()

    def _hand_out(self, queue: deque[VolumeTask], needs: dict[str, int]) -> None:
        """Give idle workers volumes that fit into the free memory of their machine."""
        memory = {each["NodeID"]: each["Resources"].get("memory", 0) for each in self._ray.nodes() if each["Alive"]}
        waiting = []
        for actor, node in self._idle:
            used = sum(each.bytes for each in self._running.values() if each.node == node)
            # A volume that does not fit anywhere runs alone on its machine.
            fitting = (each for each in queue if not used or used + needs[each.key] <= memory.get(node, 0))
            task = next(fitting, None)
            if task is None:
                waiting.append((actor, node))
                continue
            queue.remove(task)
            ref = actor.segment.remote(task, self._retry_failed)
            self._running[ref] = _Running(actor, node, task, needs[task.key])
        self._idle = waiting

    def _on_end(self, ref: Any, queue: deque[VolumeTask]) -> list[RowResult]:
        """Return the results of a volume; put it back into the queue if its worker died."""
        run = self._running.pop(ref)
        try:
            done: list[RowResult] = self._ray.get(ref)
        except self._dead:
            self._losses[run.task.key] += 1
            self._start()
            if self._losses[run.task.key] < MOST_LOSSES:
                queue.appendleft(run.task)
            return []
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause or error from None
        self._idle.append((run.actor, run.node))
        return done


def _gpus_of_a_worker(backend: str, resources: Mapping[str, float]) -> int:
    """Return how many GPUs to ask for: Ray hides those that a worker did not ask for.

    Raises:
        ExecutionError: The backend needs a GPU, and the cluster has none, so that no worker would ever start.
    """
    has_gpus = resources.get("GPU", 0) >= 1
    if backend == "torch:cuda" and not has_gpus:
        raise ExecutionError(
            "No machine of the Ray cluster has a GPU, which --backend torch:cuda needs. Add one, or choose another "
            "backend."
        )
    return int(can_use_gpu(backend) and has_gpus)


@contextmanager
def _cluster(address: str | None, workers: int | None, settings: BatchSettings) -> Iterator[None]:
    """Connect to a cluster: to a given one, or to a new one on loopback that ends with the block."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would send usage statistics
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # workers run the same Python
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # without it, Ray warns about a change of its own
    if address is None:
        # The only way to Ray's mode for single machines, which listens on loopback alone; Ray replaces the address
        # 127.0.0.1 by the machine's own.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Ray's default of 15 would let every other process go first; on a busy machine, workers would never start.
        os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    if address is None:
        cpus = max(os.cpu_count() or 1, (workers or 1) * (settings.threads or 1))
        ray.init(
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _node_ip_address="127.0.0.1",
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    else:
        _check_address(address)
        try:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise ExecutionError(
                f"No Ray cluster can be used at {address}: {str(error).strip().splitlines()[0]} Check the address, and "
                "that the cluster runs the same versions of Ray and Python."
            ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Check within seconds that the address has a server; Ray itself tries for much longer."""
    if address == "auto":
        return
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise ExecutionError(
            f"{address!r} is not the address of a Ray cluster: use host:6379, ray://host:10001 or auto."
        )
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise ExecutionError(
            f"There is no Ray cluster at {address}: {error.strerror or error}. "
            "Start one with `ray start --head`, or leave --address out to use this machine."
        ) from None
