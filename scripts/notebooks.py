"""Run the notebooks of the docs, and keep what they show.

    python scripts/notebooks.py                        # all of docs/notebooks: run, and write the outputs into them
    python scripts/notebooks.py --check NOTEBOOK ...   # run only
    python scripts/notebooks.py --check docs/notebooks/segment_and_measure.ipynb --set 'CT="series/"' --set SLICE=12

Each runs in a process and an empty folder of its own, with IPython and without a kernel. `--set` replaces a value of
the cell that is tagged "parameters". The repository holds the outputs, so that readers see them without a run; the hash
of the code beside them tells a test when they are of other code.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
#: Of stored pictures: a fifth of the size of PNG.
_QUALITY = 80
#: Beside text, the kinds of output that are kept.
_RICH = ("image/png", "image/svg+xml", "text/markdown")


def code_hash(notebook: Any) -> str:
    """Return the SHA-256 of a notebook's code."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()


def run(path: Path, replaced: list[str]) -> Any:
    """Run a notebook in the current folder, and return it with its outputs.

    Raises:
        RuntimeError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    shell = InteractiveShell.instance(colors="nocolor")
    shell.display_formatter.active_types = ["text/plain", *_RICH]
    shell.system = lambda command: _run_command(shell.var_expand(command, depth=1))
    for number, cell in enumerate(each for each in notebook.cells if each.cell_type == "code"):
        source = cell.source
        if "parameters" in cell.metadata.get("tags", ()):
            source = "\n".join([source, *replaced])
        with capture_output() as captured:
            shell.display_trap.hook = sys.displayhook  # the one that keeps the value of a cell's last line
            result = shell.run_cell(source)
        if not result.success:
            raise RuntimeError(
                f"{path.name}: cell {number + 1} failed:\n{cell.source}\n{captured.stdout}{captured.stderr}"
            )
        cell.outputs = _outputs(captured)
        cell.execution_count = None
    notebook.metadata["radsam"] = {"code": code_hash(notebook)}
    return notebook


def _run_command(command: str) -> None:
    """Run the line after a `!` without a terminal, whose progress bars nobody wants to read, and fail where it does.

    Raises:
        RuntimeError: The command failed.
    """
    done = subprocess.run(command, shell=True, capture_output=True, text=True, encoding="utf-8", check=False)
    sys.stdout.write(done.stdout)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stderr}")


def _outputs(captured: Any) -> list[Any]:
    """Return text and pictures of a cell as a notebook stores them."""
    outputs = []
    if captured.stdout.strip():
        outputs.append(nbformat.v4.new_output("stream", name="stdout", text=captured.stdout))
    for each in captured.outputs:
        data = dict(each.data)
        if png := data.get("image/png"):
            data = {"image/jpeg": _smaller(png), "text/plain": "a picture"}
        outputs.append(nbformat.v4.new_output("display_data", data=data))
    return outputs


def _smaller(png: str | bytes) -> str:
    """Return a picture as JPEG, with the full colour of thin lines."""
    raw = png if isinstance(png, bytes) else base64.b64decode(png)
    stored = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").save(stored, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


def main() -> None:
    """Run each notebook in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", type=Path, nargs="*")
    parser.add_argument("--check", action="store_true", help="leave the files as they are")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--here", action="store_true", help="run in this process and folder")
    given = parser.parse_args()
    for path in given.notebooks or sorted(FOLDER.glob("*.ipynb")):
        if given.here:
            notebook = run(path, given.set)
            if not given.check:
                nbformat.write(notebook, path)
            continue
        again = [sys.executable, __file__, "--here", str(path.resolve()), *(["--check"] if given.check else [])]
        again += [word for each in given.set for word in ("--set", each)]
        with tempfile.TemporaryDirectory(prefix="radsam-notebook-") as folder:
            environment = os.environ | {"IPYTHONDIR": folder, "JUPYTER_PLATFORM_DIRS": "1", "COLUMNS": "110"}
            if subprocess.run(again, cwd=folder, env=environment, check=False).returncode:
                sys.exit(f"{path} failed.")


if __name__ == "__main__":
    main()
