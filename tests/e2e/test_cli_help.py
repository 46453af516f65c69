"""Is the command installed, fast to print its help, and clear about wrong usage?"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from command_line import CommandLine

COMMANDS = [
    "",
    "demo",
    "info",
    "segment",
    "edit",
    "batch",
    "serve",
    "tokens",
    "tokens add",
    "tokens list",
    "tokens revoke",
    "project simulate",
    "pacs",
    "pacs find",
    "pacs get",
    "pacs put",
    "pacs login",
    "pacs logout",
    "train",
    "evaluate",
    "export",
    "finetune",
    "data",
    "data prepare",
    "data pack",
    "data rollouts",
    "data show",
    "weights",
    "weights convert",
    "weights list",
    "weights show",
    "weights verify",
    "cache",
    "cache show",
    "cache clear",
]
#: Importing each of these takes longer than printing the help.
HEAVY = {"SimpleITK", "matplotlib", "numpy", "onnxruntime", "openvino", "pydicom", "scipy", "torch"}
HEAVY |= {"fastapi", "starlette", "uvicorn"}  # pydantic comes with typer


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_printed_without_heavy_imports(run_radsam: CommandLine, tmp_path: Path, command: str) -> None:
    result = run_radsam(*command.split(), "--help", cwd=tmp_path, options=("-X", "importtime"))
    assert result.returncode == 0
    assert f"Usage: radsam {command}".strip() in result.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_the_version_is_that_of_the_package(run_radsam: CommandLine, tmp_path: Path) -> None:
    assert run_radsam("--version", cwd=tmp_path).done().stdout == f"radsam {version('radsam')}\n"


def test_a_script_of_the_name_radsam_is_installed() -> None:
    assert any((Path(sys.executable).parent / name).is_file() for name in ("radsam", "radsam.exe"))


# Other wrong usage is in unit/cli/test_main.py, without a process for each case.
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("segment ct.nii.gz --slice 3 -o out.nii.gz", "Give exactly one prompt: --box, --point or --mask"),
        ("segment ct.nii.gz --slice 3 -o out.nii.gz --point 3 3 --fix 1 2", "--fix takes three numbers"),
        ("edit a.radsam -o out.nii.gz --undo --to 3", "--to does not belong to --undo"),
    ],
)
def test_wrong_usage_is_named_and_ends_with_2(run_radsam: CommandLine, tmp_path: Path, line: str, words: str) -> None:
    result = run_radsam(*line.split(), cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr_line
    assert "bug" not in result.stderr
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())
