"""One of several training processes, started by torchrun: ``two_processes.py CONFIG.json OUT``.

It writes what it agreed on with the others to ``OUT/process-<rank>.json``, for a test to read.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from radsam.errors import ExecutionError
from radsam.settings import settings_from_dict
from radsam.training import distributed
from radsam.training.training_config import TrainConfig
from radsam.training.training_run import Run, prepare_scenes


def main(config_file: Path, out: Path) -> None:
    torch.set_num_threads(1)
    config = settings_from_dict(TrainConfig, json.loads(config_file.read_text()))
    fabric = distributed.open_fabric(config.run)
    first = fabric.global_rank == 0
    found: dict[str, Any] = {
        "wishes": distributed.any_process(fabric, [False, first, not first]),
        "flags": distributed.flags_of_all(fabric, [first, True]),
        "on the first": distributed.on_first_process(fabric, lambda: 7.0 if first else 0.0),
        "gradients": averaged(fabric, first),
    }
    run = Run(config, out, *prepare_scenes(config), report=lambda line: None, fabric=fabric)
    # The first process alone has no time left; the second must stop at the same step.
    result = run.until(0.0 if first else math.inf)
    found["stopped"] = result.step
    found["finished"] = vars(run.until(math.inf)) | {"checkpoint": None}
    if not first:
        run._decode = lambda *inputs: tuple(torch.nan * part for part in run.model.decode(*inputs))  # type: ignore[assignment, method-assign]
    try:
        run.train_step()
    except ExecutionError as error:
        found["error"] = str(error)
    (out / f"process-{fabric.global_rank}.json").write_text(json.dumps(found))


def averaged(fabric: Any, first: bool) -> list[float | None]:
    """Gradients of three parameters: of both processes, of the first one only, of none."""
    parameters = [nn.Parameter(torch.zeros(2, 2)) for _ in range(3)]
    parameters[0].grad = torch.full((2, 2), 1.0 if first else 3.0)
    parameters[1].grad = torch.full((2, 2), 5.0) if first else None
    distributed.average_gradients(fabric, parameters)
    return [None if each.grad is None else each.grad.mean().item() for each in parameters]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
