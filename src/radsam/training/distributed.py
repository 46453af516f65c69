"""One run on one or several processes: devices, gradients and shared flags.

Every process holds the whole model and trains its own parts of a step's episodes. A step
runs many forward passes, and each process another number of them, so gradients are not
exchanged while they are computed: they add up in each process, and become one once a step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from radsam.errors import InputError
from radsam.training.training_config import RunConfig
from radsam.training.training_step import StepLosses

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: Values that travel together; 128 MB in float32.
_BUCKET = 2**25

#: Longest wait for the other processes: one step may be slow, a validation waits by other means.
_TIMEOUT = timedelta(minutes=30)


def open_fabric(run: RunConfig) -> Fabric:
    """Start Lightning Fabric, and with it the other processes unless torchrun or SLURM started them.

    Raises:
        InputError: The hardware or the number of processes is not what the configuration says.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    _require_processes(run)
    device = _device_type(run.accelerator)
    several = run.strategy == "ddp" or run.devices * run.nodes > 1
    try:
        fabric = Fabric(
            accelerator=device,
            devices=run.devices,
            num_nodes=run.nodes,
            strategy=DDPStrategy(timeout=_TIMEOUT) if several else "auto",
            precision=precision_on(device, run.precision),
        )
        fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{run.devices} process(es) on {run.nodes} node(s), each with a device of the kind {device!r}, cannot be "
            f"started: {error} Check run.accelerator, run.devices and run.nodes."
        ) from error
    return fabric


def one_device(run: RunConfig) -> torch.device:
    """The device that a single process computes on."""
    return torch.device(_device_type(run.accelerator))


def precision_on(device: str, precision: str) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Choose the precision: "auto" takes bf16-mixed only where the hardware computes it.

    Elsewhere bf16 is emulated, which is slower than float32.

    Args:
        device: "cpu", "cuda" or "mps".
        precision: One of `radsam.training.training_config.Precision`.
    """
    match precision:
        case "auto":
            return "bf16-mixed" if _computes_bf16(device) else "32-true"
        case "32-true" | "bf16-mixed" | "16-mixed":
            return precision
    raise InputError(f"The precision {precision!r} is unknown.")


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Replace each process's gradients by the mean over all; none where no process has one."""
    if fabric.world_size == 1:
        return
    parameters = list(parameters)
    has = torch.tensor([float(each.grad is not None) for each in parameters], device=fabric.device)
    wanted = _reduced(fabric, has, "max").tolist()
    for bucket in _buckets([each for each, one in zip(parameters, wanted, strict=True) if one]):
        for each in bucket:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        gradients = [each.grad for each in bucket if each.grad is not None]
        flat = _reduced(fabric, torch.cat([gradient.ravel() for gradient in gradients]), "mean")
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()


def any_process(fabric: Fabric, flags: Sequence[bool]) -> list[bool]:
    """For each flag, whether any process has set it."""
    gathered = flags_of_all(fabric, flags)
    return [any(gathered[number :: len(flags)]) for number in range(len(flags))]


def flags_of_all(fabric: Fabric, flags: Sequence[bool]) -> list[bool]:
    """The flags of all processes, one after the other; all have equally many."""
    if fabric.world_size == 1:
        return list(flags)
    gathered = torch.zeros(fabric.world_size, len(flags), device=fabric.device)
    gathered[fabric.global_rank] = torch.tensor([float(flag) for flag in flags])
    return [flag > 0 for flag in _reduced(fabric, gathered, "max").ravel().tolist()]


def losses_of_all(fabric: Fabric, losses: StepLosses) -> StepLosses:
    """The sums over the prompts of all processes."""
    if fabric.world_size == 1:
        return losses
    found: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(found, losses)
    total = StepLosses()
    for each in found:
        total.add(each)
    return total


def on_first_process(fabric: Fabric, work: Callable[[], float]) -> float:
    """Let the first process do long work while the others wait; return its result on all of them."""
    found = 0.0
    # Waits without a limit, where a barrier would give up on a long validation.
    with fabric.rank_zero_first():
        if fabric.is_global_zero:
            found = work()
    return float(fabric.broadcast(found))


def _reduced(fabric: Fabric, values: Tensor, how: str) -> Tensor:
    reduced = fabric.all_reduce(values, reduce_op=how)
    if not isinstance(reduced, Tensor):  # cannot happen: the input is a tensor
        raise TypeError(type(reduced))
    return reduced


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and size + parameter.numel() > _BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket


def _require_processes(run: RunConfig) -> None:
    """Refuse processes that were started apart: each would write the same files."""
    expected = run.devices * run.nodes
    # A single task of SLURM may start the others itself.
    started = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1)
    if started == 1:
        if run.nodes > 1:
            raise InputError(
                f"run.nodes is {run.nodes}, but this process was started alone. Start it on every node with torchrun, "
                "or by SLURM with srun."
            )
    elif started != expected:
        raise InputError(
            f"{started} process(es) were started, but run.devices × run.nodes is {run.devices} × {run.nodes}. "
            "Make them agree; optim.accumulate makes up for fewer processes."
        )


def _device_type(accelerator: str) -> str:
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _computes_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    # Only these two instruction sets of a CPU compute bf16; other names and devices count as without.
    supported = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return device == "cpu" and any(check is not None and check() for check in supported)
