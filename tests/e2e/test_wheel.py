"""Do the built packages work on a machine that has neither this repository nor torch?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS, SUFFIX = ("Scripts", ".exe") if sys.platform == "win32" else ("bin", "")

#: What pip says where it reaches no package index.
_OUT_OF_REACH = re.compile(
    r"No matching distribution found|Could not find a version|ConnectionError|Connection refused"
)

#: A wheel is 37 MB, of which the two bundles are 36; the index takes 100.
MOST_BYTES = 45_000_000

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

#: A script of a user, as in the README; its last line is wrong.
TYPED = """
import radsam

session = radsam.load().open(radsam.read_volume("ct.nii.gz"))
session.segment(radsam.Box(k=41, i0=120, j0=88, i1=210, j1=170), bounds=(30, 70), name="liver")
spacing_mm: tuple[float, float, float] = session.volume.geometry.spacing_mm_ijk
agreement: float = radsam.dice(session.mask("liver"), session.mask("liver"))
radsam.Box(k="forty-one", i0=120, j0=88, i1=210, j1=170)
"""


def installing(*arguments: object, env: Mapping[str, str] | None = None) -> None:
    """Run a command that needs packages; without them there is nothing to test here."""
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False, env=env)
    if done.returncode and _OUT_OF_REACH.search(done.stdout + done.stderr):
        pytest.skip(f"packages cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr


def pip(*arguments: object) -> None:
    installing(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, the wheel that was built from it, and the wheel of the weights' package, checked as for a release."""
    for needed in ("hatchling", "twine", "check_wheel_contents"):
        pytest.importorskip(needed, reason=f"the extra 'dev' brings {needed}")
    folder = tmp_path_factory.mktemp("dist")
    for source in (".", "packaging/radsam-lite-weights"):
        environment = os.environ | {"PYTHON": sys.executable, "DIST": str(folder)}
        installing("bash", ROOT / "scripts" / "build.sh", source, "--no-isolation", env=environment)
    return folder


@dataclass(frozen=True)
class Installed:
    """The wheel with its dependencies in an environment of its own; commands run in an empty folder beside it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "env" / SCRIPTS / f"python{SUFFIX}"

    @property
    def environment(self) -> dict[str, str]:
        """That of a machine without this repository; caches and the server's files stay in the folder."""
        inherited = {name: each for name, each in os.environ.items() if not name.startswith(("PYTHON", "RADSAM_"))}
        return inherited | {"RADSAM_CACHE": str(self.folder / "cache"), "RADSAM_WEIGHTS": str(self.folder / "none")}

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        program = self.folder / "env" / SCRIPTS / f"radsam{SUFFIX}"
        return subprocess.Popen(
            [str(program), *map(str, arguments)],
            cwd=self.folder / "work",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def radsam(self, *arguments: object, code: int = 0) -> str:
        process = self.start(*arguments)
        printed, _ = process.communicate()
        assert process.returncode == code, printed
        return printed

    def code(self, code: str) -> str:
        done = subprocess.run(
            [str(self.python), "-c", code],
            cwd=self.folder / "work",
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self, *arguments: object) -> Iterator[str]:
        process = self.start("serve", *arguments, "--port", 0, "--no-browser", "--state", self.folder / "state")
        try:
            assert process.stdout is not None
            printed = []
            for line in process.stdout:
                printed.append(line)
                if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                    yield found.group()
                    return
            raise AssertionError("".join(printed))
        finally:
            process.terminate()
            process.communicate()


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    found = Installed(tmp_path_factory.mktemp("installed"))
    (found.folder / "work").mkdir()
    venv.create(found.folder / "env", with_pip=False)
    pip("--python", found.python, "install", "--no-compile", *dist.glob("radsam-*.whl"))
    return found


@pytest.mark.slow
def test_the_packages_hold_what_they_need_and_nothing_else(dist: Path) -> None:
    packages = sorted(dist.iterdir())
    assert [each.suffix for each in packages] == [".whl", ".gz", ".whl"]
    assert all(each.stat().st_size < MOST_BYTES for each in packages)
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(next(dist.glob("radsam-*.whl"))) as archive:
        wheel = set(archive.namelist())
    for path in ("py.typed", "server/static/licences.md", "weights/radsam-lite/encoder.onnx"):
        assert f"src/radsam/{path}" in source
        assert f"radsam/{path}" in wheel
    tops = {"tests/conftest.py", "scripts/test.sh", "configs/finetune.toml", "web/package-lock.json", "docs/web.md"}
    assert source >= tops
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode == 0:  # not in an unpacked sdist
        untracked = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "--others", "--exclude-standard"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert source <= {*listed.stdout.splitlines(), *untracked.stdout.splitlines(), "PKG-INFO"}


@pytest.mark.slow
def test_the_wheel_segments_in_an_environment_without_torch(installed: Installed) -> None:
    assert installed.code("import importlib.util as u; print(u.find_spec('torch'))").strip() == "None"
    presets = installed.code("from radsam.settings import preset_names; print(*preset_names())").split()
    assert presets == sorted(each.stem for each in (ROOT / "configs").glob("*.toml"))
    k, *box = json.loads(installed.code(MAKE_CT))
    arguments = ["--slice", k, "--box", *box, "--bounds", k - 2, k + 2, "-o", "mask.nii.gz"]
    found = json.loads(installed.radsam("segment", "ct.nii.gz", *arguments, "--json"))
    assert found["objects"][0]["volume_ml"] > 100
    assert "openvino" in found["backend"]
    work = installed.folder / "work"
    assert (work / "mask.nii.gz").is_file()

    (work / "cases.csv").write_text("id,volume,mask\na,ct.nii.gz,mask.nii.gz\n")
    assert "1 objects in 1 volumes" in installed.radsam("batch", "cases.csv", "-o", "out", "--dry-run")
    assert "--hours" in installed.radsam("finetune", "--help")
    (work / "cases" / "a").mkdir(parents=True)
    (work / "ct.nii.gz").rename(work / "cases" / "a" / "ct.nii.gz")
    (work / "truth.nii.gz").rename(work / "cases" / "a" / "seg.nii.gz")
    assert "radsam[train]" in installed.radsam("finetune", "cases", "-o", "mine", code=4)


@pytest.mark.slow
def test_the_wheel_serves_the_page(installed: Installed) -> None:
    with installed.serving() as url, httpx.Client(base_url=url) as client:
        assert client.get("healthz").json()["status"] == "ok"
        page = client.get("").text
        scripts = re.findall(r'(?:src|href)="\./([^"]+\.(?:js|css))"', page)
        assert scripts
        assert {client.get(each).status_code for each in scripts} == {200}


@pytest.mark.slow
def test_the_types_of_the_installed_package_check_a_users_script(installed: Installed) -> None:
    """Without py.typed in the wheel, mypy would take everything of it for `Any`, and refuse that when strict."""
    script = installed.folder / "work" / "user.py"
    script.write_text(TYPED)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", installed.folder / "mypy", "--no-error-summary"]
    done = subprocess.run(
        [*mypy, "--python-executable", installed.python, script.name],
        cwd=script.parent,
        env=installed.environment,
        capture_output=True,
        text=True,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith('user.py:8: error: Argument "k" to "Box" has incompatible type "str"'), done.stdout


@pytest.mark.slow
def test_the_demo_runs_with_the_weights_of_their_own_package(dist: Path, installed: Installed) -> None:
    """As after the first release, when RadSAM has no bundle inside."""
    site = Path(installed.code("import radsam; print(radsam.__file__)").strip()).parent.parent
    rmtree(site / "radsam" / "weights")
    printed = installed.radsam("demo", code=3)
    assert "radsam-lite-weights" in printed
    pip("--python", installed.python, "install", "--no-deps", *dist.glob("radsam_lite_weights-*.whl"))
    listed = json.loads(installed.radsam("weights", "list", "--json"))["bundles"]
    assert {each["name"]: each["default"] for each in listed} == {"radsam-lite": True, "radsam-lite-mr": True}
    assert {Path(each["path"]).parent for each in listed} == {site / "radsam_lite_weights"}
    assert "liver" in installed.radsam("demo").lower()
    assert list((installed.folder / "work" / "radsam-demo").iterdir())
