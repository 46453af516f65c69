"""The plan of a batch: the rows to do, grouped by volume, their shards, and the memory of a volume."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from radsam.batch.manifest import BadRow, GoodRow, Manifest
from radsam.batch.manifest_row import ManifestRow
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import RowResult, Status, read_volume_results
from radsam.errors import ManifestError, RadsamError
from radsam.io.pacs.pacs_address import is_pacs_url
from radsam.io.volume_read import read_info

#: A volume of unknown size, as in a PACS, counts as one of 512×512×600 int16 voxels.
_UNKNOWN_BYTES = 512 * 512 * 600 * 2
#: Memory of a worker without a volume: libraries, model and embedding cache. With three times the volume (read,
#: hashed, masks composed and written) it is above the measured 1.31 GB for 512×512×400 (`benchmarks/memory.py`).
BASE_BYTES, _PER_VOLUME_BYTE = 1 << 30, 3
#: Ratio of a series' voxels to its compressed DICOM files.
_COMPRESSION = 3
_SHARD = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True)
class RowTask:
    """One row to do.

    Args:
        line: Its line of the manifest.
        row: The row.
        fingerprint: Hash of the row, the model and the settings.
    """

    line: int
    row: ManifestRow
    fingerprint: str

    def result(self, status: Status, **more: Any) -> RowResult:
        """Return the row's result with a status and further columns."""
        row = self.row
        return RowResult(id=row.id, object=row.object, volume=row.volume, line=self.line, status=status, **more)


@dataclass(frozen=True)
class VolumeTask:
    """All rows of one volume: one worker does them and reads the volume once.

    Args:
        key: Names the volume's files in the output folder.
        base: The folder that relative paths are relative to.
        tasks: Its rows, in the order of the manifest.
    """

    key: str
    base: Path
    tasks: tuple[RowTask, ...]

    @property
    def volume(self) -> str:
        """The volume, as in the manifest."""
        return self.tasks[0].row.volume

    @property
    def series(self) -> str | None:
        """The DICOM series, as in the manifest."""
        return self.tasks[0].row.series

    @property
    def modality(self) -> str | None:
        """What it is, as in the manifest."""
        return self.tasks[0].row.modality

    @property
    def is_remote(self) -> bool:
        """Whether it is in a PACS."""
        return is_pacs_url(self.volume)

    @property
    def location(self) -> str:
        """Its path or URL."""
        return self.volume if self.is_remote else str(self.base / self.volume)

    def memory_bytes(self) -> int:
        """Estimate a worker's memory for it, from its header or the size of its files."""
        return BASE_BYTES + _PER_VOLUME_BYTE * _volume_bytes(self)


@dataclass(frozen=True)
class BatchPlan:
    """The rows of a manifest that are done, and those to do.

    Args:
        volumes: Volumes with rows to do; each has these rows only.
        done: Results by id of rows that are done, or failed and are not tried again.
        changed: Ids of rows that were done and are done again, since they or the model changed.
        kept_failures: Ids of rows that failed before and are not tried again.
        bad_rows: Rows that cannot be used.
        shard_ids: Ids of the rows of this shard, done or not.
        keys: The volume's key of every row that can be used, by id, in the order of the manifest.
        rows: Every row that can be used.
    """

    volumes: tuple[VolumeTask, ...]
    done: Mapping[str, RowResult]
    changed: tuple[str, ...]
    kept_failures: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]
    shard_ids: frozenset[str]
    keys: Mapping[str, str]
    rows: tuple[RowTask, ...]

    @property
    def count(self) -> int:
        """Rows to do."""
        return sum(len(each.tasks) for each in self.volumes)


def make_plan(
    manifest: Manifest,
    folder: OutputFolder,
    identity: str,
    *,
    shard: tuple[int, int] = (0, 1),
    retry_failed: bool = False,
) -> BatchPlan:
    """Compare a manifest with the results so far.

    Args:
        manifest: The manifest.
        folder: The output folder.
        identity: Everything besides its row that a mask depends on; see `BatchSettings.identity`.
        shard: Do only this part of the volumes: number, from 0, and count.
        retry_failed: Also do rows that failed.
    """
    groups: dict[tuple[str | None, ...], list[GoodRow]] = {}
    for each in manifest.rows:
        groups.setdefault((each.row.volume, each.row.series, each.row.modality), []).append(each)
    whole = [_volume_task(manifest.base, rows, identity) for rows in groups.values()]
    number, count = shard
    # The largest first, dealt out in turn: shards of about the same number of rows, equal in every run.
    in_shard = sorted(whole, key=lambda each: (-len(each.tasks), each.key))[number::count]
    shard_keys = {each.key for each in in_shard}
    done: dict[str, RowResult] = {}
    changed: list[str] = []
    left_alone: list[str] = []
    volumes: list[VolumeTask] = []
    for volume in whole:
        stored = read_volume_results(folder, volume.key)
        missing = []
        for task in volume.tasks:
            result = stored.get(task.row.id)
            if result is not None and is_settled(result, task, retry_failed):
                done[task.row.id] = result
                left_alone += [] if result.status is Status.DONE else [task.row.id]
                continue
            if result is not None and result.fingerprint != task.fingerprint:
                changed.append(task.row.id)
            missing.append(task)
        if missing and volume.key in shard_keys:
            volumes.append(replace(volume, tasks=tuple(missing)))
    return BatchPlan(
        volumes=tuple(volumes),
        done=done,
        changed=tuple(changed),
        kept_failures=tuple(left_alone),
        bad_rows=manifest.bad_rows,
        shard_ids=frozenset(task.row.id for volume in in_shard for task in volume.tasks),
        keys={task.row.id: volume.key for volume in whole for task in volume.tasks},
        rows=tuple(task for volume in whole for task in volume.tasks),
    )


def is_settled(result: RowResult, task: RowTask, retry_failed: bool) -> bool:
    """Whether a row is skipped: it is done, or it failed for a reason of its own and is not tried again."""
    if result.fingerprint != task.fingerprint:
        return False
    return result.status is Status.DONE or not (result.status.is_tried_again or retry_failed)


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``i/n``, counted from 0.

    Raises:
        ManifestError: The text has another form.
    """
    found = _SHARD.fullmatch(text.strip())
    number, count = (int(each) for each in found.groups()) if found else (1, 0)
    if number >= count:
        raise ManifestError(
            f"Write a shard as i/n with i from 0 to n - 1, for example 0/8 to 7/8; given: {text!r}. In a Kubernetes "
            'Indexed Job: --shard "$JOB_COMPLETION_INDEX/8".'
        )
    return number, count


def _volume_task(base: Path, rows: Sequence[GoodRow], identity: str) -> VolumeTask:
    first = rows[0].row
    named = "\n".join([first.volume, first.series or "", *([first.modality] if first.modality else [])])
    key = hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return VolumeTask(key, base, tuple(RowTask(each.line, each.row, each.row.fingerprint(identity)) for each in rows))


def _volume_bytes(volume: VolumeTask) -> int:
    if volume.is_remote:
        return _UNKNOWN_BYTES
    path = Path(volume.location)
    try:
        if path.is_dir():
            return _COMPRESSION * sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        if path.suffix.lower() == ".zip":
            return _COMPRESSION * path.stat().st_size
        geometry = read_info(path).geometry
    except (OSError, RadsamError):
        return 0  # it cannot be read
    return _UNKNOWN_BYTES if geometry is None else 2 * math.prod(geometry.shape_kji)
