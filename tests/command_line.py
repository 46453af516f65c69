"""The command line as a process, and its result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from jaxtyping import Bool
from typer import testing
from typer.testing import CliRunner

from radsam.cli.commands import app
from radsam.cli.point_arguments import join_points
from radsam.data.adapters.phantom import Phantom

# Typer makes every command anew for each run of one, which takes longer than many of them.
testing._get_command = cache(testing._get_command)

#: Variables that change how help and errors are drawn, which files are found, or which login is used.
_NOT_INHERITED = {"COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH", "RADSAM_DATA"}
_NOT_INHERITED |= {"RADSAM_PACS_USER", "RADSAM_PACS_PASSWORD", "RADSAM_PACS_TOKEN", "RADSAM_PACS_TIMEOUT"}

#: Hides these packages, as if they were not installed.
WITHOUT_EXTRAS = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    hidden = {"torch", "onnx", "lightning_fabric", "tensorboard", "transformers", "beartype", "monai",
              "dicomweb_client", "pynetdicom", "keyring", "requests"}
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.hidden else super().find_spec(name, path, target)
sys.meta_path = [Without if each is PathFinder else each for each in sys.meta_path]
"""

#: Ends what `before` begins: the same as ``python -m radsam``.
_RUN = "\nimport runpy\nrunpy.run_module('radsam', run_name='__main__', alter_sys=True)\n"


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The standard output, which must be one JSON object and nothing else."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    @property
    def stderr_line(self) -> str:
        """Standard error as one line, without the frame that typer draws around usage errors."""
        return " ".join(re.sub(r"[│╭╮╰╯─]", " ", self.stderr).split())

    def done(self) -> Finished:
        """Check that the exit code is 0."""
        assert self.returncode == 0, self.stderr
        return self


class CommandLine:
    """Starts ``python -m radsam`` with its own weights folder and cache.

    Args:
        folder: Where weights and encoded slices of these processes go.
    """

    def __init__(self, folder: Path) -> None:
        self.weights = folder / "weights"
        self.cache = folder / "cache"
        self.env = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | {
            "RADSAM_WEIGHTS": str(self.weights),
            "RADSAM_CACHE": str(self.cache),
        }

    def __call__(
        self,
        *args: object,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        before: str = "",
        options: Sequence[str] = (),
    ) -> Finished:
        """Run to the end.

        Args:
            args: Arguments of `radsam`.
            cwd: Working directory.
            env: Variables that differ from the usual ones.
            before: Python code that the process runs first.
            options: Options of the interpreter.
        """
        process = self.start(*args, cwd=cwd, env=env, before=before, options=options)
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return Finished(process.returncode, stdout, stderr)

    def here(self, *args: object, cwd: Path, env: Mapping[str, str] | None = None) -> Finished:
        """Run in this process: faster, and array shapes are checked."""
        with chdir(cwd), patch.dict(os.environ, self.env | dict(env or {})):
            result = CliRunner().invoke(app, join_points([str(each) for each in args]), prog_name="radsam")
        return Finished(result.exit_code, result.stdout, result.stderr)

    def start(
        self,
        *args: object,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        before: str = "",
        options: Sequence[str] = (),
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start it and return at once; the caller ends it."""
        program = ["-c", before + _RUN] if before else ["-m", "radsam"]
        return subprocess.Popen(
            [sys.executable, *options, *program, *map(str, args)],
            cwd=cwd,
            env=self.env | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
        )


@dataclass(frozen=True)
class Target:
    """The prompt of a careful user for an object: the slice of largest area, its box, the bounds."""

    k: int
    box: tuple[int, int, int, int]
    bounds: tuple[int, int]

    @classmethod
    def of(cls, truth: Bool[np.ndarray, "k j i"]) -> Target:
        areas = truth.sum(axis=(1, 2))
        k, slices = int(areas.argmax()), np.flatnonzero(areas)
        rows, cols = np.nonzero(truth[k])
        box = int(cols.min()), int(rows.min()), int(cols.max()), int(rows.max())
        return cls(k, box, (int(slices[0]), int(slices[-1])))

    def near(self, slices: int) -> tuple[int, int]:
        """Bounds of at most this many slices to each side of the prompted one."""
        low, high = self.bounds
        return max(low, self.k - slices), min(high, self.k + slices)


@dataclass(frozen=True)
class PhantomFile:
    """A phantom CT on disk, oblique and flipped, small enough for many runs."""

    path: Path
    phantom: Phantom

    def target(self, organ: str) -> Target:
        return Target.of(self.phantom.mask(organ))
