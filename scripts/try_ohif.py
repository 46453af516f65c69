"""Try the code of MONAI Label's OHIF extension with `radsam serve`, without a browser.

The package `monailabel` ships OHIF with its extension, built. `try_ohif.mjs` loads the extension's part of it under
Node and lets it connect, send two clicks and unpack the masks; this starts the server and compares the masks, voxel by
voxel, with those of the command line. Any difference ends it with exit code 1. Needs Node, npm and pip::

    python scripts/try_ohif.py SERIES --point 156 303 10 --not-point 310 256 10
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from radsam.io.volume_read import read_labels, read_volume

_HERE = Path(__file__).parent
_RADSAM = [sys.executable, "-m", "radsam"]
_MONAI_LABEL = "monailabel==0.8.5"
_NODE_PACKAGES = ("axios@1", "nrrd-js@0.2.1", "pako@2")  # what the extension uses
_LONGEST_START = 300.0


def extension(folder: Path) -> Path:
    """Download the package and the extension's own dependencies once; return the extension's bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.whl")):
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, _MONAI_LABEL], check=True
        )
    if not (folder / "node_modules").is_dir():
        npm = shutil.which("npm") or sys.exit("This needs Node and npm.")
        subprocess.run([npm, "install", "--silent", "--no-audit", "--prefix", folder, *_NODE_PACKAGES], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if re.search(r"static/ohif/\d+\.bundle\..*\.js$", name) and b"class MonaiLabelPanel" in wheel.read(name):
                (folder / "extension.js").write_bytes(wheel.read(name))
                return folder / "extension.js"
    sys.exit(f"{_MONAI_LABEL} has no OHIF extension in it.")


@contextmanager
def serving(series: Path, folder: Path) -> Iterator[str]:
    """Serve a series on a free port; yield the address."""
    line = [*_RADSAM, "serve", "--no-browser", "--port", "0", "--state", str(folder / "state"), "--data", str(series)]
    log, end = folder / "serve.log", time.monotonic() + _LONGEST_START
    with log.open("w") as out, subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT) as server:
        try:
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
                if server.poll() is not None or time.monotonic() > end:
                    sys.exit(f"The server did not start:\n{log.read_text()}")
                time.sleep(0.2)
            yield found[0]
        finally:
            server.terminate()


def command_line(folder: Path, *words: object) -> np.ndarray:
    """Run the command line; return its mask."""
    out = folder / "of-the-command-line.nii.gz"
    subprocess.run([*_RADSAM, *map(str, words), "-o", str(out)], check=True, capture_output=True)
    return np.asarray(read_labels(out).ids > 0)


def main() -> None:
    """Try it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", type=Path, help="A folder with one DICOM series.")
    parser.add_argument("--point", type=int, nargs=3, required=True, metavar=("I", "J", "K"), help="In the object.")
    parser.add_argument("--not-point", type=int, nargs=3, required=True, metavar=("I", "J", "K"), help="Outside it.")
    parser.add_argument("--url", help="A server that serves the series already, for example behind a proxy.")
    parser.add_argument("--cache", type=Path, default=Path(".cache/try-ohif"), help="Where downloads are kept.")
    args = parser.parse_args()
    bundle = extension(args.cache.resolve())
    geometry, series_uid = read_volume(args.series).geometry, series_of(args.series)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(_HERE / "try_ohif.mjs", bundle.parent / "try_ohif.mjs")  # beside node_modules
        clicks = [",".join(map(str, each)) for each in (args.point, args.not_point)]
        line = ["node", "try_ohif.mjs", bundle, "URL", series_uid, *clicks, folder / "mask"]
        shape = ",".join(map(str, geometry.shape_ijk))
        if args.url:
            run(line, args.url, shape, bundle.parent)
        else:
            with serving(args.series, folder) as url:
                run(line, url, shape, bundle.parent)
        i, j, k = args.point
        session = folder / "s.radsam"
        first = command_line(folder, "segment", args.series, "--slice", k, "--point", i, j, "--session", session)
        second = command_line(folder, "edit", session, "--fix-not", *args.not_point)
        sys.exit(1 if any([differ(folder, "click", first), differ(folder, "correction", second)]) else 0)


def series_of(folder: Path) -> str:
    """Return the SeriesInstanceUID, by which OHIF names the image."""
    import pydicom

    first = next(each for each in sorted(folder.iterdir()) if each.is_file())
    return str(pydicom.dcmread(first).SeriesInstanceUID) or sys.exit(f"{first} has no SeriesInstanceUID.")


def run(line: Sequence[object], url: str, shape: str, folder: Path) -> None:
    """Run the extension; print what it says."""
    words = [str(each) if each != "URL" else url for each in line]
    done = subprocess.run(words, cwd=folder, env={**os.environ, "SHAPE": shape}, capture_output=True, text=True)
    print(done.stdout, end="")
    if done.returncode:
        sys.exit(done.stderr)


def differ(folder: Path, step: str, wanted: np.ndarray) -> bool:
    """Compare the viewer's label map with the command line's mask."""
    found = np.fromfile(folder / f"mask.{step}", np.uint8).reshape(wanted.shape) > 0
    wrong = int((found != wanted).sum())
    print(json.dumps({"step": step, "voxels of the command line": int(wanted.sum()), "differ": wrong}))
    return bool(wrong) or not found.any()


if __name__ == "__main__":
    main()
