"""Does every command end as it should where its standard output or error cannot be used?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume

CLOSED, FULL = "the standard output is closed", "No space left on device"


def run(run_radsam: CommandLine, folder: Path, redirected: str, *args: object, **env: str) -> tuple[int, str, str]:
    """Run a command with redirections of the shell; return its exit code, output and errors."""
    result = subprocess.run(
        ["sh", "-c", f'"$@" {redirected}', "sh", sys.executable, "-m", "radsam", *map(str, args)],
        cwd=folder,
        env=run_radsam.env | env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("redirected", "args", "code", "words"),
    [
        (">&-", "--version", 4, CLOSED),
        (">/dev/full", "--help", 4, FULL),
        (">&-", "batch --template", 4, CLOSED),
        (">/dev/full", "info gone.nii.gz --json", 3, "does not exist"),
        (">&- 2>&-", "--version", 4, ""),
        (">/dev/full 2>/dev/full <&-", "info gone.nii.gz", 3, ""),
        ("2>&-", "--version", 0, ""),
        ("2>/dev/full", "nonsense", 2, ""),
    ],
)
def test_an_output_that_cannot_be_written_has_its_code_and_a_line(
    run_radsam: CommandLine, tmp_path: Path, redirected: str, args: str, code: int, words: str
) -> None:
    found, _, stderr = run(run_radsam, tmp_path, redirected, *args.split())
    assert found == code
    assert len(stderr.splitlines()) == bool(words)
    assert words in stderr


def test_a_reader_that_has_enough_does_not_count(run_radsam: CommandLine, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "radsam", "segment", "--help"]
    result = subprocess.run(command, cwd=tmp_path, env=run_radsam.env, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, b"")


def test_the_files_are_written(run_radsam: CommandLine, tmp_path: Path) -> None:
    labels = LabelVolume(np.ones((2, 3, 4), np.uint8), Geometry((2, 3, 4), np.eye(4)))
    write_labels(labels, tmp_path / "a.nii.gz")
    code, _, stderr = run(run_radsam, tmp_path, ">/dev/full", "convert", "a.nii.gz", "-o", "b.nrrd")
    assert code == 4
    assert "Files that the command writes are complete." in stderr
    assert "Traceback" not in stderr
    np.testing.assert_array_equal(read_labels(tmp_path / "b.nrrd").ids, labels.ids)


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8"])
def test_an_encoding_that_lacks_a_character_shows_its_code(
    run_radsam: CommandLine, tmp_path: Path, encoding: str
) -> None:
    name = os.fsdecode(b"L\xe9a\xc3\xbc\n.nii.gz")
    code, _, stderr = run(run_radsam, tmp_path, "", "info", name, PYTHONIOENCODING=encoding)
    assert code == 3
    assert r"L\xe9a" in stderr
    assert (r"\xfc" if "ascii" in encoding else "ü") in stderr
    assert "Traceback" not in stderr
