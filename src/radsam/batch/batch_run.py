"""A whole run: plan, do the missing rows, and write the table and the contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from filelock import FileLock

from radsam.batch.batch_plan import BatchPlan, make_plan
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.contact_sheet import write_contact_sheet
from radsam.batch.engines.local_engine import run_in_process, run_in_processes
from radsam.batch.engines.ray_engine import run_on_ray
from radsam.batch.engines.slurm_engine import SlurmCluster, run_on_slurm
from radsam.batch.manifest import Manifest
from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import MEANINGS, RowResult, Status, read_volume_results, write_table
from radsam.batch.volume_work import Report
from radsam.errors import InputError
from radsam.io.input_files import refuse_inputs
from radsam.io.pacs.pacs_address import is_pacs_url
from radsam.io.volume_write import LabelFormat
from radsam.runtime import find_bundle, read_bundle
from radsam.volume import Modality

ENGINES = ("process", "ray", "slurm")
#: An engine with its own settings: does the volumes of a plan.
RunVolumes = Callable[..., list[RowResult]]


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """The engine that does the work.

    Args:
        name: One of `ENGINES`.
        workers: Number of worker processes. For Ray, None takes all that CPUs and memory allow; of "process", None or 1
            stays in this process.
        address: Of Ray, a running cluster.
        cluster: Of SLURM, the resources of its jobs.

    Raises:
        InputError: The engine does not exist, or a number is not positive.
    """

    name: str = "process"
    workers: int | None = None
    address: str | None = None
    cluster: SlurmCluster = field(default_factory=SlurmCluster)

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"There is no engine {self.name!r}; choose one of {', '.join(ENGINES)}.")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"There must be at least one worker, not {self.workers}.")

    def runner(self) -> RunVolumes:
        """Return the function that does the volumes."""
        if self.name == "ray":
            return partial(run_on_ray, workers=self.workers, address=self.address)
        if self.name == "slurm":
            return partial(run_on_slurm, cluster=self.cluster)
        return run_in_process if self.workers in (None, 1) else partial(run_in_processes, workers=self.workers)


@dataclass(frozen=True)
class BatchSummary:
    """The results of a run.

    Args:
        plan: Its plan.
        results: All rows of the manifest, in its order.
        shard_results: The rows of its shard; without shards, all rows.
    """

    plan: BatchPlan
    results: tuple[RowResult, ...]
    shard_results: tuple[RowResult, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of the shard's rows with each status, without zeros."""
        counts = Counter(each.status for each in self.shard_results)
        return {status.value: counts[status] for status in Status if counts[status]}

    @property
    def all_done(self) -> bool:
        """Whether all rows of the shard are done."""
        return all(each.status is Status.DONE for each in self.shard_results)


def plan_batch(
    manifest: Manifest,
    folder: OutputFolder,
    settings: BatchSettings,
    *,
    shard: tuple[int, int] = (0, 1),
    retry_failed: bool = False,
) -> BatchPlan:
    """Make the plan of a run; writes nothing.

    Raises:
        BundleError: The model does not exist.
        OutputError: A result would replace a file that the manifest names, or the manifest.
    """
    _refuse_inputs(manifest, folder, settings.suffix)
    identity = settings.identity(models_hash(settings.model))
    return make_plan(manifest, folder, identity, shard=shard, retry_failed=retry_failed)


def models_hash(name: str | None) -> str:
    """Return the identity of a model by its name, or of the default ones together.

    Raises:
        BundleError: A model does not exist.
    """
    hashes = [read_bundle(find_bundle(name, each)).sha256 for each in (Modality.CT, Modality.MR)]
    return " ".join(dict.fromkeys(hashes))


def _refuse_inputs(manifest: Manifest, folder: OutputFolder, suffix: str) -> None:
    rows = [each.row for each in manifest.rows]
    outputs = [folder.table, folder.sheet]
    for row in rows:
        # A mask of another format, from an earlier run, is removed once the new one is written.
        others = [folder.masks / f"{row.id}{other}" for each in LabelFormat for other in each.suffixes]
        outputs += [folder.masks / f"{row.id}{suffix}", *(each for each in others if each.exists())]
        outputs.append(folder.thumbnails / f"{row.id}.jpg")
    named = dict.fromkeys(path for row in rows for path in (row.volume, row.mask, row.truth) if path is not None)
    refuse_inputs(outputs, [manifest.path, *(manifest.base / each for each in named if not is_pacs_url(each))])


def run_batch(
    plan: BatchPlan,
    folder: OutputFolder,
    settings: BatchSettings,
    engine: EngineChoice,
    *,
    retry_failed: bool = False,
    report: Report = lambda result: None,
) -> BatchSummary:
    """Do the missing rows of a plan, and write table and contact sheet, also after Ctrl-C.

    Args:
        plan: The result of `plan_batch`.
        folder: The output folder; made if it does not exist.
        settings: The settings of all rows.
        engine: The engine.
        retry_failed: Also do rows that failed.
        report: Called after each row.

    Raises:
        RadsamError: The engine or the folder cannot be used. A row that fails raises nothing.
    """
    folder.make()
    found: list[RowResult] = []
    try:
        if plan.count:
            found = engine.runner()(plan.volumes, settings, folder, retry_failed=retry_failed, report=report)
    finally:
        results = write_results(plan, folder, found)
    shard_results = tuple(each for each in results if each.id in plan.shard_ids or each.status is Status.BAD_ROW)
    return BatchSummary(plan, results, shard_results)


def write_results(
    plan: BatchPlan, folder: OutputFolder, results_of_run: Sequence[RowResult] = ()
) -> tuple[RowResult, ...]:
    """Write the table and the contact sheet of all rows of the manifest.

    Args:
        plan: The plan.
        folder: The output folder.
        results_of_run: Results of this run; used for rows whose result could not be written.

    Returns:
        The results, in the order of the manifest.

    Raises:
        OutputError: They cannot be written.
    """
    # Shards can end together: the last one sees the results of all.
    with FileLock(folder.attempts / "merge.lock"):
        by_id = {each.id: each for each in results_of_run}
        stored = {key: read_volume_results(folder, key) for key in set(plan.keys.values())}
        results = [
            RowResult(
                id=each.id, object="", volume=each.volume, status=Status.BAD_ROW, message=each.message, line=each.line
            )
            for each in plan.bad_rows
        ]
        for task in plan.rows:
            result = stored[plan.keys[task.row.id]].get(task.row.id) or by_id.get(task.row.id)
            # The result of an earlier form of the row does not count.
            if result is None or result.fingerprint != task.fingerprint:
                result = task.result(Status.PENDING, message=MEANINGS[Status.PENDING])
            results.append(replace(result, line=task.line))
        ordered = tuple(sorted(results, key=lambda each: each.line))
        write_table(folder.table, ordered)
        write_contact_sheet(folder, ordered)
    return ordered
