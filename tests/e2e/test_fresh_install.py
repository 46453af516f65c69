"""Does the built wheel work on a machine that has neither this repository nor torch?"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Writes a CT and prints the box and bounds of its liver.
MAKE_CT = """
import json, sys
import numpy as np
from radsam.data.adapters.phantom import make_phantom
from radsam.io.volume_write import write_labels, write_volume
phantom = make_phantom(shape_ijk=(96, 80, 16), spacing_mm_ijk=(3.6, 3.6, 8.0))
write_volume(phantom.volume, "ct.nii.gz")
write_labels(phantom.truth, "truth.nii.gz")
truth = phantom.mask("liver") | phantom.mask("liver_tumour")
k = int(truth.sum(axis=(1, 2)).argmax())
rows, cols = np.nonzero(truth[k])
json.dump([k, int(cols.min()), int(rows.min()), int(cols.max()), int(rows.max())], sys.stdout)
"""


@pytest.mark.slow
def test_the_wheel_segments_in_an_environment_without_torch(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("radsam-*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([*pip, "--python", str(python), "install", str(wheel)], check=True)

    def run(*arguments: str) -> str:
        return subprocess.run(
            [str(python), *arguments], check=True, cwd=tmp_path, capture_output=True, text=True
        ).stdout

    assert run("-c", "import importlib.util as u; print(u.find_spec('torch'))").strip() == "None"
    presets = run("-c", "from radsam.settings import preset_names; print(*preset_names())").split()
    assert presets == sorted(each.stem for each in (ROOT / "configs").glob("*.toml"))
    k, *box = json.loads(run("-c", MAKE_CT))
    arguments = ["--slice", k, "--box", *box, "--bounds", k - 2, k + 2, "-o", "mask.nii.gz"]
    found = json.loads(run("-m", "radsam", "segment", "ct.nii.gz", *map(str, arguments), "--json"))
    assert found["objects"][0]["volume_ml"] > 100
    assert "openvino" in found["backend"]
    assert (tmp_path / "mask.nii.gz").is_file()
