"""The log of a run: CSV files that resume at a checkpoint's step, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from radsam.disk.atomic_write import replacing

#: Columns of the training log.
TRAINING_COLUMNS = (
    *("step", "seconds", "lr", "grad_norm", "loss", "dice_loss", "bce", "iou_error", "presence_loss"),
    *(f"dice_loss_{kind}" for kind in ("box", "point", "mask", "neighbour", "repair")),
    *(f"dice_loss_{kind}" for kind in ("edit", "walk", "walk with click")),
)


class RunLog:
    """Numbers by step.

    Args:
        folder: Where the files go.
        resumed_step: Lines after this step are dropped: they will be written again.
    """

    def __init__(self, folder: Path, resumed_step: int) -> None:
        self._folder = folder
        for path in folder.glob("*.csv"):
            _drop_after(path, resumed_step)
        self._board: Any = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard.writer import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_step + 1)

    def write(self, name: str, row: Mapping[str, float | int]) -> None:
        """Append one line to ``name.csv``; its first line decides the columns."""
        path = self._folder / f"{name}.csv"
        columns = list(row)
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                columns = next(csv.reader(file), columns)
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            if fresh:
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
        if self._board is not None:
            for key, value in row.items():
                self._board.add_scalar(f"{name}/{key}", value, int(row["step"]))

    def close(self) -> None:
        """Finish the files."""
        if self._board is not None:
            self._board.close()


def _drop_after(path: Path, step: int) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if not lines:
        path.unlink()
        return
    # A line that was cut short by the end of the process is dropped, too.
    earlier = [line for line in lines[1:] if len(line) == len(lines[0]) and float(line[0]) <= step]
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([lines[0], *earlier])
