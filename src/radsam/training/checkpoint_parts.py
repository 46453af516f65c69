"""A checkpoint in a few small files, for a machine that gives back small files only.

Weights stay whole; their average and the optimizer's state are rounded to 16 bits, so a run that goes on from parts
is not exactly the run that was not interrupted, as one that goes on from ``last.pt`` is.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.training.training_checkpoint import load_values

#: Parts are named by their number and how many there are.
_NAME = "{stem}.{number}of{count}"


def write_parts(checkpoint: Path, folder: Path, most_bytes: int = 16_000_000) -> list[Path]:
    """Write a checkpoint's parts, and remove the parts of an earlier one.

    Args:
        checkpoint: A file that `train` wrote.
        folder: Where the parts go.
        most_bytes: Largest part.
    """
    values = load_values(checkpoint, "training checkpoint")
    for name in ("average", "optimizer"):
        values[name] = _converted(values[name], torch.float32, torch.bfloat16 if name == "optimizer" else torch.float16)
    stream = io.BytesIO()
    torch.save(values, stream)
    content = stream.getvalue()
    count = -(-len(content) // most_bytes)
    size = -(-len(content) // count)
    folder.mkdir(parents=True, exist_ok=True)
    old, written = set(_parts(folder, checkpoint.stem)), []
    for number in range(count):
        target = folder / _NAME.format(stem=checkpoint.stem, number=number + 1, count=count)
        with replacing(target) as scratch:
            scratch.write_bytes(content[number * size : (number + 1) * size])
        written.append(target)
    for each in old - set(written):
        each.unlink()
    return written


def join_parts(folder: Path, target: Path) -> None:
    """Write the checkpoint that a folder's parts make, for `train` to go on from.

    Args:
        folder: Holds the parts of one checkpoint.
        target: The checkpoint, such as ``last.pt``; its name without the suffix is that of the parts.

    Raises:
        InputError: A part is missing, or they do not belong together.
    """
    parts = _parts(folder, target.stem)
    count = int(parts[0].name.rpartition("of")[2]) if parts else 0
    wanted = [folder / _NAME.format(stem=target.stem, number=number + 1, count=count) for number in range(count)]
    if not parts or sorted(wanted) != sorted(parts):
        raise InputError(
            f"{folder} does not hold all parts of one checkpoint {target.stem}: it has "
            f"{', '.join(each.name for each in parts) or 'none'}."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    joined = target.with_suffix(".joined")
    try:
        joined.write_bytes(b"".join(each.read_bytes() for each in wanted))
        values = load_values(joined, "training checkpoint in parts")
    finally:
        joined.unlink(missing_ok=True)
    for name in ("average", "optimizer"):
        for rounded in (torch.float16, torch.bfloat16):
            values[name] = _converted(values[name], rounded, torch.float32)
    with replacing(target) as scratch:
        torch.save(values, scratch)


def _parts(folder: Path, stem: str) -> list[Path]:
    return sorted(folder.glob(f"{stem}.*of*"))


def _converted(value: Any, before: torch.dtype, after: torch.dtype) -> Any:
    """Return nested values with the tensors of one type turned into another; single numbers stay."""
    if isinstance(value, Tensor):
        return value.to(after) if value.dtype == before and value.ndim else value
    if isinstance(value, dict):
        return {key: _converted(each, before, after) for key, each in value.items()}
    if isinstance(value, list):
        return [_converted(each, before, after) for each in value]
    return value
