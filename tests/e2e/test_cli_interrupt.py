"""Ctrl-C: a clean stop with exit code 130, at any moment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import CommandLine, PhantomFile
from radsam.io.volume_read import read_labels
from waiting import wait_for

START = ("--slice", 14, "--box", 57, 15, 70, 38)
#: A process that was started in the background may ignore Ctrl-C; a user's does not.
LISTEN = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.mark.slow
def test_ctrl_c_while_slices_are_encoded(
    run_radsam: CommandLine, phantom_ct: PhantomFile, lite_bundle: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    results = tmp_path / "results"
    results.mkdir()
    line = ("segment", phantom_ct.path, *START, "--bounds", 0, 23, "--model", lite_bundle, "-o", "mask.nii.gz")
    process = run_radsam.start(
        *line, "--session", "s.radsam", "--preview", "p.png", "--json",
        cwd=results, env={"RADSAM_CACHE": str(cache)}, before=LISTEN,
    )  # fmt: skip
    try:
        # With --session every encoded slice goes to the cache: the second file shows that it is running.
        wait_for(lambda: len(list(cache.glob("*.npy"))), lambda slices: slices >= 2, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    # At most the current slice is finished: of the 24, most were left.
    assert len(list(cache.glob("*.npy"))) < 24
    assert stderr.startswith("Error: Stopped.")
    assert json.loads(stdout)["error"]["exit_code"] == 130
    assert not list(results.iterdir())
    assert all(each.suffix in (".npy", ".blob") for each in cache.rglob("*") if each.is_file())
    assert not list(cache.rglob("*partial*"))


#: Presses Ctrl-C when this module is about to be imported.
PRESS_ON_IMPORT = (
    LISTEN
    + """
import os, sys
class Press:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press)
"""
)


@pytest.mark.parametrize("module", ["typer", "radsam.cli.terminal", "radsam.cli.segment_command", "numpy"])
def test_ctrl_c_while_the_program_loads(run_radsam: CommandLine, tmp_path: Path, module: str) -> None:
    line = ("segment", "ct.nii.gz", *START, "-o", "mask.nii.gz")
    result = run_radsam(*line, cwd=tmp_path, before=PRESS_ON_IMPORT.format(module=module))
    assert result.returncode == 130
    assert result.stderr == "Error: Stopped. No half-written file was left.\n"
    assert not list(tmp_path.iterdir())


#: Presses Ctrl-C while a dataclass is made, which compiles and runs code of its own.
PRESS_IN_EXEC = """
import sys, types
from radsam.cli import main
commands = types.ModuleType("radsam.cli.commands")
commands.app = lambda **given: exec("raise KeyboardInterrupt")
sys.modules["radsam.cli.commands"] = commands
main.run()
"""


def test_ctrl_c_while_code_is_compiled_ends_with_130(tmp_path: Path) -> None:
    (tmp_path / "pressed.py").write_text(PRESS_IN_EXEC)
    ended = subprocess.run([sys.executable, "-m", "pressed"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 130
    assert ended.stderr == "Error: Stopped. No half-written file was left.\n"


#: Presses Ctrl-C while the content of the file with this name is written.
PRESS = (
    LISTEN
    + """
import os
plain = os.fsync
def press(descriptor):
    if ".{name}." in os.readlink(f"/proc/self/fd/{{descriptor}}"):
        os.kill(os.getpid(), signal.SIGINT)
    plain(descriptor)
os.fsync = press
"""
)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to find the file that is written")
@pytest.mark.parametrize("name", ["mask", "p", "s"])
def test_ctrl_c_while_a_file_is_written(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path, name: str
) -> None:
    line = ("segment", phantom_ct.path, *START, "--bounds", 13, 15, "--model", tiny_bundle)
    outputs = ("-o", "mask.nii.gz", "--preview", "p.png", "--session", "s.radsam")
    result = run_radsam(*line, *outputs, cwd=tmp_path, before=PRESS.format(name=name))
    assert result.returncode == 130, result.stderr
    whole = {"s": set(), "mask": {"s.radsam"}, "p": {"s.radsam", "mask.nii.gz"}}[name]
    assert {each.name for each in tmp_path.iterdir()} == whole
    if "mask.nii.gz" in whole:
        assert read_labels(tmp_path / "mask.nii.gz").ids.any()
